//! A transport that is told what the relay is like: what one that is not told can be compared with.
//!
//! It is an ordinary selective-repeat protocol without handshake or cryptography, but its packets cost what
//! encrypted ones would: 24 octets of header and tag, 7 for each further frame, acknowledgements of 6 octets
//! and 4 for each range. It paces at the told rate, so that nothing ever waits; sparse data does not wait for
//! the pacer, and is sent twice or three times where it is told of loss.

mod packet;
mod recovery;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use relay_sim::{LinkPlan, Node, Throttle};

use self::packet::{Ack, Chunk, HEADER_OCTETS, Kind, PURE_ACK_OCTETS, Packet};
use self::recovery::{News, Received, Recovery, Sent};
use crate::work::{End, Load, Ping, Requests, Sink, bulk};

/// The longest new datagram, in octets; one that is sent again is longer by what it acknowledges.
const DATAGRAM_MAX: usize = 1200;
/// Acknowledgements wait so long for data to ride on.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// Alone they cost no more than this share of the told rate of the way that they go.
const ACK_SHARE: f64 = 0.03;
/// However slow that way is, they wait no longer than this.
const ACK_SPACING_MAX: Duration = Duration::from_millis(400);
/// Copies of sparse datagrams are sent above this loss, three of them above the next, if the rate is
/// above the last.
const COPY_LOSS: f64 = 0.01;
const THREE_LOSS: f64 = 0.09;
const COPY_RATE: f64 = 6_000.0;

/// What the oracle is told of one direction.
#[derive(Clone, Debug)]
pub struct Told {
    /// From when on, in seconds since the start, how many octets a second may be sent.
    rates: Vec<(Duration, f64)>,
    /// What is lost at random.
    loss: f64,
    /// The longest datagram that is surely passed, in octets.
    datagram_max: usize,
    /// How long the other end may keep an acknowledgement back.
    ack_wait: Duration,
}

impl Told {
    /// What is true of this link, and of the one that acknowledgements take.
    #[must_use]
    pub fn of(plan: &LinkPlan, back: &LinkPlan) -> Self {
        let first = (Duration::ZERO, &plan.spec);
        let later = plan.changes.iter().map(|(at, spec)| (*at, spec));
        let all = [first].into_iter().chain(later);
        // A second of a policing relay must hold the datagram that straddles its turn, too.
        let rates = all.map(|(at, spec)| {
            let pace = match spec.throttle {
                Throttle::WindowPolicer { .. } => 0.98,
                Throttle::PausingReader { .. } | Throttle::Policer { .. } => 0.985,
                Throttle::None | Throttle::Shaper { .. } => 0.99,
            };
            // What is lost before the throttle does not fill it.
            (at, pace * rate_of(spec.throttle) / (1.0 - spec.early_loss.mean()))
        });
        let room = match plan.spec.throttle {
            Throttle::Policer { burst, .. } => burst,
            Throttle::Shaper { .. } | Throttle::PausingReader { .. } => plan.spec.queue_octets,
            Throttle::None | Throttle::WindowPolicer { .. } => u64::MAX,
        };
        let datagram_max = usize::try_from(room).unwrap_or(DATAGRAM_MAX).min(DATAGRAM_MAX);
        let ack_wait = ack_spacing(rate_of(back.spec.throttle)) + ACK_DELAY;
        Self { rates: rates.collect(), loss: plan.spec.loss.mean(), datagram_max, ack_wait }
    }
}

/// From one acknowledgement sent alone to the next, at this rate.
fn ack_spacing(rate: f64) -> Duration {
    let spacing = Duration::from_secs_f64(PURE_ACK_OCTETS / (ACK_SHARE * rate));
    spacing.clamp(ACK_DELAY, ACK_SPACING_MAX)
}

fn rate_of(throttle: Throttle) -> f64 {
    /// Unthrottled is as fast as any relay here.
    const FASTEST: f64 = 1e9;
    throttle.rate().and_then(|rate| u32::try_from(rate).ok()).map_or(FASTEST, f64::from)
}

/// One end.
#[derive(Debug)]
pub struct Oracle {
    start: Instant,
    told: Told,
    /// When all that was sent has passed the bottleneck.
    clear_at: Instant,
    /// When to look again.
    wait: Option<Instant>,
    recovery: Recovery,
    received: Received,
    /// Whether the other end was heard or need not be: a bridge says nothing before a client does.
    may_talk: bool,
    sends_bulk: bool,
    /// Octets of bulk sent for the first time.
    bulk_next: u64,
    /// Lost bulk.
    bulk_again: Vec<Chunk>,
    /// Sparse octets that wait.
    sparse: Vec<Chunk>,
    sparse_next: u64,
    requests: Requests,
    sink: Sink,
    /// Bulk that came too early, by offset.
    early: BTreeMap<u64, Vec<u8>>,
    sparse_read: u64,
    sparse_early: BTreeMap<u64, usize>,
    echoes: bool,
    /// The datagram that is to leave again, and how often.
    copies: Option<(Packet, u8)>,
    fault: Option<String>,
}

