//! A connection over several paths: they join, move, fall silent and leave, and nothing is lost.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, ErrorCode, Event, Output, PathEvent, PathId,
    ReadError, SecretKey, Side, StreamId,
};
use common::{MS, SECOND, WALL, patterned};

const DELAY: Duration = Duration::from_millis(40);
const FIRST: PathId = PathId(0);
const SECOND_PATH: PathId = PathId(1);

/// A datagram on its way: when it arrives, to whom, over which path.
type OnItsWay = BTreeMap<(Instant, u64), (Side, PathId, Vec<u8>)>;

/// Two ends and any number of paths between them, each of which may be cut or be renamed on the way.
struct World {
    now: Instant,
    client: Connection,
    bridge: Option<Connection>,
    acceptor: Acceptor,
    on_its_way: OnItsWay,
    count: u64,
    cut: BTreeSet<PathId>,
    /// What the bridge calls the client's path, where it is another number.
    names: BTreeMap<PathId, PathId>,
    shared: bool,
    events: Vec<(Side, Event)>,
    /// Everything that was sent: by whom, over which path.
    sent: Vec<(Side, PathId, Vec<u8>)>,
    received: BTreeMap<StreamId, Vec<u8>>,
}

impl World {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        let key = SecretKey::from_octets([8; 32]);
        Self {
            now,
            client: Connection::connect(key.public(), Config::default(), [1; 32], WALL, now),
            bridge: None,
            acceptor: Acceptor::new(
                BridgeIdentity::new(key, Duration::ZERO),
                Config::default(),
                [2; 32],
            ),
            on_its_way: BTreeMap::new(),
            count: 0,
            cut: BTreeSet::new(),
            names: BTreeMap::new(),
            shared: false,
            events: Vec::new(),
            sent: Vec::new(),
            received: BTreeMap::new(),
        }
    }

    fn connected() -> Self {
        let mut world = Self::new();
        world.add(FIRST);
        world.run_for(SECOND);
        assert!(world.bridge().is_confirmed());
        world
    }

    fn bridge(&mut self) -> &mut Connection {
        self.bridge.as_mut().unwrap()
    }

    fn added(&self) -> PathEvent {
        let payload_max = 1200;
        if self.shared {
            PathEvent::AddedShared { payload_max }
        } else {
            PathEvent::Added { payload_max }
        }
    }

    fn add(&mut self, path: PathId) {
        self.client.handle_path(self.now, path, self.added());
    }

    fn deliver(&mut self, to: Side, path: PathId, datagram: &[u8]) {
        if to == Side::Client {
            // Back over whatever the client calls it.
            let known = self.names.iter().find(|(_, name)| **name == path);
            let path = known.map_or(path, |(path, _)| *path);
            self.client.handle_datagram(self.now, path, datagram);
            return;
        }
        let path = self.names.get(&path).copied().unwrap_or(path);
        let added = self.added();
        match &mut self.bridge {
            None => {
                let on = (path, 1200);
                self.bridge = self.acceptor.handle_first(self.now, WALL, on, datagram).ok();
                if let Some(bridge) = &mut self.bridge {
                    bridge.handle_path(self.now, path, added);
                }
            }
            Some(bridge) => {
                if bridge.is_ours(datagram) {
                    bridge.handle_path(self.now, path, added);
                }
                bridge.handle_datagram(self.now, path, datagram);
            }
        }
    }

    fn poll(&mut self, side: Side) -> Option<Instant> {
        let mut buf = [0; 2048];
        loop {
            let connection = match side {
                Side::Client => &mut self.client,
                Side::Bridge => self.bridge.as_mut()?,
            };
            match connection.poll_output(self.now, &mut buf) {
                Output::Wait(at) => return at,
                Output::Event(event) => {
                    if let (Side::Bridge, Event::Readable(id)) = (side, &event) {
                        self.read(*id);
                    }
                    self.events.push((side, event));
                }
                Output::Transmit { path, len } => {
                    let datagram = buf[..len].to_vec();
                    self.sent.push((side, path, datagram.clone()));
                    let to = if side == Side::Client { Side::Bridge } else { Side::Client };
                    if !self.cut.contains(&path) {
                        self.count += 1;
                        let at = (self.now + DELAY, self.count);
                        self.on_its_way.insert(at, (to, path, datagram));
                    }
                }
            }
        }
    }

    fn read(&mut self, id: StreamId) {
        let received = self.received.entry(id).or_default();
        let Some(mut stream) = self.bridge.as_mut().unwrap().stream(id) else { return };
        loop {
            match stream.read(4096) {
                Ok(Some(octets)) => received.extend_from_slice(&octets),
                Ok(None) | Err(ReadError::Blocked) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = [self.poll(Side::Client), self.poll(Side::Bridge)];
            let arrival = self.on_its_way.first_key_value().map(|((at, _), _)| *at);
            let next = timers.into_iter().flatten().chain(arrival).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = next.max(self.now);
            while let Some(entry) = self.on_its_way.first_entry()
                && entry.key().0 <= self.now
            {
                let (to, path, datagram) = entry.remove();
                self.deliver(to, path, &datagram);
            }
        }
    }

    /// The client writes as much as is taken, in the pace of the connection, until all is there.
    fn upload(&mut self, data: &[u8], mut at_half: impl FnMut(&mut Self)) -> Vec<u8> {
        let id = self.client.open().unwrap();
        let (mut offset, mut halved) = (0, false);
        for _ in 0..4000 {
            if let Some(mut stream) = self.client.stream(id)
                && offset < data.len()
                && let Ok(taken) = stream.write(&data[offset..])
            {
                offset += taken;
            }
            self.run_for(50 * MS);
            let got = self.received.get(&id).map_or(0, Vec::len);
            if got > data.len() / 2 && !halved {
                halved = true;
                at_half(self);
            }
            if got == data.len() {
                break;
            }
        }
        self.received.remove(&id).unwrap_or_default()
    }

    fn paths_sent_on_since(&self, mark: usize, by: Side) -> BTreeSet<PathId> {
        self.sent[mark..].iter().filter(|sent| sent.0 == by).map(|sent| sent.1).collect()
    }

    fn was_told(&self, side: Side, path: PathId) -> bool {
        self.events.contains(&(side, Event::PathClosed(path)))
    }
}

