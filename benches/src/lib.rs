//! What the benches share: the work that is done, and the relays it is done over.
//!
//! Everything here runs in virtual time: the same seed gives the same figures, octet for octet.

pub mod endpoint;
pub mod lines;
pub mod run;

pub use endpoint::{Endpoint, Handler, Ping};
pub use run::{AckAlone, Load, Outcome, Run};
