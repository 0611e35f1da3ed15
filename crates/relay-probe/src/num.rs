//! Numbers between integers and floats, saturating.

use std::time::Duration;

/// What an `f64` of seconds or octets is cut to: a century of seconds fits a `Duration` by far.
const MAX: f64 = 3.0e9;

/// Seconds as a duration; what is none, negative or endless is cut.
pub(crate) fn duration(seconds: f64) -> Duration {
    if seconds.is_nan() { Duration::ZERO } else { Duration::from_secs_f64(seconds.clamp(0.0, MAX)) }
}

/// The whole part of a number that is not negative.
pub(crate) fn whole(number: f64) -> u32 {
    u32::try_from(duration(number).as_secs()).unwrap_or(u32::MAX)
}

/// How many, as a float.
pub(crate) fn count(many: usize) -> f64 {
    f64::from(u32::try_from(many).unwrap_or(u32::MAX))
}
