//! What is said on a tunnel stream before its payload: the target, and the answer.
//!
#![doc = include_str!("../README.md")]

mod answer;
mod error;
mod name;
mod open;
mod target;
mod wire;

pub use answer::{Answer, Cause};
pub use error::DecodeError;
pub use name::{DomainName, NameError};
pub use open::{Command, Open, Opening};
pub use target::{Host, Target, TargetError};
