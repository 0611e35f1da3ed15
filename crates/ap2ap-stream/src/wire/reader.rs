//! Reads numbers and octets off the front of a slice, and never past its end.

use crate::num;
use crate::path::epochs::EPOCH_END;

/// The input ended early, or holds a number that the field cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The unread rest of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let first = self.u8()?;
        let more = (1_usize << (first >> 6)) - 1;
        let head = u64::from(first & 0x3f);
        let tail = self.octets(more)?;
        Ok(tail.iter().fold(head, |value, octet| (value << 8) | u64::from(*octet)))
    }

    /// A number as a length of what follows.
    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        let length = num::to_usize(self.varint()?);
        if length > self.rest.len() { Err(Malformed) } else { Ok(length) }
    }

    /// A number as an epoch.
    pub(crate) fn epoch(&mut self) -> Result<u32, Malformed> {
        let epoch = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        if epoch < EPOCH_END { Ok(epoch) } else { Err(Malformed) }
    }

    pub(crate) fn octets(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (front, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(front)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// The length of the varint that starts with `first`, for a look ahead.
#[cfg(test)]
pub(crate) const fn varint_len_of(first: u8) -> usize {
    1 << (first >> 6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::varint;
    use crate::wire::writer::Writer;

    #[test]
    fn reads_the_examples_of_rfc_9000() {
        // RFC 9000 appendix A.1.
        let cases: [(&[u8], u64); 4] = [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ];
        for (octets, value) in cases {
            assert_eq!(Reader::new(octets).varint(), Ok(value));
        }
    }

    proptest! {
        #[test]
        fn varints_round_trip_and_no_prefix_is_one(value in 0..=varint::VARINT_MAX) {
            let mut buf = [0; 8];
            let mut writer = Writer::new(&mut buf);
            writer.varint(value);
            let len = writer.len();
            prop_assert_eq!(len, varint::len(value));
            prop_assert_eq!(len, varint_len_of(buf[0]));
            prop_assert_eq!(Reader::new(&buf[..len]).varint(), Ok(value));
            for cut in 0..len {
                prop_assert_eq!(Reader::new(&buf[..cut]).varint(), Err(Malformed));
            }
        }
    }
}
