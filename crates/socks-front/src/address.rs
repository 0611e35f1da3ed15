//! Where a SOCKS client wants to go: an address or a name, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use crate::{DomainName, NameError};

/// A requested host; `Debug` says only of which kind it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A name, to be resolved wherever the connection is made.
    Name(DomainName),
}

/// A requested host and port; `Debug` prints `Address(..)`, for it is personal, `Display` the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Where.
    pub host: Host,
    /// Which port; nothing can listen on port 0.
    pub port: NonZeroU16,
}

impl Host {
    /// Reads the octets of a name field. Clients put IP literals there too (Chromium and `curl --socks4a`
    /// always do, IPv6 without brackets), and these become what they are: addresses.
    ///
    /// # Errors
    /// The octets are neither an IP literal nor a [`DomainName`].
    pub fn from_name_field(octets: &[u8]) -> Result<Self, NameError> {
        let literal = str::from_utf8(octets).ok().and_then(|text| text.parse::<IpAddr>().ok());
        match literal {
            Some(IpAddr::V4(ip)) => Ok(Self::Ipv4(ip)),
            Some(IpAddr::V6(ip)) => Ok(Self::Ipv6(ip)),
            None => DomainName::new(octets).map(Self::Name),
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

impl Address {
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

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ipv6(ip) => write!(f, "[{ip}]:{}", self.port),
            host @ (Host::Ipv4(_) | Host::Name(_)) => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &[u8]) -> Address {
        let host = Host::from_name_field(name).expect("a host");
        Address { host, port: NonZeroU16::new(80).expect("not zero") }
    }

    #[test]
    fn takes_literals_in_a_name_field_for_addresses() {
        assert_eq!(address(b"127.0.0.1").socket_addr(), Some(([127, 0, 0, 1], 80).into()));
        assert_eq!(address(b"::1").to_string(), "[::1]:80");
        assert_eq!(address(b"example.test").socket_addr(), None);
    }

    #[test]
    fn debug_prints_nothing_personal() {
        let address = address(b"example.test");
        assert_eq!(format!("{address:?} {:?}", address.host), "Address(..) Name(..)");
        assert_eq!(address.to_string(), "example.test:80");
    }
}
