#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod acceptor;
mod config;
mod congestion;
mod connection;
mod error;
mod event;
mod id;
mod key;
mod noise;
mod num;
mod path;
mod protection;
mod recovery;
mod stats;
mod stream;
mod wire;

pub use acceptor::{Acceptor, REPLAY_CACHE_MAX, REPLAY_WINDOW, Silence};
pub use config::Config;
pub use connection::Connection;
pub use error::{OpenError, ReadError, WriteError};
pub use event::{CloseReason, Event, Output, PathEvent};
pub use id::{ErrorCode, PathId, Side, StreamId};
pub use key::{ParseKeyError, PublicKey, SecretKey};
pub use stats::Stats;
pub use stream::Stream;
