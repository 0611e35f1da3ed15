//! What was received and must be acknowledged, what was sent and may be lost, and how long a round
//! trip takes.

#[cfg(test)]
mod exchange;
mod numbers;
pub(crate) mod received;
mod replay;
mod report;
pub(crate) mod rtt;
pub(crate) mod sent;

use std::time::{Duration, Instant};

/// A connection's own clock: time since the connection began. The wire counts it in 100 µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) const fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(crate) fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    pub(crate) fn seconds(&self, now: Instant) -> f64 {
        self.since_start(now).as_secs_f64()
    }

    pub(crate) fn wire(&self, now: Instant) -> u64 {
        u64::try_from(self.since_start(now).as_micros() / 100).unwrap_or(u64::MAX)
    }

    /// The instant at which so many seconds are certainly over; `None` is never.
    pub(crate) fn instant(&self, seconds: f64) -> Option<Instant> {
        let since_start = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
        self.start.checked_add(since_start)?.checked_add(ROUNDING)
    }
}

/// A float of seconds falls short of the instant that it came from by less than this.
const ROUNDING: Duration = Duration::from_micros(1);

/// A time on the wire, in seconds.
pub(crate) fn wire_seconds(units: u64) -> f64 {
    crate::num::to_f64(units) / 10_000.0
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
mod tests {
    use super::*;

    #[test]
    fn a_timer_after_the_first_hour_lies_in_the_future() {
        let start = Instant::now();
        let clock = Clock::new(start);
        let now = start + Duration::from_secs(100_000);
        let due = clock.instant(clock.seconds(now) + 0.5).unwrap();
        assert!(due > now && due <= now + Duration::from_millis(501));
    }

    #[test]
    fn a_timer_never_fires_before_what_it_waits_for() {
        let start = Instant::now();
        let clock = Clock::new(start);
        for step in 0..1000 {
            let due = 0.1 * f64::from(step) + 1e-10;
            assert!(clock.seconds(clock.instant(due).unwrap()) >= due);
        }
        assert_eq!(clock.instant(f64::INFINITY), None);
    }
}