impl Oracle {
    /// The end that asks.
    #[must_use]
    pub fn client(start: Instant, told: Told, load: Load, interval: Duration) -> Self {
        let mut client = Self::new(start, told, load.is_up());
        client.may_talk = true;
        if load.has_requests() {
            client.requests = Requests::starting(start, interval);
        }
        client
    }

    /// The end that answers.
    #[must_use]
    pub fn bridge(start: Instant, told: Told, load: Load) -> Self {
        Self { echoes: true, ..Self::new(start, told, load.is_down()) }
    }

    fn new(start: Instant, told: Told, sends_bulk: bool) -> Self {
        Self {
            start,
            clear_at: start,
            wait: Some(start),
            recovery: Recovery::new(told.ack_wait),
            received: Received::default(),
            told,
            may_talk: false,
            sends_bulk,
            bulk_next: 0,
            bulk_again: Vec::new(),
            sparse: Vec::new(),
            sparse_next: 0,
            requests: Requests::default(),
            sink: Sink::default(),
            early: BTreeMap::new(),
            sparse_read: 0,
            sparse_early: BTreeMap::new(),
            echoes: false,
            copies: None,
            fault: None,
        }
    }

    /// Octets a second, now.
    fn rate(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.start);
        let rates = self.told.rates.iter().take_while(|(from, _)| *from <= since);
        rates.last().map_or(1.0, |(_, rate)| *rate)
    }

    fn copies_wanted(&self, now: Instant) -> u8 {
        match self.told.loss {
            _ if self.rate(now) < COPY_RATE => 0,
            loss if loss > THREE_LOSS => 2,
            loss if loss > COPY_LOSS => 1,
            _ => 0,
        }
    }

    fn write_sparse(&mut self, mut len: usize) {
        while len > 0 {
            let piece = len.min(DATAGRAM_MAX / 2);
            self.sparse.push(Chunk { kind: Kind::Sparse, offset: self.sparse_next, len: piece });
            self.sparse_next += u64::try_from(piece).unwrap_or(0);
            len -= piece;
        }
    }

    fn take_ack(&mut self, now: Instant, ack: &Ack) {
        let News { lost, arrived } = self.recovery.handle_ack(now, ack);
        lost.into_iter().for_each(|chunk| self.send_again(chunk));
        // What was only late need not be sent again.
        self.bulk_again.retain(|chunk| !arrived.contains(chunk));
        self.sparse.retain(|chunk| !arrived.contains(chunk));
    }

    fn send_again(&mut self, chunk: Chunk) {
        match chunk.kind {
            Kind::Bulk => self.bulk_again.push(chunk),
            Kind::Sparse => self.sparse.push(chunk),
        }
    }

    fn take_chunk(&mut self, now: Instant, chunk: Chunk, octets: &[u8]) {
        match chunk.kind {
            Kind::Bulk => self.take_bulk(now, chunk.offset, octets),
            Kind::Sparse => {
                self.sparse_early.insert(chunk.offset, chunk.len);
                let before = self.sparse_read;
                while let Some((offset, len)) = self.sparse_early.pop_first() {
                    if offset > self.sparse_read {
                        self.sparse_early.insert(offset, len);
                        break;
                    }
                    let end = offset + u64::try_from(len).unwrap_or(0);
                    self.sparse_read = self.sparse_read.max(end);
                }
                let new = usize::try_from(self.sparse_read - before).unwrap_or(0);
                if self.echoes {
                    self.write_sparse(new);
                } else {
                    self.requests.read(now, new);
                }
            }
        }
    }

    fn take_bulk(&mut self, now: Instant, offset: u64, octets: &[u8]) {
        let mut next: u64 = self.sink.delivered_octets();
        if offset >= next {
            self.early.entry(offset).or_insert_with(|| octets.to_vec());
        }
        while let Some((offset, octets)) = self.early.pop_first() {
            if offset > next {
                self.early.insert(offset, octets);
                return;
            }
            // Chunks are never cut differently the second time.
            if offset == next {
                self.sink.read(now, &octets);
                next = self.sink.delivered_octets();
            }
        }
    }

    /// What the next datagram holds, if one may leave now, and how many copies follow it.
    fn fill(&mut self, now: Instant) -> Option<(Packet, u8)> {
        if let Some((packet, left)) = self.copies.take() {
            return Some((packet, left));
        }
        if self.recovery.is_probe_due(now) {
            let chunk = self.recovery.oldest()?;
            return Some((self.packet(now, Some(chunk), true), 0));
        }
        if !self.recovery.is_silent(now) {
            if !self.sparse.is_empty() {
                let chunk = self.sparse.remove(0);
                return Some((self.packet(now, Some(chunk), false), self.copies_wanted(now)));
            }
            if self.clear_at <= now && self.has_bulk(now) {
                let chunk = self.next_bulk();
                return Some((self.packet(now, Some(chunk), false), 0));
            }
        }
        let is_due = self.ack_due(now).is_some_and(|at| at <= now);
        is_due.then(|| (self.packet(now, None, false), 0))
    }

    fn has_bulk(&self, now: Instant) -> bool {
        self.sends_bulk && self.may_talk && self.recovery.has_room(self.rate(now))
    }

    fn ack_due(&self, now: Instant) -> Option<Instant> {
        self.received.due(ACK_DELAY, ack_spacing(self.rate(now)))
    }

    /// When something may be due of which no datagram tells.
    fn wait(&self, now: Instant) -> Option<Instant> {
        let may_send = !self.recovery.is_silent(now) && self.has_bulk(now);
        let bulk = may_send.then_some(self.clear_at);
        let changes = self.told.rates.iter().map(|(from, _)| self.start + *from);
        let change = changes.filter(|at| *at > now).min();
        let waits = [self.requests.next_at(), bulk, self.ack_due(now), change];
        let waits = waits.into_iter().chain(self.recovery.waits());
        waits.flatten().filter(|at| *at > now).min()
    }

    fn next_bulk(&mut self) -> Chunk {
        if !self.bulk_again.is_empty() {
            return self.bulk_again.remove(0);
        }
        let ack = self.received.peek_octets();
        let len = self.told.datagram_max.saturating_sub(HEADER_OCTETS + ack).max(1);
        let chunk = Chunk { kind: Kind::Bulk, offset: self.bulk_next, len };
        self.bulk_next += u64::try_from(len).unwrap_or(0);
        chunk
    }

    fn packet(&mut self, now: Instant, chunk: Option<Chunk>, wants_ack: bool) -> Packet {
        let chunks = chunk.into_iter().collect();
        Packet { number: 0, wants_ack, ack: self.received.take(now), chunks }
    }
}