/// AP-85: a session outlives its first path.
#[test]
fn a_transfer_goes_on_over_the_second_path_when_the_first_falls_silent() {
    let mut world = World::connected();
    world.add(SECOND_PATH);
    world.run_for(SECOND);
    let data = patterned(1, 0, 400_000);
    let got = world.upload(&data, |world| {
        world.cut.insert(FIRST);
    });
    assert!(got == data, "{} of {}", got.len(), data.len());
    // AP-84: the silent one is given up in the end, by both.
    world.run_for(60 * SECOND);
    assert!(world.was_told(Side::Client, FIRST) && world.was_told(Side::Bridge, FIRST));
    let mark = world.sent.len();
    world.run_for(90 * SECOND);
    for side in [Side::Client, Side::Bridge] {
        assert!(!world.paths_sent_on_since(mark, side).contains(&FIRST), "{side:?}");
    }
    assert!(!world.client.is_closed() && !world.bridge().is_closed());
}

#[test]
fn a_transfer_goes_on_over_the_second_path_when_the_first_is_removed() {
    let mut world = World::connected();
    world.add(SECOND_PATH);
    world.run_for(SECOND);
    let data = patterned(1, 0, 400_000);
    let got = world.upload(&data, |world| {
        let now = world.now;
        world.client.handle_path(now, FIRST, PathEvent::Removed);
    });
    assert!(got == data, "{} of {}", got.len(), data.len());
    assert!(world.was_told(Side::Bridge, FIRST), "the bridge hears that it left");
}

