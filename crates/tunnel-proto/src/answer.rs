//! The bridge's answer: how it went, and from which address the target sees us.

use std::net::{IpAddr, SocketAddr};

use crate::DecodeError;
use crate::wire::{self, KIND_IPV4, KIND_IPV6, KIND_NONE, Reader};

/// How the bridge's attempt ended; `Display` says it to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The target is connected; payload follows.
    Connected,
    /// The target is not one this bridge forwards to.
    NotAllowed,
    /// The bridge has no route to the target's network.
    NetworkUnreachable,
    /// The target's host does not answer at all.
    HostUnreachable,
    /// The target's host answers, and refuses.
    Refused,
    /// The target did not answer in time.
    TimedOut,
    /// The target's name does not exist.
    NameNotFound,
    /// The bridge does not know the command.
    Unsupported,
    /// Something failed at the bridge itself.
    BridgeFailure,
}

/// The first message on a stream, from the bridge.
///
/// ```text
///      0     1     2     3    4 ...
///   +-----+-----+-----+-----+------------------------+
///   |first|cause| port, BE  | address                |     port and address: only if kind is not 0
///   +-----+-----+-----+-----+------------------------+
///
///   first    7 6 5 4 | 3 2 | 1 0
///            version | 0 0 | kind              version 1
///
///   kind 0   nothing follows                   2 octets in all
///   kind 1   an IPv4 address, 4 octets         8
///   kind 2   an IPv6 address, 16 octets       20
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Answer {
    /// How it went.
    pub cause: Cause,
    /// The bridge's own address on the connection, where it has one. The scope and flow label
    /// of an IPv6 address do not travel.
    pub bound: Option<SocketAddr>,
}

impl Answer {
    /// The longest answer, in octets: one that carries an IPv6 address.
    pub const MAX_LEN: usize = 1 + 1 + 2 + 16;

    /// The target is connected, from the address `bound`.
    #[must_use]
    pub const fn connected(bound: SocketAddr) -> Self {
        Self { cause: Cause::Connected, bound: Some(bound) }
    }

    /// The target is not connected, for this `cause`.
    #[must_use]
    pub const fn refused(cause: Cause) -> Self {
        Self { cause, bound: None }
    }

    /// Appends the answer to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match self.bound {
            None => KIND_NONE,
            Some(SocketAddr::V4(_)) => KIND_IPV4,
            Some(SocketAddr::V6(_)) => KIND_IPV6,
        };
        out.push(wire::first_octet(0, kind));
        out.push(self.cause.code());
        let Some(bound) = self.bound else { return };
        out.extend_from_slice(&bound.port().to_be_bytes());
        match bound.ip() {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }

    /// Reads the answer from the front of `input` and says how many octets it took.
    ///
    /// `None` asks to be called again with the same octets and more; [`Answer::MAX_LEN`] octets are always
    /// enough. Once there is an answer, more input does not change it.
    ///
    /// # Errors
    /// The octets are no `Answer` and will not become one.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(input);
        let Some(first) = reader.octet() else { return Ok(None) };
        let kind = read_first(first)?;
        let Some(code) = reader.octet() else { return Ok(None) };
        let cause = Cause::from_code(code).ok_or(DecodeError::Cause(code))?;
        if kind == KIND_NONE {
            return Ok(Some((Self { cause, bound: None }, reader.used())));
        }
        let Some(port) = reader.port() else { return Ok(None) };
        let ip = if kind == KIND_IPV4 {
            reader.ipv4().map(IpAddr::V4)
        } else {
            reader.ipv6().map(IpAddr::V6)
        };
        let Some(ip) = ip else { return Ok(None) };
        debug_assert!(reader.used() <= Self::MAX_LEN, "MAX_LEN bounds every answer");
        Ok(Some((Self { cause, bound: Some(SocketAddr::new(ip, port)) }, reader.used())))
    }
}

impl Cause {
    /// Every cause, in the order of its code on the wire.
    pub const ALL: [Self; 9] = [
        Self::Connected,
        Self::NotAllowed,
        Self::NetworkUnreachable,
        Self::HostUnreachable,
        Self::Refused,
        Self::TimedOut,
        Self::NameNotFound,
        Self::Unsupported,
        Self::BridgeFailure,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::NotAllowed => 1,
            Self::NetworkUnreachable => 2,
            Self::HostUnreachable => 3,
            Self::Refused => 4,
            Self::TimedOut => 5,
            Self::NameNotFound => 6,
            Self::Unsupported => 7,
            Self::BridgeFailure => 8,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connected => "connected",
            Self::NotAllowed => "the bridge does not forward to this target",
            Self::NetworkUnreachable => "the bridge has no route to the target's network",
            Self::HostUnreachable => "the target's host does not answer",
            Self::Refused => "the target refused the connection",
            Self::TimedOut => "the target did not answer in time",
            Self::NameNotFound => "the target's name does not exist",
            Self::Unsupported => "the bridge does not know this command",
            Self::BridgeFailure => "the bridge failed",
        })
    }
}

fn read_first(octet: u8) -> Result<u8, DecodeError> {
    let (version, reserved, kind) = wire::split_first_octet(octet);
    if version != wire::VERSION {
        return Err(DecodeError::Version(version));
    }
    if reserved != 0 {
        return Err(DecodeError::Reserved(reserved << 2));
    }
    if kind > KIND_IPV6 {
        return Err(DecodeError::AddressKind(kind));
    }
    Ok(kind)
}
