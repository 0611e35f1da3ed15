//! How connections and endpoints begin and end, and what each end is called.

use std::io::ErrorKind;
use std::time::Duration;

use ap2ap_tokio::{
    CloseReason, Config, ConnectError, ConnectionError, Credentials, Endpoint, EndpointConfig,
    ErrorCode, SecretKey, StreamError,
};
use carrier::{Carrier, Faults, MemoryCarrier, OpenError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Pair, echo_all, exchange, identity, memory_peer, secret, stream, udp, udp_peer, within,
};

#[tokio::test(start_paused = true)]
async fn a_wrong_key_goes_unanswered() {
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_secs(3);
    let pair = Pair::in_memory_with(Faults::default(), &config);
    let wrong = SecretKey::from_octets([8; 32]).public();
    let client = pair.client.connect(pair.peer.clone(), wrong).unwrap();
    assert_eq!(within(client.ready()).await, Err(ConnectionError::Unanswered));
    assert_eq!(within(client.closed()).await, ConnectionError::Unanswered);
    assert_eq!(pair.bridge.connections(), 0);
}

#[tokio::test]
async fn nobody_there_is_told_from_no_such_peer_and_no_such_overlay() {
    let (here, there) = MemoryCarrier::pair();
    drop(there);
    let client = Endpoint::client(here, Config::default());
    let connection = client.connect(memory_peer(), secret().public()).unwrap();
    assert_eq!(within(connection.ready()).await, Err(ConnectionError::Unreachable));

    let client = Endpoint::client(udp(0), Config::default());
    let connection = client.connect("skype:bridge".parse().unwrap(), secret().public()).unwrap();
    let expected = ConnectionError::Open(OpenError::OtherOverlay { expected: "udp" });
    assert_eq!(within(connection.ready()).await, Err(expected));
    assert_eq!(client.connections(), 0);
}

#[tokio::test]
async fn a_lost_carrier_ends_its_connections() {
    let (here, there) = MemoryCarrier::pair();
    // The bridge's whole process goes, carrier and all, without a word.
    let process = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let in_process = process.enter();
    let bridge = Endpoint::bridge(there, identity(), Config::default());
    drop(in_process);
    let endpoint = Endpoint::client(here, Config::default());
    let client = endpoint.connect(memory_peer(), secret().public()).unwrap();
    let remote = within(bridge.accept()).await.unwrap();
    let (mut here, _there) = stream(&client, &remote).await;
    process.shutdown_background();

    let reason = within(client.closed()).await;
    assert!(matches!(reason, ConnectionError::CarrierLost { .. }), "{reason}");
    assert!(matches!(within(remote.closed()).await, ConnectionError::CarrierLost { .. }));
    assert!(within(bridge.accept()).await.is_none());
    let error = within(here.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(StreamError::of(&error), Some(&StreamError::Connection(reason)));
}

#[tokio::test]
async fn a_close_reaches_the_peer_with_code_and_words() {
    let pair = Pair::over_udp();
    let (client, bridge) = pair.connected().await;
    client.close(ErrorCode(9), "enough");
    assert_eq!(client.close_reason(), Some(ConnectionError::Closed(CloseReason::Local)));
    let expected = CloseReason::Peer { code: ErrorCode(9), reason: "enough".to_owned() };
    assert_eq!(within(bridge.closed()).await, ConnectionError::Closed(expected));
    assert!(within(bridge.accept_stream()).await.is_none());
    assert!(within(bridge.open_stream()).await.is_err());
    within(pair.client.wait_idle()).await;
    within(pair.bridge.wait_idle()).await;
}

#[tokio::test]
async fn the_same_peer_can_be_connected_to_right_after_a_close() {
    let pair = Pair::over_udp();
    echo_all(pair.bridge.clone());
    for round in 0..5 {
        let client = pair.connect();
        let stream = within(client.open_stream()).await.unwrap();
        assert_eq!(within(exchange(stream, vec![round; 100])).await, vec![round; 100]);
        client.close(ErrorCode(0), "");
    }
}

#[tokio::test]
async fn dropping_all_handles_closes_and_ends_the_task() {
    let (here, there) = MemoryCarrier::pair();
    let (here, dropped) = Watched::new(here);
    let pair = Pair::over(here, there, memory_peer(), &Config::default());
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    let Pair { client: endpoint, bridge: _bridge_endpoint, .. } = pair;
    drop(endpoint);
    drop(client);
    // The stream alone keeps the connection, and what is finished still arrives.
    here.write_all(b"last words").await.unwrap();
    here.shutdown().await.unwrap();
    let (read, write) = here.into_split();
    drop(write);
    let mut words = Vec::new();
    within(there.read_to_end(&mut words)).await.unwrap();
    assert_eq!(words, b"last words");
    drop(read);
    within(dropped).await.unwrap_err();
    assert!(matches!(
        within(bridge.closed()).await,
        ConnectionError::Closed(CloseReason::Peer { code: ErrorCode(0), .. })
    ));
}

#[tokio::test]
async fn what_was_finished_arrives_though_nobody_holds_the_connection() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let (here, there) = stream(&client, &bridge).await;
    let octets = vec![5; 300_000];
    let expected = octets.clone();
    let sending = tokio::spawn(async move {
        let (read, mut write) = here.into_split();
        write.write_all(&octets).await.unwrap();
        write.shutdown().await.unwrap();
        drop((read, write, client));
    });
    let mut received = Vec::new();
    let (mut there, _write) = there.into_split();
    within(there.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, expected);
    within(sending).await.unwrap();
    within(pair.client.wait_idle()).await;
}

