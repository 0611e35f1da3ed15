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
//! The null hypothesis is chance alone. Where the best policer is far more likely than chance, there is
//! one, and its rate is read from the likelihoods of all rates. It costs nothing until something is
//! lost: then what happened lately is gone over again.

use std::collections::VecDeque;

use super::{Outcome, Seconds, Sent};

/// Log likelihood by which a policer must beat chance. Half of that is met by random loss now and then.
const LIKELIER_BY: f64 = 7.0;
/// Fates gone over when something is lost: some 600 KB of full datagrams.
const HISTORY_MAX: usize = 512;
/// Evidence fades with time, and with what comes after it.
const FADES_IN_S: f64 = 30.0;
const FADES_IN_FATES: f64 = 3000.0;
/// Neighbouring rates differ by this factor.
const STEP: f64 = 1.025;
/// Rates from this far below the present one to this far above it are hypotheses.
const BELOW: f64 = 30.0;
const ABOVE: f64 = 4.0;
/// Buckets, in octets.
const BUCKETS: [f64; 4] = [1500.0, 3000.0, 6000.0, 12_000.0];
/// Within this share of a datagram's octets the tokens are too close to call.
const GREY: f64 = 0.35;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not known yet.
    Open,
    /// It will never be known, or says nothing.
    Untold,
    Arrived,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    number: u64,
    sent_at: Seconds,
    octets: f64,
    fate: Fate,
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
}

/// The fates of the datagrams of a path, and what they say about a policer.
#[derive(Debug, Default)]
pub(super) struct Policer {
    /// In order of their numbers: the last ones of known fate, then those under way.
    datagrams: VecDeque<Datagram>,
    /// How many of `datagrams` the grid has seen.
    seen: usize,
    grid: Option<Box<Grid>>,
}

impl Policer {
    /// A datagram left; `is_evidence` unless it is part of a burst that no bucket holds.
    pub(super) fn sent(&mut self, sent: Sent, is_evidence: bool) {
        let fate = if sent.is_tracked { Fate::Open } else { Fate::Untold };
        let fate = if is_evidence { fate } else { Fate::Untold };
        let Sent { now, number, octets, .. } = sent;
        self.datagrams.push_back(Datagram { number, sent_at: now, octets, fate });
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
                datagram.fate = Fate::Untold;
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
            self.seen += 1;
        }
        while self.seen > HISTORY_MAX {
            self.datagrams.pop_front();
            self.seen -= 1;
        }
    }
}

/// All hypotheses, and how well they have done.
#[derive(Debug)]
struct Grid {
    lowest: f64,
    highest: f64,
    cells: Vec<Cell>,
    now: Option<Seconds>,
    /// What a fate weighs now: older ones weigh less, so newer ones more.
    weight: f64,
    arrived: f64,
    lost: f64,
    /// The newest fates were losses, so many in a row.
    losses_in_row: u32,
}

/// A policer that may be there.
#[derive(Clone, Copy, Debug)]
struct Cell {
    rate: f64,
    kind: Kind,
    tokens: f64,
    /// The four predictions and outcomes.
    passed: f64,
    taken: f64,
    missed: f64,
    hit: f64,
    /// What speaks against it otherwise.
    penalty: f64,
    /// It predicted that the newest loss would be dropped.
    foresaw: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A bucket of so many octets that is filled all the time.
    Bucket(f64),
    /// A second's octets, granted anew each second; the present one began then.
    Window(Option<Seconds>),
}

impl Grid {
    fn around(rate: f64) -> Self {
        let (lowest, highest) = (rate / BELOW, rate * ABOVE);
        let mut cells = Vec::new();
        let mut rate = lowest;
        while rate <= highest {
            let buckets = BUCKETS.iter().map(|octets| Kind::Bucket(*octets));
            cells.extend(buckets.chain([Kind::Window(None)]).map(|kind| Cell::new(rate, kind)));
            rate *= STEP;
        }
        Self {
            lowest,
            highest,
            cells,
            now: None,
            weight: 1.0,
            arrived: 0.0,
            lost: 0.0,
            losses_in_row: 0,
        }
    }

    /// Whether the hypotheses are about rates around this one.
    fn covers(&self, rate: f64) -> bool {
        rate > 5.0 * self.lowest && rate * 1.5 < self.highest
    }

    fn take(&mut self, datagram: &Datagram) {
        let elapsed = self.now.map_or(0.0, |at| (datagram.sent_at - at).max(0.0));
        self.now = Some(datagram.sent_at);
        if datagram.fate != Fate::Untold {
            self.weight *= (elapsed / FADES_IN_S).exp() * (1.0 + 1.0 / FADES_IN_FATES);
            if self.weight > 1e30 {
                self.rescale();
            }
            let count =
                if datagram.fate == Fate::Lost { &mut self.lost } else { &mut self.arrived };
            *count += self.weight;
        }
        let opens = datagram.fate == Fate::Arrived && self.losses_in_row >= WINDOW_LOSSES;
        self.losses_in_row = match datagram.fate {
            Fate::Lost => self.losses_in_row.saturating_add(1),
            Fate::Arrived => 0,
            Fate::Open | Fate::Untold => self.losses_in_row,
        };
        for cell in &mut self.cells {
            cell.refill(datagram.sent_at, elapsed);
            if opens {
                cell.open_window(datagram.sent_at);
            }
            cell.take(datagram, self.weight);
        }
    }

