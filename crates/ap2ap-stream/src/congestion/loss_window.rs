//! Counts what became of the packets sent in a stretch of time.

use super::{Outcome, Seconds};

/// Fewer outcomes than this are an anecdote.
const OUTCOMES_MIN: f64 = 8.0;

/// What became of the packets sent since some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossWindow {
    from: Seconds,
    last_sent_at: Seconds,
    arrived: f64,
    arrived_octets: f64,
    lost: f64,
    /// A queue was seen meanwhile: losses may be its overflow.
    queue_seen: bool,
}

/// The verdict on a full window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    /// Lost packets / all packets.
    pub(super) loss: f64,
    /// How far a loss by chance alone would scatter: one standard deviation at `loss`.
    pub(super) scatter: f64,
    /// Octets that arrived for each second of sending.
    pub(super) delivered_rate: f64,
    pub(super) queue_seen: bool,
}

impl LossWindow {
    /// A new window: only packets sent after `now` count.
    pub(super) fn restart(&mut self, now: Seconds) {
        *self = Self { from: now, last_sent_at: now, ..Self::default() };
    }

    pub(super) fn arrived(&mut self, packet: &Outcome) {
        if self.covers(packet) {
            self.arrived += 1.0;
            self.arrived_octets += packet.octets;
        }
    }

    pub(super) fn lost(&mut self, packet: &Outcome) {
        if self.covers(packet) {
            self.lost += 1.0;
        }
    }

    pub(super) fn queue_seen(&mut self) {
        self.queue_seen = true;
    }

    pub(super) const fn lost_count(&self) -> f64 {
        self.lost
    }

    pub(super) const fn outcome_count(&self) -> f64 {
        self.lost + self.arrived
    }

    /// The verdict, once the window spans `span_min` seconds of sending and enough outcomes.
    pub(super) fn verdict(&self, span_min: f64) -> Option<Verdict> {
        let span = self.last_sent_at - self.from;
        let outcomes = self.outcome_count();
        if span < span_min || outcomes < OUTCOMES_MIN {
            return None;
        }
        let loss = self.lost / outcomes;
        let scatter = (loss * (1.0 - loss) / outcomes).sqrt();
        let delivered_rate = self.arrived_octets / span;
        Some(Verdict { loss, scatter, delivered_rate, queue_seen: self.queue_seen })
    }

    fn covers(&mut self, packet: &Outcome) -> bool {
        let covered = packet.sent_at > self.from;
        if covered {
            self.last_sent_at = self.last_sent_at.max(packet.sent_at);
        }
        covered
    }
}
