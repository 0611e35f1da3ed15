#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod budget;
mod dice;
mod manager;
mod path;
mod policy;
mod route;

pub use budget::Accounts;
pub use manager::{Action, PathManager};
pub use path::{CloseReason, End, PathNumber, Sign};
pub use policy::{Budget, Directness, Policy};
pub use route::{LoginId, Route, RouteId, RouteReport, Verdict};