/// AP-84: what arrived, and was acknowledged in vain, does not go over the next path again.
#[test]
fn what_arrived_before_a_path_died_is_told_over_the_next_one() {
    for is_removed in [false, true] {
        let mut world = World::connected();
        let id = world.client.open().unwrap();
        let data = patterned(5, 0, 31_000);
        for piece in data[..20_000].chunks(2_000) {
            world.client.stream(id).unwrap().write(piece).unwrap();
            world.run_for(SECOND);
        }
        // It is on its way when the path dies, and its acknowledgement is not.
        world.client.stream(id).unwrap().write(&data[20_000..23_000]).unwrap();
        world.run_for(DELAY - 5 * MS);
        world.cut.insert(FIRST);
        world.run_for(10 * SECOND);
        let arrived = world.received[&id].len();
        assert!(arrived > 20_600, "{arrived}: some of it did");
        if is_removed {
            let now = world.now;
            world.client.handle_path(now, FIRST, PathEvent::Removed);
        }
        let before = world.client.stats().octets_resent;
        world.add(SECOND_PATH);
        // One round trip, in which the client cannot know, and sends a train.
        world.run_for(2 * DELAY + MS);
        world.client.stream(id).unwrap().write(&data[23_000..]).unwrap();
        world.run_for(10 * SECOND);
        assert!(world.received[&id] == data);
        let resent = world.client.stats().octets_resent - before;
        assert!(resent < 2_600, "{resent} octets, removed: {is_removed}");
    }
}

/// AP-4: the id is there while it is needed, and no longer.
#[test]
fn a_join_says_whose_it_is_until_it_was_heard() {
    let mut world = World::connected();
    world.add(SECOND_PATH);
    let mark = world.sent.len();
    world.run_for(SECOND);
    let ours: BTreeSet<_> = world.bridge().foreign_ids().collect();
    let with_id = |sent: &&(Side, PathId, Vec<u8>)| {
        sent.1 == SECOND_PATH && sent.2.first_chunk().is_some_and(|id| ours.contains(id))
    };
    let joins = world.sent[mark..].iter().filter(with_id).count();
    assert_eq!(joins, 1, "the first, and none after the answer");
    assert!(world.paths_sent_on_since(mark, Side::Bridge).contains(&SECOND_PATH));
}

/// AP-1, AP-81: what does not open makes no path, whatever it begins with.
#[test]
fn a_forged_join_makes_no_path() {
    let mut world = World::connected();
    let before: Vec<_> = world.bridge().foreign_ids().collect();
    for id in before.clone() {
        let mut forged = id.to_vec();
        forged.extend_from_slice(&[7; 40]);
        assert!(world.bridge().is_ours(&forged));
        world.deliver(Side::Bridge, PathId(77), &forged);
    }
    assert!(world.bridge().foreign_ids().eq(before));
    let mark = world.sent.len();
    world.run_for(10 * SECOND);
    assert!(!world.paths_sent_on_since(mark, Side::Bridge).contains(&PathId(77)));
}

/// AP-83: whoever copies a join gets little for it, and AP-42: nothing for its repeat.
#[test]
fn a_copied_join_is_answered_with_no_more_than_its_allowance() {
    let mut world = World::connected();
    // Something to download, so that there is all reason to send.
    let id = world.client.open().unwrap();
    world.client.stream(id).unwrap().write(b"x").unwrap();
    world.run_for(SECOND);
    let data = patterned(3, 0, 60_000);
    world.cut.insert(SECOND_PATH);
    world.add(SECOND_PATH);
    world.run_for(MS);
    let (_, _, join) = world.sent.iter().rev().find(|sent| sent.1 == SECOND_PATH).cloned().unwrap();
    // The copy arrives from elsewhere, the original never; then the first path dies.
    world.cut.insert(PathId(66));
    world.names.insert(SECOND_PATH, PathId(66));
    world.deliver(Side::Bridge, SECOND_PATH, &join);
    world.cut.insert(FIRST);
    let mark = world.sent.len();
    let _taken = world.bridge().stream(id).unwrap().write(&data);
    world.run_for(20 * SECOND);
    let octets: usize = world.sent[mark..]
        .iter()
        .filter(|sent| sent.0 == Side::Bridge && sent.1 == PathId(66))
        .map(|sent| sent.2.len())
        .sum();
    assert!(octets > 0 && octets <= 1500.max(3 * join.len()), "{octets} octets");
}

