//! From one phase to the next by what arrives: trains, a remembered rate, growth, probes.

use super::{Excess, PROBE_DATAGRAM_S, Phase, RATE_MIN, RECALLED_GAIN, RelayRate};
use crate::congestion::train::{DATAGRAM_MAX_OCTETS, Train, Verdict, datagram_octets};
use crate::congestion::trial::Finding;
use crate::congestion::{Outcome, Seconds};
use crate::num;

/// Probes of a policer that grants a second's octets at a time: so little more, and until a whole second has passed
/// wherever in one it began.
const PROBE_GAIN_WINDOW: f64 = 1.05;
const PROBE_WINDOW_S: f64 = 2.2;
/// A policer's probe is no faster than by this share: requests are dropped with the rest.
const PROBE_EXCESS_MAX: f64 = 0.3;

impl RelayRate {
    pub(super) fn advance_train(&mut self, now: Seconds, acked: &[Outcome], lost: &[Outcome]) {
        let Phase::Start(train) = &mut self.phase else { return };
        match train.advance(now, acked, lost, self.round_trip.least) {
            Verdict::Open => {}
            Verdict::Next(next) => *train = next,
            Verdict::TooMuch { rate, lost } => {
                let elapsed = self.began_at.map_or(0.0, |at| now - at).max(self.round_trip.least);
                // All of them took the path as long as this; a rate twice as high would be news.
                let arrived = self.position - self.began_behind - lost;
                let at_most = 2.0 * arrived / elapsed.max(0.001);
                self.rate = rate.min(at_most).max(RATE_MIN);
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
        (self.is_policed, self.is_window) = (false, false);
        self.chance = 0.0;
    }

    pub(super) fn probe_gain(&self) -> f64 {
        if self.is_window {
            return PROBE_GAIN_WINDOW;
        }
        let round_trip = self.round_trip.least.max(0.001);
        let excess = (0.03 / round_trip).clamp(0.06, 0.25);
        if !self.is_policed {
            return 1.0 + excess;
        }
        // Its answer is a drop: until that is known of, half a datagram too much was sent.
        let half = 0.5 * datagram_octets(self.rate, PROBE_DATAGRAM_S);
        1.0 + excess.max((half / (self.rate * round_trip).max(1.0)).min(PROBE_EXCESS_MAX))
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
        let is_more = if self.is_window {
            // A whole second granted it.
            age > PROBE_WINDOW_S + self.round_trip.smoothed
        } else {
            ahead > 1.3 * self.burst + 0.03 * rate + DATAGRAM_MAX_OCTETS
        };
        if is_more {
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
