//! How long to wait between attempts: ever longer, and never in step with others.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Before the second attempt. The first one is made at once.
const FIRST: Duration = Duration::from_millis(250);

/// Each wait is so much longer than the one before: by half, so that what was away for a while is
/// found again after about as long a while more at the most.
const GROWTH: f64 = 1.5;

/// Waits that grow from [`FIRST`] to a limit, each shortened by up to a half at random: clients
/// that lost one bridge must not all come back at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) const fn up_to(max: Duration) -> Self {
        Self { next: FIRST, max }
    }

    /// There is reason to hope: begins again with the shortest wait.
    pub(crate) const fn reset(&mut self) {
        self.next = FIRST;
    }

    /// How long to wait before the next attempt.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.mul_f64(GROWTH).min(self.max);
        wait.mul_f64(1.0 - share() / 2.0)
    }
}

/// A number from 0 to 1. The keys of std's hash tables are random, and nothing secret is needed.
fn share() -> f64 {
    let random = RandomState::new().hash_one(0_u8);
    f64::from(u16::try_from(random & 0xffff).unwrap_or_default()) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_limit_less_a_half_at_most() {
        let max = Duration::from_millis(600);
        let mut backoff = Backoff::up_to(max);
        for full in [250_000, 375_000, 562_500, 600_000, 600_000].map(Duration::from_micros) {
            let wait = backoff.wait();
            assert!((full / 2..=full).contains(&wait), "{wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
    }

    #[test]
    fn two_that_begin_together_do_not_stay_together() {
        let waits = |_| Backoff::up_to(FIRST).wait();
        let all: std::collections::BTreeSet<Duration> = (0..20).map(waits).collect();
        assert!(all.len() > 10, "{all:?}");
    }
}
