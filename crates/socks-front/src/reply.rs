//! Replies to a request: the causes we tell apart, and their octets in either version.

use std::net::{IpAddr, SocketAddr};

/// Which protocol a client speaks; 4a is a request format of [`Version::V4`], with the same replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// SOCKS 4 or 4a.
    V4,
    /// SOCKS 5, RFC 1928.
    V5,
}

/// How a request ended.
///
/// SOCKS 4 has one code for all that fails, 91. SOCKS 5 (RFC 1928 section 6) has codes for most of these; a
/// timeout and a missing name are "host unreachable" there, as clients take "TTL expired" for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Connected; payload follows.
    Succeeded,
    /// None of the other causes.
    GeneralFailure,
    /// The target is not one we forward to.
    NotAllowed,
    /// No route to the target's network.
    NetworkUnreachable,
    /// The target's host does not answer at all.
    HostUnreachable,
    /// The target's host refuses the connection.
    Refused,
    /// The target did not answer in time.
    TimedOut,
    /// The target's name does not exist.
    NameNotFound,
    /// BIND, UDP ASSOCIATE, and what nobody has heard of.
    CommandNotSupported,
    /// An address type other than IPv4, IPv6 and name.
    AddressTypeNotSupported,
}

/// Of SOCKS 4: granted, and rejected or failed. 0x5c and 0x5d are about identd, which nobody runs.
const V4_GRANTED: u8 = 90;
const V4_REJECTED: u8 = 91;

pub(crate) const ATYP_IPV4: u8 = 1;
pub(crate) const ATYP_NAME: u8 = 3;
pub(crate) const ATYP_IPV6: u8 = 4;

impl Reply {
    /// The octets to send to a client of this `version`.
    ///
    /// `bound` is the far end's own address on the connection, all zero if it is not known. IPv4-mapped
    /// IPv6 is written as IPv4, and SOCKS 4 has no room for other IPv6 addresses.
    ///
    /// ```text
    ///   V4   00 CODE PORT(2) IPV4(4)
    ///   V5   05 CODE 00 ATYP(01 or 04) ADDRESS(4 or 16) PORT(2)
    /// ```
    #[must_use]
    pub fn encode(self, version: Version, bound: Option<SocketAddr>) -> Vec<u8> {
        let (ip, port) = match bound {
            Some(bound) => (bound.ip().to_canonical(), bound.port()),
            None => (IpAddr::from([0; 4]), 0),
        };
        match version {
            Version::V4 => encode_v4(self.code_v4(), ip, port),
            Version::V5 => encode_v5(self.code_v5(), ip, port),
        }
    }

    /// The cause an operating system's error stands for.
    #[must_use]
    pub fn from_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        #[expect(clippy::wildcard_enum_match_arm, reason = "std's enum grows, the codes do not")]
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::HostUnreachable => Self::HostUnreachable,
            ErrorKind::NetworkUnreachable => Self::NetworkUnreachable,
            ErrorKind::PermissionDenied => Self::NotAllowed,
            ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::GeneralFailure,
        }
    }

    const fn code_v4(self) -> u8 {
        if matches!(self, Self::Succeeded) { V4_GRANTED } else { V4_REJECTED }
    }

    const fn code_v5(self) -> u8 {
        match self {
            Self::Succeeded => 0x00,
            Self::GeneralFailure => 0x01,
            Self::NotAllowed => 0x02,
            Self::NetworkUnreachable => 0x03,
            Self::HostUnreachable | Self::TimedOut | Self::NameNotFound => 0x04,
            Self::Refused => 0x05,
            Self::CommandNotSupported => 0x07,
            Self::AddressTypeNotSupported => 0x08,
        }
    }
}

fn encode_v4(code: u8, ip: IpAddr, port: u16) -> Vec<u8> {
    let (ip, port) = match ip {
        IpAddr::V4(ip) => (ip.octets(), port),
        IpAddr::V6(_) => ([0; 4], 0),
    };
    // The first octet is the version of the reply code, not of SOCKS: curl insists on 0.
    let mut octets = vec![0, code];
    octets.extend_from_slice(&port.to_be_bytes());
    octets.extend_from_slice(&ip);
    octets
}

fn encode_v5(code: u8, ip: IpAddr, port: u16) -> Vec<u8> {
    let mut octets = vec![5, code, 0];
    match ip {
        IpAddr::V4(ip) => {
            octets.push(ATYP_IPV4);
            octets.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            octets.push(ATYP_IPV6);
            octets.extend_from_slice(&ip.octets());
        }
    }
    octets.extend_from_slice(&port.to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURES: [(Reply, u8); 9] = [
        (Reply::GeneralFailure, 1),
        (Reply::NotAllowed, 2),
        (Reply::NetworkUnreachable, 3),
        (Reply::HostUnreachable, 4),
        (Reply::TimedOut, 4),
        (Reply::NameNotFound, 4),
        (Reply::Refused, 5),
        (Reply::CommandNotSupported, 7),
        (Reply::AddressTypeNotSupported, 8),
    ];

    #[test]
    fn failures_have_their_codes() {
        for (reply, code) in FAILURES {
            assert_eq!(reply.encode(Version::V5, None), [5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
            assert_eq!(reply.encode(Version::V4, None), [0, 91, 0, 0, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn success_carries_the_bound_address() {
        let bound = "192.0.2.7:49152".parse().ok();
        assert_eq!(
            Reply::Succeeded.encode(Version::V5, bound),
            [5, 0, 0, 1, 192, 0, 2, 7, 0xc0, 0]
        );
        assert_eq!(Reply::Succeeded.encode(Version::V4, bound), [0, 90, 0xc0, 0, 192, 0, 2, 7]);
    }

    #[test]
    fn ipv6_fits_version_5_only() {
        let bound = "[2001:db8::1]:80".parse().ok();
        let v5 = Reply::Succeeded.encode(Version::V5, bound);
        assert_eq!(v5.len(), 22);
        assert_eq!(v5[..8], [5, 0, 0, 4, 0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(v5[18..], [0, 1, 0, 80]);
        assert_eq!(Reply::Succeeded.encode(Version::V4, bound), [0, 90, 0, 0, 0, 0, 0, 0]);
        let mapped = "[::ffff:192.0.2.7]:80".parse().ok();
        assert_eq!(Reply::Succeeded.encode(Version::V4, mapped), [0, 90, 0, 80, 192, 0, 2, 7]);
    }

    #[test]
    fn tells_what_the_system_says() {
        use std::io::ErrorKind;
        for (kind, reply) in [
            (ErrorKind::ConnectionRefused, Reply::Refused),
            (ErrorKind::HostUnreachable, Reply::HostUnreachable),
            (ErrorKind::NetworkUnreachable, Reply::NetworkUnreachable),
            (ErrorKind::PermissionDenied, Reply::NotAllowed),
            (ErrorKind::TimedOut, Reply::TimedOut),
            (ErrorKind::AddrInUse, Reply::GeneralFailure),
        ] {
            assert_eq!(Reply::from_io(&kind.into()), reply);
        }
    }
}
