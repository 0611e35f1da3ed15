//! A policer that grants so many octets anew each second, and drops all that goes beyond.
//!
//! What it does looks like nothing else: all passes, then nothing, and a second after the last time that
//! happened all passes again.
//!
//! ```text
//!   passes ████████████▁▁▁▁▁▁████████████▁▁▁▁▁▁████
//!          │           │     │           │     │
//!         turn       spent  turn       spent  turn      grant = what passed from a turn until spent
//!          │◄─────── 1 s ───►│
//! ```
//!
//! Two turns a second apart are a pattern; from then on each second's first drop tells the grant anew.

use super::{Datagram, Fate};
use crate::congestion::Seconds;
use crate::congestion::train::DATAGRAM_MAX_OCTETS;

/// How long a grant holds, in seconds.
const SECOND: f64 = 1.0;
/// Chance seldom takes so many in a row.
const RUN_MIN: u32 = 4;
/// ... nor, of many, so large a part of what came before.
const RUN_SHARE: u32 = 16;
/// A turn comes so much earlier or later than it should, in seconds, beside the time between two datagrams.
const JITTER_S: f64 = 0.03;
/// Where more time than this lies between two datagrams, in seconds, it is not seen when a second turns.
const BETWEEN_MAX_S: f64 = 0.12;
/// What passes of a second before its first drop may be less than the grant by this share, and by a datagram.
const SPENT_SHARE: f64 = 0.97;
/// A loss that the grant does not explain changes the share of chance by this weight.
const CHANCE_WEIGHT: f64 = 0.01;

/// The seconds of such a policer, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Windows {
    /// When the present second began, if it was ever seen to.
    began: Option<Seconds>,
    /// What passed since then, in octets.
    passed: f64,
    arrivals: u32,
    /// So many were lost in a row, the last of them sent then; and what had passed before the first.
    losses: u32,
    has_lost: bool,
    lost_at: Seconds,
    lost_octets: f64,
    spent: f64,
    grant: Option<f64>,
    /// The newest loss was the policer's.
    is_drop: bool,
    chance: f64,
}

/// What the seconds say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    /// Octets for each second.
    pub(super) octets: f64,
    /// Octets by which the present second's are ahead of it.
    pub(super) ahead: f64,
    /// What chance takes beside: a share.
    pub(super) chance: f64,
    pub(super) is_drop: bool,
}

impl Windows {
    /// Takes a datagram's fate, in the order in which they were sent.
    pub(super) fn take(&mut self, datagram: &Datagram) {
        self.turn_by_clock(datagram.sent_at);
        match datagram.fate {
            // A train overflows queues, too.
            Fate::Lost | Fate::Swallowed if !datagram.is_evidence => {}
            Fate::Lost | Fate::Swallowed => self.take_lost(datagram),
            // It fits what the lost ones left.
            Fate::Arrived if self.losses > 0 && datagram.octets < self.lost_octets / 2.0 => {
                self.passed += datagram.octets;
            }
            Fate::Arrived => {
                if self.is_run() {
                    self.turn(datagram.sent_at);
                } else if self.losses > 0 && self.is_drop {
                    self.adjust(datagram.sent_at);
                }
                self.losses = 0;
                self.passed += datagram.octets;
                self.arrivals += 1;
                self.chance -= CHANCE_WEIGHT * self.chance;
            }
            Fate::Open | Fate::Untold if self.losses == 0 => self.passed += datagram.octets,
            Fate::Open | Fate::Untold => {}
        }
    }

    /// What is granted, with so many octets under way that were sent at these times.
    pub(super) fn grant(
        &self,
        now: Seconds,
        under_way: impl Iterator<Item = (Seconds, f64)>,
    ) -> Option<Grant> {
        let (octets, began) = self.grant.zip(self.began)?;
        let turns = ((now - began) / SECOND).floor().max(0.0);
        let present = turns.mul_add(SECOND, began);
        let sent: f64 = under_way.filter(|(at, _)| *at >= present).map(|(_, octets)| octets).sum();
        let used = if turns > 0.0 { sent } else { self.passed + sent };
        let left = (octets - used).max(0.0);
        let ahead = octets * (present + SECOND - now) / SECOND - left;
        let Self { chance, is_drop, .. } = *self;
        Some(Grant { octets, ahead: ahead.max(0.0), chance, is_drop })
    }

    /// Once there is a pattern, the seconds turn by themselves.
    fn turn_by_clock(&mut self, now: Seconds) {
        let (Some(grant), Some(began)) = (&mut self.grant, &mut self.began) else { return };
        let turns = ((now - *began) / SECOND).floor();
        if turns >= 1.0 {
            if !self.has_lost {
                *grant = grant.max(self.passed);
            }
            *began += turns * SECOND;
            (self.passed, self.arrivals, self.has_lost) = (0.0, 0, false);
        }
    }

    /// Whether more were lost in a row than chance takes.
    fn is_run(&self) -> bool {
        self.losses >= RUN_MIN.max(self.arrivals / RUN_SHARE)
    }

    fn take_lost(&mut self, datagram: &Datagram) {
        if self.losses == 0 {
            self.spent = self.passed;
        }
        self.losses += 1;
        self.has_lost = true;
        (self.lost_at, self.lost_octets) = (datagram.sent_at, datagram.octets);
        let is_run = self.is_run();
        let Some(grant) = &mut self.grant else { return };
        let is_spent = self.spent >= SPENT_SHARE * *grant - DATAGRAM_MAX_OCTETS;
        self.is_drop = is_spent || is_run;
        if self.is_drop && self.spent > 0.0 {
            *grant = self.spent;
        } else if !self.is_drop {
            self.chance += CHANCE_WEIGHT * (1.0 - self.chance);
        }
    }

