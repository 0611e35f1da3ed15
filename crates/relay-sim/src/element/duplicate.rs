//! Packets that arrive twice.

use std::collections::VecDeque;
use std::time::Instant;

use super::Element;
use super::dice::{Dice, Thrower};
use crate::packet::{Ledger, Packet};
use crate::spec::LinkSpec;

/// Copies a fraction of packets; the copy follows at the same instant.
#[derive(Debug)]
pub struct Duplicate {
    probability: f64,
    dice: Dice,
    passed: VecDeque<Packet>,
    ledger: Ledger,
}

impl Duplicate {
    /// One copy with `probability`.
    #[must_use]
    pub fn new(probability: f64, seed: u64) -> Self {
        let dice = Dice::new(seed, Thrower::Duplicate);
        Self { probability, dice, passed: VecDeque::new(), ledger: Ledger::default() }
    }
}

impl Element for Duplicate {
    fn push(&mut self, _now: Instant, packet: Packet) {
        if self.dice.chance(self.probability) {
            self.ledger.duplicated.count(&packet);
            self.passed.push_back(packet.clone());
        }
        self.passed.push_back(packet);
    }

    fn pop(&mut self, _now: Instant) -> Option<Packet> {
        self.passed.pop_front()
    }

    fn next_at(&self) -> Option<Instant> {
        self.passed.front().map(Packet::at)
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn flush(&mut self, _now: Instant) {
        self.passed.drain(..).for_each(|packet| self.ledger.outage.count(&packet));
    }

    fn retune(&mut self, _now: Instant, spec: &LinkSpec) {
        self.probability = spec.duplicate;
    }
}
