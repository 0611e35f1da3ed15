//! Packets that are late by chance, and overtaken by others.

use std::time::{Duration, Instant};

use super::Element;
use super::dice::{Dice, Thrower};
use super::timetable::Timetable;
use crate::packet::{Ledger, Packet};
use crate::spec::{LinkSpec, Reordering};
use crate::time::later;

/// Makes every packet late by its own uniform time below a maximum; this also reorders.
#[derive(Debug)]
pub struct Jitter {
    max: Duration,
    late: Late,
}

impl Jitter {
    /// Lateness below `max`.
    #[must_use]
    pub fn new(max: Duration, seed: u64) -> Self {
        Self { max, late: Late::new(Dice::new(seed, Thrower::Jitter)) }
    }
}

impl Element for Jitter {
    fn push(&mut self, _now: Instant, packet: Packet) {
        let late = self.late.dice.up_to(self.max);
        let at = later(packet.at(), late);
        self.late.under_way.push_late(packet.left_at(at));
    }

    fn pop(&mut self, now: Instant) -> Option<Packet> {
        self.late.under_way.pop(now)
    }

    fn next_at(&self) -> Option<Instant> {
        self.late.under_way.next_at()
    }

    fn ledger(&self) -> &Ledger {
        &self.late.ledger
    }

    fn flush(&mut self, _now: Instant) {
        self.late.flush();
    }

    fn retune(&mut self, _now: Instant, spec: &LinkSpec) {
        self.max = spec.jitter;
    }
}

/// Makes a fraction of packets late by a uniform time below a maximum; the others pass at once.
#[derive(Debug)]
pub struct Reorder {
    reordering: Reordering,
    late: Late,
}

impl Reorder {
    /// Lateness as `reordering` says.
    #[must_use]
    pub fn new(reordering: Reordering, seed: u64) -> Self {
        Self { reordering, late: Late::new(Dice::new(seed, Thrower::Reorder)) }
    }
}

impl Element for Reorder {
    fn push(&mut self, _now: Instant, packet: Packet) {
        // Two throws for every packet: a changed probability leaves the lateness of others alone.
        let is_late = self.late.dice.chance(self.reordering.probability);
        let late = self.late.dice.up_to(self.reordering.late_max);
        if !is_late {
            self.late.under_way.push(packet);
            return;
        }
        let at = later(packet.at(), late);
        self.late.under_way.push_late(packet.left_at(at));
    }

    fn pop(&mut self, now: Instant) -> Option<Packet> {
        self.late.under_way.pop(now)
    }

    fn next_at(&self) -> Option<Instant> {
        self.late.under_way.next_at()
    }

    fn ledger(&self) -> &Ledger {
        &self.late.ledger
    }

    fn flush(&mut self, _now: Instant) {
        self.late.flush();
    }

    fn retune(&mut self, _now: Instant, spec: &LinkSpec) {
        self.reordering = spec.reorder;
    }
}

/// What both have.
#[derive(Debug)]
struct Late {
    dice: Dice,
    under_way: Timetable,
    ledger: Ledger,
}

impl Late {
    fn new(dice: Dice) -> Self {
        Self { dice, under_way: Timetable::default(), ledger: Ledger::default() }
    }

    fn flush(&mut self) {
        self.under_way.flush(&mut self.ledger.outage);
    }
}
