//! Tells a policer's drops from chance, and reads the policer's rate from them.
//!
//! A policer's drops follow from what was sent, and when: a bucket of tokens decides. So every
//! hypothesis (rate, bucket) predicts each datagram's fate, and is judged by how well it did:
//!
//! ```text
//!               predicted to pass     predicted to be dropped     too close to call
//!   arrived     chance spared it      a miss: 0.03                0.5
//!   lost        chance took it        a hit:  0.97                0.5
//! ```
//!
//! A policer that grants a second's octets at a time is told exactly by when its seconds turn ([`Windows`]),
//! once two have.
//!
//! The null hypothesis is chance alone. Where the best policer is far more likely than chance, there is
//! one, and its rate is read from the likelihoods of all rates. It costs nothing until something is
//! lost: then what happened lately is gone over again.

mod grid;
mod windows;

use std::collections::VecDeque;

use super::{Outcome, Seconds, Sent};
use grid::Grid;
use windows::{Grant, Windows};

/// Fates gone over when something is lost: some 600 KB of full datagrams.
const HISTORY_MAX: usize = 512;

/// A second's grant is as good as a bucket of this share of it: much less than it grants at once, for that is
/// spent at the rate.
const WINDOW_BURST: f64 = 0.03;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not known yet.
    Open,
    /// It will never be known, or says nothing.
    Untold,
    /// A silence swallowed it.
    Swallowed,
    Arrived,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    number: u64,
    sent_at: Seconds,
    octets: f64,
    fate: Fate,
    /// It is no part of a burst that no bucket holds.
    is_evidence: bool,
}

impl Datagram {
    /// Its fate is told, and says something about a bucket.
    const fn is_told(&self) -> bool {
        self.is_evidence && matches!(self.fate, Fate::Arrived | Fate::Lost)
    }
}

/// What the drops say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// The policer's rate, rather above than below: what is too high is corrected by the next drop,
    /// what is too low by nothing.
    pub(super) rate: f64,
    /// Tokens that its bucket lacks, in octets.
    pub(super) deficit: f64,
    /// The bucket, in octets.
    pub(super) bucket: f64,
    /// What chance takes of what the policer lets pass: a share.
    pub(super) chance: f64,
    /// The newest loss was the policer's.
    pub(super) is_drop: bool,
    /// It grants a second's octets anew each second, and fills no bucket.
    pub(super) is_window: bool,
}

/// The fates of the datagrams of a path, and what they say about a policer.
#[derive(Debug, Default)]
pub(super) struct Policer {
    /// In order of their numbers: the last ones of known fate, then those under way.
    datagrams: VecDeque<Datagram>,
    /// How many of `datagrams` the grid has seen.
    seen: usize,
    grid: Option<Box<Grid>>,
    windows: Windows,
}

impl Policer {
    /// A datagram left; `is_evidence` unless it is part of a burst that no bucket holds.
    pub(super) fn sent(&mut self, sent: Sent, is_evidence: bool) {
        let fate = if sent.is_tracked { Fate::Open } else { Fate::Untold };
        let Sent { now, number, octets, .. } = sent;
        self.datagrams.push_back(Datagram { number, sent_at: now, octets, fate, is_evidence });
        self.take_known();
    }

    pub(super) fn arrived(&mut self, packet: &Outcome) {
        self.resolve(packet.number, Fate::Arrived);
    }

    pub(super) fn lost(&mut self, packet: &Outcome) {
        self.resolve(packet.number, Fate::Lost);
    }

    /// Nothing is under way, nor has been for a while: what was seen need not be kept, nor what it says if that is
    /// nothing.
    pub(super) fn rest(&mut self, is_policed: bool) {
        (self.datagrams, self.seen) = <_>::default();
        if !is_policed {
            self.grid = None;
        }
    }

    /// What is under way was swallowed by a silence: that is no policer's work.
    pub(super) fn silence(&mut self) {
        for datagram in &mut self.datagrams {
            if datagram.fate == Fate::Open {
                datagram.fate = Fate::Swallowed;
            }
        }
        self.take_known();
    }

