//! One connection over paths of several carriers, which it outlives.

use std::time::Duration;

use ap2ap_tokio::{
    CarrierId, Config, Connection, ConnectionError, Credentials, Endpoint, EndpointConfig,
    OpenPathError, PATHS_KNOWN_MAX, PathKey, PathPhase, PathReport,
};
use carrier::MemoryCarrier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gate::Gate;
use crate::support::{echo, identity, memory_peer, pattern, secret, stream, udp, udp_peer, within};

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn patient() -> EndpointConfig {
    let mut config = Config::default();
    config.answer_timeout = TEN_MINUTES;
    config.idle_timeout = Some(TEN_MINUTES);
    let mut config = EndpointConfig::from(config);
    config.lost_max = 2;
    config
}

/// A client and a bridge that outlive their carriers.
struct World {
    client: Endpoint,
    bridge: Endpoint,
}

impl World {
    fn new() -> Self {
        let client = Endpoint::client_of_many(patient());
        let bridge = Endpoint::bridge_of_many(identity(), patient());
        Self { client, bridge }
    }

    /// One more way from the client to the bridge, behind a gate in either direction.
    fn add_way(&self) -> (CarrierId, Gate) {
        let (gate, (here, there)) = (Gate::default(), MemoryCarrier::pair());
        let id = self.client.add_carrier(gate.around(here)).unwrap();
        self.bridge.add_carrier(gate.around(there)).unwrap();
        (id, gate)
    }

    fn begin(&self) -> Connection {
        self.client.connect_later(secret().public()).unwrap()
    }

    async fn connected(&self, over: CarrierId) -> (Connection, Connection, PathKey) {
        let client = self.begin();
        let path = client.open_path(over, memory_peer()).unwrap();
        let bridge = within(self.bridge.accept()).await.unwrap();
        within(client.ready()).await.unwrap();
        (client, bridge, path)
    }
}

async fn path_is(
    connection: &Connection,
    key: PathKey,
    mut is: impl FnMut(&PathReport) -> bool,
) -> PathReport {
    within(async {
        loop {
            let changed = connection.paths_changed();
            let paths = connection.paths();
            if let Some(path) = paths.into_iter().find(|path| path.key == key && is(path)) {
                return path;
            }
            changed.await;
        }
    })
    .await
}

#[tokio::test]
async fn a_transfer_goes_on_over_another_carrier_when_the_first_is_given_back() {
    let world = World::new();
    let ((first, _), second) = (world.add_way(), udp(0));
    let peer = udp_peer(second.local_addr());
    world.bridge.add_carrier(second).unwrap();
    let over_udp = world.client.add_carrier(udp(0)).unwrap();
    let (client, bridge, path) = world.connected(first).await;
    echo(bridge.clone());
    let other = client.open_path(over_udp, peer).unwrap();
    path_is(&client, other, |path| path.signs.is_heard).await;
    let octets = pattern(2_000_000, 1);
    let (mut read, mut write) = client.open_stream().await.unwrap().into_split();
    let sent = octets.clone();
    tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut echoed = vec![0; octets.len() / 2];
    within(read.read_exact(&mut echoed)).await.unwrap();
    client.close_path(path);
    within(read.read_to_end(&mut echoed)).await.unwrap();
    assert!(echoed == octets);
    let left: Vec<_> = client.paths().iter().map(|path| path.carrier).collect();
    assert_eq!(left, [over_udp]);
    within(async {
        while bridge.paths().len() > 1 {
            bridge.paths_changed().await;
        }
    })
    .await;
}

