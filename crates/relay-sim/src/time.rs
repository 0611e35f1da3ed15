//! Arithmetic of instants that never overflows.

use std::time::{Duration, Instant};

/// What "for ever" is cut to: no simulation lasts as long.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// `at` + `by`, for any `by`.
pub(crate) fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by.min(FAR)).unwrap_or(at)
}

/// Whole nanoseconds; 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The earlier of two times that may never come.
pub(crate) fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
