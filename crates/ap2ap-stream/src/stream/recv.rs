//! The receiving half of a stream.
//!
//! ```text
//!   Open ── fin seen, all read ──► Done
//!     ├──── reset by peer ───────► Reset ── told ──► Done
//!     └──── stopped here ────────► Stopped ── fin or reset seen ──► Done
//! ```

use bytes::Bytes;

use super::assembler::Assembler;
use crate::error::ReadError;
use crate::id::ErrorCode;
use crate::num;

/// The receiving half of a stream.
#[derive(Debug)]
pub(crate) struct RecvHalf {
    assembler: Assembler,
    state: State,
    /// One past the highest offset that arrived.
    highest: u64,
    /// The stream's length, once a fin or a reset said it.
    final_size: Option<u64>,
    /// What the peer has been told it may send up to, and the time before.
    max_told: u64,
    max_before: u64,
    /// The window that `max_told` was granted for, and the one to grant next.
    granted: u64,
    window: u64,
    window_max: u64,
    /// The peer has used all of the window, and not because the reader is slow.
    is_exhausted: bool,
    tell_max: bool,
    tell_stop: bool,
    /// The reader was told `Blocked` and waits for an event.
    reader_waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Reset(ErrorCode),
    Stopped(ErrorCode),
    Done,
}

/// The peer broke a rule of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

