//! Distance: every packet takes the same time.

use std::time::{Duration, Instant};

use super::Element;
use super::timetable::Timetable;
use crate::packet::{Ledger, Packet};
use crate::spec::LinkSpec;
use crate::time::later;

/// Yields each packet one fixed delay after it came.
///
/// If the delay shrinks ([`Element::retune`]), later packets overtake those under way.
#[derive(Debug)]
pub struct Delay {
    delay: Duration,
    under_way: Timetable,
    ledger: Ledger,
}

impl Delay {
    /// A distance of `delay`, one way.
    #[must_use]
    pub fn new(delay: Duration) -> Self {
        Self { delay, under_way: Timetable::default(), ledger: Ledger::default() }
    }
}

impl Element for Delay {
    fn push(&mut self, _now: Instant, packet: Packet) {
        let at = later(packet.at(), self.delay);
        self.under_way.push(packet.left_at(at));
    }

    fn pop(&mut self, now: Instant) -> Option<Packet> {
        self.under_way.pop(now)
    }

    fn next_at(&self) -> Option<Instant> {
        self.under_way.next_at()
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn flush(&mut self, _now: Instant) {
        self.under_way.flush(&mut self.ledger.outage);
    }

    fn retune(&mut self, _now: Instant, spec: &LinkSpec) {
        self.delay = spec.delay;
    }
}