    /// What the fates say, at a present rate of `rate`; `None`: chance explains them as well.
    pub(super) fn verdict(&mut self, now: Seconds, rate: f64) -> Option<Verdict> {
        if self.grid.as_ref().is_none_or(|grid| !grid.covers(rate)) {
            self.grid = Some(Box::new(Grid::around(rate)));
            self.seen = 0;
        }
        self.take_known();
        let open = self.datagrams.iter().skip(self.seen).map(|it| (it.sent_at, it.octets));
        if let Some(granted) = self.windows.grant(now, open) {
            let Grant { octets, ahead, chance, is_drop } = granted;
            let bucket = WINDOW_BURST * octets;
            return Some(Verdict {
                rate: octets,
                deficit: ahead,
                bucket,
                chance,
                is_drop,
                is_window: true,
            });
        }
        let grid = self.grid.as_ref()?;
        let verdict = grid.verdict()?;
        // What it lacked when the newest known datagram was sent has been filled up since, and used.
        let under_way: f64 = self.datagrams.iter().skip(self.seen).map(|it| it.octets).sum();
        let elapsed = grid.now.map_or(0.0, |at| now - at);
        let deficit = verdict.deficit + under_way - verdict.rate * elapsed;
        let most = verdict.bucket.min(verdict.rate);
        Some(Verdict { deficit: deficit.clamp(0.0, most), ..verdict })
    }

    fn resolve(&mut self, number: u64, fate: Fate) {
        let index = self.datagrams.partition_point(|datagram| datagram.number < number);
        let Some(datagram) = self.datagrams.get_mut(index) else { return };
        if datagram.number == number && datagram.fate == Fate::Open {
            datagram.fate = fate;
            self.take_known();
        }
    }

    /// Shows the grid, in the order in which they were sent, those whose fates are known.
    fn take_known(&mut self) {
        while let Some(datagram) = self.datagrams.get(self.seen)
            && datagram.fate != Fate::Open
        {
            if let Some(grid) = &mut self.grid {
                grid.take(datagram);
            }
            self.windows.take(datagram);
            self.seen += 1;
        }
        while self.seen > HISTORY_MAX {
            self.datagrams.pop_front();
            self.seen -= 1;
        }
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// A bucket of 3,000 octets that `rate` fills, behind it chance with one loss in `every`, if any.
    fn through_bucket(policer: &mut Policer, rate: f64, sent_rate: f64, every: u8, count: u64) {
        let (mut tokens, mut last, mut dice) = (3000.0_f64, 0.0, Dice::new([7; 32]));
        for number in 0..count {
            let (now, octets) = (number as f64 * 300.0 / sent_rate, 300.0);
            tokens = (tokens + rate * (now - last)).min(3000.0);
            last = now;
            policer.sent(Sent { now, number, octets, is_tracked: true }, true);
            let outcome = Outcome { number, sent_at: now, octets, position: 0.0, arrived_at: None };
            if tokens < octets {
                policer.lost(&outcome);
                continue;
            }
            tokens -= octets;
            if every > 0 && dice.below(every) == 0 {
                policer.lost(&outcome)
            } else {
                policer.arrived(&outcome)
            }
        }
    }

    #[test]
    fn drops_tell_the_rate_of_a_policer() {
        let mut policer = Policer::default();
        through_bucket(&mut policer, 3000.0, 4000.0, 0, 120);
        let verdict = policer.verdict(9.0, 4000.0).expect("every fourth was dropped");
        assert!((verdict.rate / 3000.0 - 1.0).abs() < 0.08, "{verdict:?}");
        assert!(verdict.chance < 0.1, "{verdict:?}");
    }

    #[test]
    fn chance_is_no_policer() {
        let mut policer = Policer::default();
        through_bucket(&mut policer, 1e9, 4000.0, 5, 400);
        assert!(policer.verdict(30.0, 4000.0).is_none());
    }

    #[test]
    fn chance_behind_a_policer_is_told_apart() {
        let mut policer = Policer::default();
        through_bucket(&mut policer, 3000.0, 4000.0, 10, 400);
        let verdict = policer.verdict(30.0, 4000.0).expect("it drops more than chance takes");
        assert!((verdict.rate / 3000.0 - 1.0).abs() < 0.08, "{verdict:?}");
        assert!((0.03..0.2).contains(&verdict.chance), "{verdict:?}");
    }

    /// Nothing of what a silence swallowed is a policer's work.
    #[test]
    fn an_outage_is_no_policer() {
        let mut policer = Policer::default();
        for number in 0..200 {
            let now = number as f64 * 0.1;
            policer.sent(Sent { now, number, octets: 300.0, is_tracked: true }, true);
            if number < 100 {
                let at = Outcome {
                    number,
                    sent_at: now,
                    octets: 300.0,
                    position: 0.0,
                    arrived_at: None,
                };
                policer.arrived(&at);
            }
        }
        policer.silence();
        assert!(policer.verdict(20.0, 3000.0).is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut policer = Policer::default();
        through_bucket(&mut policer, 1e9, 4000.0, 7, 5000);
        assert!(policer.datagrams.len() <= HISTORY_MAX);
    }
}
