//! The safety net: whatever a path does, much more is not sent than it delivers.

use super::{Outcome, Seconds};

/// Below this share of what is sent a rate is too high, whatever the cause.
const DELIVERED_MIN: f64 = 0.65;
/// Fewer outcomes than this are an anecdote.
const OUTCOMES_MIN: f64 = 8.0;

/// So many leave no room for luck.
const OUTCOMES_MANY: f64 = 30.0;
/// What chance is taken to lose at least: a path that has lost nothing yet may begin to.
const CHANCE_ASSUMED: f64 = 0.05;

/// What became of the packets sent since the rate was last lowered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivery {
    from: Seconds,
    last_sent_at: Seconds,
    outcomes: f64,
    losses: f64,
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
        } else {
            self.losses += 1.0;
        }
    }

    /// The share delivered so far of what was sent, if there is any to speak of.
    pub(super) fn share(&self) -> Option<f64> {
        (self.outcomes >= OUTCOMES_MIN).then(|| self.arrived / self.sent.max(1.0))
    }

    /// Once the window spans `span_min` seconds: it is over, and if too little arrived, and more was lost than
    /// `chance` does in its worst hours, the rate that did arrive, in octets a second.
    pub(super) fn verdict(&mut self, span_min: f64, chance: f64) -> Option<f64> {
        let span = self.last_sent_at - self.from;
        if span < span_min || self.outcomes < OUTCOMES_MIN {
            return None;
        }
        let (arrived, share) = (self.arrived, self.arrived / self.sent.max(1.0));
        let is_too_little = share < DELIVERED_MIN;
        if is_too_little && !self.is_beyond(chance) {
            // A few large ones are missing: that may be bad luck, and more will tell.
            return None;
        }
        self.restart(self.last_sent_at);
        is_too_little.then_some(arrived / span)
    }

    /// Whether chance, which loses `chance` of all, would hardly lose as many of so few.
    fn is_beyond(&self, chance: f64) -> bool {
        let chance = chance.max(CHANCE_ASSUMED);
        let scatter = (self.outcomes * chance * (1.0 - chance)).sqrt();
        self.outcomes >= OUTCOMES_MANY || self.losses > self.outcomes * chance + 3.0 * scatter + 1.0
    }
}
