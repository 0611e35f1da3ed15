//! The number conversions that have no lossless form, in one place with their meaning.
#![expect(clippy::as_conversions, reason = "each function says what its conversion does")]

use std::time::Duration;

/// A count as a float: exact up to 2^53, far above any octet count here.
pub(crate) const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// A float as a count: rounds down, 0 for negative and not-a-number, saturates above.
pub(crate) const fn to_u64(value: f64) -> u64 {
    value as u64
}

/// A length as a 64-bit offset: no platform has a larger `usize`.
pub(crate) const fn len_u64(len: usize) -> u64 {
    len as u64
}

/// A 64-bit count as a length in memory, saturating where memory is smaller.
pub(crate) const fn to_usize(count: u64) -> usize {
    if count > usize::MAX as u64 { usize::MAX } else { count as usize }
}

/// The low bits of a count, at most 32.
pub(crate) const fn low_bits(count: u64, bits: u32) -> u32 {
    (count & ((1 << bits) - 1)) as u32
}

/// A duration from seconds, 0 for negative and not-a-number, at most an hour.
pub(crate) fn seconds(value: f64) -> Duration {
    const HOUR_S: f64 = 3600.0;
    if value.is_nan() { Duration::ZERO } else { Duration::from_secs_f64(value.clamp(0.0, HOUR_S)) }
}
