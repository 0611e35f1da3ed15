//! The hypotheses: every rate and bucket that a policer may have, and how likely each is.

use super::{Datagram, Fate, Verdict};
use crate::congestion::Seconds;

/// Log likelihood by which a policer must beat chance. Half of that is met by random loss now and then.
const LIKELIER_BY: f64 = 7.0;
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

/// All hypotheses, and how well they have done.
#[derive(Debug)]
pub(super) struct Grid {
    lowest: f64,
    highest: f64,
    cells: Vec<Cell>,
    pub(super) now: Option<Seconds>,
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
    pub(super) fn around(rate: f64) -> Self {
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
    pub(super) fn covers(&self, rate: f64) -> bool {
        rate > 5.0 * self.lowest && rate * 1.5 < self.highest
    }

    pub(super) fn take(&mut self, datagram: &Datagram) {
        let elapsed = self.now.map_or(0.0, |at| (datagram.sent_at - at).max(0.0));
        self.now = Some(datagram.sent_at);
        let is_told = datagram.is_told();
        if is_told {
            self.weight *= (elapsed / FADES_IN_S).exp() * (1.0 + 1.0 / FADES_IN_FATES);
            if self.weight > 1e30 {
                self.rescale();
            }
            let count =
                if datagram.fate == Fate::Lost { &mut self.lost } else { &mut self.arrived };
            *count += self.weight;
        }
        let opens =
            is_told && datagram.fate == Fate::Arrived && self.losses_in_row >= WINDOW_LOSSES;
        self.losses_in_row = match datagram.fate {
            Fate::Lost if is_told => self.losses_in_row.saturating_add(1),
            Fate::Arrived if is_told => 0,
            Fate::Lost | Fate::Arrived | Fate::Open | Fate::Untold | Fate::Swallowed => {
                self.losses_in_row
            }
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

    pub(super) fn verdict(&self) -> Option<Verdict> {
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
            is_window: false,
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
        if !datagram.is_told() {
            if self.tokens >= octets {
                self.tokens -= octets;
            }
            return;
        }
        let has_arrived = datagram.fate == Fate::Arrived;
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