#[tokio::test]
async fn streams_wait_while_there_is_no_path_and_go_on_over_the_next_one() {
    let world = World::new();
    let (first, _) = world.add_way();
    let (client, bridge, path) = world.connected(first).await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    client.close_path(path);
    within(async {
        while !bridge.paths().is_empty() {
            bridge.paths_changed().await;
        }
    })
    .await;
    here.write_all(b"into the void").await.unwrap();
    there.write_all(b"and out of it").await.unwrap();
    let (second, _) = world.add_way();
    client.open_path(second, memory_peer()).unwrap();
    let mut got = [0; 13];
    within(there.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"into the void");
    within(here.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"and out of it");
    assert_eq!((world.client.connections(), world.bridge.connections()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_path_is_told_and_the_stream_goes_on_over_a_new_one() {
    let world = World::new();
    let (carrier, gate) = world.add_way();
    let (client, bridge, path) = world.connected(carrier).await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    gate.shut();
    here.write_all(b"?").await.unwrap();
    path_is(&client, path, |path| path.signs.probes_unanswered >= 2).await;
    let (other, _) = world.add_way();
    client.open_path(other, memory_peer()).unwrap();
    assert_eq!(within(there.read_u8()).await.unwrap(), b'?');
}

#[tokio::test(start_paused = true)]
async fn a_path_that_cannot_be_opened_is_told_and_ends_nothing() {
    let world = World::new();
    let client = world.begin();
    let (here, there) = MemoryCarrier::pair();
    drop(there);
    let carrier = world.client.add_carrier(here).unwrap();
    let gone = client.open_path(carrier, memory_peer()).unwrap();
    let over = path_is(&client, gone, |path| path.phase != PathPhase::Opening).await;
    assert_eq!(over.phase, PathPhase::Over(ConnectionError::Unreachable));
    let wrong = client.open_path(carrier, "skype:bridge".parse().unwrap()).unwrap();
    path_is(&client, wrong, |path| matches!(path.phase, PathPhase::Over(_))).await;
    client.close_path(gone);
    client.close_path(wrong);
    assert_eq!(client.paths(), []);
    // It comes up as soon as there is a way.
    let (carrier, _) = world.add_way();
    client.open_path(carrier, memory_peer()).unwrap();
    within(client.ready()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_nobody_answers_goes_on_over_the_next_path() {
    let world = World::new();
    let ((silent, gate), (other, _)) = (world.add_way(), world.add_way());
    gate.shut();
    let client = world.begin();
    let path = client.open_path(silent, memory_peer()).unwrap();
    client.open_path(other, memory_peer()).unwrap();
    path_is(&client, path, |path| path.phase == PathPhase::Open).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    client.close_path(path);
    within(client.ready()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_path_is_forgotten_in_the_end_by_both() {
    let world = World::new();
    let (carrier, _) = world.add_way();
    let (client, bridge, path) = world.connected(carrier).await;
    client.close_path(path);
    tokio::time::sleep(TEN_MINUTES - Duration::from_secs(10)).await;
    assert_eq!((client.close_reason(), bridge.close_reason()), (None, None));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(client.close_reason().is_some() && bridge.close_reason().is_some());
    assert_eq!((world.client.connections(), world.bridge.connections()), (0, 0));
}

#[tokio::test]
async fn of_too_many_sessions_without_a_path_the_oldest_goes() {
    let world = World::new();
    let (carrier, _) = world.add_way();
    let mut bridges = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (client, bridge, path) = world.connected(carrier).await;
        client.close_path(path);
        within(async {
            while !bridge.paths().is_empty() {
                bridge.paths_changed().await;
            }
        })
        .await;
        bridges.push(bridge);
        clients.push(client);
    }
    assert_eq!(within(bridges[0].closed()).await, ConnectionError::Crowded);
    assert_eq!((bridges[1].close_reason(), bridges[2].close_reason()), (None, None));
}

/// AP-24: a client whose process was killed comes back over another path, with what it kept.
#[tokio::test]
async fn a_client_that_comes_back_with_a_ticket_frees_its_old_session_at_once() {
    let client = Endpoint::client_of_many(patient());
    let bridge = Endpoint::bridge_of_many(identity().giving_tickets(), patient());
    let world = World { client, bridge };
    let ((first, gate), (second, _)) = (world.add_way(), world.add_way());
    let (client, old, _) = world.connected(first).await;
    let (_here, mut there) = stream(&client, &old).await;
    within(there.write_all(b"?")).await.unwrap();
    let ticket = within(async {
        loop {
            match client.take_ticket() {
                Some(ticket) => return ticket,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    // From here on the old one is not heard of, as if it were gone.
    gate.shut();
    let credentials = Credentials::new(secret().public());
    let again = world.client.connect_later(credentials.with_ticket(ticket)).unwrap();
    again.open_path(second, memory_peer()).unwrap();
    let new = within(world.bridge.accept()).await.unwrap();
    assert_eq!(within(old.closed()).await, ConnectionError::Replaced);
    let (_here, _there) = stream(&again, &new).await;
    assert_eq!(world.bridge.connections(), 1);
}

#[tokio::test]
async fn refuses_more_paths_than_it_keeps_count_of() {
    let world = World::new();
    let (carrier, _) = world.add_way();
    let client = world.begin();
    for _ in 0..PATHS_KNOWN_MAX {
        client.open_path(carrier, memory_peer()).unwrap();
    }
    let refused = client.open_path(carrier, memory_peer());
    assert_eq!(refused, Err(OpenPathError::TooMany { max: PATHS_KNOWN_MAX }));
    // Eight carry, the others wait for their turn.
    within(client.ready()).await.unwrap();
    let bridge = within(world.bridge.accept()).await.unwrap();
    let (_here, _there) = stream(&client, &bridge).await;
    client.close(ap2ap_tokio::ErrorCode(0), "");
    let over = client.open_path(carrier, memory_peer());
    assert!(matches!(over, Err(OpenPathError::Connection(_))), "{over:?}");
}

#[tokio::test]
async fn a_carrier_that_ends_takes_its_paths_and_nothing_else() {
    let world = World::new();
    let ((first, _), (second, _)) = (world.add_way(), world.add_way());
    let (client, bridge, path) = world.connected(first).await;
    let other = client.open_path(second, memory_peer()).unwrap();
    path_is(&client, other, |path| path.signs.is_heard).await;
    let mortal = MortalCarrier::default();
    let ending = world.client.add_carrier(mortal.clone()).unwrap();
    mortal.end();
    let why = within(world.client.carrier_ended(ending)).await;
    assert!(matches!(why, ConnectionError::CarrierLost { .. }), "{why}");
    let on_it = client.open_path(ending, memory_peer()).unwrap();
    path_is(&client, on_it, |path| matches!(path.phase, PathPhase::Over(_))).await;
    path_is(&client, path, |path| path.phase == PathPhase::Open).await;
    let (_here, _there) = stream(&client, &bridge).await;
}

/// A carrier that does nothing but end.
#[derive(Clone, Default)]
struct MortalCarrier {
    state: std::sync::Arc<std::sync::Mutex<(bool, Option<std::task::Waker>)>>,
}

impl MortalCarrier {
    fn end(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl carrier::Carrier for MortalCarrier {
    fn open(
        &mut self,
        _: std::time::Instant,
        _: &carrier::PeerId,
    ) -> Result<carrier::CarrierPath, carrier::OpenError> {
        Err(carrier::OpenError::Closed { why: "it does nothing".to_owned() })
    }
    fn accept(&mut self, _: std::time::Instant, _: carrier::CarrierPath) {}
    fn reject(&mut self, _: std::time::Instant, _: carrier::CarrierPath) {}
    fn close(&mut self, _: std::time::Instant, _: carrier::CarrierPath) {}
    fn try_send(
        &mut self,
        _: std::time::Instant,
        _: carrier::CarrierPath,
        _: &[u8],
    ) -> Result<(), carrier::SendError> {
        Err(carrier::SendError::Gone)
    }
    fn poll(
        &mut self,
        cx: &mut std::task::Context<'_>,
        _: std::time::Instant,
        _: &mut [u8],
    ) -> std::task::Poll<carrier::CarrierEvent> {
        let mut state = self.state.lock().unwrap();
        if state.0 {
            return std::task::Poll::Ready(carrier::CarrierEvent::Closed {
                why: "told to".to_owned(),
            });
        }
        state.1 = Some(cx.waker().clone());
        std::task::Poll::Pending
    }
}
