//! The sending half of a stream: what was written, until it is acknowledged.
//!
//! ```text
//!       acknowledged |◄────────── buffer ──────────►|
//!   ─────────────────┼██░░██▒▒██████┼───────────────┼─────►  offset
//!                   base          next             end
//!         ░ in `acked`   ▒ in `lost`, goes first   right of `next`: never sent
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use rangemap::RangeSet;

use super::map::give_back_if_empty;
use super::turns::Needs;
use crate::error::WriteError;
use crate::id::ErrorCode;
use crate::num;
use crate::wire::frame::STREAM_OCTETS_MAX;

/// The sending half of a stream.
#[derive(Debug)]
pub(crate) struct SendHalf {
    base: u64,
    buffer: VecDeque<u8>,
    /// The first offset that was never sent. Never below `base`.
    next: u64,
    acked: RangeSet<u64>,
    lost: RangeSet<u64>,
    /// The peer lets us send up to this offset.
    max: u64,
    state: State,
    fin: Fin,
    stop: Stop,
    /// The writer was told `Blocked` and waits for an event.
    writer_waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Given up; the peer must hear of it.
    Resetting {
        code: ErrorCode,
        told: bool,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    /// More may be written.
    No,
    /// Nothing more is written; the peer is to be told.
    Due,
    Sent,
    Acked,
}

/// Whether the peer wants no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// The writer has not been told: until it is, the stream is not forgotten.
    Untold(ErrorCode),
    Told(ErrorCode),
}

/// How much a stream keeps of what was written, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendLimit {
    /// Not yet acknowledged, sent or not.
    pub(crate) held: usize,
    /// Not yet sent. What waits here cannot be overtaken by what its writer thinks more urgent.
    pub(crate) unsent: usize,
}

/// A piece to send: a range of offsets, and whether the stream ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<u64>,
    pub(crate) fin: bool,
    /// It has been sent before.
    pub(crate) again: bool,
}

impl Piece {
    pub(crate) const fn octets(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Octets that count as sent now: what goes again, as a copy or because it was lost, was counted before.
    pub(crate) const fn new_octets(&self) -> u64 {
        if self.again { 0 } else { self.octets() }
    }
}

impl SendHalf {
    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        give_back_if_empty(&mut self.acked);
        give_back_if_empty(&mut self.lost);
    }

    pub(crate) fn new(max: u64) -> Self {
        Self {
            base: 0,
            buffer: VecDeque::new(),
            next: 0,
            acked: RangeSet::new(),
            lost: RangeSet::new(),
            max,
            state: State::Open,
            fin: Fin::No,
            stop: Stop::No,
            writer_waits: false,
        }
    }