/// AP-82: an address that changes under a client takes the path with it.
#[test]
fn a_path_moves_with_the_newest_packet_and_not_with_an_old_one() {
    let mut world = World::new();
    world.shared = true;
    world.add(FIRST);
    world.run_for(SECOND);
    let old = world.sent.iter().rev().find(|sent| sent.0 == Side::Client).unwrap().2.clone();
    world.names.insert(FIRST, PathId(50));
    let data = patterned(2, 0, 60_000);
    assert!(world.upload(&data, |_| ()) == data);
    assert!(world.was_told(Side::Bridge, FIRST));
    assert!(!world.was_told(Side::Bridge, PathId(50)));
    // A recorded one from elsewhere moves nothing.
    world.names.insert(FIRST, PathId(51));
    world.deliver(Side::Bridge, FIRST, &old);
    assert!(!world.was_told(Side::Bridge, PathId(50)));
}

/// AP-4: over a path that several share, every packet says whose it is, both ways.
#[test]
fn on_a_shared_path_every_packet_says_whose_it_is() {
    let mut world = World::new();
    world.shared = true;
    world.add(FIRST);
    world.run_for(SECOND);
    let mark = world.sent.len();
    let data = patterned(2, 0, 20_000);
    assert!(world.upload(&data, |_| ()) == data);
    for (connection, by) in
        [(&world.client, Side::Bridge), (world.bridge.as_ref().unwrap(), Side::Client)]
    {
        let packets = world.sent[mark..].iter().filter(|sent| sent.0 == by);
        assert!(packets.clone().count() > 1);
        for (_, _, packet) in packets {
            assert!(connection.is_ours(packet));
        }
    }
}

/// AP-30, AP-80: in every build that checks assertions the sealing itself refuses a place that came
/// before, so that all tests are tests of it; here with as many paths as anybody may ever have.
#[test]
fn ten_thousand_joins_repeat_no_nonce() {
    let mut world = World::connected();
    let id = world.client.open().unwrap();
    let mut seen = BTreeSet::new();
    for number in 1..=10_000 {
        let path = PathId(number);
        world.add(path);
        world.client.stream(id).unwrap().write(&number.to_be_bytes()).unwrap();
        world.run_for(100 * MS);
        let now = world.now;
        world.client.handle_path(now, PathId(number - 1), PathEvent::Removed);
        for (_, _, datagram) in world.sent.drain(..) {
            assert!(seen.insert(datagram), "the same datagram twice");
        }
        world.events.clear();
    }
    world.run_for(SECOND);
    assert!(!world.client.is_closed() && !world.bridge().is_closed());
    let got = &world.received[&id];
    assert_eq!(got.len(), 80_000);
    assert!(
        got.chunks(8).zip(1..=10_000_u64).all(|(octets, number)| octets == number.to_be_bytes())
    );
}

/// AP-81: joins that are lost use up no more than a client may leave open.
#[test]
fn joins_that_never_arrive_do_not_lock_later_ones_out() {
    let mut world = World::connected();
    for number in 1..40 {
        let path = PathId(number);
        world.cut.insert(path);
        world.add(path);
        world.run_for(200 * MS);
        let now = world.now;
        world.client.handle_path(now, path, PathEvent::Removed);
        world.run_for(500 * MS);
    }
    world.add(PathId(100));
    world.run_for(SECOND);
    world.cut.insert(FIRST);
    let data = patterned(2, 0, 20_000);
    assert!(world.upload(&data, |_| ()) == data);
}

