#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod acceptor;
mod config;
pub mod congestion;
mod connection;
mod credentials;
mod datagram;
mod dice;
mod error;
mod event;
mod id;
mod identity;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod key;
mod noise;
mod num;
mod outer;
mod path;
mod path_memory;
mod protection;
mod recovery;
mod replay;
mod stats;
mod stream;
mod ticket;
mod unauthenticated;
#[cfg(test)]
mod vectors;
mod wire;

pub use acceptor::{Acceptor, Silence};
pub use config::{Config, Scheduler};
pub use connection::Connection;
pub use credentials::Credentials;
pub use error::{OpenError, ReadError, SendDatagramError, WriteError};
pub use event::{CloseReason, Event, Output, PathEvent};
pub use id::{ErrorCode, PathId, Side, StreamId};
pub use identity::BridgeIdentity;
pub use key::{ParseKeyError, PublicKey, SecretKey};
pub use path_memory::{LossClass, PathLoss, PathMemory, PathMemoryError};
pub use replay::{CLOCK_TOLERANCE, REPLAY_CACHE_MAX, REPLAY_WINDOW};
pub use stats::{PathSigns, PathStats, Stats, Tally};
pub use stream::Stream;
pub use ticket::{Ticket, TicketName};
pub use unauthenticated::UnauthenticatedConnection;
