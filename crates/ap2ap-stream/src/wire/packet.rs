//! The header of a packet: its number, truncated, and two bits.
//!
//! ```text
//!   first octet   0 0 0 0 A K N N    N + 1 octets of packet number follow
//!                                    K  the phase of the key that seals the packet
//!                                    A  the receiver is to acknowledge without delay
//! ```
//!
//! The whole packet number is part of the AEAD's nonce, so a wrong guess of its upper part fails the
//! tag. What is sent is masked (see `protection`): on the wire no bit of this is to be seen.

use super::reader::{Malformed, Reader};
use super::writer::Writer;

/// AP-30: packet numbers stay below this, for the nonce keeps 40 bits for them.
pub(crate) const PACKET_NUMBER_END: u64 = 1 << 40;

const NUMBER_LEN_BITS: u8 = 0x03;
const PHASE_BIT: u8 = 0x04;
const ACK_NOW_BIT: u8 = 0x08;

/// A header as it is before the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    /// Octets of the header: the first, and those of the number.
    pub(crate) len: usize,
    pub(crate) phase: bool,
    pub(crate) ack_now: bool,
}

impl Header {
    /// The shortest header whose number is told by a peer that has acknowledged all below `unacked`.
    pub(crate) const fn shortest(number: u64, unacked: u64) -> Self {
        Self { number, len: 1 + number_len(number, unacked), phase: false, ack_now: false }
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        let number_len = self.len.saturating_sub(1);
        let mut first = match number_len {
            1 => 0,
            2 => 1,
            3 => 2,
            _ => 3,
        };
        if self.phase {
            first |= PHASE_BIT;
        }
        if self.ack_now {
            first |= ACK_NOW_BIT;
        }
        writer.u8(first);
        let octets = self.number.to_be_bytes();
        writer.octets(octets.get(8_usize.saturating_sub(number_len)..).unwrap_or_default());
    }

    /// Reads a header; `expected` is the number after the largest that came.
    pub(crate) fn read(octets: &[u8], expected: u64) -> Option<Self> {
        let mut reader = Reader::new(octets);
        let first = reader.u8().ok()?;
        if first & !(NUMBER_LEN_BITS | PHASE_BIT | ACK_NOW_BIT) != 0 {
            return None;
        }
        let number_len = number_len_of(first);
        let low = number_low(&mut reader, number_len).ok()?;
        let number = expand_number(low, number_len, expected);
        let header = Self {
            number,
            len: number_len.saturating_add(1),
            phase: first & PHASE_BIT != 0,
            ack_now: first & ACK_NOW_BIT != 0,
        };
        (number < PACKET_NUMBER_END).then_some(header)
    }
}

/// Octets of the packet number behind this first octet.
pub(crate) fn number_len_of(first: u8) -> usize {
    usize::from(first & NUMBER_LEN_BITS).saturating_add(1)
}

fn number_low(reader: &mut Reader<'_>, len: usize) -> Result<u64, Malformed> {
    Ok(reader.octets(len)?.iter().fold(0, |low, octet| (low << 8) | u64::from(*octet)))
}

/// AP-41: how many octets of `number` must be sent so that a peer that has acknowledged all below
/// `unacked` can tell it: the rule of RFC 9000 section 17.1.
const fn number_len(number: u64, unacked: u64) -> usize {
    let span = number.saturating_sub(unacked).saturating_add(1).saturating_mul(2);
    match span {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        0x1_0001..=0x100_0000 => 3,
        _ => 4,
    }
}

/// The whole number that is nearest to `expected` and ends in `low`, as RFC 9000 appendix A.3.
const fn expand_number(low: u64, len: usize, expected: u64) -> u64 {
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

    #[test]
    fn bits_without_a_meaning_make_no_header() {
        for first in 0x10..=0xff {
            assert_eq!(Header::read(&[first, 0, 0, 0, 0], 0), None);
        }
    }

    proptest! {
        /// AP-41
        #[test]
        fn a_peer_anywhere_between_acknowledged_and_sent_tells_the_number(
            unacked in 0..PACKET_NUMBER_END / 2,
            flight in 0..100_000_u64,
            seen in 0..100_000_u64,
            (phase, ack_now) in any::<(bool, bool)>(),
        ) {
            let number = unacked + flight;
            let expected = unacked + seen.min(flight);
            let header = Header { phase, ack_now, ..Header::shortest(number, unacked) };
            let mut buf = [0; 5];
            let mut writer = Writer::new(&mut buf);
            header.write(&mut writer);
            let used = writer.len();
            prop_assert_eq!(used, header.len);
            prop_assert_eq!(Header::read(&buf[..used], expected), Some(header));
            for cut in 0..used {
                prop_assert_eq!(Header::read(&buf[..cut], expected), None);
            }
        }
    }
}
