//! All streams of a connection, each found by its number, and what the caller does with them.
//!
//! Whatever is done to a stream goes through [`StreamMap::update`], which notes what the stream has to send
//! afterwards and forgets it when both sides have ended.

mod receive;
#[cfg(test)]
mod tests;
mod transmit;

use std::collections::BTreeMap;

use bytes::Bytes;
use rangemap::RangeSet;

pub(crate) use receive::Room;
pub(crate) use transmit::StreamControl;

use super::credit::Credit;
use super::quota::Quota;
use super::recv::RecvHalf;
use super::send::{SendHalf, SendLimit};
use super::sparse::{Pace, Recent, SPARSE_OCTETS};
use super::turns::{Backlog, Turn, Turns, Wants};
use crate::config::Config;
use crate::error::{OpenError, ReadError, WriteError};
use crate::id::{ErrorCode, Side, StreamId};

/// AP-93: until the peer says more, octets a stream may carry. The first flight must fit; the rest is granted
/// in the first answer.
const INITIAL_STREAM_WINDOW: u64 = 64 * 1024;

/// The streams of a connection.
#[derive(Debug)]
pub(crate) struct StreamMap {
    /// Boxed: a tree keeps room for eleven even if there is one.
    open: BTreeMap<StreamId, Box<Entry>>,
    /// Holds each open stream as its [`Entry::filed`] says, and nothing else.
    turns: Turns,
    quota: Quota,
    credit: Credit,
    /// The usual window of a stream, and the widest.
    stream_windows: (u64, u64),
    /// Pieces that went out so far: the last turn's number.
    served: u64,
    /// What went out past the pacer.
    past_pacer: Recent,
}

#[derive(Debug)]
struct Entry {
    send: SendHalf,
    recv: RecvHalf,
    recent: Recent,
    /// The number of this stream's last turn.
    served: u64,
    /// What the map's turns have of it.
    filed: Wants,
}

impl StreamMap {
    pub(crate) fn new(side: Side, config: &Config) -> Self {
        let window = u64::from(config.stream_window).max(INITIAL_STREAM_WINDOW);
        let window_max = u64::from(config.stream_window_max).max(window);
        Self {
            open: BTreeMap::new(),
            turns: Turns::default(),
            quota: Quota::new(side, config),
            credit: Credit::new(config),
            stream_windows: (window, window_max),
            served: 0,
            past_pacer: Recent::default(),
        }
    }

    pub(crate) fn open(&mut self) -> Result<StreamId, OpenError> {
        let id = self.quota.open().ok_or(OpenError::Blocked)?;
        self.open.insert(id, Box::new(Entry::new(self.stream_windows)));
        Ok(id)
    }

    pub(crate) fn read(
        &mut self,
        id: StreamId,
        len_max: usize,
    ) -> Result<Option<Bytes>, ReadError> {
        let read = self.update(id, |entry| entry.recv.consuming(|recv| recv.read(len_max)));
        let Some((octets, consumed)) = read else { return Err(ReadError::Finished) };
        self.credit.consume(consumed);
        octets
    }

    pub(crate) fn write(
        &mut self,
        id: StreamId,
        data: &[u8],
        limit: SendLimit,
    ) -> Result<usize, WriteError> {
        let written = self.update(id, |entry| entry.send.write(data, limit));
        written.unwrap_or(Err(WriteError::Finished))
    }

    pub(crate) fn wait_for_room(
        &mut self,
        id: StreamId,
        limit: SendLimit,
    ) -> Result<usize, WriteError> {
        let room = self.update(id, |entry| entry.send.wait_for_room(limit));
        room.unwrap_or(Err(WriteError::Finished))
    }

    pub(crate) fn finish(&mut self, id: StreamId) -> Result<(), WriteError> {
        let finished = self.update(id, |entry| entry.send.finish());
        finished.unwrap_or(Err(WriteError::Finished))
    }

    pub(crate) fn reset(&mut self, id: StreamId, code: ErrorCode) {
        self.update(id, |entry| entry.send.reset(code));
    }

    pub(crate) fn stop(&mut self, id: StreamId, code: ErrorCode) {
        let stopped = self.update(id, |entry| entry.recv.consuming(|recv| recv.stop(code)));
        if let Some(((), consumed)) = stopped {
            self.credit.consume(consumed);
        }
    }

    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        for entry in self.open.values_mut() {
            entry.send.rest();
            entry.recv.rest();
        }
        self.turns.rest();
        self.quota.rest();
    }

    pub(crate) fn contains(&self, id: StreamId) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn unsent(&self, id: StreamId) -> u64 {
        self.open.get(&id).map_or(0, |entry| entry.send.unsent())
    }

    /// Does something to an open stream; `None` if it is not open.
    fn update<T>(&mut self, id: StreamId, work: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.open.get_mut(&id)?;
        let result = work(entry);
        let wants = entry.wants();
        self.turns.file(id, std::mem::replace(&mut entry.filed, wants), wants);
        if entry.is_done() {
            debug_assert_eq!(wants, Wants::default(), "what is done has nothing to send");
            self.open.remove(&id);
            self.quota.closed(id);
        }
        Some(result)
    }
}

impl Entry {
    fn new(windows: (u64, u64)) -> Self {
        Self {
            send: SendHalf::new(INITIAL_STREAM_WINDOW),
            recv: RecvHalf::new(INITIAL_STREAM_WINDOW, windows),
            recent: Recent::default(),
            served: 0,
            filed: Wants::default(),
        }
    }

    fn wants(&self) -> Wants {
        let data = self.send.needs().map(|needs| {
            let is_short = self.send.has_backlog_within(SPARSE_OCTETS);
            let backlog = if is_short { Backlog::Short } else { Backlog::Long };
            Turn { needs, backlog, served: self.served }
        });
        let control = self.send.wants_reset() || self.recv.wants_max() || self.recv.wants_stop();
        Wants { data, control }
    }

    /// Whether a stream with a short backlog is sparse.
    fn sent_little(&self, pace: Pace) -> bool {
        self.recent.octets(pace.now) <= pace.sparse_octets()
    }

    const fn is_done(&self) -> bool {
        self.send.is_done() && self.recv.is_done()
    }
}

/// An empty set keeps its last leaf, a new one has none.
pub(super) fn give_back_if_empty(set: &mut RangeSet<u64>) {
    if set.is_empty() {
        *set = RangeSet::new();
    }
}