impl Node for Oracle {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let Some((packet, payload)) = Packet::decode(datagram) else {
            self.fault = Some("a datagram that is not the oracle's".to_owned());
            return;
        };
        (self.may_talk, self.wait) = (true, Some(now));
        if let Some(ack) = &packet.ack {
            self.take_ack(now, ack);
        }
        if packet.chunks.is_empty() {
            return;
        }
        if self.received.note(now, packet.number, packet.wants_ack) {
            let mut rest = payload;
            for chunk in packet.chunks {
                let (octets, after) = rest.split_at_checked(chunk.len).unwrap_or_default();
                self.take_chunk(now, chunk, octets);
                rest = after;
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.requests.advance(now);
        let due = self.requests.unsent().len();
        self.requests.wrote(due);
        self.write_sparse(due);
        for chunk in self.recovery.handle_timeout(now) {
            self.send_again(chunk);
        }
        let Some((mut packet, copies)) = self.fill(now) else {
            self.wait = self.wait(now);
            return false;
        };
        if !packet.chunks.is_empty() {
            packet.number = self.recovery.next_number();
        }
        packet.encode(buf, |chunk| match chunk.kind {
            Kind::Bulk => bulk(chunk.offset, chunk.len),
            Kind::Sparse => vec![b'x'; chunk.len],
        });
        let octets = u32::try_from(buf.len()).map_or(0.0, f64::from);
        self.clear_at = self.clear_at.max(now) + Duration::from_secs_f64(octets / self.rate(now));
        if !packet.chunks.is_empty() {
            let sent = Sent { at: now, octets: buf.len(), chunks: packet.chunks.clone() };
            self.recovery.sent(packet.number, sent);
        }
        if copies > 0 {
            self.copies = Some((Packet { ack: None, ..packet }, copies - 1));
        }
        true
    }

    fn next_at(&self) -> Option<Instant> {
        self.wait
    }
}

impl End for Oracle {
    fn delivered(&self) -> &[(Instant, u64)] {
        self.sink.delivered()
    }

    fn pings(&self) -> &[Ping] {
        self.requests.pings()
    }

    fn fault(&self) -> Option<String> {
        self.fault.as_ref().or_else(|| self.sink.fault()).cloned()
    }
}
