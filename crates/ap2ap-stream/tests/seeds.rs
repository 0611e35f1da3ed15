//! 64 seeds over the named relays in virtual time: every octet verified, every run repeatable.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Event, Output, PathEvent, SecretKey, StreamId,
};
use common::{PATH, PAYLOAD_MAX, WALL, patterned};
use relay_sim::{Node, Pair, scenario};

const STREAMS: u64 = 3;
const SEEDS: u64 = 64;
const TIME_MAX: Duration = Duration::from_secs(300);

/// An end that echoes what comes on the peer's streams, and compares the echo on its own.
struct Peer {
    start: Instant,
    connection: Option<Connection>,
    acceptor: Option<Acceptor>,
    wait: Option<Instant>,
    /// To be written, from the offset on; on a client's streams the whole text.
    unwritten: BTreeMap<StreamId, (Vec<u8>, usize)>,
    echoed: BTreeMap<StreamId, Vec<u8>>,
    ended: usize,
    opened: u64,
    fault: Option<String>,
    /// When each datagram left, and its octets: what must be the same with the same seed.
    trace: Vec<(Duration, Vec<u8>)>,
}

impl Peer {
    fn new(start: Instant) -> Self {
        Self {
            start,
            connection: None,
            acceptor: None,
            wait: None,
            unwritten: BTreeMap::new(),
            echoed: BTreeMap::new(),
            ended: 0,
            opened: 0,
            fault: None,
            trace: Vec::new(),
        }
    }

    fn client(start: Instant, mut connection: Connection, octets: usize) -> Self {
        let mut peer = Self { wait: Some(start), ..Self::new(start) };
        for salt in 0..STREAMS {
            let id = connection.open().unwrap();
            peer.unwritten.insert(id, (patterned(salt, 0, octets), 0));
        }
        peer.opened = STREAMS;
        peer.connection = Some(connection);
        let ids: Vec<StreamId> = peer.unwritten.keys().copied().collect();
        ids.into_iter().for_each(|id| peer.write(id, true));
        let added = PathEvent::Added { payload_max: PAYLOAD_MAX };
        peer.connection.as_mut().unwrap().handle_path(start, PATH, added);
        peer
    }

    /// Writes what waits; finishes the stream after it if nothing more comes.
    fn write(&mut self, id: StreamId, is_all: bool) {
        let Some(connection) = &mut self.connection else { return };
        let Some((text, offset)) = self.unwritten.get_mut(&id) else { return };
        let Some(mut stream) = connection.stream(id) else { return };
        while *offset < text.len() {
            match stream.write(&text[*offset..]) {
                Ok(taken) => *offset += taken,
                Err(_) => return,
            }
        }
        if is_all {
            let _ = stream.finish();
        }
    }

    fn read(&mut self, id: StreamId) {
        let is_own = id.opener() == self.connection.as_ref().unwrap().side();
        loop {
            let Some(mut stream) = self.connection.as_mut().and_then(|it| it.stream(id)) else {
                return;
            };
            match stream.read(5000) {
                Ok(Some(octets)) if is_own => {
                    self.echoed.entry(id).or_default().extend_from_slice(&octets);
                }
                Ok(Some(octets)) => {
                    self.unwritten.entry(id).or_default().0.extend_from_slice(&octets);
                    self.write(id, false);
                }
                Ok(None) => {
                    self.ended += 1;
                    self.echoed.entry(id).or_default();
                    self.write(id, true);
                    return;
                }
                Err(ap2ap_stream::ReadError::Blocked) => return,
                Err(error) => {
                    self.fault = Some(error.to_string());
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Readable(id) => self.read(id),
            // What comes from elsewhere is finished once its end was read.
            Event::Writable(id) => self.write(id, self.echoed.contains_key(&id) || self.opened > 0),
            Event::Closed(reason) => self.fault = Some(reason.to_string()),
            _ => {}
        }
    }

    fn is_done(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| it.streams_open() == 0)
            && self.ended == STREAMS as usize
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.wait = Some(now);
        if let Some(connection) = &mut self.connection {
            connection.handle_datagram(now, PATH, datagram);
        } else if let Some(acceptor) = &mut self.acceptor {
            self.connection = acceptor.handle_first(now, WALL, (PATH, PAYLOAD_MAX), datagram).ok();
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let mut datagram = [0; 2048];
        loop {
            let Some(connection) = &mut self.connection else { return false };
            match connection.poll_output(now, &mut datagram) {
                Output::Event(event) => self.handle_event(event),
                Output::Transmit { len, .. } => {
                    buf.extend_from_slice(&datagram[..len]);
                    self.trace.push((now.duration_since(self.start), buf.clone()));
                    self.wait = Some(now);
                    return true;
                }
                Output::Wait(at) => {
                    self.wait = at;
                    return false;
                }
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        self.wait
    }
}

fn run(seed: u64) -> Pair<Peer, Peer> {
    let name = scenario::NAMES[seed as usize % scenario::NAMES.len()];
    let scenario = scenario::by_name(name).unwrap();
    let start = origin();
    let key = SecretKey::from_octets([9; 32]);
    let mut seeds = [seed as u8; 32];
    let connection = Connection::connect(key.public(), Config::default(), seeds, WALL, start);
    let octets = if name == "S500" { 3_000 } else { 12_000 + 500 * seed as usize };
    let client = Peer::client(start, connection, octets);
    seeds[0] ^= 1;
    let mut bridge = Peer::new(start);
    bridge.acceptor =
        Some(Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), Config::default(), seeds));
    let (up, down) = scenario.build(seed, start);
    let mut pair = Pair::new(start, client, bridge, up, down);
    pair.run_while(start + TIME_MAX, |pair| !(pair.a.is_done() && pair.b.is_done()));

    let who = format!("seed {seed} over {name} after {:?}", pair.now() - start);
    assert_eq!((&pair.a.fault, &pair.b.fault), (&None, &None), "{who}");
    assert!(pair.a.is_done() && pair.b.is_done(), "not done: {who}");
    for (id, echo) in &pair.a.echoed {
        assert_eq!(*echo, patterned(id.index(), 0, octets), "other octets on {id}: {who}");
    }
    assert_eq!(pair.nudges(), 0, "an end asks for a time that is past: {who}");
    pair
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin; its value is unused")]
fn origin() -> Instant {
    Instant::now()
}

#[test]
fn every_octet_arrives_over_every_relay_whatever_the_seed() {
    for seed in 0..SEEDS {
        run(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_octet_for_octet() {
    for seed in 0..scenario::NAMES.len() as u64 {
        let (one, two) = (run(seed), run(seed));
        assert!(one.a.trace == two.a.trace && one.b.trace == two.b.trace, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let names = scenario::NAMES.len() as u64;
    assert_ne!(run(0).a.trace, run(names).a.trace);
}
