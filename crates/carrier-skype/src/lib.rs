#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app_name;
mod carrier;
mod counters;
mod dials;
mod error;
mod inbox;
mod machine;
mod paths;

pub use crate::app_name::app_name;
pub use crate::carrier::{ATTACH_TIMEOUT, PROGRAM_DEFAULT, SkypeCarrier};
pub use crate::counters::Counters;
pub use crate::dials::OPENS_MAX;
pub use crate::error::AttachError;
pub use crate::machine::{IDLE_MAX, PAYLOAD_MAX};
pub use crate::paths::PATHS_MAX;
pub use skype_api::session::Refusal;
