//! A pair of endpoints, data with a pattern, and a guard against tests that hang.

use std::future::Future;
use std::hash::{DefaultHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ap2ap_tokio::{
    BridgeIdentity, Config, Connection, Endpoint, PeerId, PublicKey, SecretKey, Stream,
};
use carrier::{Carrier, Faults, Faulty, MemoryCarrier};
use carrier_udp::UdpCarrier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A test that takes longer hangs.
const HANG: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, work).await.expect("the test does not hang")
}

/// A client's and a bridge's endpoint, and how the one names the other.
pub(crate) struct Pair {
    pub(crate) client: Endpoint,
    pub(crate) bridge: Endpoint,
    pub(crate) peer: PeerId,
    pub(crate) key: PublicKey,
}

/// A bridge that has been up since 1970: it takes early data.
pub(crate) fn identity() -> BridgeIdentity {
    BridgeIdentity::new(secret(), Duration::ZERO)
}

pub(crate) fn secret() -> SecretKey {
    SecretKey::from_octets([7; 32])
}

impl Pair {
    pub(crate) fn over(
        client: impl Carrier + 'static,
        bridge: impl Carrier + 'static,
        peer: PeerId,
        config: &Config,
    ) -> Self {
        Self {
            client: Endpoint::client(client, config.clone()),
            bridge: Endpoint::bridge(bridge, identity(), config.clone()),
            peer,
            key: secret().public(),
        }
    }

    pub(crate) fn in_memory() -> Self {
        Self::in_memory_with(Faults::default(), &Config::default())
    }

    pub(crate) fn in_memory_with(faults: Faults, config: &Config) -> Self {
        let (here, there) = MemoryCarrier::pair();
        let (here, there) = (Faulty::new(here, faults), Faulty::new(there, faults));
        Self::over(here, there, memory_peer(), config)
    }

    pub(crate) fn over_udp() -> Self {
        let (here, there) = (udp(0), udp(0));
        let peer = udp_peer(there.local_addr());
        Self::over(here, there, peer, &Config::default())
    }

    pub(crate) fn connect(&self) -> Connection {
        self.client.connect(self.peer.clone(), self.key).unwrap()
    }

    /// A connection's two ends.
    pub(crate) async fn connected(&self) -> (Connection, Connection) {
        let client = self.connect();
        let bridge = within(self.bridge.accept()).await.unwrap();
        within(client.ready()).await.unwrap();
        (client, bridge)
    }
}

pub(crate) fn memory_peer() -> PeerId {
    "memory:bridge".parse().unwrap()
}

pub(crate) fn udp(port: u16) -> UdpCarrier {
    UdpCarrier::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap()
}

pub(crate) fn udp_peer(address: SocketAddr) -> PeerId {
    format!("udp:{address}").parse().unwrap()
}

/// A stream that both ends hold; its first octet has been sent and read.
pub(crate) async fn stream(client: &Connection, bridge: &Connection) -> (Stream, Stream) {
    let mut here = within(client.open_stream()).await.unwrap();
    within(here.write_all(b"!")).await.unwrap();
    let mut there = within(bridge.accept_stream()).await.unwrap();
    assert_eq!(within(there.read_u8()).await.unwrap(), b'!');
    (here, there)
}

/// Sends everything back, on every stream, for as long as the connection lives.
pub(crate) fn echo(connection: Connection) {
    tokio::spawn(async move {
        while let Some(stream) = connection.accept_stream().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.into_split();
                // A stream that is reset under the echo is the test's own doing.
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
}

/// Echoes on every connection that comes.
pub(crate) fn echo_all(endpoint: Endpoint) {
    tokio::spawn(async move {
        while let Some(connection) = endpoint.accept().await {
            echo(connection);
        }
    });
}

/// Octets that differ from seed to seed and from place to place.
pub(crate) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

pub(crate) fn hash(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(octets);
    hasher.finish()
}

/// Sends octets, ends the stream, and reads the other direction to its end meanwhile.
pub(crate) async fn exchange(stream: Stream, octets: Vec<u8>) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let sending = tokio::spawn(async move {
        write.write_all(&octets).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    read.read_to_end(&mut received).await.unwrap();
    sending.await.unwrap();
    received
}