/// AP-81: ... not even while no path is left over which the bridge could be told of them.
#[test]
fn joins_that_never_arrive_while_no_path_is_left_do_not_lock_later_ones_out() {
    let mut world = World::connected();
    let now = world.now;
    world.client.handle_path(now, FIRST, PathEvent::Removed);
    for number in 1..60 {
        let path = PathId(number);
        world.cut.insert(path);
        world.add(path);
        world.run_for(SECOND);
        let now = world.now;
        world.client.handle_path(now, path, PathEvent::Removed);
    }
    world.add(PathId(100));
    let data = patterned(2, 0, 20_000);
    assert!(world.upload(&data, |_| ()) == data);
}

/// AP-81: a client that lost all its paths in silence comes back with as many others.
#[test]
fn new_paths_take_the_place_of_dead_ones_that_nobody_left() {
    let mut world = World::connected();
    for number in 1..8 {
        world.add(PathId(number));
        world.run_for(SECOND);
    }
    let now = world.now;
    for number in 0..8 {
        world.cut.insert(PathId(number));
        world.client.handle_path(now, PathId(number), PathEvent::Removed);
    }
    for number in 10..18 {
        world.add(PathId(number));
    }
    world.run_for(SECOND);
    let mark = world.sent.len();
    let data = patterned(2, 0, 20_000);
    assert!(world.upload(&data, |_| ()) == data);
    world.run_for(70 * SECOND);
    let used = world.paths_sent_on_since(mark, Side::Bridge);
    assert_eq!(used, (10..18).map(PathId).collect(), "the dead ones are not used any more");
}

/// AP-14: whoever begins where nobody answers begins again on the way that waits.
#[test]
fn a_handshake_goes_on_over_the_path_that_waits_when_its_own_is_removed() {
    let mut world = World::new();
    world.cut.insert(FIRST);
    world.add(FIRST);
    world.add(SECOND_PATH);
    world.run_for(SECOND);
    assert!(world.bridge.is_none());
    let now = world.now;
    world.client.handle_path(now, FIRST, PathEvent::Removed);
    world.run_for(SECOND);
    assert!(world.client.is_confirmed());
}

/// AP-113: who is asked for longer patience has it, and a dead path is left as soon as before.
#[test]
fn a_session_outlives_a_silence_of_all_paths_for_as_long_as_it_is_told() {
    let mut world = World::new();
    let key = SecretKey::from_octets([8; 32]);
    let mut config = Config::default();
    config.answer_timeout = 700 * SECOND;
    config.idle_timeout = Some(800 * SECOND);
    world.client = Connection::connect(key.public(), config.clone(), [1; 32], WALL, world.now);
    world.acceptor = Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), config, [2; 32]);
    world.add(FIRST);
    world.add(SECOND_PATH);
    world.run_for(SECOND);
    let data = patterned(1, 0, 100_000);
    let got = world.upload(&data, |world| {
        world.cut.extend([FIRST, SECOND_PATH]);
        world.run_for(600 * SECOND);
        assert!(!world.client.is_closed() && !world.bridge().is_closed());
        world.add(PathId(2));
    });
    assert!(got == data, "{} of {}", got.len(), data.len());
    assert!(world.was_told(Side::Client, FIRST) || world.was_told(Side::Client, SECOND_PATH));
}

#[test]
fn a_close_reaches_the_peer_over_whichever_path_is_left() {
    let mut world = World::connected();
    world.add(SECOND_PATH);
    world.run_for(SECOND);
    let now = world.now;
    world.client.handle_path(now, FIRST, PathEvent::Removed);
    world.client.close(now, ErrorCode(7), "enough");
    world.run_for(SECOND);
    assert!(world.bridge().is_closed());
}
