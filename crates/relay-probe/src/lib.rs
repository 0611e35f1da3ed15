#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod analysis;
mod change;
mod check;
mod estimate;
mod num;
mod prober;
mod record;
mod train;
pub mod wire;

pub use estimate::{Change, Estimate, Kind, Queue};
pub use prober::{Prober, Sizes, Step};
pub use record::Arrival;
pub use train::{Sender, Train};
