//! A fuzzer's octets, read as numbers and pieces, and the two ends that most targets need.

use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Event, Output, PathEvent, PathId, SecretKey,
};

pub(crate) const PATH: PathId = PathId(0);
pub(crate) const PAYLOAD_MAX: usize = 1200;
pub(crate) const WALL: Duration = Duration::from_secs(1_800_000_000);

/// Reads off the front; zeros once nothing is left.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn piece(&mut self, len: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        piece
    }
}

pub(crate) fn key() -> SecretKey {
    SecretKey::from_octets([1; 32])
}

pub(crate) fn acceptor() -> Acceptor {
    let identity = BridgeIdentity::new(key(), Duration::ZERO);
    Acceptor::new(identity, Config::default(), [3; 32])
}

pub(crate) fn client(now: Instant) -> Connection {
    Connection::connect(key().public(), Config::default(), [2; 32], WALL, now)
}

pub(crate) const fn added() -> PathEvent {
    PathEvent::Added { payload_max: PAYLOAD_MAX }
}

/// Everything that an end has to say now. It must come to an end, and wait for what is to come.
pub(crate) fn drive(
    connection: &mut Connection,
    now: Instant,
    events: &mut Vec<Event>,
) -> Vec<(PathId, Vec<u8>)> {
    let (mut buf, mut datagrams) = ([0; 2048], Vec::new());
    for _ in 0..100_000 {
        match connection.poll_output(now, &mut buf) {
            Output::Transmit { path, len } => datagrams.push((path, buf[..len].to_vec())),
            Output::Event(event) => events.push(event),
            Output::Wait(at) => {
                assert!(at.is_none_or(|at| at > now), "waits for what is past");
                return datagrams;
            }
        }
    }
    panic!("no end of outputs");
}

/// Ends that have shaken hands, on one path.
pub(crate) fn connected(now: Instant) -> (Connection, Connection) {
    let (mut client, mut events) = (client(now), Vec::new());
    client.handle_path(now, PATH, added());
    let first = drive(&mut client, now, &mut events).remove(0).1;
    let on = (PATH, PAYLOAD_MAX);
    let mut bridge = acceptor().handle_first(now, WALL, on, &first).expect("a good first message");
    for _ in 0..3 {
        for (path, datagram) in drive(&mut bridge, now, &mut events) {
            client.handle_datagram(now, path, &datagram);
        }
        for (path, datagram) in drive(&mut client, now, &mut events) {
            bridge.handle_datagram(now, path, &datagram);
        }
    }
    assert!(client.is_confirmed() && bridge.is_confirmed());
    (client, bridge)
}

/// An origin of virtual time; its value is unused.
#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}
