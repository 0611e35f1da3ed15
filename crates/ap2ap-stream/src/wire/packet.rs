//! The header of a packet: which kind of datagram this is, and a truncated packet number.
//!
//! ```text
//!   first octet   0 0 0 0 0 0 p p     a packet; pp + 1 octets of packet number follow
//!                 1 0 0 0 0 0 0 0     a client's first message
//!                 1 0 0 0 0 0 0 1     the bridge's answer
//! ```
//!
//! The whole packet number is the AEAD's nonce, so a wrong guess of its upper part fails the tag.

use super::reader::{Malformed, Reader};
use super::writer::Writer;

/// The first octet of a client's first message.
pub(crate) const KIND_FIRST: u8 = 0x80;
/// The first octet of the bridge's answer.
pub(crate) const KIND_ANSWER: u8 = 0x81;

/// Packet numbers stay below this: the nonce keeps 40 bits for them (docs/wire.md).
pub(crate) const PACKET_NUMBER_END: u64 = 1 << 40;

/// What the first octet says a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    First,
    Answer,
    Packet,
    Unknown,
}

pub(crate) fn kind(datagram: &[u8]) -> Kind {
    match datagram.first() {
        Some(&KIND_FIRST) => Kind::First,
        Some(&KIND_ANSWER) => Kind::Answer,
        Some(0..=3) => Kind::Packet,
        Some(_) | None => Kind::Unknown,
    }
}

/// How many octets of `number` must be sent so that a peer that has acknowledged all below
/// `unacked` can tell it: the rule of RFC 9000 section 17.1.
pub(crate) const fn number_len(number: u64, unacked: u64) -> usize {
    let span = number.saturating_sub(unacked).saturating_add(1).saturating_mul(2);
    match span {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        0x1_0001..=0x100_0000 => 3,
        _ => 4,
    }
}

/// Writes a header whose packet number takes `number_len` octets.
pub(crate) fn write_header(writer: &mut Writer<'_>, number: u64, number_len: usize) {
    let first = match number_len {
        1 => 0,
        2 => 1,
        3 => 2,
        _ => 3,
    };
    writer.u8(first);
    let octets = number.to_be_bytes();
    writer.octets(octets.get(8_usize.saturating_sub(number_len)..).unwrap_or_default());
}

/// Reads a header: the number's low part and how many octets it had.
pub(crate) fn read_header(reader: &mut Reader<'_>) -> Result<(u64, usize), Malformed> {
    let first = reader.u8()?;
    if first > 3 {
        return Err(Malformed);
    }
    let len = usize::from(first) + 1;
    let low = reader.octets(len)?.iter().fold(0, |low, octet| (low << 8) | u64::from(*octet));
    Ok((low, len))
}

/// The whole number that is nearest to `expected` and ends in `low`, as RFC 9000 appendix A.3.
pub(crate) const fn expand_number(low: u64, len: usize, expected: u64) -> u64 {
    let window = match len {
        1 => 1_u64 << 8,
        2 => 1 << 16,
        3 => 1 << 24,
        _ => 1 << 32,
    };
    let half = window / 2;
    let candidate = (expected & !(window - 1)) | low;
    if candidate + half <= expected && candidate + window < PACKET_NUMBER_END {
        return candidate + window;
    }
    if candidate > expected + half && candidate >= window {
        return candidate - window;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn expands_the_example_of_rfc_9000() {
        assert_eq!(expand_number(0x9b32, 2, 0xa82f_30eb), 0xa82f_9b32);
    }

    proptest! {
        #[test]
        fn a_peer_anywhere_between_acknowledged_and_sent_tells_the_number(
            unacked in 0..PACKET_NUMBER_END / 2,
            flight in 0..100_000_u64,
            seen in 0..100_000_u64,
        ) {
            let number = unacked + flight;
            let expected = unacked + seen.min(flight);
            let len = number_len(number, unacked);
            let mut buf = [0; 5];
            let mut writer = Writer::new(&mut buf);
            write_header(&mut writer, number, len);
            let used = writer.len();
            prop_assert_eq!(used, len + 1);
            let (low, read_len) = read_header(&mut Reader::new(&buf[..used])).unwrap();
            prop_assert_eq!(read_len, len);
            prop_assert_eq!(expand_number(low, len, expected), number);
        }
    }
}
