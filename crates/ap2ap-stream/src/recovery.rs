//! What was received and must be acknowledged, what was sent and may be lost, and how long a round
//! trip takes.

pub(crate) mod received;
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

    pub(crate) fn instant(&self, seconds: f64) -> Instant {
        self.start + crate::num::seconds(seconds)
    }
}

/// A time on the wire, in seconds.
pub(crate) fn wire_seconds(units: u64) -> f64 {
    crate::num::to_f64(units) / 10_000.0
}
