//! Where a tunnelled connection shall go: an address or a name, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::{DomainName, NameError};

/// A host to reach; `Debug` says only of which kind it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A name to be resolved at the far end.
    Name(DomainName),
}

/// A host and a port to connect to.
///
/// As text: `1.2.3.4:80`, `[::1]:80`, `example.test:80`. `Debug` prints `Target(..)`, for a target is
/// personal; `Display` prints the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Where.
    pub host: Host,
    /// Which port; nothing can listen on port 0.
    pub port: NonZeroU16,
}

/// Why a text is not a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No `:PORT` at the end.
    #[error("the port is missing: write HOST:PORT")]
    NoPort,
    /// The port is not a decimal number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Colons outside of brackets, or something else than an IPv6 address between them.
    #[error("an IPv6 address is written as [ADDRESS]:PORT")]
    Brackets,
    /// The host is no name.
    #[error("bad host name")]
    Name(#[from] NameError),
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::Ipv4(ip),
            IpAddr::V6(ip) => Self::Ipv6(ip),
        }
    }
}

impl FromStr for Host {
    type Err = NameError;

    /// Reads an IP literal (IPv6 without brackets) as an address and everything else as a name.
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse::<IpAddr>() {
            Ok(ip) => Ok(ip.into()),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(ip) => ip.fmt(f),
            Self::Ipv6(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4(_) => "Ipv4(..)",
            Self::Ipv6(_) => "Ipv6(..)",
            Self::Name(_) => "Name(..)",
        })
    }
}

impl Target {
    /// The socket address, if no name has to be resolved first.
    #[must_use]
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ipv4(ip) => Some(SocketAddr::new(IpAddr::V4(ip), self.port.get())),
            Host::Ipv6(ip) => Some(SocketAddr::new(IpAddr::V6(ip), self.port.get())),
            Host::Name(_) => None,
        }
    }
}

impl TryFrom<SocketAddr> for Target {
    type Error = TargetError;

    /// Fails on port 0 only. The scope and flow label of an IPv6 address mean nothing elsewhere and are dropped.
    fn try_from(addr: SocketAddr) -> Result<Self, TargetError> {
        let port = NonZeroU16::new(addr.port()).ok_or(TargetError::Port)?;
        Ok(Self { host: addr.ip().into(), port })
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (host, port) = text.rsplit_once(':').ok_or(TargetError::NoPort)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed_ipv6(bracketed)?,
            None if host.contains(':') => return Err(TargetError::Brackets),
            None => host.parse()?,
        };
        // The integer parser of std would also take a sign.
        if !port.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(TargetError::Port);
        }
        let port = port.parse().map_err(|_| TargetError::Port)?;
        Ok(Self { host, port })
    }
}

fn bracketed_ipv6(text: &str) -> Result<Host, TargetError> {
    let inner = text.strip_suffix(']').ok_or(TargetError::Brackets)?;
    inner.parse().map(Host::Ipv6).map_err(|_| TargetError::Brackets)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ipv6(ip) => write!(f, "[{ip}]:{}", self.port),
            host @ (Host::Ipv4(_) | Host::Name(_)) => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_the_three_kinds() {
        for text in ["1.2.3.4:80", "[::1]:80", "example.test:80", "a:65535"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert!(matches!("1.2.3.4:80".parse::<Target>().unwrap().host, Host::Ipv4(_)));
        assert!(matches!("::1".parse::<Host>().unwrap(), Host::Ipv6(_)));
    }

    #[test]
    fn refuses_what_is_no_target() {
        use TargetError::{Brackets, Name, NoPort, Port};
        for (text, error) in [
            ("example.test", NoPort),
            ("example.test:", Port),
            ("example.test:0", Port),
            ("example.test:+80", Port),
            ("example.test:65536", Port),
            ("::1:80", Brackets),
            ("[::1:80", Brackets),
            ("[1.2.3.4]:80", Brackets),
            ("[]:80", Brackets),
            (":80", Name(NameError::Empty)),
            ("127.1:80", Name(NameError::NumericAlias)),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_prints_nothing_personal() {
        let target: Target = "example.test:80".parse().unwrap();
        assert_eq!(format!("{target:?}"), "Target(..)");
        assert_eq!(format!("{:?}", target.host), "Name(..)");
    }

    #[test]
    fn knows_its_socket_address() {
        let addr: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(Target::try_from(addr).unwrap().socket_addr(), Some(addr));
        assert_eq!("example.test:80".parse::<Target>().unwrap().socket_addr(), None);
        assert_eq!(Target::try_from(SocketAddr::from(([1, 2, 3, 4], 0))), Err(TargetError::Port));
    }
}
