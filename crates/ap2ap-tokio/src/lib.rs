#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bell;
mod carrier_id;
mod clock;
mod config;
mod connection;
mod control;
mod driver;
mod endpoint;
mod error;
mod paths;
mod shared;
mod stream;

pub use ap2ap_stream::{
    BridgeIdentity, CloseReason, Config, Credentials, ErrorCode, PathMemory, PathSigns, PathStats,
    PublicKey, SecretKey, SendDatagramError, Stats, Ticket,
};
pub use carrier::{PeerId, Route};
pub use carrier_id::CarrierId;
pub use clock::wall_time;
pub use config::{
    ACCEPT_QUEUE_MAX, CARRIERS_MAX, CONNECTIONS_MAX, EndpointConfig, STRANGERS_MAX, UNCONFIRMED_MAX,
};
pub use connection::{Connection, WeakConnection};
pub use endpoint::Endpoint;
pub use error::{AddCarrierError, ConnectError, ConnectionError, OpenPathError, StreamError};
pub use paths::{PATHS_KNOWN_MAX, PathKey, PathPhase, PathReport};
pub use stream::{ReadHalf, Stream, WriteHalf};