impl RecvHalf {
    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        self.assembler.rest();
    }

    /// A stream that starts with a window of `granted` octets, goes on with the first of `windows` and
    /// widens it to the second where the path wants that.
    pub(crate) fn new(granted: u64, windows: (u64, u64)) -> Self {
        Self {
            assembler: Assembler::default(),
            state: State::Open,
            highest: 0,
            final_size: None,
            max_told: granted,
            max_before: granted,
            granted,
            window: windows.0,
            window_max: windows.1,
            is_exhausted: false,
            tell_max: false,
            tell_stop: false,
            reader_waits: true,
        }
    }

    /// Does something to it: what that gives, and how many octets left the window by it.
    pub(crate) fn consuming<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, u64) {
        let before = self.consumed();
        let result = work(self);
        (result, self.consumed().saturating_sub(before))
    }

    /// Checks a piece against AP-90 and AP-91 without taking it: how many octets beyond the
    /// highest so far it reaches.
    pub(crate) fn check(&self, offset: u64, len: u64, fin: bool) -> Result<u64, Violation> {
        let end = offset.saturating_add(len);
        if end > self.max_told {
            return Err(Violation("more stream data than allowed"));
        }
        if let Some(size) = self.final_size {
            if end > size || (fin && end != size) {
                return Err(Violation("stream data past its end"));
            }
        } else if fin && end < self.highest {
            return Err(Violation("stream ends before its data"));
        }
        Ok(end.saturating_sub(self.highest))
    }

    /// Whether a piece that starts at `offset` can be stored.
    pub(crate) fn has_room(&self, offset: u64) -> bool {
        self.state != State::Open || self.assembler.has_room_for_a_piece(offset)
    }

    /// Takes a checked piece. True: the waiting reader should be told.
    pub(crate) fn receive(&mut self, offset: u64, data: &[u8], fin: bool) -> bool {
        let end = offset.saturating_add(num::len_u64(data.len()));
        self.highest = self.highest.max(end);
        if fin {
            self.final_size = Some(end);
        }
        match self.state {
            State::Open => {
                self.assembler.insert(offset, data);
                let unread = num::len_u64(self.assembler.ready());
                let is_stop = end == self.max_told || end == self.max_before;
                self.is_exhausted |= is_stop && unread <= self.granted / 4;
            }
            State::Stopped(_) if self.final_size.is_some() => self.state = State::Done,
            State::Stopped(_) | State::Reset(_) | State::Done => {}
        }
        self.should_tell_reader()
    }

    /// Takes a checked reset. True: the waiting reader should be told.
    pub(crate) fn receive_reset(&mut self, code: ErrorCode, final_size: u64) -> bool {
        // Only a stream that was finished before can be whole: octets that stop are not an end.
        let is_whole = self.is_all_here();
        self.highest = self.highest.max(final_size);
        self.final_size = Some(final_size);
        self.state = match self.state {
            State::Open if is_whole => State::Open,
            State::Open => {
                self.assembler.clear();
                State::Reset(code)
            }
            State::Stopped(_) => State::Done,
            State::Reset(_) | State::Done => self.state,
        };
        self.should_tell_reader()
    }

    /// Reads: octets, or `None` at the end.
    pub(crate) fn read(&mut self, len_max: usize) -> Result<Option<Bytes>, ReadError> {
        match self.state {
            State::Reset(code) => {
                self.state = State::Done;
                return Err(ReadError::Reset(code));
            }
            State::Stopped(_) => return Err(ReadError::Finished),
            State::Done => return Ok(None),
            State::Open => {}
        }
        let octets = self.assembler.read(len_max.max(1));
        if octets.is_empty() && self.final_size == Some(self.assembler.base()) {
            // Only now: the stream must not be forgotten before its reader knows of the end.
            self.state = State::Done;
            return Ok(None);
        }
        if octets.is_empty() {
            self.reader_waits = true;
            return Err(ReadError::Blocked);
        }
        self.grant();
        Ok(Some(octets))
    }

    /// Wants no more of the stream.
    pub(crate) fn stop(&mut self, code: ErrorCode) {
        if self.state == State::Open {
            self.assembler.clear();
            self.state = State::Stopped(code);
            self.tell_stop = true;
            if self.final_size.is_some() {
                self.state = State::Done;
            }
        }
    }

    /// The new maximum to tell the peer, if one is due; [`max_lost`](Self::max_lost) asks again.
    pub(crate) fn take_max(&mut self) -> Option<u64> {
        let is_due = self.wants_max();
        self.tell_max = false;
        is_due.then_some(self.max_told)
    }

    pub(crate) const fn wants_max(&self) -> bool {
        self.tell_max && matches!(self.state, State::Open) && self.final_size.is_none()
    }

    pub(crate) const fn wants_stop(&self) -> bool {
        self.tell_stop && matches!(self.state, State::Stopped(_))
    }

    /// The code to tell the peer to stop with, if that is due.
    pub(crate) fn take_stop(&mut self) -> Option<ErrorCode> {
        if !std::mem::take(&mut self.tell_stop) {
            return None;
        }
        match self.state {
            State::Stopped(code) => Some(code),
            State::Open | State::Reset(_) | State::Done => None,
        }
    }

    pub(crate) fn max_lost(&mut self) {
        self.tell_max = true;
    }

    pub(crate) fn stop_lost(&mut self) {
        self.tell_stop = true;
    }

    /// Nothing more can come and nothing waits to be read.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Octets that left the window: read ones while open, all that came once it is given up.
    pub(crate) const fn consumed(&self) -> u64 {
        match self.state {
            State::Open => self.assembler.base(),
            State::Reset(_) | State::Stopped(_) | State::Done => self.highest,
        }
    }

    fn is_all_here(&self) -> bool {
        let end = self.assembler.base().saturating_add(num::len_u64(self.assembler.ready()));
        self.final_size == Some(end)
    }

    fn should_tell_reader(&mut self) -> bool {
        let has_news = match self.state {
            State::Open => {
                self.assembler.ready() > 0 || self.final_size == Some(self.assembler.base())
            }
            State::Reset(_) => true,
            State::Stopped(_) | State::Done => false,
        };
        has_news && std::mem::take(&mut self.reader_waits)
    }

    /// Opens the window again once half of it was read: fewer frames than one per read, and none
    /// on a stream that stays small. Twice as wide if the peer had to stop for it though the reader kept
    /// up: the path holds more than the window does. What the peer has to deliver for that is half a
    /// window each time, so that nobody makes it wide with a few packets.
    fn grant(&mut self) {
        let base = self.assembler.base();
        if self.max_told.saturating_sub(base) <= self.granted / 2 {
            if std::mem::take(&mut self.is_exhausted) {
                self.window = self.window.saturating_mul(2).min(self.window_max);
            }
            self.max_before = self.max_told;
            self.max_told = base.saturating_add(self.window);
            self.granted = self.window;
            self.tell_max = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: ErrorCode = ErrorCode(5);

    #[test]
    fn a_fin_alone_ends_the_stream() {
        let mut recv = RecvHalf::new(100, (100, 100));
        assert!(recv.receive(0, b"ab", false));
        assert_eq!(recv.read(9), Ok(Some(Bytes::from_static(b"ab"))));
        assert_eq!(recv.read(9), Err(ReadError::Blocked));
        assert!(recv.receive(2, b"", true));
        assert_eq!(recv.read(9), Ok(None));
        assert!(recv.is_done());
    }

    #[test]
    fn the_end_is_told_after_the_last_octets() {
        let mut recv = RecvHalf::new(100, (100, 100));
        recv.receive(0, b"ab", true);
        assert_eq!(recv.read(9), Ok(Some(Bytes::from_static(b"ab"))));
        assert!(!recv.is_done());
        assert_eq!(recv.read(9), Ok(None));
        assert!(recv.is_done());
    }

    #[test]
    fn a_reset_after_everything_arrived_loses_nothing() {
        let mut recv = RecvHalf::new(100, (100, 100));
        recv.receive(0, b"ab", true);
        recv.receive_reset(CODE, 2);
        assert_eq!(recv.read(9), Ok(Some(Bytes::from_static(b"ab"))));
        assert_eq!(recv.read(9), Ok(None));
    }

    #[test]
    fn a_reset_without_a_fin_is_no_end_even_if_every_octet_arrived() {
        let mut recv = RecvHalf::new(100, (100, 100));
        recv.receive(0, b"ab", false);
        recv.receive_reset(CODE, 2);
        assert_eq!(recv.read(9), Err(ReadError::Reset(CODE)));
    }

    #[test]
    fn a_reset_is_told_once_and_ends_the_stream() {
        let mut recv = RecvHalf::new(100, (100, 100));
        recv.receive(0, b"ab", false);
        recv.receive_reset(CODE, 7);
        assert_eq!(recv.read(9), Err(ReadError::Reset(CODE)));
        assert!(recv.is_done());
        assert_eq!(recv.consumed(), 7);
    }

    #[test]
    fn rules_are_checked() {
        let mut recv = RecvHalf::new(10, (10, 10));
        assert!(recv.check(5, 6, false).is_err());
        assert_eq!(recv.check(5, 5, false), Ok(10));
        recv.receive(0, b"abcd", true);
        assert!(recv.check(4, 1, false).is_err());
        assert!(recv.check(0, 3, true).is_err());
        assert_eq!(recv.check(0, 4, true), Ok(0));
    }

    #[test]
    fn the_window_opens_when_half_of_it_was_read() {
        let mut recv = RecvHalf::new(10, (10, 10));
        recv.receive(0, b"abcdefgh", false);
        recv.read(4).unwrap();
        assert_eq!(recv.take_max(), None);
        recv.read(1).unwrap();
        assert_eq!(recv.take_max(), Some(15));
        assert_eq!(recv.take_max(), None);
    }
    #[test]
    fn a_window_that_stops_the_peer_and_not_the_reader_is_widened() {
        let mut recv = RecvHalf::new(100, (100, 150));
        let mut receive = |range: std::ops::Range<u64>| {
            recv.receive(range.start, &vec![0; num::to_usize(range.end - range.start)], false);
            recv.read(1000).unwrap();
            recv.take_max()
        };
        assert_eq!(receive(0..60), Some(160));
        // The peer has not heard of that, and stops.
        assert_eq!(receive(60..90), None);
        assert_eq!(receive(90..100), None);
        assert_eq!(receive(100..120), Some(270), "half as wide again is the widest");
    }

    #[test]
    fn a_window_that_the_reader_leaves_full_stays_as_it_is() {
        let mut recv = RecvHalf::new(10, (10, 80));
        recv.receive(0, &[0; 10], false);
        recv.read(10).unwrap();
        assert_eq!(recv.take_max(), Some(20));
    }
}