    /// So many were lost in a row and this one was not: if there are seconds, one has just begun.
    fn turn(&mut self, now: Seconds) {
        let between = now - self.lost_at;
        if between > BETWEEN_MAX_S {
            return;
        }
        if let Some(began) = self.began {
            let turns = ((now - began) / SECOND).round();
            let is_on_time = (now - began - turns * SECOND).abs() <= JITTER_S + between;
            let is_known = self.grant.is_some();
            if !is_on_time || !(is_known || turns == 1.0) {
                self.grant = None;
            } else if !is_known && self.spent > 0.0 {
                self.grant = Some(self.spent);
            }
        }
        self.began = Some(now);
        (self.passed, self.arrivals, self.has_lost) = (0.0, 0, false);
    }

    /// The last one was dropped, and this one not: a second began between the two.
    fn adjust(&mut self, now: Seconds) {
        let Some(began) = &mut self.began else { return };
        let turn = ((now - *began) / SECOND).round().mul_add(SECOND, *began);
        let adjusted = turn.max(self.lost_at).min(now);
        if (adjusted - turn).abs() < BETWEEN_MAX_S {
            *began += adjusted - turn;
        }
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;

    const FULL: f64 = 1200.0;

    /// What becomes of `count` datagrams at `rate` where each second from `phase` on grants `granted` octets.
    fn through_seconds(granted: f64, phase: f64, rate: f64, count: u64) -> Vec<Datagram> {
        let (mut second, mut left) = (0.0, granted);
        let fate_of = |number: u64| {
            let sent_at = number as f64 * FULL / rate;
            let present = (sent_at + phase).floor();
            if present > second {
                (second, left) = (present, granted);
            }
            let passes = left >= FULL;
            left -= if passes { FULL } else { 0.0 };
            let fate = if passes { Fate::Arrived } else { Fate::Lost };
            Datagram { number, sent_at, octets: FULL, fate, is_evidence: true }
        };
        (0..count).map(fate_of).collect()
    }

    fn granted(windows: &Windows, now: Seconds) -> Option<Grant> {
        windows.grant(now, std::iter::empty())
    }

    #[test]
    fn two_turns_a_second_apart_tell_the_grant_to_a_datagram() {
        let mut windows = Windows::default();
        for datagram in through_seconds(60_000.0, 0.4, 120_000.0, 240) {
            windows.take(&datagram);
        }
        let grant = granted(&windows, 2.4).expect("three seconds were spent");
        assert!((grant.octets - 60_000.0).abs() <= FULL, "{grant:?}");
        assert!(grant.is_drop && grant.chance < 0.001, "{grant:?}");
    }

    /// The whole grant went in the first half of the second: nothing may go in the other half.
    #[test]
    fn a_spent_second_is_waited_for() {
        let mut windows = Windows::default();
        for datagram in through_seconds(60_000.0, 0.0, 120_000.0, 275) {
            windows.take(&datagram);
        }
        let grant = granted(&windows, 2.75).expect("a pattern");
        assert!((grant.ahead / grant.octets - 0.25).abs() < 0.05, "{grant:?}");
        let next = granted(&windows, 3.01).expect("a pattern");
        assert!(next.ahead < 0.05 * next.octets, "a new second has begun: {next:?}");
    }

    #[test]
    fn a_small_datagram_that_still_fits_is_no_turn() {
        let mut windows = Windows::default();
        for datagram in through_seconds(60_000.0, 0.0, 120_000.0, 270) {
            windows.take(&datagram);
            if datagram.number % 10 == 9 {
                windows.take(&Datagram { octets: 130.0, fate: Fate::Arrived, ..datagram });
            }
        }
        let grant = granted(&windows, 2.7).expect("a pattern");
        assert!((grant.octets - 60_000.0).abs() <= 4.0 * FULL, "{grant:?}");
    }

    /// One in seven of a thousand a second: runs of four are common there.
    #[test]
    fn chance_makes_no_seconds() {
        let mut dice = crate::dice::Dice::new([3; 32]);
        let mut windows = Windows::default();
        for number in 0..20_000 {
            let fate = if dice.below(7) == 0 { Fate::Lost } else { Fate::Arrived };
            let sent_at = number as f64 * 0.001;
            windows.take(&Datagram { number, sent_at, octets: FULL, fate, is_evidence: true });
            assert!(granted(&windows, sent_at).is_none(), "after {number}");
        }
    }

    #[test]
    fn a_grant_that_shrinks_is_believed_when_its_drops_come_in_a_run() {
        let mut windows = Windows::default();
        let first = through_seconds(60_000.0, 0.0, 120_000.0, 300);
        let second = through_seconds(30_000.0, 0.0, 60_000.0, 100);
        for datagram in &first {
            windows.take(datagram);
        }
        for datagram in &second {
            windows.take(&Datagram { sent_at: datagram.sent_at + 3.0, ..*datagram });
        }
        let grant = granted(&windows, 5.0).expect("a pattern");
        assert!((grant.octets - 30_000.0).abs() <= FULL, "{grant:?}");
    }
}
