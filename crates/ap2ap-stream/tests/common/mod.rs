//! Two connections, a wire each way that does what a test says, and a clock that jumps.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]
#![expect(clippy::disallowed_methods, reason = "virtual time needs an origin; its value is unused")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Event, Output, PathEvent, PathId, ReadError,
    SecretKey, StreamId, WriteError,
};

pub const PATH: PathId = PathId(0);
pub const PAYLOAD_MAX: usize = 1200;
pub const WALL: Duration = Duration::from_secs(1_800_000_000);
pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// More outputs than this at one instant are a loop without end.
const OUTPUTS_PER_INSTANT_MAX: usize = 40_000;

/// What a wire makes of a datagram: what arrives of it, and how much later than usual.
pub type Fate = Vec<(Duration, Vec<u8>)>;

/// Decides on a datagram, given how many there were before and the time.
pub type Decide = Box<dyn FnMut(usize, &[u8], Instant) -> Fate>;

/// One direction.
pub struct Wire {
    pub delay: Duration,
    pub fate: Decide,
    /// Every datagram that was sent, whatever became of it.
    pub sent: Vec<(Instant, Vec<u8>)>,
    under_way: BTreeMap<(Instant, usize), Vec<u8>>,
    count: usize,
}

impl Wire {
    pub fn good(delay: Duration) -> Self {
        Self::new(delay, |_, datagram| arrives(datagram))
    }

    pub fn new(delay: Duration, mut fate: impl FnMut(usize, &[u8]) -> Fate + 'static) -> Self {
        let (sent, under_way) = (Vec::new(), BTreeMap::new());
        let fate = Box::new(move |count, datagram: &[u8], _| fate(count, datagram));
        Self { delay, fate, sent, under_way, count: 0 }
    }

    /// From now on the wire does something else.
    pub fn become_(&mut self, mut fate: impl FnMut(usize, &[u8]) -> Fate + 'static) {
        self.timed(move |count, datagram, _| fate(count, datagram));
    }

    /// The same, for what depends on when.
    pub fn timed(&mut self, fate: impl FnMut(usize, &[u8], Instant) -> Fate + 'static) {
        self.fate = Box::new(fate);
    }

    pub fn push(&mut self, now: Instant, datagram: Vec<u8>) {
        for (later, octets) in (self.fate)(self.sent.len(), &datagram, now) {
            self.count += 1;
            self.under_way.insert((now + self.delay + later, self.count), octets);
        }
        self.sent.push((now, datagram));
    }

    fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn next_at(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }
}

pub fn arrives(datagram: &[u8]) -> Fate {
    vec![(Duration::ZERO, datagram.to_vec())]
}

pub fn is_lost(_: &[u8]) -> Fate {
    Vec::new()
}

/// A connection, driven to its next wait, and what it said.
pub struct End {
    pub connection: Connection,
    pub events: Vec<Event>,
    pub wait: Option<Instant>,
    /// Longer datagrams are refused as too large by the carrier, which says so.
    pub carrier_max: usize,
    /// How often it did.
    pub refusals: usize,
}

impl End {
    pub fn new(connection: Connection) -> Self {
        Self { connection, events: Vec::new(), wait: None, carrier_max: usize::MAX, refusals: 0 }
    }

    /// Polls until there is nothing more to do now, and checks that it waits for the future.
    pub fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut buf = [0; 2048];
        let mut datagrams = Vec::new();
        for _ in 0..OUTPUTS_PER_INSTANT_MAX {
            match self.connection.poll_output(now, &mut buf) {
                Output::Transmit { len, .. } if len > self.carrier_max => self.refuse(now),
                Output::Transmit { len, .. } => datagrams.push(buf[..len].to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Wait(at) => {
                    assert!(at.is_none_or(|at| at > now), "waits for what is past");
                    self.wait = at;
                    return datagrams;
                }
            }
        }
        panic!("no end of outputs at one instant");
    }

