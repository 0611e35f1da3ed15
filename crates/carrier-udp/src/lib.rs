#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod carrier;
mod paths;

pub use crate::carrier::{Counters, PAYLOAD_MAX, UdpCarrier};
pub use crate::paths::PATHS_MAX;
