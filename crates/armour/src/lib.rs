#![doc = include_str!("../README.md")]

mod decode;
mod encode;
mod word;

pub use decode::{DecodeError, Fault, decode};
pub use encode::encode;

/// Octets in a group: 56 bits, eight symbols, eight octets of text.
const GROUP: usize = 7;

/// Octets of text of a whole group.
const GROUP_TEXT: usize = 8;

/// The lead octet of U+00C0 to U+00FF, which end a text whose last group has an even rest.
const END_LEAD: u8 = 0xC3;

/// How many octets of text `octets` octets become: 2 * ceil(4 * `octets` / 7), always even.
///
/// ```
/// assert_eq!(armour::encoded_len(1225), 1400);
/// ```
#[must_use]
pub const fn encoded_len(octets: usize) -> usize {
    let rest = (4 * (octets % GROUP)).div_ceil(GROUP) * 2;
    (octets / GROUP).saturating_mul(GROUP_TEXT).saturating_add(rest)
}

/// How many octets fit a text of at most `text_octets` octets.
///
/// ```
/// assert_eq!(armour::capacity(1400), 1225);
/// ```
#[must_use]
pub const fn capacity(text_octets: usize) -> usize {
    let pairs = text_octets / 2;
    pairs / 4 * GROUP + pairs % 4 * GROUP / 4
}