    /// As a driver does when a carrier says `TooLarge`.
    fn refuse(&mut self, now: Instant) {
        let payload_max = self.carrier_max;
        for event in [PathEvent::Changed { payload_max }, PathEvent::Refused, PathEvent::Writable] {
            self.connection.handle_path(now, PATH, event);
        }
        self.refusals += 1;
    }

    pub fn open(&mut self) -> StreamId {
        self.connection.open().expect("the peer allows a stream")
    }

    pub fn write(&mut self, id: StreamId, data: &[u8]) -> Result<usize, WriteError> {
        self.connection.stream(id).map_or(Err(WriteError::Finished), |mut it| it.write(data))
    }

    pub fn finish(&mut self, id: StreamId) {
        self.connection.stream(id).expect("an open stream").finish().expect("not yet finished");
    }

    /// All that can be read now, and how it ended: at `Blocked`, the end or an error.
    pub fn read(&mut self, id: StreamId) -> (Vec<u8>, Result<(), ReadError>) {
        let mut octets = Vec::new();
        loop {
            let Some(mut stream) = self.connection.stream(id) else {
                return (octets, Err(ReadError::Finished));
            };
            match stream.read(10_000) {
                Ok(Some(piece)) => octets.extend_from_slice(&piece),
                Ok(None) => return (octets, Ok(())),
                Err(error) => return (octets, Err(error)),
            }
        }
    }

    pub fn is_connected(&self) -> bool {
        self.events.contains(&Event::Connected)
    }

    pub fn closed(&self) -> Option<&ap2ap_stream::CloseReason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) => Some(reason),
            _ => None,
        })
    }
}

/// A client, a bridge, and the wires between them.
pub struct Duo {
    pub start: Instant,
    pub now: Instant,
    pub client: End,
    pub bridge: Option<End>,
    pub acceptor: Acceptor,
    pub up: Wire,
    pub down: Wire,
    /// The bridge's wall clock.
    pub wall: Duration,
    /// When the test itself has something to do.
    pub alarm: Option<Instant>,
}

impl Duo {
    pub fn new() -> Self {
        Self::with(Config::default(), Config::default(), [1; 32])
    }

