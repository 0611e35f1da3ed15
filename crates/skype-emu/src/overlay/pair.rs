//! One AP2AP stream: both its ends and the links between them.

use std::time::Instant;

use relay_sim::{Link, LinkSpec};
use skype_api::{AppName, StreamRef, UserHandle};

use super::timers::TimerKey;
use super::writes::{Parcel, Reader, Writer};
use super::{RouteStats, STREAM_IDLE};

/// Names a stream for the overlay; each end has its own name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PairId(pub(super) u64);

/// An end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The timer set for it.
    pub(super) wake: Option<TimerKey>,
}

/// One end, and the link from it to the other.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) login: UserHandle,
    pub(super) app: AppName,
    /// What this end calls the stream.
    pub(super) stream: StreamRef,
    /// This end lists the stream. An end that does not hears nothing; the other may not know.
    pub(super) open: bool,
    link: Link,
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
    pub(super) fn new(login: UserHandle, app: AppName, stream: StreamRef, link: Link) -> Self {
        let (writer, reader) = (Writer::default(), Reader::default());
        Self { login, app, stream, open: true, link, writer, reader }
    }
}

impl Pair {
    pub(super) const fn new(now: Instant, caller: Half, called: Half) -> Self {
        Self { caller, called, last_traffic: now, wake: None }
    }

    pub(super) fn send_datagram(&mut self, now: Instant, from: Side, text: &str) {
        self.last_traffic = now;
        self.half_mut(from).link.push(now, text.as_bytes());
    }

    /// False when too much waits already.
    pub(super) fn write(&mut self, now: Instant, from: Side, text: &str) -> bool {
        self.last_traffic = now;
        self.half_mut(from).writer.write(text)
    }

    /// Takes what has arrived, and sends again what was lost.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<(Side, Arrival)> {
        let mut arrivals = Vec::new();
        for from in [Side::Caller, Side::Called] {
            let to = from.other();
            let (near, far) = self.halves(from);
            loop {
                near.writer.transmit(now, &mut near.link);
                let Some(octets) = near.link.pop(now) else { break };
                match Parcel::read(&octets).filter(|_| far.open) {
                    Some(Parcel::Datagram(text)) => {
                        arrivals.push((to, Arrival::Datagram(text.to_owned())));
                    }
                    Some(Parcel::Piece { number, last, octets }) => {
                        if far.reader.take(number, last, octets) {
                            arrivals.push((to, Arrival::Received));
                        }
                        // The acknowledgement's way back is not modelled.
                        if near.writer.taken(now, far.reader.next()) {
                            arrivals.push((from, Arrival::Sent));
                        }
                    }
                    None => {}
                }
            }
        }
        if !arrivals.is_empty() {
            self.last_traffic = now;
        }
        arrivals
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        now >= self.last_traffic + STREAM_IDLE
    }

    pub(super) const fn is_gone(&self) -> bool {
        !self.caller.open && !self.called.open
    }

    /// When `advance` may find something, or the stream is idle.
    pub(super) fn next_at(&self) -> Instant {
        let idle = self.last_traffic + STREAM_IDLE;
        [&self.caller, &self.called]
            .into_iter()
            .flat_map(|half| [half.link.next_at(), half.writer.resend_at(&half.link)])
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
            let stats = near.link.stats();
            let died = if self.is_gone() { stats.in_flight.packets } else { 0 };
            RouteStats {
                from: near.login,
                to: far.login,
                datagrams_in: stats.entered.packets,
                datagrams_out: stats.left.packets,
                datagrams_lost: stats.dropped().packets + died,
                octets_in: stats.entered.octets,
                octets_out: stats.left.octets,
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

/// The two links of a stream.
pub(super) fn links(spec: &LinkSpec, [there, back]: [u64; 2]) -> (Link, Link) {
    (spec.build(there), spec.build(back))
}
