//! The safety net: whatever a path does, much more is not sent than it delivers.

use super::{Outcome, Seconds};

/// Below this share of what is sent a rate is too high, whatever the cause.
const DELIVERED_MIN: f64 = 0.65;
/// Fewer outcomes than this are an anecdote.
const OUTCOMES_MIN: f64 = 8.0;

/// What became of the packets sent since the rate was last lowered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivery {
    from: Seconds,
    last_sent_at: Seconds,
    outcomes: f64,
    sent: f64,
    arrived: f64,
}

impl Delivery {
    /// A new window: only packets sent after `now` count.
    pub(super) fn restart(&mut self, now: Seconds) {
        *self = Self { from: now, last_sent_at: now, ..Self::default() };
    }

    pub(super) fn take(&mut self, packet: &Outcome, has_arrived: bool) {
        if packet.sent_at <= self.from {
            return;
        }
        self.last_sent_at = self.last_sent_at.max(packet.sent_at);
        self.outcomes += 1.0;
        self.sent += packet.octets;
        if has_arrived {
            self.arrived += packet.octets;
        }
    }

    /// The share delivered so far of what was sent, if there is any to speak of.
    pub(super) fn share(&self) -> Option<f64> {
        (self.outcomes >= OUTCOMES_MIN).then(|| self.arrived / self.sent.max(1.0))
    }

    /// Once the window spans `span_min` seconds: it is over, and if too little arrived, the rate that
    /// did, in octets a second.
    pub(super) fn verdict(&mut self, span_min: f64) -> Option<f64> {
        let span = self.last_sent_at - self.from;
        if span < span_min || self.outcomes < OUTCOMES_MIN {
            return None;
        }
        let (arrived, share) = (self.arrived, self.arrived / self.sent.max(1.0));
        self.restart(self.last_sent_at);
        (share < DELIVERED_MIN).then_some(arrived / span)
    }
}
