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
    /// Smoothed time until the answer, the peer's delay included.
    smoothed: Duration,
    /// The same without the peer's delay, and its variation.
    net: Duration,
    variation: Duration,
    /// The longest that the peer held an acknowledgement, fading.
    held: Duration,
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self {
            sampled: false,
            least: INITIAL,
            smoothed: INITIAL,
            net: INITIAL,
            variation: INITIAL / 2,
            held: Duration::ZERO,
        }
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
                net,
                variation: net / 2,
                held,
            };
            return;
        }
        self.least = self.least.min(net);
        self.variation = (self.variation * 3 + self.net.abs_diff(net)) / 4;
        self.net = (self.net * 7 + net) / 8;
        self.smoothed = (self.smoothed * 7 + answered_after) / 8;
        self.held = self.held.mul_f64(HELD_FADES);
    }

    /// An acknowledgement told that the first packet it speaks of had waited for so long.
    pub(crate) fn note_held(&mut self, held: Duration) {
        self.held = self.held.max(held.min(HELD_MAX));
    }

    /// AP-116: a packet that asks for an answer and got none by now should be asked about again.
    pub(crate) fn probe_timeout(&self) -> Duration {
        self.prompt_timeout() + self.held
    }

    /// The same where the packet asked for an answer at once (AP-43).
    pub(crate) fn prompt_timeout(&self) -> Duration {
        let variation = (self.variation * 4).max(VARIATION_MIN);
        self.net + variation + TIMER_ALLOWANCE
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

/// A path that was never seen to vary may do so by this much.
const VARIATION_MIN: Duration = Duration::from_millis(20);

/// AP-73 lets the peer wait as it likes, so how long it waits is no matter of averages: the longest
/// wait counts, and is forgotten by half in 23 acknowledgements.
const HELD_FADES: f64 = 0.97;
/// No peer waits longer than this, whatever it says.
const HELD_MAX: Duration = Duration::from_secs(2);

/// Timers at both ends may be late by this much together.
const TIMER_ALLOWANCE: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;

    /// AP-116
    #[test]
    fn the_probe_waits_as_long_as_the_peer_was_seen_to_wait_and_not_much_longer() {
        let (round_trip, mut rtt) = (Duration::from_millis(200), RttEstimator::default());
        rtt.sample(round_trip, Duration::ZERO);
        let mut sample = |held_ms: u64, times| {
            for _ in 0..times {
                let held = Duration::from_millis(held_ms);
                rtt.note_held(held);
                rtt.sample(round_trip + held, held);
            }
            rtt.probe_timeout().as_millis()
        };
        assert!((250..300).contains(&sample(0, 30)));
        let after_a_long_wait = sample(800, 1);
        assert!((1000..1100).contains(&after_a_long_wait));
        assert!(sample(10, 5) > 800);
        assert!(sample(10, 200) < 330);
    }

    #[test]
    fn the_least_round_trip_leaves_the_peer_s_delay_out() {
        let mut rtt = RttEstimator::default();
        rtt.sample(Duration::from_millis(250), Duration::from_millis(50));
        rtt.sample(Duration::from_millis(205), Duration::from_millis(5));
        assert_eq!(rtt.least(), Duration::from_millis(200));
        assert!(rtt.smoothed() > Duration::from_millis(205));
    }
}
