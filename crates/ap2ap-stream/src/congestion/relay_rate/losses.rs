//! What a loss says: whether it was a policer's, chance's, or a queue's that overflowed.

use super::{BURST_MAX_OCTETS, CHANCE_RARE, CHANCE_WEIGHT, Phase, RelayRate, SHAPED_FOR_S};
use crate::congestion::policer::Verdict;
use crate::congestion::train::{DATAGRAM_MAX_OCTETS, DATAGRAM_MIN_OCTETS, Train};
use crate::congestion::{Controller, Seconds};

/// After a policer's drop this share of what its bucket lacks is not waited for, if it is a datagram at least: what is
/// there is enough for requests, and the next probe is over the sooner.
const LEFT_SHARE: f64 = 0.4;
/// A rate that is dropped from though it fits is lowered by this factor, and where it was read from a whole second.
const NUDGE: f64 = 0.97;
const NUDGE_WINDOW: f64 = 0.99;

impl RelayRate {
    /// Says whether what was lost was a policer's doing, and then goes as fast as that one lets.
    pub(super) fn judge_losses(&mut self, now: Seconds) {
        if matches!(self.phase, Phase::Contend(_)) {
            self.contended_loss(now);
            return;
        }
        let round_trip = self.round_trip.least;
        let is_cruise = matches!(self.phase, Phase::Cruise { .. });
        let is_early = is_cruise && now - self.judged_at < 0.1 * round_trip;
        if self.is_beginning() || self.may_overflow(now) || is_early {
            return;
        }
        if !self.is_policed && self.is_shaped(now) {
            return;
        }
        self.judged_at = now;
        let Some(verdict) = self.policer.verdict(now, self.rate) else {
            self.is_window = false;
            if std::mem::take(&mut self.is_policed) {
                self.enter_grow(now, 1.5);
            }
            return;
        };
        if self.is_recalled && !self.is_policed {
            self.forget(Train::first());
            return;
        }
        let is_new_window = verdict.is_window && !self.is_window;
        self.is_policed = true;
        self.is_window = verdict.is_window;
        self.is_recalled = false;
        self.chance = verdict.chance;
        if !verdict.is_drop && !is_new_window && self.chance >= CHANCE_RARE {
            return;
        }
        self.burst = verdict.bucket.clamp(DATAGRAM_MAX_OCTETS, BURST_MAX_OCTETS);
        if is_cruise && !is_new_window && verdict.rate >= self.rate {
            self.nudge(now);
        } else {
            if matches!(self.phase, Phase::Probe(_)) {
                self.space_probes(verdict.rate);
            }
            self.enter_cruise(now, verdict.rate.max(self.least_after(&verdict)));
        }
        self.pacer.leak(now, self.pacing_rate());
        let left = LEFT_SHARE * verdict.deficit;
        let is_worth_it = !self.is_window && left >= DATAGRAM_MIN_OCTETS;
        self.pacer.set(verdict.deficit - if is_worth_it { left } else { 0.0 });
    }

    /// A drop at a rate that should fit: a little less, if that was not tried just now.
    fn nudge(&mut self, now: Seconds) {
        let span = (4.0 * self.round_trip.least).max(20.0 * self.datagram_octets() / self.rate);
        if now - self.nudged_at > span {
            self.nudged_at = now;
            let share = if self.is_window { NUDGE_WINDOW } else { NUDGE };
            self.enter_cruise(now, share * self.rate);
        }
    }

    /// The rate is lowered to no less than this at once: a second without any tokens looks worse than it is. What a
    /// whole second granted is exact.
    fn least_after(&self, verdict: &Verdict) -> f64 {
        match &self.phase {
            _ if verdict.is_window => 0.0,
            Phase::Cruise { .. } => self.rate / 2.0,
            Phase::Start(_)
            | Phase::Trial(_)
            | Phase::Grow(_)
            | Phase::Probe(_)
            | Phase::Contend(_) => self.rate / 4.0,
        }
    }

    pub(super) fn watch_delivery(&mut self, now: Seconds) {
        if self.is_beginning() || matches!(self.phase, Phase::Contend(_)) {
            return;
        }
        let span = (4.0 * self.round_trip.least).max(1.0);
        if let Some(rate) = self.delivery.verdict(span, self.chance)
            && rate < self.rate
        {
            if self.is_recalled {
                self.forget(Train::first());
                return;
            }
            self.enter_cruise(now, rate.max(self.rate / 4.0));
        }
    }

    /// Whether a queue was seen so lately that what is lost may be its overflow.
    fn may_overflow(&self, now: Seconds) -> bool {
        self.queue_seen_at.is_some_and(|at| now - at < 2.0 * self.round_trip.least)
    }

    /// Whether a queue told the rate so lately that the relay is none that drops: what is lost otherwise is chance,
    /// or somebody who wants it to look like a policer.
    fn is_shaped(&self, now: Seconds) -> bool {
        self.shaped_at.is_some_and(|at| now - at < SHAPED_FOR_S)
    }

    pub(super) fn note_chance(&mut self, now: Seconds, is_lost: bool) {
        let may_overflow = self.may_overflow(now);
        if !self.is_policed && !may_overflow && !self.is_beginning() {
            let share = if is_lost { 1.0 } else { 0.0 };
            self.chance += CHANCE_WEIGHT * (share - self.chance);
        }
    }
}
