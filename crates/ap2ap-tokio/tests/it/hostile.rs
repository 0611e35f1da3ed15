//! Strangers cost little, and those who are connected notice nothing.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use ap2ap_stream::{Output, PathEvent, PathId};
use ap2ap_tokio::{Config, Endpoint, ErrorCode, STRANGERS_MAX, UNCONFIRMED_MAX};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    echo_all, exchange, identity, pattern, secret, stream, udp, udp_peer, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_strangers_do_not_disturb_fifty_clients() {
    let carrier = udp(0);
    let address = carrier.local_addr();
    let bridge = Endpoint::bridge(carrier, identity(), Config::default());
    echo_all(bridge.clone());

    let mut clients = Vec::new();
    for number in 0..50 {
        let endpoint = Endpoint::client(udp(0), Config::default());
        let connection = endpoint.connect(udp_peer(address), secret().public()).unwrap();
        let stream = within(connection.open_stream()).await.unwrap();
        let octets = pattern(3000, number);
        assert_eq!(within(exchange(stream, octets.clone())).await, octets);
        clients.push((endpoint, connection));
    }
    assert_eq!(bridge.connections(), 50);

    let garbage = tokio::task::spawn_blocking(move || {
        for number in (0..).take(STRANGERS_MAX + 100) {
            let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
            // The first octet of a first message, of an answer, of a packet, of nothing.
            for kind in [0x01, 0x02, 0x40, 0xff] {
                let mut datagram = pattern(600, number);
                datagram[0] = kind;
                stranger.send_to(&datagram, address).unwrap();
            }
        }
    });
    let mut exchanges = Vec::new();
    for (number, (_, connection)) in (0..).zip(&clients) {
        let stream = within(connection.open_stream()).await.unwrap();
        exchanges.push(tokio::spawn(async move {
            let octets = pattern(10_000, number);
            assert_eq!(exchange(stream, octets.clone()).await, octets);
        }));
    }
    within(garbage).await.unwrap();
    for exchange in exchanges {
        within(exchange).await.unwrap();
    }
    assert_eq!(bridge.connections(), 50, "no stranger became a connection");

    // And a newcomer still gets in.
    let endpoint = Endpoint::client(udp(0), Config::default());
    let connection = endpoint.connect(udp_peer(address), secret().public()).unwrap();
    within(connection.ready()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_handshakes_are_limited_and_pass_away() {
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_secs(2);
    let carrier = udp(0);
    let address = carrier.local_addr();
    let bridge = Endpoint::bridge(carrier, identity(), config);
    echo_all(bridge.clone());
    let endpoint = Endpoint::client(udp(0), Config::default());
    let live = endpoint.connect(udp_peer(address), secret().public()).unwrap();
    within(live.ready()).await.unwrap();

    // Whoever knows the key can make first messages; these never answer.
    let flood = tokio::task::spawn_blocking(move || {
        for number in (0_u64..).take(UNCONFIRMED_MAX + 200) {
            let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
            stranger.send_to(&first_message(number), address).unwrap();
        }
    });
    let mut most = 0;
    while !flood.is_finished() {
        let stream = within(live.open_stream()).await.unwrap();
        let octets = pattern(5000, 3);
        assert_eq!(within(exchange(stream, octets.clone())).await, octets);
        most = most.max(bridge.connections());
    }
    within(flood).await.unwrap();
    assert!((2..=UNCONFIRMED_MAX + 1).contains(&most), "{most}");
    within(async {
        while bridge.connections() > 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(live.close_reason(), None);
}

/// A valid first message of a client of its own.
#[expect(clippy::disallowed_methods, reason = "a first message carries wall time")]
fn first_message(number: u64) -> Vec<u8> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Instant::now();
    let key = secret().public();
    let mut client = ap2ap_stream::Connection::connect(key, Config::default(), seed, wall, now);
    client.handle_path(now, PathId(0), PathEvent::Added { payload_max: 1200 });
    let mut buf = [0; 2048];
    let Output::Transmit { len, .. } = client.poll_output(now, &mut buf) else { panic!() };
    buf[..len].to_vec()
}

#[tokio::test]
async fn garbage_on_a_live_path_changes_nothing() {
    let bridge_carrier = udp(0);
    let address = bridge_carrier.local_addr();
    let bridge = Endpoint::bridge(bridge_carrier, identity(), Config::default());
    echo_all(bridge.clone());
    let relay = Recorder::between(address);
    let endpoint = Endpoint::client(udp(0), Config::default());
    let connection = endpoint.connect(udp_peer(relay.address), secret().public()).unwrap();
    let stream = within(connection.open_stream()).await.unwrap();
    let octets = pattern(3000, 1);
    assert_eq!(within(exchange(stream, octets.clone())).await, octets);

    // Everything that the client ever sent, its first message too, again and mangled.
    relay.replay();
    let stream = within(connection.open_stream()).await.unwrap();
    assert_eq!(within(exchange(stream, octets.clone())).await, octets);
    assert_eq!(connection.close_reason(), None);
    assert_eq!(bridge.connections(), 1);
}

#[tokio::test]
async fn a_copy_of_an_older_connections_first_message_replaces_nothing() {
    let bridge_carrier = udp(0);
    let address = bridge_carrier.local_addr();
    let bridge = Endpoint::bridge(bridge_carrier, identity(), Config::default());
    let relay = Recorder::between(address);
    let endpoint = Endpoint::client(udp(0), Config::default());
    let connect = || endpoint.connect(udp_peer(relay.address), secret().public()).unwrap();

    let older = connect();
    within(older.ready()).await.unwrap();
    let older_there = within(bridge.accept()).await.unwrap();
    older.close(ErrorCode(0), "");
    within(older_there.closed()).await;
    within(bridge.wait_idle()).await;

    let newer = connect();
    let newer_there = within(async {
        newer.ready().await.unwrap();
        bridge.accept().await.unwrap()
    })
    .await;
    let (mut here, mut there) = stream(&newer, &newer_there).await;

    // The copy is a valid first message, and was here before: it makes no connection (AP-14).
    relay.replay();
    for _ in 0..20 {
        within(here.write_all(b"still")).await.unwrap();
        let mut octets = [0; 5];
        within(there.read_exact(&mut octets)).await.unwrap();
        assert_eq!(&octets, b"still");
    }
    assert_eq!(bridge.connections(), 1);
    assert_eq!(newer.close_reason(), None);
    assert_eq!(newer_there.close_reason(), None);
}

/// A relay that keeps what the client sent and can send it again from the same address.
struct Recorder {
    address: std::net::SocketAddr,
    outside: std::sync::Arc<UdpSocket>,
    bridge: std::net::SocketAddr,
    kept: std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    fn between(bridge: std::net::SocketAddr) -> Self {
        let inside = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let outside = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let client = std::sync::Arc::new(std::sync::Mutex::new(None));
        let address = inside.local_addr().unwrap();
        let recorder = Self { address, outside: outside.clone(), bridge, kept: kept.clone() };
        let (there, from) = (outside.clone(), client.clone());
        let back = inside.clone();
        std::thread::spawn(move || {
            let mut buf = [0; 2048];
            while let Ok((len, peer)) = inside.recv_from(&mut buf) {
                *from.lock().unwrap() = Some(peer);
                kept.lock().unwrap().push(buf[..len].to_vec());
                there.send_to(&buf[..len], bridge).unwrap();
            }
        });
        std::thread::spawn(move || {
            let mut buf = [0; 2048];
            while let Ok((len, _)) = outside.recv_from(&mut buf) {
                if let Some(peer) = *client.lock().unwrap() {
                    back.send_to(&buf[..len], peer).unwrap();
                }
            }
        });
        recorder
    }

    fn replay(&self) {
        for datagram in self.kept.lock().unwrap().clone() {
            self.outside.send_to(&datagram, self.bridge).unwrap();
            let mut mangled = datagram;
            mangled[0] ^= 0x80;
            self.outside.send_to(&mangled, self.bridge).unwrap();
        }
    }
}

/// AP-17: what one endpoint of a key has seen is a copy at every other.
#[tokio::test]
async fn a_copy_at_another_endpoint_of_the_same_key_is_not_answered() {
    let (one, other) = (udp(0), udp(0));
    let addresses = [one.local_addr(), other.local_addr()];
    let identity = identity();
    let bridges =
        [one, other].map(|carrier| Endpoint::bridge(carrier, identity.clone(), Config::default()));
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut answer = [0; 2048];
    let first = first_message(1);
    socket.send_to(&first, addresses[0]).await.unwrap();
    let (_, from) = within(socket.recv_from(&mut answer)).await.unwrap();
    assert_eq!(from, addresses[0]);
    // The copy comes before a new one from somewhere else, and only that is answered.
    socket.send_to(&first, addresses[1]).await.unwrap();
    let elsewhere = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    elsewhere.send_to(&first_message(2), addresses[1]).await.unwrap();
    within(elsewhere.recv_from(&mut answer)).await.unwrap();
    assert_eq!(bridges.map(|bridge| bridge.connections()), [1, 1]);
}
