//! A leaking level that says when the next bulk datagram is due.
//!
//! Everything sent raises the level, only bulk waits for it to fall: what bypasses the pacer is
//! paid for by the bulk behind it. A drain is a level set high.

use super::Seconds;

/// Bulk goes this much early, in seconds of the rate: a timer that is late by less loses nothing.
const SLACK_S: f64 = 0.003;

/// ... but never by more than this, in octets: what fits a socket's receive buffer beside other traffic.
const SLACK_OCTETS_MAX: f64 = 65_536.0;

/// The level of what was sent ahead of the rate, in octets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pacer {
    level: f64,
    at: Seconds,
}

impl Pacer {
    /// Lets the level fall at `rate` until `now`.
    pub(super) fn leak(&mut self, now: Seconds, rate: f64) {
        let elapsed = (now - self.at).max(0.0);
        self.level = (self.level - rate * elapsed).max(0.0);
        self.at = self.at.max(now);
    }

    pub(super) fn add(&mut self, octets: f64) {
        self.level += octets;
    }

    /// Sets the level, to wait out a queue.
    pub(super) fn set(&mut self, octets: f64) {
        self.level = octets.max(0.0);
    }

    /// Seconds until the level is gone.
    pub(super) fn wait(&self, now: Seconds, rate: f64) -> f64 {
        (self.level / rate.max(1.0) - (now - self.at).max(0.0)).max(0.0)
    }

    /// When the next bulk datagram may go: now or later.
    pub(super) fn due(&self, now: Seconds, rate: f64) -> Seconds {
        self.due_within(now, rate, (SLACK_S * rate).min(SLACK_OCTETS_MAX))
    }

    /// The same where the level may be as high as `allowed` octets.
    pub(super) fn due_within(&self, now: Seconds, rate: f64, allowed: f64) -> Seconds {
        let excess = self.level - allowed;
        if excess <= 0.0 { now } else { now + excess / rate.max(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_timer_within_the_slack_loses_no_capacity() {
        let (rate, octets) = (64_000.0, 1200.0);
        let mut pacer = Pacer::default();
        let (mut now, mut sent) = (0.0, 0.0);
        while now < 10.0 {
            pacer.leak(now, rate);
            let due = pacer.due(now, rate);
            if due <= now {
                pacer.add(octets);
                sent += octets;
            } else {
                now = due + 0.002;
            }
        }
        assert!(sent / (10.0 * rate) > 0.99, "sent {sent}");
    }
}
