//! What the benches share: the work that is done, and the relays it is done over.
//!
//! Everything here runs in virtual time: the same seed gives the same figures, octet for octet.

pub mod adversary;
pub mod availability;
pub mod endpoint;
pub mod figure;
pub mod footprint;
pub mod handshake;
pub mod jobs;
pub mod json_file;
pub mod lines;
pub mod luck;
pub mod many;
pub mod oracle;
pub mod peers;
pub mod probe;
pub mod random;
pub mod report;
pub mod row;
pub mod run;
pub mod shared;
pub mod sweep;
pub mod work;

pub use endpoint::{Endpoint, Handler};
pub use run::{AckAlone, Outcome, Run, Stack};
pub use work::{End, Load, Ping};