    pub fn with(client: Config, bridge: Config, seed: [u8; 32]) -> Self {
        let now = Instant::now();
        let key = SecretKey::from_octets([42; 32]);
        let connection = Connection::connect(key.public(), client, seed, WALL, now);
        let mut bridge_seed = seed;
        bridge_seed[31] ^= 0x80;
        let mut duo = Self {
            start: now,
            now,
            client: End::new(connection),
            bridge: None,
            acceptor: Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), bridge, bridge_seed),
            alarm: None,
            up: Wire::good(50 * MS),
            down: Wire::good(50 * MS),
            wall: WALL,
        };
        duo.client.wait = Some(now);
        duo
    }

    /// The path is there from now on.
    pub fn add_path(&mut self) {
        let added = PathEvent::Added { payload_max: PAYLOAD_MAX };
        self.client.connection.handle_path(self.now, PATH, added);
    }

    /// Connected ends, the bridge confirmed, all quiet.
    pub fn connected() -> Self {
        let mut duo = Self::new();
        duo.add_path();
        duo.run_for(SECOND);
        assert!(duo.client.is_connected() && duo.bridge().connection.is_confirmed());
        duo.bridge().events.clear();
        duo.client.events.clear();
        duo
    }

    pub fn bridge(&mut self) -> &mut End {
        self.bridge.as_mut().expect("the bridge has a connection")
    }

    /// Polls and delivers all that is due now.
    pub fn settle(&mut self) {
        loop {
            for datagram in self.client.poll(self.now) {
                self.up.push(self.now, datagram);
            }
            if let Some(bridge) = &mut self.bridge {
                for datagram in bridge.poll(self.now) {
                    self.down.push(self.now, datagram);
                }
            }
            let (up, down) = (self.up.pop(self.now), self.down.pop(self.now));
            if up.is_none() && down.is_none() {
                return;
            }
            if let Some(datagram) = up {
                self.deliver_up(&datagram);
            }
            if let Some(datagram) = down {
                self.client.connection.handle_datagram(self.now, PATH, &datagram);
            }
        }
    }

    fn deliver_up(&mut self, datagram: &[u8]) {
        match &mut self.bridge {
            Some(bridge) => bridge.connection.handle_datagram(self.now, PATH, datagram),
            None => {
                let path = (PATH, PAYLOAD_MAX);
                let first = self.acceptor.handle_first(self.now, self.wall, path, datagram);
                self.bridge = first.ok().map(End::new);
            }
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time, |_| false);
    }

    /// Lets time pass until something holds: whether it did before `end`.
    pub fn run_until(&mut self, end: Instant, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.settle();
            if holds(self) {
                return true;
            }
            // What was just asked about may have been written to.
            self.settle();
            let bridge = self.bridge.as_ref().and_then(|bridge| bridge.wait);
            let next =
                [self.client.wait, bridge, self.alarm, self.up.next_at(), self.down.next_at()];
            match next.into_iter().flatten().min() {
                Some(next) if next < end => self.now = next.max(self.now),
                _ => {
                    self.now = end;
                    self.settle();
                    return holds(self);
                }
            }
        }
    }

    /// Writes all of `data` as the buffer takes it while the bridge reads; what it read.
    pub fn upload(&mut self, data: &[u8], time_max: Duration) -> Vec<u8> {
        let id = self.client.open();
        let (mut offset, mut read) = (0, Vec::new());
        let end = self.now + time_max;
        let all_read = self.run_until(end, |duo| {
            while offset < data.len() {
                let Ok(taken) = duo.client.write(id, &data[offset..]) else { break };
                offset += taken;
                if offset == data.len() {
                    duo.client.finish(id);
                }
            }
            let Some(bridge) = &mut duo.bridge else { return false };
            let (octets, outcome) = bridge.read(id);
            read.extend_from_slice(&octets);
            outcome == Ok(())
        });
        assert!(all_read, "read {} of {} after {time_max:?}", read.len(), data.len());
        self.bridge().finish(id);
        read
    }

    pub fn assert_nobody_closed(&mut self) {
        assert_eq!(self.client.closed(), None);
        assert_eq!(self.bridge().closed(), None);
    }

    /// Neither end knows of any stream any more.
    pub fn is_drained_of_streams(&mut self) -> bool {
        self.client.connection.streams_open() == 0
            && self.bridge.as_ref().is_none_or(|bridge| bridge.connection.streams_open() == 0)
    }
}

/// Octets without a short period, different for each stream.
pub fn pattern(salt: u64, offset: u64) -> u8 {
    let mixed = (offset ^ (salt << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[0]
}

pub fn patterned(salt: u64, offset: u64, len: usize) -> Vec<u8> {
    (offset..).take(len).map(|offset| pattern(salt, offset)).collect()
}

/// A small generator for tests' luck: splitmix64.
#[derive(Clone, Debug)]
pub struct Luck(pub u64);

impl Luck {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Loses, delays, repeats and mangles datagrams, each with a chance in percent.
pub fn unruly(mut luck: Luck, chances: Chances) -> impl FnMut(usize, &[u8]) -> Fate {
    move |_, datagram| {
        let mut fate = Fate::new();
        let copies = if luck.happens(chances.twice) { 2 } else { 1 };
        for _ in 0..copies {
            if luck.happens(chances.lost) {
                continue;
            }
            let late = if luck.happens(chances.late) { luck.below(80) } else { 0 };
            let mut octets = datagram.to_vec();
            if luck.happens(chances.mangled) {
                let place = luck.below(octets.len() as u64) as usize;
                octets[place] ^= 1 << luck.below(8);
            }
            fate.push((Duration::from_millis(late), octets));
        }
        fate
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    pub lost: u64,
    pub late: u64,
    pub twice: u64,
    pub mangled: u64,
}
