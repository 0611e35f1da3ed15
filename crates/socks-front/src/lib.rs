//! SOCKS 4, 4a and 5 for servers: a sans-IO handshake and, with feature tokio, an acceptor.
//!
#![doc = include_str!("../README.md")]

#[cfg(feature = "tokio")]
mod acceptor;
mod address;
mod credentials;
mod error;
mod handshake;
mod name;
mod reader;
mod reply;
#[cfg(feature = "tokio")]
mod request;
mod v4;
mod v5;

#[cfg(feature = "tokio")]
pub use acceptor::{AcceptError, Acceptor, BindError, Config, accept};
pub use address::{Address, Host};
pub use credentials::{Auth, Credentials, CredentialsTooLong};
pub use error::{FirstOctet, HandshakeError};
pub use handshake::{Connect, Handshake, Step};
pub use name::{DomainName, NameError};
pub use reply::{Reply, Version};
#[cfg(feature = "tokio")]
pub use request::Request;
