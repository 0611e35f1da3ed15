//! One AP2AP stream: both its ends, and the lines that lead from one towards the other.

use std::time::{Duration, Instant};

use relay_sim::population::RelayId;
use relay_sim::{Link, LinkSpec};
use skype_api::{AppName, StreamRef, UserHandle};

use super::RouteStats;
use super::timers::TimerKey;
use super::writes::{OnTheWay, Parcel, Reader, Writer};

/// Names a stream for the overlay; each end has its own name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PairId(pub(super) u64);

/// An end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Who asked for it.
    Caller,
    /// Who was asked.
    Called,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Called,
            Self::Called => Self::Caller,
        }
    }
}

/// A stream. It lives until neither end lists it.
#[derive(Debug)]
pub(super) struct Pair {
    caller: Half,
    called: Half,
    last_traffic: Instant,
    /// It ends when nothing went over it for so long.
    idle: Duration,
    /// What lies beyond the lines.
    pub(super) way: Way,
    /// The timer set for it.
    pub(super) wake: Option<TimerKey>,
}

/// What a stream's datagrams go through beside the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Direct,
    Relayed(Leg),
}

/// A stream's relay at this time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Leg {
    /// None while it waits for one.
    pub(super) relay: Option<RelayId>,
    /// How often it lost one and was to be given another.
    pub(super) switches: u64,
    /// An event blocked the relay.
    pub(super) is_blocked: bool,
}

/// One end, and the line from it towards the other.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) login: UserHandle,
    pub(super) app: AppName,
    /// What this end calls the stream.
    pub(super) stream: StreamRef,
    /// This end lists the stream. An end that does not hears nothing; the other may not know.
    pub(super) open: bool,
    line: Link,
    /// What came out at the other end, in datagrams and in octets.
    arrived: (u64, u64),
    /// Datagrams that were lost beyond the line.
    lost: u64,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
}

/// What an end gets to know.
#[derive(Debug)]
pub(super) enum Arrival {
    Datagram(String),
    /// There is more to READ.
    Received,
    /// What it wrote was taken.
    Sent,
}

impl Half {
    pub(super) fn new(login: UserHandle, app: AppName, stream: StreamRef, line: Link) -> Self {
        let (writer, reader) = (Writer::default(), Reader::default());
        Self { login, app, stream, open: true, line, arrived: (0, 0), lost: 0, writer, reader }
    }

    /// Datagrams on the line or beyond it.
    fn in_flight(&self) -> u64 {
        self.line.stats().in_flight.packets + self.beyond()
    }

    /// Datagrams that left the line, and of which nothing was heard.
    fn beyond(&self) -> u64 {
        self.line.stats().left.packets.saturating_sub(self.arrived.0 + self.lost)
    }

    fn on_the_way(&self) -> OnTheWay {
        if self.in_flight() == 0 { OnTheWay::Nothing } else { OnTheWay::Something }
    }
}

impl Pair {
    pub(super) fn new(now: Instant, idle: Duration, way: Way, [caller, called]: [Half; 2]) -> Self {
        Self { caller, called, last_traffic: now, idle, way, wake: None }
    }

    pub(super) fn send_datagram(&mut self, now: Instant, from: Side, text: &str) {
        self.last_traffic = now;
        self.half_mut(from).line.push(now, text.as_bytes());
    }

    /// False when too much waits already.
    pub(super) fn write(&mut self, now: Instant, from: Side, text: &str) -> bool {
        self.last_traffic = now;
        self.half_mut(from).writer.write(text)
    }

    /// Sends what may be sent, and again what was lost; takes what has left a line.
    pub(super) fn depart(&mut self, now: Instant) -> Vec<(Side, Vec<u8>)> {
        let mut departed = Vec::new();
        for from in [Side::Caller, Side::Called] {
            let near = self.half_mut(from);
            let way = near.on_the_way();
            near.writer.transmit(now, &mut near.line, way);
            while let Some(octets) = near.line.pop(now) {
                departed.push((from, octets));
            }
        }
        departed
    }

    /// Something that left the line of `from` has come to the other end.
    pub(super) fn arrive(
        &mut self,
        now: Instant,
        from: Side,
        octets: &[u8],
    ) -> Vec<(Side, Arrival)> {
        let (near, far) = self.halves(from);
        near.arrived.0 += 1;
        near.arrived.1 += super::writes::octets(octets.len());
        let mut arrivals = Vec::new();
        match Parcel::read(octets).filter(|_| far.open) {
            Some(Parcel::Datagram(text)) => {
                arrivals.push((from.other(), Arrival::Datagram(text.to_owned())));
            }
            Some(Parcel::Piece { number, last, octets }) => {
                if far.reader.take(number, last, octets) {
                    arrivals.push((from.other(), Arrival::Received));
                }
                // The acknowledgement's way back is not modelled.
                if near.writer.taken(now, far.reader.next()) {
                    arrivals.push((from, Arrival::Sent));
                }
            }
            None => {}
        }
        if !arrivals.is_empty() {
            self.last_traffic = now;
        }
        arrivals
    }

    /// Something that left the line of `from` will not arrive.
    pub(super) const fn lose(&mut self, from: Side) {
        self.half_mut(from).lost += 1;
    }

    pub(super) const fn logins(&self) -> [UserHandle; 2] {
        [self.caller.login, self.called.login]
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        now >= self.last_traffic + self.idle
    }

    pub(super) const fn is_gone(&self) -> bool {
        !self.caller.open && !self.called.open
    }

    /// When `depart` may find something, or the stream is idle.
    pub(super) fn next_at(&self) -> Instant {
        let idle = self.last_traffic + self.idle;
        [&self.caller, &self.called]
            .into_iter()
            .flat_map(|half| [half.line.next_at(), half.writer.resend_at(half.on_the_way())])
            .flatten()
            .fold(idle, Instant::min)
    }

    pub(super) const fn half(&self, side: Side) -> &Half {
        match side {
            Side::Caller => &self.caller,
            Side::Called => &self.called,
        }
    }

    pub(super) const fn half_mut(&mut self, side: Side) -> &mut Half {
        self.halves(side).0
    }

    pub(super) fn stats(&self) -> [RouteStats; 2] {
        [Side::Caller, Side::Called].map(|from| {
            let (near, far) = (self.half(from), self.half(from.other()));
            let stats = near.line.stats();
            let died = if self.is_gone() { near.in_flight() } else { 0 };
            RouteStats {
                from: near.login,
                to: far.login,
                datagrams_in: stats.entered.packets,
                datagrams_out: near.arrived.0,
                datagrams_lost: stats.dropped().packets + near.lost + died,
                octets_in: stats.entered.octets,
                octets_out: near.arrived.1,
            }
        })
    }

    /// This end and the other.
    const fn halves(&mut self, side: Side) -> (&mut Half, &mut Half) {
        match side {
            Side::Caller => (&mut self.caller, &mut self.called),
            Side::Called => (&mut self.called, &mut self.caller),
        }
    }
}

/// The two lines of a stream.
pub(super) fn lines(spec: &LinkSpec, [there, back]: [u64; 2]) -> (Link, Link) {
    (spec.build(there), spec.build(back))
}
