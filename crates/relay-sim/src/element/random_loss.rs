//! Packets that never arrive, for no reason a sender could know.

use std::collections::VecDeque;
use std::time::Instant;

use super::Element;
use super::dice::{Dice, Thrower};
use crate::packet::{Ledger, Packet};
use crate::spec::{LinkSpec, Loss};

/// Loses packets independently of each other, or in bursts.
#[derive(Debug)]
pub struct RandomLoss {
    loss: Loss,
    /// Before the throttle, not behind it.
    is_early: bool,
    /// Whether the Gilbert-Elliott channel is in its bad state.
    bad: bool,
    dice: Dice,
    passed: VecDeque<Packet>,
    ledger: Ledger,
}

impl RandomLoss {
    /// Loss as `loss` says; the channel starts in its good state.
    #[must_use]
    pub fn new(loss: Loss, seed: u64) -> Self {
        Self::at(loss, false, Dice::new(seed, Thrower::Loss))
    }

    /// The same with luck of its own, for what is lost before the throttle.
    #[must_use]
    pub fn early(loss: Loss, seed: u64) -> Self {
        Self::at(loss, true, Dice::new(seed, Thrower::EarlyLoss))
    }

    fn at(loss: Loss, is_early: bool, dice: Dice) -> Self {
        let (passed, ledger) = <_>::default();
        Self { loss, is_early, bad: false, dice, passed, ledger }
    }

    fn loses(&mut self) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Bernoulli { probability } => self.dice.chance(probability),
            Loss::GilbertElliott { good_to_bad, bad_to_good, good, bad } => {
                let turn = if self.bad { bad_to_good } else { good_to_bad };
                self.bad ^= self.dice.chance(turn);
                self.dice.chance(if self.bad { bad } else { good })
            }
        }
    }
}

impl Element for RandomLoss {
    fn push(&mut self, _now: Instant, packet: Packet) {
        if self.loses() {
            self.ledger.lost.count(&packet);
            return;
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
        self.loss = if self.is_early { spec.early_loss } else { spec.loss };
    }
}
