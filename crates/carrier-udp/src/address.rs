//! Socket addresses in the one form in which two of them are equal if they name one peer.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use carrier::{OpenError, PeerId};

/// The scheme of the peers of this carrier: `udp:IP:PORT`.
const SCHEME: &str = "udp";

/// Reads a peer's address: `udp:192.0.2.1:4000`, `udp:[2001:db8::1]:4000`.
pub(crate) fn parse(peer: &PeerId) -> Result<SocketAddr, OpenError> {
    if peer.scheme() != SCHEME {
        return Err(OpenError::OtherOverlay { expected: SCHEME });
    }
    let why = "udp:IP:PORT is expected, with [ ] around an IPv6 address";
    let address: SocketAddr = peer.address().parse().map_err(|_| OpenError::Malformed { why })?;
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err(OpenError::Malformed { why: "neither the address nor the port may be 0" });
    }
    Ok(canonical(address))
}

/// The peer at a canonical address.
pub(crate) fn peer(address: SocketAddr) -> Option<PeerId> {
    format!("{SCHEME}:{address}").parse().ok()
}

/// An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d` is that IPv4 address; a flow
/// label (RFC 8200 section 6) names no peer.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        },
    }
}

/// The form in which a socket bound to `local` can send to a canonical address, if it can.
pub(crate) fn reachable_from(local: SocketAddr, to: SocketAddr) -> Result<SocketAddr, OpenError> {
    match (local, to) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) | (SocketAddr::V6(_), SocketAddr::V6(_)) => Ok(to),
        (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
            Ok(SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port()))
        }
        (SocketAddr::V4(_), SocketAddr::V6(_)) => Err(OpenError::Malformed {
            why: "an IPv6 peer cannot be reached from a socket that is bound to IPv4",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<SocketAddr, OpenError> {
        parse(&text.parse().unwrap())
    }

    #[test]
    fn reads_both_families_and_knows_a_mapped_address() {
        assert!(parse_text("udp:192.0.2.1:4000").unwrap().is_ipv4());
        assert!(parse_text("udp:[2001:db8::1]:4000").unwrap().is_ipv6());
        assert_eq!(parse_text("udp:[::ffff:192.0.2.1]:4000"), parse_text("udp:192.0.2.1:4000"));
    }

    #[test]
    fn refuses_what_is_no_address() {
        assert_eq!(parse_text("skype:a"), Err(OpenError::OtherOverlay { expected: "udp" }));
        for text in ["udp:localhost:1", "udp:192.0.2.1", "udp:192.0.2.1:0", "udp:0.0.0.0:9"] {
            assert!(matches!(parse_text(text), Err(OpenError::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn an_ipv6_socket_sends_to_ipv4_peers_and_not_the_reverse() {
        let (v4, v6) = ("192.0.2.1:4000".parse().unwrap(), "[2001:db8::1]:4000".parse().unwrap());
        let mapped = reachable_from(v6, v4).unwrap();
        assert_eq!(canonical(mapped), v4);
        assert!(reachable_from(v4, v6).is_err());
    }

    #[test]
    fn a_peer_round_trips() {
        let address = "[2001:db8::1]:4000".parse().unwrap();
        assert_eq!(parse(&peer(address).unwrap()), Ok(address));
    }
}