    fn rescale(&mut self) {
        let weight = std::mem::replace(&mut self.weight, 1.0);
        self.arrived /= weight;
        self.lost /= weight;
        for cell in &mut self.cells {
            let Cell { passed, taken, missed, hit, penalty, .. } = cell;
            for count in [passed, taken, missed, hit, penalty] {
                *count /= weight;
            }
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        let likelihoods: Vec<f64> =
            self.cells.iter().map(|cell| cell.likelihood() / self.weight + cell.prior()).collect();
        let (best, most) = likelihoods
            .iter()
            .copied()
            .enumerate()
            .max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let null = chance_likelihood(self.arrived, self.lost) / self.weight;
        if most - null <= LIKELIER_BY {
            return None;
        }
        let weights = likelihoods.iter().map(|likelihood| (likelihood - most).exp());
        let total: f64 = weights.clone().sum();
        let mut sum = 0.0;
        let index = weights.into_iter().position(|weight| {
            sum += weight;
            sum >= QUANTILE * total
        })?;
        let (cell, rate) = (self.cells.get(best)?, self.cells.get(index)?.rate);
        if cell.passed < PASSED_MIN * self.weight {
            // Nothing passes at all: that tells no rate.
            return None;
        }
        let bucket = match cell.kind {
            Kind::Bucket(octets) => octets,
            Kind::Window(_) => cell.rate,
        };
        Some(Verdict {
            rate,
            deficit: (bucket - cell.tokens).clamp(0.0, rate),
            bucket,
            chance: cell.taken / (cell.taken + cell.passed).max(self.weight),
            is_drop: cell.foresaw,
        })
    }
}

/// At least so many must have passed as predicted.
const PASSED_MIN: f64 = 3.0;
/// The rate is read above this share of what is likely.
const QUANTILE: f64 = 0.75;

impl Cell {
    const fn new(rate: f64, kind: Kind) -> Self {
        let tokens = match kind {
            Kind::Bucket(octets) => octets,
            Kind::Window(_) => rate,
        };
        Self {
            rate,
            kind,
            tokens,
            passed: 0.0,
            taken: 0.0,
            missed: 0.0,
            hit: 0.0,
            penalty: 0.0,
            foresaw: false,
        }
    }

    /// Windows are rarer than buckets.
    const fn prior(&self) -> f64 {
        match self.kind {
            Kind::Bucket(_) => 0.0,
            Kind::Window(_) => -4.0,
        }
    }

    fn refill(&mut self, now: Seconds, elapsed: f64) {
        match &mut self.kind {
            Kind::Bucket(octets) => self.tokens = (self.tokens + self.rate * elapsed).min(*octets),
            Kind::Window(began) => {
                let age = began.map_or(0.0, |at| now - at);
                if age >= 1.0 || began.is_none() {
                    *began = Some(now - age.fract());
                    self.tokens = self.rate;
                }
            }
        }
    }

    fn take(&mut self, datagram: &Datagram, weight: f64) {
        let octets = datagram.octets;
        let has_arrived = match datagram.fate {
            Fate::Arrived => true,
            Fate::Lost => false,
            Fate::Open | Fate::Untold => {
                if self.tokens >= octets {
                    self.tokens -= octets;
                }
                return;
            }
        };
        let is_grey = (self.tokens - octets).abs() < GREY * octets;
        let passes = self.tokens >= octets;
        match (has_arrived, is_grey, passes) {
            (true, true, _) => {
                self.penalty += GREY_PENALTY * weight;
                self.tokens = (self.tokens - octets).max(0.0);
            }
            (false, true, _) => {
                self.penalty += GREY_PENALTY * weight;
                self.tokens = self.tokens.min(octets);
                self.foresaw = true;
            }
            (true, false, true) => {
                self.passed += weight;
                self.tokens -= octets;
            }
            (false, false, true) => {
                self.taken += weight;
                self.tokens -= octets;
                self.foresaw = false;
            }
            (false, false, false) => {
                self.hit += weight;
                self.foresaw = true;
            }
            (true, false, false) => self.was_wrong(datagram, weight),
        }
    }

    /// So many were lost in a row and this one was not: if there are windows, one has just begun.
    fn open_window(&mut self, now: Seconds) {
        if let Kind::Window(began) = &mut self.kind {
            *began = Some(now);
            self.tokens = self.rate;
        }
    }

    /// What arrived had its tokens, however that was.
    fn was_wrong(&mut self, datagram: &Datagram, weight: f64) {
        match &mut self.kind {
            Kind::Bucket(_) => {
                self.missed += weight;
                self.tokens = 0.0;
            }
            Kind::Window(began) => {
                // Its second turned before ours did.
                let age = began.map_or(1.0, |at| datagram.sent_at - at);
                self.penalty += if age < 0.85 { 4.0 } else { 0.5 } * weight;
                *began = Some(datagram.sent_at);
                self.tokens = self.rate - datagram.octets;
            }
        }
    }

    fn likelihood(&self) -> f64 {
        chance_likelihood(self.passed, self.taken)
            + self.hit * HIT.ln()
            + self.missed * (1.0 - HIT).ln()
            - self.penalty
    }
}

/// Chance seldom takes so many in a row.
const WINDOW_LOSSES: u32 = 4;
/// A policer does what it should with this probability.
const HIT: f64 = 0.97;
const GREY_PENALTY: f64 = 0.7;

/// The log likelihood that so many arrive and so many do not, where chance takes its most likely share.
fn chance_likelihood(arrived: f64, lost: f64) -> f64 {
    let total = arrived + lost;
    if total <= 0.0 {
        return 0.0;
    }
    let share = (lost / total).clamp(0.0005, 0.5);
    arrived * (1.0 - share).ln() + lost * share.ln()
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
