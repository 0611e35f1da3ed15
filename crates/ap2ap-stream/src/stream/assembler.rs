//! Puts the pieces of a stream in order, in memory that its window bounds.
//!
//! ```text
//!        read    |◄─ ready ─►|◄──── beyond ─────►|
//!   ─────────────┼███████████░░░░░░████░░░░██████┼─────►  offset
//!               base                            end       █ has arrived
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use rangemap::RangeSet;

use super::map::give_back_if_empty;
use crate::num;

/// AP-94: more separate pieces than this wait for no stream: a packet that would make one more is left
/// unacknowledged. It bounds the bookkeeping at about 24 octets each.
pub(super) const PIECES_MAX: usize = 4096;

/// The part of a stream that has arrived and was not read.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The offset of the first octet that was not read; `buffer` starts there.
    base: u64,
    /// Octets from `base` on, with anything in the holes.
    buffer: VecDeque<u8>,
    /// Octets from `base` on without a hole: all of `buffer` if nothing is beyond one.
    ready: usize,
    /// Which offsets have arrived behind the first hole.
    beyond: RangeSet<u64>,
}

impl Assembler {
    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        give_back_if_empty(&mut self.beyond);
    }

    /// Whether a piece that starts at `offset` can be taken without too many separate pieces. The
    /// next octets to be read always can: what waits behind them would wait for ever.
    pub(super) fn has_room_for_a_piece(&self, offset: u64) -> bool {
        offset <= self.ready_end() || self.pieces() < PIECES_MAX
    }

    /// Takes a piece. What arrived before is not overwritten: the first copy stands.
    pub(super) fn insert(&mut self, offset: u64, data: &[u8]) {
        let end = offset.saturating_add(num::len_u64(data.len()));
        let wanted = offset.max(self.ready_end())..end;
        if wanted.is_empty() {
            return;
        }
        if self.beyond.is_empty() && wanted.start == self.ready_end() {
            // In order, as nearly always.
            debug_assert_eq!(self.buffer.len(), self.ready, "nothing is behind a hole");
            let skip = num::to_usize(wanted.start.saturating_sub(offset));
            self.buffer.extend(data.get(skip..).unwrap_or_default());
            self.ready = self.buffer.len();
            return;
        }
        let length = num::to_usize(wanted.end.saturating_sub(self.base));
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        let gaps: Vec<Range<u64>> = self.beyond.gaps(&wanted).collect();
        for gap in gaps {
            let from = num::to_usize(gap.start.saturating_sub(offset));
            let to = num::to_usize(gap.end.saturating_sub(offset));
            if let Some(piece) = data.get(from..to) {
                self.place(gap.start, piece);
            }
        }
        self.beyond.insert(wanted);
        self.close_the_first_hole();
    }

    /// Takes up to `len_max` octets off the front; nothing if the next octet is missing.
    pub(super) fn read(&mut self, len_max: usize) -> Bytes {
        let len = self.ready.min(len_max);
        if len == 0 {
            return Bytes::new();
        }
        self.base = self.base.saturating_add(num::len_u64(len));
        self.ready = self.ready.saturating_sub(len);
        if len == self.buffer.len() {
            // The reader gets the memory itself: an idle stream keeps no buffer.
            return Bytes::from(Vec::from(std::mem::take(&mut self.buffer)));
        }
        Bytes::from(take_front(&mut self.buffer, len))
    }

    /// Forgets everything; later pieces are ignored up to where the stream had come.
    pub(super) fn clear(&mut self) {
        self.buffer = VecDeque::new();
        self.ready = 0;
        self.beyond = RangeSet::new();
    }

    /// Octets that can be read now.
    pub(super) const fn ready(&self) -> usize {
        self.ready
    }

    /// The offset of the next octet to be read.
    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    const fn ready_end(&self) -> u64 {
        self.base.saturating_add(num::len_u64(self.ready))
    }

    /// Separate pieces that wait.
    fn pieces(&self) -> usize {
        self.beyond.len().saturating_add(usize::from(self.ready > 0))
    }

    /// What has arrived next to what is ready is ready, too.
    fn close_the_first_hole(&mut self) {
        let Some(first) = self.beyond.first().cloned() else { return };
        if first.start == self.ready_end() {
            self.ready = num::to_usize(first.end.saturating_sub(self.base));
            self.beyond.remove(first);
        }
    }

    fn place(&mut self, offset: u64, piece: &[u8]) {
        let start = num::to_usize(offset.saturating_sub(self.base));
        let end = start.saturating_add(piece.len());
        let (front, back) = self.buffer.as_mut_slices();
        let cut = front.len();
        if let Some(place) = front.get_mut(start..end) {
            place.copy_from_slice(piece);
        } else if start >= cut {
            if let Some(place) = back.get_mut(start.saturating_sub(cut)..end.saturating_sub(cut)) {
                place.copy_from_slice(piece);
            }
        } else {
            let (left, right) = piece.split_at(cut.saturating_sub(start));
            if let Some(place) = front.get_mut(start..) {
                place.copy_from_slice(left);
            }
            if let Some(place) = back.get_mut(..right.len()) {
                place.copy_from_slice(right);
            }
        }
    }
}