    /// Takes as much of `data` as keeps the buffer within its limit.
    pub(crate) fn write(&mut self, data: &[u8], limit: SendLimit) -> Result<usize, WriteError> {
        self.check_open()?;
        let taken = self.room(limit).min(data.len());
        if taken == 0 && !data.is_empty() {
            self.writer_waits = true;
            return Err(WriteError::Blocked);
        }
        self.buffer.extend(data.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    /// Ends the stream after what was written.
    pub(crate) fn finish(&mut self) -> Result<(), WriteError> {
        self.check_open()?;
        self.fin = Fin::Due;
        Ok(())
    }

    /// Gives the stream up; the writer knows.
    pub(crate) fn reset(&mut self, code: ErrorCode) {
        if let Stop::Untold(code) = self.stop {
            self.stop = Stop::Told(code);
        }
        self.give_up(code);
    }

    /// The peer wants no more. True: the writer should be told.
    pub(crate) fn stopped(&mut self, code: ErrorCode) -> bool {
        let is_writing = self.state == State::Open && self.fin == Fin::No;
        if is_writing {
            self.stop = Stop::Untold(code);
            self.writer_waits = false;
        }
        self.give_up(code);
        is_writing
    }

    /// Whether more may be written; the answer tells the writer of a stop.
    fn check_open(&mut self) -> Result<(), WriteError> {
        if let Stop::Untold(code) | Stop::Told(code) = self.stop {
            self.stop = Stop::Told(code);
            return Err(WriteError::Stopped(code));
        }
        if self.state == State::Open && self.fin == Fin::No {
            Ok(())
        } else {
            Err(WriteError::Finished)
        }
    }

    fn give_up(&mut self, code: ErrorCode) {
        if self.state != State::Open || self.fin == Fin::Acked {
            return;
        }
        self.state = State::Resetting { code, told: false };
        self.buffer = VecDeque::new();
        self.lost = RangeSet::new();
        self.acked = RangeSet::new();
    }

    /// The next piece to send, of at most `len_max` octets and `credit` octets never sent before.
    pub(crate) fn next_piece(&self, len_max: usize, credit: u64) -> Option<Piece> {
        if self.state != State::Open {
            return None;
        }
        let len_max = num::len_u64(len_max);
        if let Some(range) = self.lost.first() {
            let end = range.end.min(range.start.saturating_add(len_max));
            let fin = self.fin != Fin::No && end == self.end();
            return Some(Piece { range: range.start..end, fin, again: true });
        }
        let allowed = self.end().min(self.max).min(self.next.saturating_add(credit));
        let end = allowed.min(self.next.saturating_add(len_max));
        let fin = self.fin == Fin::Due && end == self.end();
        if end <= self.next && !fin {
            return None;
        }
        Some(Piece { range: self.next..end.max(self.next), fin, again: false })
    }

    /// Copies the octets of a piece to `out`, which is as long as the piece.
    pub(crate) fn copy(&self, piece: &Range<u64>, out: &mut [u8]) {
        let start = num::to_usize(piece.start.saturating_sub(self.base));
        let (front, back) = self.buffer.as_slices();
        let from_front = front.get(start..).unwrap_or_default();
        let first = from_front.len().min(out.len());
        let (left, right) = out.split_at_mut(first);
        left.copy_from_slice(from_front.get(..first).unwrap_or_default());
        let skip = start.saturating_sub(front.len());
        let rest = back.get(skip..skip.saturating_add(right.len()));
        debug_assert!(rest.is_some(), "a piece lies within the buffer");
        if let Some(rest) = rest {
            right.copy_from_slice(rest);
        }
    }

    /// A piece was sent.
    pub(crate) fn sent(&mut self, piece: &Piece) {
        if piece.again && !piece.range.is_empty() {
            self.lost.remove(piece.range.clone());
        }
        self.next = self.next.max(piece.range.end);
        if piece.fin && self.fin == Fin::Due {
            self.fin = Fin::Sent;
        }
    }

    /// A piece arrived.
    pub(crate) fn acked(&mut self, range: Range<u64>, fin: bool) {
        if self.state != State::Open {
            return;
        }
        if fin {
            self.fin = Fin::Acked;
        }
        let range = range.start.max(self.base)..range.end;
        if !range.is_empty() {
            self.note_acked(range);
        }
        if self.fin == Fin::Acked && self.buffer.is_empty() {
            self.state = State::Done;
        }
    }

    /// A piece was lost: what of it has not arrived otherwise goes out again.
    pub(crate) fn lost(&mut self, range: Range<u64>, fin: bool) {
        if self.state != State::Open {
            return;
        }
        let range = range.start.max(self.base)..range.end;
        if !range.is_empty() {
            let missing: Vec<Range<u64>> = self.acked.gaps(&range).collect();
            self.lost.extend(missing);
        }
        if fin && self.fin == Fin::Sent {
            self.fin = Fin::Due;
        }
    }

    /// Whether the peer's reader waits for this piece, and has some of what follows.
    pub(crate) fn is_awaited(&self, range: &Range<u64>) -> bool {
        self.state == State::Open && range.contains(&self.base) && !self.acked.is_empty()
    }

    /// The peer allows more.
    pub(crate) fn raise_max(&mut self, max: u64) {
        self.max = self.max.max(max.min(STREAM_OCTETS_MAX));
    }

    /// The reset frame to send, if one is due: its code and the stream's final size.
    pub(crate) fn take_reset(&mut self) -> Option<(ErrorCode, u64)> {
        match &mut self.state {
            State::Resetting { code, told } if !*told => {
                *told = true;
                Some((*code, self.next))
            }
            State::Resetting { .. } | State::Open | State::Done => None,
        }
    }

    pub(crate) fn reset_acked(&mut self) {
        if matches!(self.state, State::Resetting { .. }) {
            self.state = State::Done;
        }
    }

    pub(crate) fn reset_lost(&mut self) {
        if let State::Resetting { told, .. } = &mut self.state {
            *told = false;
        }
    }

    pub(crate) const fn wants_reset(&self) -> bool {
        matches!(self.state, State::Resetting { told: false, .. })
    }

    /// What sending something now needs; `None` if there is nothing to send. It is
    /// [`next_piece`](Self::next_piece) without the piece.
    pub(super) fn needs(&self) -> Option<Needs> {
        if self.state != State::Open {
            return None;
        }
        let is_bare_end = self.fin == Fin::Due && self.next == self.end();
        if is_bare_end || !self.lost.is_empty() {
            return Some(Needs::Nothing);
        }
        (self.next < self.end().min(self.max)).then_some(Needs::Credit)
    }

    /// Octets written and never sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.end().saturating_sub(self.next)
    }

    /// Whether no more than so many octets wait to be sent, for the first time or again. It looks at no more
    /// pieces than `octets`: each has at least one.
    pub(super) fn has_backlog_within(&self, octets: u64) -> bool {
        self.backlog_within(octets).is_some()
    }

    /// Octets that wait to be sent, for the first time or again; `None` if they are more.
    pub(super) fn backlog_within(&self, octets: u64) -> Option<u64> {
        let within = |sum: u64| (sum <= octets).then_some(sum);
        let add = |sum: u64, range: &Range<u64>| {
            within(sum.saturating_add(range.end.saturating_sub(range.start)))
        };
        within(self.unsent()).and_then(|unsent| self.lost.iter().try_fold(unsent, add))
    }

    /// The peer has everything, or knows of the reset, and the writer knows of a stop.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && !matches!(self.stop, Stop::Untold(_))
    }

