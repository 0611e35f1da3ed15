//! Numbers of 1, 2, 4 or 8 octets, as in RFC 9000 section 16.
//!
//! ```text
//!    first octet   00xxxxxx  01xxxxxx  10xxxxxx  11xxxxxx
//!    length            1         2         4         8      octets, big-endian
//! ```

/// The largest number that can be written: 2^62 - 1.
pub(crate) const VARINT_MAX: u64 = (1 << 62) - 1;

/// How many octets `value` takes; 8 for what is too large to be written at all.
pub(crate) const fn len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}