/// The first `len` octets, taken off: as two slices, since an iterator goes octet by octet.
fn take_front(buffer: &mut VecDeque<u8>, len: usize) -> Vec<u8> {
    let (front, back) = buffer.as_slices();
    let (front, back) = match front.split_at_checked(len) {
        Some((front, _)) => (front, &[][..]),
        None => (front, back.get(..len.saturating_sub(front.len())).unwrap_or_default()),
    };
    let taken = [front, back].concat();
    buffer.drain(..len);
    taken
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_read_past_a_hole() {
        let mut assembler = Assembler::default();
        assembler.insert(3, b"def");
        assert_eq!(assembler.read(10), Bytes::new());
        assembler.insert(0, b"abc");
        assert_eq!(assembler.read(10), Bytes::from_static(b"abcdef"));
        assembler.insert(2, b"cdefgh");
        assert_eq!(assembler.read(10), Bytes::from_static(b"gh"));
    }

    #[test]
    fn the_first_copy_stands() {
        let mut assembler = Assembler::default();
        assembler.insert(1, b"b");
        assembler.insert(0, b"AXC");
        assert_eq!(assembler.read(10), Bytes::from_static(b"AbC"));
    }

    #[test]
    fn too_many_pieces_never_keep_the_missing_octets_out() {
        let mut assembler = Assembler::default();
        for piece in 0..PIECES_MAX as u64 {
            assembler.insert(2 * piece + 1, b"x");
        }
        assert!(!assembler.has_room_for_a_piece(2));
        assert!(assembler.has_room_for_a_piece(0));
        assembler.insert(0, b"x");
        assert!(assembler.has_room_for_a_piece(2), "what comes next can be taken now");
        assert_eq!(assembler.ready(), 2);
    }

    proptest! {
        /// Against the simplest model there is: a Vec with every octet in its place.
        #[test]
        fn agrees_with_a_vec(
            pieces in prop::collection::vec((0..200_usize, 1..60_usize), 1..80),
            reads in prop::collection::vec(1..40_usize, 80),
        ) {
            let source: Vec<u8> = (0..=255).collect();
            let mut assembler = Assembler::default();
            let mut arrived = vec![false; 256];
            let mut out = Vec::new();
            for ((start, len), read) in pieces.into_iter().zip(reads) {
                let end = (start + len).min(256);
                assembler.insert(start as u64, &source[start..end]);
                arrived[start..end].fill(true);
                let expected = arrived.iter().take_while(|octet| **octet).count();
                prop_assert_eq!(assembler.ready(), expected - out.len());
                out.extend_from_slice(&assembler.read(read));
                prop_assert_eq!(&out[..], &source[..out.len()]);
            }
        }
    }
}
