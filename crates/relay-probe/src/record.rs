//! What arrived of a train, in the receiver's time.

use std::collections::BTreeSet;

use crate::num::count;
use crate::train::Train;

/// A probe that arrived. Times are seconds of each end's own clock, from an origin of its own: only
/// differences of times of one clock are ever used, and the drift of one against the other is small in the
/// seconds that a train lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// [`Train::id`].
    pub train: u16,
    /// Which of the train.
    pub number: u32,
    /// When it left, on the sender's clock.
    pub sent: f64,
    /// When it came, on the receiver's clock.
    pub at: f64,
}

/// The arrivals of one train, in the order in which they came, each probe once.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) train: Train,
    arrivals: Vec<Arrival>,
    seen: BTreeSet<u32>,
}

impl Record {
    pub(crate) const fn new(train: Train) -> Self {
        Self { train, arrivals: Vec::new(), seen: BTreeSet::new() }
    }

    pub(crate) const fn is_of(&self, arrival: Arrival) -> bool {
        arrival.train == self.train.id
    }

    /// Takes an arrival of this train, and of it once.
    pub(crate) fn take(&mut self, arrival: Arrival) -> bool {
        let is_ours = arrival.train == self.train.id && arrival.number < self.train.count;
        let is_finite = arrival.sent.is_finite() && arrival.at.is_finite();
        if !is_ours || !is_finite || !self.seen.insert(arrival.number) {
            return false;
        }
        // The receiver's clock does not go back, so that an earlier time is a peer's nonsense.
        let last = self.arrivals.last().map_or(arrival.at, |last| last.at);
        self.arrivals.push(Arrival { at: arrival.at.max(last), ..arrival });
        true
    }

    pub(crate) fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.arrivals.len() >= usize::try_from(self.train.count).unwrap_or(usize::MAX)
    }

    /// Whether the last probe of the train came.
    pub(crate) fn has_last(&self) -> bool {
        self.seen.contains(&self.train.count.saturating_sub(1))
    }

    /// The share of the probes that arrived.
    pub(crate) fn delivered(&self) -> f64 {
        count(self.arrivals.len()) / f64::from(self.train.count.max(1))
    }

    pub(crate) fn octets(&self) -> f64 {
        f64::from(self.train.octets)
    }
}
