//! Sparse streams told from bulk by what they sent lately, and the reserve that lets them past the pacer.

use crate::num;

/// A stream with no more than this to send, and no more in the last second, is sparse: somebody
/// waits for it.
pub(super) const SPARSE_OCTETS: u64 = 700;
/// ... or no more than this share of the path's rate in the last second.
const SPARSE_SHARE: f64 = 0.4;
/// All sparse streams together send no more in a second than this, or this share of the rate,
/// without waiting for the pacer: a thousand requests at once are bulk.
const RESERVE_OCTETS: f64 = 1400.0;
const RESERVE_SHARE: f64 = 0.5;

/// Which streams to ask for something to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Class {
    /// Sparse ones: they do not wait for the pacer.
    Sparse,
    /// Any.
    Bulk,
}

/// When and at what rate somebody asks, to tell sparse streams from bulk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) now: f64,
    pub(crate) rate: f64,
}

impl Pace {
    /// Octets that may go past the pacer in a second.
    pub(super) fn reserve(&self) -> f64 {
        RESERVE_OCTETS.max(RESERVE_SHARE * self.rate)
    }

    /// Octets that a sparse stream sends in a second at the most.
    pub(super) fn sparse_octets(&self) -> f64 {
        num::to_f64(SPARSE_OCTETS).max(SPARSE_SHARE * self.rate)
    }
}

/// Decaying count of octets sent: about those of the last second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    octets: f64,
    at: f64,
}

impl Recent {
    pub(super) fn octets(&self, now: f64) -> f64 {
        self.octets * (self.at - now).min(0.0).exp()
    }

    pub(super) fn add(&mut self, octets: u64, now: f64) {
        *self = Self { octets: self.octets(now) + num::to_f64(octets), at: now };
    }
}