    /// The waiting writer is to be told, whatever the reason.
    pub(crate) fn take_waiting_writer(&mut self) -> bool {
        std::mem::take(&mut self.writer_waits)
    }

    /// Octets that a write would take now.
    pub(crate) fn room(&self, limit: SendLimit) -> usize {
        let unsent = num::to_usize(self.unsent());
        let held = limit.held.saturating_sub(self.buffer.len());
        held.min(limit.unsent.saturating_sub(unsent))
    }

    /// Says how much a write would take; if nothing, the writer is told when there is room.
    pub(crate) fn wait_for_room(&mut self, limit: SendLimit) -> Result<usize, WriteError> {
        self.check_open()?;
        match self.room(limit) {
            0 => {
                self.writer_waits = true;
                Err(WriteError::Blocked)
            }
            room => Ok(room),
        }
    }

    /// Whether the writer was told that there is no room.
    pub(crate) const fn writer_waits(&self) -> bool {
        self.writer_waits
    }

    /// Whether the writer waits and need not any more. It is woken when half of what may be unsent
    /// has gone, so that it need not come for every packet.
    pub(crate) fn writer_could_go_on(&mut self, limit: SendLimit) -> bool {
        self.writer_waits
            && self.room(limit) >= limit.unsent.div_ceil(2)
            && self.take_waiting_writer()
    }

    fn end(&self) -> u64 {
        self.base.saturating_add(num::len_u64(self.buffer.len()))
    }

    fn note_acked(&mut self, range: Range<u64>) {
        if !self.lost.is_empty() {
            self.lost.remove(range.clone());
        }
        if self.acked.is_empty() && range.start == self.base {
            // In order, as nearly always.
            self.drop_front(range.end);
            return;
        }
        self.acked.insert(range);
        if let Some(first) = self.acked.first().cloned()
            && first.start == self.base
        {
            self.drop_front(first.end);
            self.acked.remove(first);
        }
    }

    /// Forgets what is before an offset.
    fn drop_front(&mut self, end: u64) {
        let len = num::to_usize(end.saturating_sub(self.base)).min(self.buffer.len());
        self.buffer.drain(..len);
        if self.buffer.is_empty() {
            self.buffer = VecDeque::new();
        }
        self.base = end;
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests;
