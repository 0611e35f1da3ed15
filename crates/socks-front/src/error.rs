//! Why a handshake failed, and what the client is told about it.

use std::borrow::Cow;
use std::fmt;

use crate::{NameError, Reply, Version};

/// The client broke a rule, or wants what is not to be had. Nothing here is personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first octet is neither 4 nor 5 nor the start of an HTTP request.
    #[error("not SOCKS: the client's first octet is {first}")]
    NotSocks {
        /// What was seen.
        first: FirstOctet,
    },
    /// Somebody has set this port as an HTTP proxy.
    #[error(
        "not SOCKS but HTTP: set this port as a SOCKS proxy in the client, not as an HTTP proxy"
    )]
    Http,
    /// No method offered is one we take.
    #[error("the client offers no method of authentication that is accepted here")]
    NoAcceptableMethod,
    /// A user/password message begins with 1 (RFC 1929).
    #[error("a user/password message of version {0}, not 1")]
    AuthVersion(u8),
    /// They are not the configured pair, or SOCKS 4, which cannot say a password, was used.
    #[error("wrong user or password")]
    WrongCredentials,
    /// A SOCKS 5 request begins with 5.
    #[error("a request of version {0} in a SOCKS 5 session")]
    RequestVersion(u8),
    /// Only CONNECT is served.
    #[error("command {0} is not supported, only CONNECT (1) is")]
    Command(u8),
    /// Not an IPv4 address, IPv6 address or name.
    #[error("address type {0} is not supported")]
    AddressType(u8),
    /// Nothing can listen on port 0.
    #[error("the client asks for port 0")]
    PortZero,
    /// The name cannot be a host's.
    #[error("the client asks for something that is not a host name")]
    Name(#[from] NameError),
    /// A SOCKS 4 field does not end within its limit.
    #[error("a SOCKS 4 field is longer than {len_max} octets")]
    FieldTooLong {
        /// The limit, in octets.
        len_max: usize,
    },
    /// The handshake has ended before; whoever drives it must not step it again.
    #[error("the handshake is already over")]
    Over,
}

/// An octet that starts no SOCKS message; `Display` adds a guess at what it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstOctet(pub u8);

impl fmt::Display for FirstOctet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guess = match self.0 {
            0x16 => " (a TLS hello?)",
            b'S' => " (an SSH banner?)",
            _ => "",
        };
        write!(f, "{:#04x}{guess}", self.0)
    }
}

/// A failed parse: the error for us, and the octets for the client.
pub(crate) struct Failure {
    pub(crate) send: Cow<'static, [u8]>,
    pub(crate) error: HandshakeError,
}

impl Failure {
    pub(crate) const fn with(send: &'static [u8], error: HandshakeError) -> Self {
        Self { send: Cow::Borrowed(send), error }
    }

    pub(crate) fn silent(error: HandshakeError) -> Self {
        Self::with(&[], error)
    }

    /// A refusal of the request, with the reply that says best why.
    pub(crate) fn refusal(version: Version, error: HandshakeError) -> Self {
        Self { send: Cow::Owned(reply_for(error).encode(version, None)), error }
    }
}

const fn reply_for(error: HandshakeError) -> Reply {
    match error {
        HandshakeError::Command(_) => Reply::CommandNotSupported,
        HandshakeError::AddressType(_) => Reply::AddressTypeNotSupported,
        // What an operating system says of a port nobody can listen on.
        HandshakeError::PortZero => Reply::Refused,
        // A policy of ours: other servers resolve them, which is how loopback filters are passed by.
        HandshakeError::Name(NameError::NumericAlias) => Reply::NotAllowed,
        HandshakeError::Name(_) => Reply::NameNotFound,
        HandshakeError::WrongCredentials => Reply::NotAllowed,
        HandshakeError::NotSocks { .. }
        | HandshakeError::Http
        | HandshakeError::NoAcceptableMethod
        | HandshakeError::AuthVersion(_)
        | HandshakeError::RequestVersion(_)
        | HandshakeError::FieldTooLong { .. }
        | HandshakeError::Over => Reply::GeneralFailure,
    }
}