#[tokio::test]
async fn shutdown_ends_everything_that_waits() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let endpoint = pair.bridge.clone();
    let accepting = tokio::spawn(async move { endpoint.accept().await.is_none() });
    let opening = tokio::spawn(async move { bridge.accept_stream().await.is_none() });
    tokio::task::yield_now().await;
    within(pair.bridge.shutdown(ErrorCode(1), "bye")).await;
    within(pair.bridge.shutdown(ErrorCode(1), "again")).await;
    assert!(within(accepting).await.unwrap());
    assert!(within(opening).await.unwrap());
    within(client.closed()).await;
    let refused = pair.bridge.connect(memory_peer(), secret().public()).unwrap_err();
    assert_eq!(refused, ConnectError::Ended);
}

#[tokio::test]
async fn connections_are_limited() {
    let mut config = EndpointConfig::default();
    config.connections_max = 2;
    let client = Endpoint::client(udp(0), config);
    let connect = |port: u16| {
        let peer = udp_peer((std::net::Ipv4Addr::LOCALHOST, port).into());
        client.connect(peer, secret().public())
    };
    let _kept = (connect(1).unwrap(), connect(2).unwrap());
    assert_eq!(connect(3).unwrap_err(), ConnectError::TooMany { max: 2 });
}

#[tokio::test]
async fn a_client_that_comes_back_over_the_same_path_replaces_itself() {
    let bridge_carrier = udp(0);
    let peer = udp_peer(bridge_carrier.local_addr());
    let bridge = Endpoint::bridge(bridge_carrier, identity(), Config::default());
    let carrier = udp(0);
    let port = carrier.local_addr().port();

    // The client's process dies without a word: its runtime goes, its port is free again.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let first_peer = peer.clone();
    drop(carrier);
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let client = Endpoint::client(udp(port), Config::default());
            let connection = client.connect(first_peer, secret().public()).unwrap();
            connection.ready().await.unwrap();
            let mut stream = connection.open_stream().await.unwrap();
            stream.write_all(b"x").await.unwrap();
            receiver.await.unwrap();
            std::mem::forget((client, connection, stream));
        });
        drop(runtime);
    });
    let old = within(bridge.accept()).await.unwrap();
    within(old.accept_stream()).await.unwrap();
    sender.send(()).unwrap();
    process.join().unwrap();

    let client = Endpoint::client(udp(port), Config::default());
    let connection = client.connect(peer, secret().public()).unwrap();
    within(connection.ready()).await.unwrap();
    let new = within(bridge.accept()).await.unwrap();
    let (_here, _there) = stream(&connection, &new).await;
    assert_eq!(within(old.closed()).await, ConnectionError::Replaced);
    assert_eq!(new.close_reason(), None);
}

/// A carrier that says when it is dropped.
struct Watched<C> {
    inner: C,
    _alive: tokio::sync::oneshot::Sender<()>,
}

impl<C> Watched<C> {
    fn new(inner: C) -> (Self, tokio::sync::oneshot::Receiver<()>) {
        let (alive, dropped) = tokio::sync::oneshot::channel();
        (Self { inner, _alive: alive }, dropped)
    }
}

impl<C: Carrier> Carrier for Watched<C> {
    fn open(
        &mut self,
        now: std::time::Instant,
        peer: &carrier::PeerId,
    ) -> Result<carrier::CarrierPath, OpenError> {
        self.inner.open(now, peer)
    }
    fn accept(&mut self, now: std::time::Instant, path: carrier::CarrierPath) {
        self.inner.accept(now, path);
    }
    fn reject(&mut self, now: std::time::Instant, path: carrier::CarrierPath) {
        self.inner.reject(now, path);
    }
    fn close(&mut self, now: std::time::Instant, path: carrier::CarrierPath) {
        self.inner.close(now, path);
    }
    fn try_send(
        &mut self,
        now: std::time::Instant,
        path: carrier::CarrierPath,
        datagram: &[u8],
    ) -> Result<(), carrier::SendError> {
        self.inner.try_send(now, path, datagram)
    }
    fn poll(
        &mut self,
        cx: &mut std::task::Context<'_>,
        now: std::time::Instant,
        buf: &mut [u8],
    ) -> std::task::Poll<carrier::CarrierEvent> {
        self.inner.poll(cx, now, buf)
    }
}

#[tokio::test]
async fn a_ticket_of_one_connection_is_used_by_the_next() {
    let (here, there) = MemoryCarrier::pair();
    let client = Endpoint::client(here, Config::default());
    let bridge = Endpoint::bridge(there, identity().giving_tickets(), Config::default());
    let mut credentials = Credentials::new(secret().public());
    for _ in 0..2 {
        let near = client.connect(memory_peer(), credentials.clone()).unwrap();
        let far = within(bridge.accept()).await.unwrap();
        // What comes back was sent after the ticket.
        let (_here, mut there) = stream(&near, &far).await;
        within(there.write_all(b"?")).await.unwrap();
        let ticket = within(async {
            loop {
                match near.take_ticket() {
                    Some(ticket) => return ticket,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await;
        assert!(near.take_ticket().is_none(), "it is taken once");
        credentials = Credentials::new(secret().public()).with_ticket(ticket);
        near.close(ErrorCode(0), "");
        within(far.closed()).await;
    }
}
