//! The narrowest place of a path: one of four throttles, with a queue or without.

use std::collections::VecDeque;
use std::time::Instant;

use super::Element;
use super::meter::Meter;
use crate::packet::{Ledger, Packet};
use crate::spec::{LinkSpec, Throttle};

/// Lets packets pass in order, no faster than its [`Throttle`] says.
///
/// A packet that may not pass at once waits if its octets fit the queue beside those waiting, and
/// is dropped otherwise; policers are bottlenecks without a queue. When a packet leaves is computed
/// from when the one before it left (a virtual departure clock), never from when the element was
/// asked, and the queue drains by the same clock: late pops lose no capacity.
///
/// ```text
/// push ──► may it pass? ── yes ─────────────────────────► left ──► pop
///              │ no                                        ▲
///              └─► room in the queue? ─ yes ─► waiting ────┘ at `head_ready`
///                     └─ no ─► dropped
/// ```
#[derive(Debug)]
pub struct Bottleneck {
    meter: Meter,
    seed: u64,
    waiting: VecDeque<Packet>,
    /// Never above `queue_octets`, but after a retune to a shorter queue.
    waiting_octets: u64,
    queue_octets: u64,
    /// When the first waiting packet may leave; `None` if none waits, or never.
    head_ready: Option<Instant>,
    left: VecDeque<Packet>,
    ledger: Ledger,
}

impl Bottleneck {
    /// A throttle with a drop-tail queue of `queue_octets`, which only shapers and pausing readers
    /// have.
    #[must_use]
    pub fn new(throttle: Throttle, queue_octets: u64, seed: u64) -> Self {
        Self {
            meter: Meter::new(throttle, seed),
            seed,
            waiting: VecDeque::new(),
            waiting_octets: 0,
            queue_octets: room(throttle, queue_octets),
            head_ready: None,
            left: VecDeque::new(),
            ledger: Ledger::default(),
        }
    }

    /// Octets that wait as of the last push or pop.
    #[must_use]
    pub const fn waiting_octets(&self) -> u64 {
        self.waiting_octets
    }

    /// Lets all packets leave that may have left by `now`.
    fn advance(&mut self, now: Instant) {
        while let Some(ready) = self.head_ready.filter(|ready| *ready <= now) {
            let Some(packet) = self.waiting.pop_front() else { return };
            self.waiting_octets -= packet.size();
            self.meter.spend(ready, packet.size());
            self.left.push_back(packet.left_at(ready));
            self.look_at_head(ready);
        }
    }

    /// A packet became the first of the queue at `since`, or the law changed then.
    fn look_at_head(&mut self, since: Instant) {
        let head = self.waiting.front();
        self.head_ready = head.and_then(|packet| self.meter.ready_at(since, packet.size()));
    }
}

impl Element for Bottleneck {
    fn push(&mut self, _now: Instant, packet: Packet) {
        let at = packet.at();
        let octets = packet.size();
        self.advance(at);
        if self.waiting.is_empty() {
            let ready = self.meter.ready_at(at, octets);
            if ready.is_some_and(|ready| ready <= at) {
                self.meter.spend(at, octets);
                self.left.push_back(packet);
                return;
            }
        }
        if self.waiting_octets.saturating_add(octets) > self.queue_octets {
            self.ledger.throttled.count(&packet);
            return;
        }
        self.waiting_octets += octets;
        self.waiting.push_back(packet);
        if self.waiting.len() == 1 {
            self.look_at_head(at);
        }
    }

    fn pop(&mut self, now: Instant) -> Option<Packet> {
        if self.left.is_empty() {
            self.advance(now);
        }
        self.left.pop_front()
    }

    fn next_at(&self) -> Option<Instant> {
        self.left.front().map(Packet::at).or(self.head_ready)
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn flush(&mut self, _now: Instant) {
        let held = self.left.drain(..).chain(self.waiting.drain(..));
        held.for_each(|packet| self.ledger.outage.count(&packet));
        self.waiting_octets = 0;
        self.head_ready = None;
    }

    fn retune(&mut self, now: Instant, spec: &LinkSpec) {
        let head_octets = self.waiting.front().map_or(0, Packet::size);
        self.meter.retune(now, head_octets, Meter::new(spec.throttle, self.seed));
        self.queue_octets = room(spec.throttle, spec.queue_octets);
        self.look_at_head(now);
    }
}

/// What may wait in front of a throttle.
const fn room(throttle: Throttle, queue_octets: u64) -> u64 {
    match throttle {
        Throttle::Shaper { .. } | Throttle::PausingReader { .. } => queue_octets,
        Throttle::None | Throttle::Policer { .. } | Throttle::WindowPolicer { .. } => 0,
    }
}
