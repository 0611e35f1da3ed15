//! From one phase to the next by what arrives: trains, a remembered rate, growth, probes.

use super::{Excess, Phase, RATE_MIN, RECALLED_GAIN, RelayRate};
use crate::congestion::train::{DATAGRAM_MAX_OCTETS, Train, Verdict, datagram_octets};
use crate::congestion::trial::Finding;
use crate::congestion::{Outcome, Seconds};
use crate::num;

impl RelayRate {
    pub(super) fn advance_train(&mut self, now: Seconds, acked: &[Outcome], lost: &[Outcome]) {
        let Phase::Start(train) = &mut self.phase else { return };
        match train.advance(now, acked, lost, self.round_trip.least) {
            Verdict::Open => {}
            Verdict::Next(next) => *train = next,
            Verdict::TooMuch { rate } => {
                self.rate = rate.max(RATE_MIN);
                // The trains are over and judged: they are no debt.
                self.pacer.leak(now, self.rate);
                self.pacer.set(0.0);
                self.enter_grow(now, 2.0);
            }
        }
    }

    /// Goes on from a remembered rate, or forgets it.
    pub(super) fn advance_trial(&mut self, now: Seconds) {
        let Phase::Trial(trial) = &self.phase else { return };
        match trial.finding(self.round_trip.smoothed) {
            Finding::Open => {}
            Finding::Fails => self.forget(Train::first()),
            Finding::Holds => {
                self.rate = num::to_f64(trial.memory().rate());
                self.delivery.restart(now);
                let gain = if self.is_policed { self.probe_gain() } else { RECALLED_GAIN };
                self.enter_probe(now, gain);
            }
        }
    }

    /// What was remembered is not so: the path is as if new, and begins with this train.
    pub(super) fn forget(&mut self, train: Train) {
        self.phase = Phase::Start(train);
        self.is_recalled = false;
        self.rate = 0.0;
        self.burst = DATAGRAM_MAX_OCTETS;
        self.is_policed = false;
        self.chance = 0.0;
    }

    pub(super) fn probe_gain(&self) -> f64 {
        1.0 + (0.03 / self.round_trip.least.max(0.001)).clamp(0.06, 0.25)
    }

    pub(super) fn enter_probe(&mut self, now: Seconds, gain: f64) {
        let position = self.position;
        self.phase = Phase::Probe(Excess { began_at: now, first_gain: gain, gain, position });
    }

    /// Raises the rate when packets sent at the present one came through without a queue.
    pub(super) fn advance_growth(&mut self, now: Seconds, acked: &[Outcome]) {
        let rate = self.rate;
        let Phase::Grow(growth) = &mut self.phase else { return };
        growth.take_proof(acked);
        let gain = growth.gain();
        let needed = self.growth_step(gain);
        let Phase::Grow(growth) = &mut self.phase else { return };
        let delivers = self.delivery.share().is_none_or(|share| share >= 0.6);
        if growth.proof() < needed || !delivers {
            return;
        }
        if growth.achieved() < 0.6 * rate * (1.0 - self.chance) {
            // Something else holds the data back: there is nothing to learn here.
            self.enter_cruise(now, rate);
            return;
        }
        let next = growth.next(now);
        self.rate = rate * next.gain();
        self.phase = Phase::Grow(next);
    }

    /// What has to arrive at a rate before the next one is tried, in octets: where there is a policer, more
    /// than its bucket hides.
    pub(super) fn growth_step(&self, gain: f64) -> f64 {
        if self.is_policed {
            0.3 * self.burst.clamp(1500.0, 4000.0) / (1.0 - 1.0 / gain)
        } else {
            5.0 * datagram_octets(self.rate, 0.04)
        }
    }

    pub(super) fn advance_probe(&mut self, now: Seconds) {
        let rate = self.rate;
        let Phase::Probe(excess) = &mut self.phase else { return };
        let age = now - excess.began_at;
        excess.gain = excess.gain_at(age);
        let ahead = self.position - excess.position - rate * age;
        if ahead > 1.3 * self.burst + 0.03 * rate + DATAGRAM_MAX_OCTETS {
            if self.is_recalled {
                // It carries more, perhaps much more.
                self.forget(Train::twice(rate * self.round_trip.least));
                return;
            }
            self.rate = rate * 1.05;
            self.enter_grow(now, 1.25);
        } else if age > 30.0 {
            self.enter_cruise(now, rate);
        }
    }
}
