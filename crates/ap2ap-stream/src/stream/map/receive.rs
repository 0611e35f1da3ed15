//! What the peer says about streams.

use std::collections::VecDeque;

use super::{Entry, INITIAL_STREAM_WINDOW, StreamMap};
use crate::event::Event;
use crate::id::{ErrorCode, StreamId};
use crate::num;
use crate::stream::recv::{RecvHalf, Violation};

/// Whether a packet's pieces can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    Full,
}

impl StreamMap {
    /// Checks a piece before anything of its packet takes effect: whether there is room for it.
    pub(crate) fn check_piece(
        &self,
        id: StreamId,
        offset: u64,
        len: u64,
        fin: bool,
    ) -> Result<Room, Violation> {
        let Some(entry) = self.open.get(&id) else {
            self.quota.check(id)?;
            let ahead = offset.saturating_add(len);
            if !self.quota.is_forgotten(id) && ahead > INITIAL_STREAM_WINDOW {
                return Err(Violation("more stream data than allowed"));
            }
            return Ok(Room::Enough);
        };
        let ahead = entry.recv.check(offset, len, fin)?;
        if ahead > self.credit.room() {
            return Err(Violation("more data than allowed for all streams"));
        }
        Ok(if entry.recv.has_room(offset) { Room::Enough } else { Room::Full })
    }

    pub(crate) fn receive(
        &mut self,
        id: StreamId,
        (offset, data, fin): (u64, &[u8], bool),
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        let extent = (offset, num::len_u64(data.len()), fin);
        self.take_in(id, extent, events, |recv| recv.receive(offset, data, fin))
    }

    pub(crate) fn receive_reset(
        &mut self,
        id: StreamId,
        code: ErrorCode,
        final_size: u64,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        let extent = (final_size, 0, true);
        self.take_in(id, extent, events, |recv| recv.receive_reset(code, final_size))
    }

    pub(crate) fn receive_stop(
        &mut self,
        id: StreamId,
        code: ErrorCode,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        self.open_for_peer(id, events)?;
        if self.update(id, |entry| entry.send.stopped(code)) == Some(true) {
            events.push_back(Event::Writable(id));
        }
        Ok(())
    }

    pub(crate) fn receive_max_stream_data(
        &mut self,
        id: StreamId,
        max: u64,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        self.open_for_peer(id, events)?;
        self.update(id, |entry| entry.send.raise_max(max));
        Ok(())
    }

    pub(crate) fn receive_max_data(&mut self, max: u64) {
        self.credit.raise(max);
    }

    pub(crate) fn receive_max_streams(&mut self, max: u64, events: &mut VecDeque<Event>) {
        if self.quota.raise(max) {
            events.push_back(Event::Openable);
        }
    }

    /// Gives a stream what came for it, which says of its octets that they reach so far; `take` says
    /// whether the reader should be told.
    fn take_in(
        &mut self,
        id: StreamId,
        (offset, len, fin): (u64, u64, bool),
        events: &mut VecDeque<Event>,
        take: impl FnOnce(&mut RecvHalf) -> bool,
    ) -> Result<(), Violation> {
        self.open_for_peer(id, events)?;
        let taken = self.update(id, |entry| {
            let ahead = entry.recv.check(offset, len, fin)?;
            Ok((ahead, entry.recv.consuming(take)))
        });
        // Of a stream that is closed nothing is of interest any more.
        let Some(taken) = taken else { return Ok(()) };
        let (ahead, (tell_reader, consumed)) = taken?;
        if tell_reader {
            events.push_back(Event::Readable(id));
        }
        self.credit.receive(ahead)?;
        self.credit.consume(consumed);
        Ok(())
    }

    /// Opens the stream that a frame of the peer is for, if it is new.
    fn open_for_peer(
        &mut self,
        id: StreamId,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        if self.open.contains_key(&id) {
            return Ok(());
        }
        self.quota.check(id)?;
        if !self.quota.is_forgotten(id) {
            self.quota.opened(id);
            self.open.insert(id, Box::new(Entry::new(self.stream_windows)));
            events.push_back(Event::Opened(id));
        }
        Ok(())
    }
}
