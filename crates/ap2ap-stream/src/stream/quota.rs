//! How many streams each side has opened, and how many it may.

use rangemap::RangeSet;

use super::map::give_back_if_empty;
use super::recv::Violation;
use crate::config::Config;
use crate::id::{Side, StreamId};

/// AP-93: until the peer says more, streams that one may open.
const INITIAL_STREAMS: u64 = 64;

/// How many streams each side has opened, and how many it may, counted from the beginning.
#[derive(Debug)]
pub(super) struct Quota {
    side: Side,
    /// Indexes of the streams that the peer has opened so far; closed ones are remembered as
    /// ranges, whose number the peer's limit bounds.
    seen: RangeSet<u64>,
    opened_here: u64,
    /// Streams that the peer lets this side open.
    max_here: u64,
    /// Streams that the peer may open, as told.
    max_told: u64,
    /// Streams of the peer that are closed.
    closed: u64,
    /// Streams that the peer may have open at once.
    open_max: u64,
    tell: bool,
    opener_waits: bool,
}

impl Quota {
    pub(super) fn new(side: Side, config: &Config) -> Self {
        let open_max = u64::from(config.streams_max).max(INITIAL_STREAMS);
        Self {
            side,
            seen: RangeSet::new(),
            opened_here: 0,
            max_here: INITIAL_STREAMS,
            max_told: open_max,
            closed: 0,
            open_max,
            tell: open_max > INITIAL_STREAMS,
            opener_waits: false,
        }
    }

    /// The next stream of this side; `None` until the peer allows more.
    pub(super) fn open(&mut self) -> Option<StreamId> {
        if self.opened_here >= self.max_here {
            self.opener_waits = true;
            return None;
        }
        let id = StreamId::new(self.side, self.opened_here);
        self.opened_here = self.opened_here.saturating_add(1);
        Some(id)
    }

    /// The peer allows more. True: whoever waits to open a stream should be told.
    pub(super) fn raise(&mut self, max: u64) -> bool {
        if max <= self.max_here {
            return false;
        }
        self.max_here = max;
        std::mem::take(&mut self.opener_waits)
    }

    /// AP-92: whether a frame may speak of a stream that is not open.
    pub(super) fn check(&self, id: StreamId) -> Result<(), Violation> {
        let index = id.index();
        if id.opener() == self.side {
            return if index < self.opened_here {
                Ok(())
            } else {
                Err(Violation("a frame for a stream that was never opened"))
            };
        }
        if index >= self.max_told {
            return Err(Violation("more streams than allowed"));
        }
        Ok(())
    }

    /// Whether a stream that is not open was: frames for it come late, and mean nothing any more.
    pub(super) fn is_forgotten(&self, id: StreamId) -> bool {
        id.opener() == self.side || self.seen.contains(&id.index())
    }

    /// The peer opened a stream.
    pub(super) fn opened(&mut self, id: StreamId) {
        let index = id.index();
        self.seen.insert(index..index.saturating_add(1));
    }

    /// A stream is closed: one of the peer's makes room for another.
    pub(super) fn closed(&mut self, id: StreamId) {
        if id.opener() == self.side {
            return;
        }
        self.closed = self.closed.saturating_add(1);
        let max = self.closed.saturating_add(self.open_max);
        if max.saturating_sub(self.max_told) >= self.open_max / 2 {
            self.max_told = max;
            self.tell = true;
        }
    }

    /// The new maximum to tell the peer, if one is due; [`max_lost`](Self::max_lost) asks again.
    pub(super) fn take_max(&mut self) -> Option<u64> {
        std::mem::take(&mut self.tell).then_some(self.max_told)
    }

    pub(super) const fn max_lost(&mut self) {
        self.tell = true;
    }

    pub(super) const fn wants_max(&self) -> bool {
        self.tell
    }

    /// Nothing is under way, nor has been for a while.
    pub(super) fn rest(&mut self) {
        give_back_if_empty(&mut self.seen);
    }
}
