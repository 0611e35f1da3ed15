//! Writes numbers and octets to the front of a slice, and never past its end.

use super::varint;
use crate::num;

/// A slice that fills up from the front. Callers ask for room first; what does not fit is not
/// written, and a debug build says so.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Octets that still fit.
    pub(crate) const fn room(&self) -> usize {
        self.buf.len().saturating_sub(self.len)
    }

    /// Gives the last `octets` of the room away: nothing is written there any more.
    pub(crate) fn shrink_room(&mut self, room: usize) {
        let keep = self.len.saturating_add(room).min(self.buf.len());
        let buf = std::mem::take(&mut self.buf);
        self.buf = buf.split_at_mut(keep).0;
    }

    pub(crate) fn u8(&mut self, octet: u8) {
        self.octets(&[octet]);
    }

    pub(crate) fn varint(&mut self, value: u64) {
        debug_assert!(value <= varint::VARINT_MAX, "{value} is no varint");
        let value = value.min(varint::VARINT_MAX);
        let len = varint::len(value);
        let mut octets = value.to_be_bytes();
        let Some(used) = octets.get_mut(8_usize.saturating_sub(len)..) else { return };
        if let Some(first) = used.first_mut() {
            *first |= match len {
                1 => 0x00,
                2 => 0x40,
                4 => 0x80,
                _ => 0xc0,
            };
        }
        self.octets(used);
    }

    pub(crate) fn octets(&mut self, octets: &[u8]) {
        let end = self.len.saturating_add(octets.len());
        debug_assert!(end <= self.buf.len(), "the caller asked for room first");
        if let Some(place) = self.buf.get_mut(self.len..end) {
            place.copy_from_slice(octets);
            self.len = end;
        }
    }

    /// The next `len` octets, to be filled by the caller.
    pub(crate) fn reserve(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.len;
        let end = start.checked_add(len)?;
        let place = self.buf.get_mut(start..end)?;
        self.len = end;
        Some(place)
    }
}

/// The length of a varint that counts `len` octets.
pub(crate) const fn length_len(len: usize) -> usize {
    varint::len(num::len_u64(len))
}
