//! The client's opening message: what to do, and where to.

use std::num::NonZeroU16;

use crate::wire::{self, KIND_IPV4, KIND_IPV6, KIND_NAME, Reader};
use crate::{DecodeError, DomainName, Host, Target};

/// What the bridge is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Connect by TCP to the target and join the stream to it.
    Connect,
}

/// The first message on a stream, from the client.
///
/// ```text
///      0     1     2     3    4 ...
///   +-----+-----+-----+------------------------------+
///   |first| port, BE  | host                         |
///   +-----+-----+-----+------------------------------+
///
///   first    7 6 5 4 | 3 2     | 1 0
///            version | command | kind          version 1; command 1 = connect
///
///   kind 1   host is an IPv4 address, 4 octets         7 octets in all
///   kind 2   host is an IPv6 address, 16 octets       19
///   kind 3   host is a length octet and a name        5 to 259
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Open {
    /// What to do.
    pub command: Command,
    /// Where to.
    pub target: Target,
}

const COMMAND_CONNECT: u8 = 1;
const COMMAND_MEASURE: u8 = 2;

impl Open {
    /// The longest message, in octets: one whose name has 255.
    pub const MAX_LEN: usize = 1 + 2 + 1 + DomainName::MAX_LEN;

    /// Asks for a TCP connection to `target`.
    #[must_use]
    pub const fn connect(target: Target) -> Self {
        Self { command: Command::Connect, target }
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let command = match self.command {
            Command::Connect => COMMAND_CONNECT,
        };
        let kind = match &self.target.host {
            Host::Ipv4(_) => KIND_IPV4,
            Host::Ipv6(_) => KIND_IPV6,
            Host::Name(_) => KIND_NAME,
        };
        out.push(wire::first_octet(command, kind));
        out.extend_from_slice(&self.target.port.get().to_be_bytes());
        match &self.target.host {
            Host::Ipv4(ip) => out.extend_from_slice(&ip.octets()),
            Host::Ipv6(ip) => out.extend_from_slice(&ip.octets()),
            Host::Name(name) => {
                let name = name.as_str().as_bytes();
                out.push(u8::try_from(name.len()).expect("a DomainName has at most 255 octets"));
                out.extend_from_slice(name);
            }
        }
    }

    /// Reads the message from the front of `input` and says how many octets it took.
    ///
    /// `None` asks to be called again with the same octets and more; [`Open::MAX_LEN`] octets are always
    /// enough. Once there is an answer, more input does not change it.
    ///
    /// # Errors
    /// The octets are no `Open` and will not become one.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(input);
        let Some(first) = reader.octet() else { return Ok(None) };
        let (command, kind) = read_first(first)?;
        let Some(port) = reader.port() else { return Ok(None) };
        let port = NonZeroU16::new(port).ok_or(DecodeError::PortZero)?;
        let Some(host) = read_host(&mut reader, kind)? else { return Ok(None) };
        let open = Self { command, target: Target { host, port } };
        debug_assert!(reader.used() <= Self::MAX_LEN, "MAX_LEN bounds every message");
        Ok(Some((open, reader.used())))
    }
}

/// What a stream may begin with: a request for a target, or one to measure the path.
///
/// ```text
///   an Open, or one octet: version 1, command 2 = measure, kind 0
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Opening {
    /// The stream is to be a target's.
    Open(Open),
    /// The stream, and unreliable datagrams beside it, are to measure the path.
    Measure,
}

impl Opening {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open(open) => open.encode(out),
            Self::Measure => out.push(wire::first_octet(COMMAND_MEASURE, wire::KIND_NONE)),
        }
    }

    /// Reads the message as [`Open::decode`] does.
    ///
    /// # Errors
    /// The octets are no `Opening` and will not become one.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let measure = wire::first_octet(COMMAND_MEASURE, wire::KIND_NONE);
        if input.first() == Some(&measure) {
            return Ok(Some((Self::Measure, 1)));
        }
        Ok(Open::decode(input)?.map(|(open, used)| (Self::Open(open), used)))
    }
}

fn read_first(octet: u8) -> Result<(Command, u8), DecodeError> {
    let (version, command, kind) = wire::split_first_octet(octet);
    if version != wire::VERSION {
        return Err(DecodeError::Version(version));
    }
    if command != COMMAND_CONNECT {
        return Err(DecodeError::Command(command));
    }
    if kind == wire::KIND_NONE {
        return Err(DecodeError::AddressKind(kind));
    }
    Ok((Command::Connect, kind))
}

fn read_host(reader: &mut Reader<'_>, kind: u8) -> Result<Option<Host>, DecodeError> {
    match kind {
        KIND_IPV4 => Ok(reader.ipv4().map(Host::Ipv4)),
        KIND_IPV6 => Ok(reader.ipv6().map(Host::Ipv6)),
        KIND_NAME => {
            let Some(name) = reader.octet().and_then(|len| reader.slice(len.into())) else {
                return Ok(None);
            };
            Ok(Some(Host::Name(DomainName::new(name)?)))
        }
        other => Err(DecodeError::AddressKind(other)),
    }
}
