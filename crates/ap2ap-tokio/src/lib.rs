#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bell;
mod clock;
mod config;
mod connection;
mod control;
mod driver;
mod endpoint;
mod error;
mod shared;
mod stream;

pub use ap2ap_stream::{
    BridgeIdentity, CloseReason, Config, Credentials, ErrorCode, PublicKey, SecretKey,
    SendDatagramError, Stats, Ticket,
};
pub use carrier::PeerId;
pub use clock::wall_time;
pub use config::{
    ACCEPT_QUEUE_MAX, CONNECTIONS_MAX, EndpointConfig, STRANGERS_MAX, UNCONFIRMED_MAX,
};
pub use connection::Connection;
pub use endpoint::Endpoint;
pub use error::{ConnectError, ConnectionError, StreamError};
pub use stream::{ReadHalf, Stream, WriteHalf};
