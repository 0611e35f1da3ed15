//! Text to octets, strictly: what `encode` would not have written is refused.

use thiserror::Error;

use crate::{END_LEAD, GROUP, GROUP_TEXT, capacity, word};

/// Why a text is not armour, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not armoured text: {fault} at octet {position}")]
pub struct DecodeError {
    /// The octet of the text from which on it is wrong.
    pub position: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// A text has an even number of octets: this one was cut, or something was put before it.
    #[error("odd length")]
    OddLength,
    /// A character that armour never writes at this place: a blank, NUL, or beyond U+07FF, or one
    /// that only ends a text.
    #[error("character outside the alphabet")]
    Alphabet,
    /// A two-octet character that starts at an odd octet: something was lost or put in before it.
    #[error("character across two pairs")]
    Alignment,
    /// These octets have another, shorter or earlier, spelling: only that one is armour.
    #[error("non-canonical spelling")]
    Spelling,
}

/// Appends the octets of `text` to `out`, or leaves `out` as it was.
///
/// # Errors
/// If `text` is not what [`encode`](crate::encode) writes for some octets.
///
/// ```
/// let mut octets = Vec::new();
/// armour::decode("Hello, world", &mut octets).unwrap_err();
/// assert!(octets.is_empty());
/// ```
pub fn decode(text: &str, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let len = text.len();
    if !len.is_multiple_of(2) {
        return Err(DecodeError { position: len, fault: Fault::OddLength });
    }
    let (groups, last) = text.as_bytes().split_at(len.saturating_sub(1) / GROUP_TEXT * GROUP_TEXT);
    let start = out.len();
    out.reserve(capacity(len));
    if decode_groups(groups, out) && decode_last(last, out) {
        return Ok(());
    }
    out.truncate(start);
    Err(explain(text))
}

/// Whole groups, without a branch on what they hold: one verdict at the end.
fn decode_groups(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let (groups, _) = text.as_chunks::<GROUP_TEXT>();
    out.resize(start + groups.len() * GROUP, 0);
    let (_, octets) = out.split_at_mut(start);
    let (octets, _) = octets.as_chunks_mut::<GROUP>();
    let mut differs = 0;
    for (text, octets) in groups.iter().zip(octets) {
        let text = u64::from_le_bytes(*text);
        let symbols = word::from_text(text);
        differs |= word::to_text(symbols) ^ text;
        *octets = group_octets(word::gather(symbols));
    }
    differs == 0
}

/// The last one to four pairs, of which the last may be an end mark; no pairs only for no text.
fn decode_last(text: &[u8], out: &mut Vec<u8>) -> bool {
    if text.is_empty() {
        return true;
    }
    let (pairs, len, end_bits) = match text {
        [pairs @ .., END_LEAD, trail] => (pairs, pairs.len(), u64::from(trail & 0x3F)),
        pairs => (pairs, pairs.len() / 2 * GROUP / 4, 0),
    };
    let mut padded = word::ZERO_TEXT.to_le_bytes();
    for (to, from) in padded.iter_mut().zip(pairs) {
        *to = *from;
    }
    let padded = u64::from_le_bytes(padded);
    let symbols = word::from_text(padded);
    let packed = word::gather(symbols) | (end_bits << (GROUP * pairs.len()));
    // An end mark alone would say that nothing follows.
    if word::to_text(symbols) != padded || packed >> (8 * len) != 0 || len == 0 {
        return false;
    }
    out.extend(group_octets(packed).iter().take(len));
    true
}

fn group_octets(packed: u64) -> [u8; GROUP] {
    let [a, b, c, d, e, f, g, _] = packed.to_le_bytes();
    [a, b, c, d, e, f, g]
}

/// Walks a text that was refused, character by character, to say where and why.
#[cold]
fn explain(text: &str) -> DecodeError {
    let fault = |position, fault| DecodeError { position, fault };
    let end = text.len().saturating_sub(2);
    for (position, character) in text.char_indices() {
        match u32::from(character) {
            0 | 0x09..=0x0D | 0x20 | 0x80..=0xBF | 0x800.. => {
                return fault(position, Fault::Alphabet);
            }
            0xC0..=0xFF if position != end => return fault(position, Fault::Alphabet),
            0xC0..=0xFF if position % GROUP_TEXT == 0 => return fault(position, Fault::Spelling),
            0x21..=0x7F | 0x01..=0x08 | 0x0E..=0x1F => {}
            _ if position % 2 == 1 => return fault(position, Fault::Alignment),
            code @ 0x480.. if matches!(code & 0x7F, 0 | 0x09..=0x0D | 0x20) => {
                return fault(position, Fault::Spelling);
            }
            _ => {}
        }
    }
    // Every character is well placed: what is left is the padding of the last one.
    fault(end, Fault::Spelling)
}
