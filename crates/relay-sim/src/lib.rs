#![doc = include_str!("../README.md")]

pub mod censor;
mod chance;
mod drift;
pub mod element;
mod link;
mod node;
mod packet;
mod pair;
pub mod paths;
mod plan;
pub mod population;
pub mod scenario;
mod spec;
mod time;

pub use drift::Drift;
pub use element::Element;
pub use link::{Link, LinkStats};
pub use node::Node;
pub use packet::{Ledger, Packet, Tally};
pub use pair::Pair;
pub use plan::{LinkPlan, Outage};
pub use scenario::Scenario;
pub use spec::{LinkSpec, Loss, Reordering, Throttle};
