//! Round-trip estimates, as RFC 9002 section 5, over the whole answer time.

use std::time::Duration;

/// Before the first sample: what a relayed path may well take.
const INITIAL: Duration = Duration::from_millis(400);

/// Round trips of one path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RttEstimator {
    sampled: bool,
    /// Least time without the peer's delay.
    least: Duration,
    /// Smoothed time until the answer, the peer's delay included, and its variation.
    smoothed: Duration,
    variation: Duration,
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self { sampled: false, least: INITIAL, smoothed: INITIAL, variation: INITIAL / 2 }
    }
}

impl RttEstimator {
    /// Takes a sample: the time until the acknowledgement, and how long the peer held it.
    pub(crate) fn sample(&mut self, answered_after: Duration, held: Duration) {
        let net = answered_after.saturating_sub(held).max(RESOLUTION);
        if !self.sampled {
            *self = Self {
                sampled: true,
                least: net,
                smoothed: answered_after,
                variation: answered_after / 2,
            };
            return;
        }
        self.least = self.least.min(net);
        let difference = self.smoothed.abs_diff(answered_after);
        self.variation = (self.variation * 3 + difference) / 4;
        self.smoothed = (self.smoothed * 7 + answered_after) / 8;
    }

    /// A packet that asks for an answer and got none by now should be asked about again.
    pub(crate) fn probe_timeout(&self) -> Duration {
        self.smoothed + (self.variation * 4).max(Duration::from_millis(20)) + TIMER_ALLOWANCE
    }

    pub(crate) fn least(&self) -> Duration {
        self.least
    }

    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed
    }

    pub(crate) const fn is_sampled(&self) -> bool {
        self.sampled
    }
}

/// The wire counts the peer's delay in such units: no round trip is known to be shorter.
const RESOLUTION: Duration = Duration::from_micros(100);

/// Timers at both ends may be late by this much together.
const TIMER_ALLOWANCE: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_round_trip_leaves_the_peer_s_delay_out() {
        let mut rtt = RttEstimator::default();
        rtt.sample(Duration::from_millis(250), Duration::from_millis(50));
        rtt.sample(Duration::from_millis(205), Duration::from_millis(5));
        assert_eq!(rtt.least(), Duration::from_millis(200));
        assert!(rtt.smoothed() > Duration::from_millis(205));
    }
}
