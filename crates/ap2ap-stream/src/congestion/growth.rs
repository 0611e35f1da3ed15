//! Raising a rate that is too low: each step is proved by what arrives before the next is taken.

use super::train::DATAGRAM_MIN_OCTETS;
use super::{Outcome, Seconds};

/// A step of growth: the present rate waits for its proof.
#[derive(Debug)]
pub(super) struct Growth {
    /// The rate was raised by this factor last.
    gain: f64,
    gain_max: f64,
    /// Only packets sent after this prove the present rate.
    since: Seconds,
    /// Of these, what has arrived: octets, and when the first and the last were sent.
    proof: f64,
    /// Octets sent at the present rate.
    sent: f64,
    first_sent_at: Option<Seconds>,
    last_sent_at: Seconds,
}

impl Growth {
    pub(super) const fn new(gain: f64, gain_max: f64, since: Seconds) -> Self {
        Self {
            gain,
            gain_max,
            since,
            proof: 0.0,
            sent: 0.0,
            first_sent_at: None,
            last_sent_at: since,
        }
    }

    /// The next step, a little bolder.
    pub(super) fn next(&self, now: Seconds) -> Self {
        Self::new((self.gain * 1.1).min(self.gain_max), self.gain_max, now)
    }

    pub(super) const fn gain(&self) -> f64 {
        self.gain
    }

    pub(super) fn sent(&mut self, octets: f64) {
        self.sent += octets;
    }

    /// Whether what was sent is about enough to prove the rate once it arrives.
    pub(super) fn wants_ack(&self, needed: f64) -> bool {
        self.sent < 2.0 * needed && self.sent + DATAGRAM_MIN_OCTETS >= needed
    }

    /// Octets that were sent at the present rate and arrived.
    pub(super) const fn proof(&self) -> f64 {
        self.proof
    }

    pub(super) fn take_proof(&mut self, acked: &[Outcome]) {
        for packet in acked.iter().filter(|packet| packet.sent_at > self.since) {
            self.proof += packet.octets;
            self.first_sent_at.get_or_insert(packet.sent_at);
            self.last_sent_at = self.last_sent_at.max(packet.sent_at);
        }
    }

    /// The rate at which the proof was sent, in octets a second.
    pub(super) fn achieved(&self) -> f64 {
        let first = self.first_sent_at.unwrap_or(self.since);
        self.proof / (self.last_sent_at - first).max(0.001)
    }
}
