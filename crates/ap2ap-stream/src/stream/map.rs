//! All streams of a connection: who opened which, what they may send together, whose turn it is.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use rangemap::RangeSet;

use super::recv::{RecvHalf, Violation};
use super::send::{Piece, SendHalf, SendLimit};
use crate::config::Config;
use crate::error::{OpenError, ReadError, WriteError};
use crate::event::Event;
use crate::id::{ErrorCode, Side, StreamId};
use crate::num;
use crate::recovery::sent::SentFrame;

/// AP-93: until the peer says more, octets a stream may carry, octets all may, and streams one may open.
/// The first flight must fit; the rest is granted in the first answer.
const INITIAL_STREAM_WINDOW: u64 = 64 * 1024;
const INITIAL_CONNECTION_WINDOW: u64 = 256 * 1024;
const INITIAL_STREAMS: u64 = 64;

/// A stream with no more than this to send, and no more in the last second, is sparse: somebody
/// waits for it.
const SPARSE_OCTETS: u64 = 700;
/// ... or no more than this share of the path's rate in the last second.
const SPARSE_SHARE: f64 = 0.4;
/// All sparse streams together send no more in a second than this, or this share of the rate,
/// without waiting for the pacer: a thousand requests at once are bulk.
const RESERVE_OCTETS: f64 = 1400.0;
const RESERVE_SHARE: f64 = 0.5;

/// The streams of a connection.
#[derive(Debug)]
pub(crate) struct StreamMap {
    side: Side,
    /// Boxed: a tree keeps room for eleven even if there is one.
    open: BTreeMap<StreamId, Box<Entry>>,
    /// Indexes of the streams that the peer has opened so far; closed ones are remembered as
    /// ranges, whose number the peer's limit bounds.
    seen: RangeSet<u64>,
    opened_here: u64,
    /// Streams that the peer lets this side open, counted from the beginning.
    streams_max_here: u64,
    /// Streams that the peer may open, counted from the beginning, as told.
    streams_max_told: u64,
    streams_closed: u64,
    streams_max: u64,
    tell_streams: bool,
    opener_waits: bool,
    /// The usual window of a stream, and the widest.
    stream_windows: (u64, u64),
    credit: Credit,
    turn: u64,
    /// What went out past the pacer.
    sparse: Recent,
}

#[derive(Debug)]
struct Entry {
    send: SendHalf,
    recv: RecvHalf,
    recent: Recent,
    /// When it was this stream's turn last.
    served: u64,
}

/// Decaying count of octets sent: about those of the last second.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    octets: f64,
    at: f64,
}

impl Recent {
    fn octets(&self, now: f64) -> f64 {
        self.octets * (self.at - now).min(0.0).exp()
    }

    fn add(&mut self, octets: u64, now: f64) {
        *self = Self { octets: self.octets(now) + num::to_f64(octets), at: now };
    }
}

/// What all streams together may carry in each direction.
#[derive(Debug)]
struct Credit {
    sent: u64,
    sent_max: u64,
    received: u64,
    consumed: u64,
    /// What the peer has been told it may send up to, and the time before.
    received_max: u64,
    received_max_before: u64,
    /// The window that `received_max` was granted for.
    granted: u64,
    window: u64,
    window_max: u64,
    /// The peer has used all of the window, and not because readers are slow.
    is_exhausted: bool,
    tell: bool,
}

/// Which streams to ask for something to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Class {
    /// Sparse ones: they do not wait for the pacer.
    Sparse,
    /// Any.
    Bulk,
}

/// When and at what rate somebody asks, to tell sparse streams from bulk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) now: f64,
    pub(crate) rate: f64,
}

impl StreamMap {
    pub(crate) fn new(side: Side, config: &Config) -> Self {
        let window = u64::from(config.connection_window).max(INITIAL_CONNECTION_WINDOW);
        let streams_max = u64::from(config.streams_max).max(INITIAL_STREAMS);
        let stream_window = u64::from(config.stream_window).max(INITIAL_STREAM_WINDOW);
        let stream_window_max = u64::from(config.stream_window_max).max(stream_window);
        Self {
            side,
            open: BTreeMap::new(),
            seen: RangeSet::new(),
            opened_here: 0,
            streams_max_here: INITIAL_STREAMS,
            streams_max_told: streams_max,
            streams_closed: 0,
            streams_max,
            tell_streams: streams_max > INITIAL_STREAMS,
            opener_waits: false,
            stream_windows: (stream_window, stream_window_max),
            credit: Credit {
                sent: 0,
                sent_max: INITIAL_CONNECTION_WINDOW,
                received: 0,
                consumed: 0,
                received_max: window,
                received_max_before: window,
                granted: window,
                window,
                window_max: u64::from(config.connection_window_max).max(window),
                is_exhausted: false,
                tell: window > INITIAL_CONNECTION_WINDOW,
            },
            turn: 0,
            sparse: Recent::default(),
        }
    }

    pub(crate) fn open(&mut self) -> Result<StreamId, OpenError> {
        if self.opened_here >= self.streams_max_here {
            self.opener_waits = true;
            return Err(OpenError::Blocked);
        }
        let id = StreamId::new(self.side, self.opened_here);
        self.opened_here = self.opened_here.saturating_add(1);
        self.open.insert(id, Box::new(Entry::new(self.stream_windows)));
        Ok(id)
    }

    pub(crate) fn contains(&self, id: StreamId) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn send_half(&mut self, id: StreamId) -> Option<&mut SendHalf> {
        self.open.get_mut(&id).map(|entry| &mut entry.send)
    }

    pub(crate) fn read(
        &mut self,
        id: StreamId,
        len_max: usize,
    ) -> Result<Option<Bytes>, ReadError> {
        let Some(entry) = self.open.get_mut(&id) else { return Err(ReadError::Finished) };
        let before = entry.recv.consumed();
        let octets = entry.recv.read(len_max);
        let after = entry.recv.consumed();
        self.credit.consume(after.saturating_sub(before));
        self.close_if_done(id);
        octets
    }

    pub(crate) fn write(
        &mut self,
        id: StreamId,
        data: &[u8],
        limit: SendLimit,
    ) -> Result<usize, WriteError> {
        let Some(entry) = self.open.get_mut(&id) else { return Err(WriteError::Finished) };
        let written = entry.send.write(data, limit);
        self.close_if_done(id);
        written
    }

    pub(crate) fn wait_for_room(
        &mut self,
        id: StreamId,
        limit: SendLimit,
    ) -> Result<usize, WriteError> {
        let Some(entry) = self.open.get_mut(&id) else { return Err(WriteError::Finished) };
        let room = entry.send.wait_for_room(limit);
        self.close_if_done(id);
        room
    }

    pub(crate) fn unsent(&self, id: StreamId) -> u64 {
        self.open.get(&id).map_or(0, |entry| entry.send.unsent())
    }

    pub(crate) fn finish(&mut self, id: StreamId) -> Result<(), WriteError> {
        let Some(entry) = self.open.get_mut(&id) else { return Err(WriteError::Finished) };
        let finished = entry.send.finish();
        self.close_if_done(id);
        finished
    }

    pub(crate) fn reset(&mut self, id: StreamId, code: ErrorCode) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.send.reset(code);
        }
        self.close_if_done(id);
    }

    pub(crate) fn stop(&mut self, id: StreamId, code: ErrorCode) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        let before = entry.recv.consumed();
        entry.recv.stop(code);
        let after = entry.recv.consumed();
        self.credit.consume(after.saturating_sub(before));
        self.close_if_done(id);
    }

    // ---- what the peer sends

    /// Checks a piece before anything of its packet takes effect: whether there is room for it.
    pub(crate) fn check_piece(
        &self,
        id: StreamId,
        offset: u64,
        len: u64,
        fin: bool,
    ) -> Result<Room, Violation> {
        let Some(entry) = self.open.get(&id) else {
            self.check_unknown(id)?;
            let ahead = offset.saturating_add(len);
            if !self.is_forgotten(id) && ahead > INITIAL_STREAM_WINDOW {
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
        piece: (u64, &[u8], bool),
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        let (offset, data, fin) = piece;
        let Some(entry) = self.entry_for_peer(id, events)? else { return Ok(()) };
        let ahead = entry.recv.check(offset, num::len_u64(data.len()), fin)?;
        let before = entry.recv.consumed();
        if entry.recv.receive(offset, data, fin) {
            events.push_back(Event::Readable(id));
        }
        let after = entry.recv.consumed();
        self.credit.receive(ahead)?;
        self.credit.consume(after.saturating_sub(before));
        self.close_if_done(id);
        Ok(())
    }

    pub(crate) fn receive_reset(
        &mut self,
        id: StreamId,
        code: ErrorCode,
        final_size: u64,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        let Some(entry) = self.entry_for_peer(id, events)? else { return Ok(()) };
        let ahead = entry.recv.check(final_size, 0, true)?;
        let before = entry.recv.consumed();
        if entry.recv.receive_reset(code, final_size) {
            events.push_back(Event::Readable(id));
        }
        let after = entry.recv.consumed();
        self.credit.receive(ahead)?;
        self.credit.consume(after.saturating_sub(before));
        self.close_if_done(id);
        Ok(())
    }

    pub(crate) fn receive_stop(
        &mut self,
        id: StreamId,
        code: ErrorCode,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Violation> {
        let Some(entry) = self.entry_for_peer(id, events)? else { return Ok(()) };
        if entry.send.stopped(code) {
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
        if let Some(entry) = self.entry_for_peer(id, events)? {
            entry.send.raise_max(max);
        }
        Ok(())
    }

    pub(crate) fn receive_max_data(&mut self, max: u64) {
        self.credit.sent_max = self.credit.sent_max.max(max);
    }

    pub(crate) fn receive_max_streams(&mut self, max: u64, events: &mut VecDeque<Event>) {
        if max > self.streams_max_here {
            self.streams_max_here = max;
            if std::mem::take(&mut self.opener_waits) {
                events.push_back(Event::Openable);
            }
        }
    }

    // ---- what became of what was sent

    /// A frame arrived; its stream's writer may go on within `limit`.
    pub(crate) fn frame_arrived(
        &mut self,
        frame: &SentFrame,
        limit: SendLimit,
        events: &mut VecDeque<Event>,
    ) {
        match frame {
            SentFrame::Stream { id, range, fin } => {
                let Some(entry) = self.open.get_mut(id) else { return };
                entry.send.acked(range.clone(), *fin);
                if entry.send.writer_could_go_on(limit) {
                    events.push_back(Event::Writable(*id));
                }
                self.close_if_done(*id);
            }
            SentFrame::Reset(id) => {
                if let Some(entry) = self.open.get_mut(id) {
                    entry.send.reset_acked();
                }
                self.close_if_done(*id);
            }
            SentFrame::Stop(_)
            | SentFrame::MaxData
            | SentFrame::MaxStreamData(_)
            | SentFrame::MaxStreams
            | SentFrame::PathLeave(_)
            | SentFrame::Ticket => {}
        }
    }

    /// A frame was lost: what it said is said again, as it stands now.
    pub(crate) fn frame_lost(&mut self, frame: &SentFrame) {
        match frame {
            SentFrame::Stream { id, range, fin } => {
                if let Some(entry) = self.open.get_mut(id) {
                    entry.send.lost(range.clone(), *fin);
                }
            }
            SentFrame::Reset(id) => {
                if let Some(entry) = self.open.get_mut(id) {
                    entry.send.reset_lost();
                }
            }
            SentFrame::Stop(id) => {
                if let Some(entry) = self.open.get_mut(id) {
                    entry.recv.stop_lost();
                }
            }
            SentFrame::MaxStreamData(id) => {
                if let Some(entry) = self.open.get_mut(id) {
                    entry.recv.max_lost();
                }
            }
            SentFrame::MaxData => self.credit.tell = true,
            SentFrame::MaxStreams => self.tell_streams = true,
            SentFrame::PathLeave(_) | SentFrame::Ticket => {}
        }
    }

    // ---- what to send

    /// Whether a control frame waits.
    pub(crate) fn wants_control(&self) -> bool {
        self.credit.tell
            || self.tell_streams
            || self.open.values().any(|entry| {
                entry.send.wants_reset() || entry.recv.wants_max() || entry.recv.wants_stop()
            })
    }

    pub(crate) fn take_max_data(&mut self) -> Option<u64> {
        std::mem::take(&mut self.credit.tell).then_some(self.credit.received_max)
    }

    pub(crate) fn take_max_streams(&mut self) -> Option<u64> {
        std::mem::take(&mut self.tell_streams).then_some(self.streams_max_told)
    }

    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        for entry in self.open.values_mut() {
            entry.send.rest();
            entry.recv.rest();
        }
        give_back_if_empty(&mut self.seen);
    }

    /// A stream with a control frame to send.
    pub(crate) fn next_with_control(&self) -> Option<StreamId> {
        let wants = |entry: &Entry| {
            entry.send.wants_reset() || entry.recv.wants_max() || entry.recv.wants_stop()
        };
        self.open.iter().find(|(_, entry)| wants(entry)).map(|(id, _)| *id)
    }

    pub(crate) fn halves(&mut self, id: StreamId) -> Option<(&mut SendHalf, &mut RecvHalf)> {
        self.open.get_mut(&id).map(|entry| (&mut entry.send, &mut entry.recv))
    }

    /// The stream of the class whose turn it is and that has something to send.
    pub(crate) fn next_to_send(&self, class: Class, pace: Pace) -> Option<StreamId> {
        if class == Class::Sparse && !self.has_reserve(pace) {
            return None;
        }
        let credit = self.credit.sent_room();
        self.open
            .iter()
            .filter(|(_, entry)| entry.send.wants_to_send(credit))
            .filter(|(_, entry)| class == Class::Bulk || entry.is_sparse(pace))
            .min_by_key(|(_, entry)| entry.served)
            .map(|(id, _)| *id)
    }

    fn has_reserve(&self, pace: Pace) -> bool {
        self.sparse.octets(pace.now) <= reserve(pace)
    }

    /// Whether a datagram may go past the pacer: half of the reserve is for streams alone.
    pub(crate) fn has_reserve_for_datagrams(&self, pace: Pace) -> bool {
        self.sparse.octets(pace.now) <= reserve(pace) / 2.0
    }

    /// Octets of no stream went past the pacer.
    pub(crate) fn note_past_pacer(&mut self, octets: u64, now: f64) {
        self.sparse.add(octets, now);
    }

    /// Octets never sent before that all streams together may send now.
    pub(crate) const fn send_credit(&self) -> u64 {
        self.credit.sent_room()
    }

    /// A piece of a stream went out: its writer may go on within `limit`.
    pub(crate) fn wake_writer(
        &mut self,
        id: StreamId,
        limit: SendLimit,
        events: &mut VecDeque<Event>,
    ) {
        if let Some(entry) = self.open.get_mut(&id)
            && entry.send.writer_could_go_on(limit)
        {
            events.push_back(Event::Writable(id));
        }
    }

    /// A piece of a stream went out, past the pacer if it is sparse. What goes again, as a copy or because
    /// it was lost, was counted before.
    pub(crate) fn note_sent(&mut self, id: StreamId, piece: &Piece, class: Class, now: f64) {
        let octets = piece.range.end.saturating_sub(piece.range.start);
        let new = if piece.again { 0 } else { octets };
        self.credit.sent = self.credit.sent.saturating_add(new);
        if class == Class::Sparse {
            self.sparse.add(new, now);
        }
        self.turn = self.turn.saturating_add(1);
        if let Some(entry) = self.open.get_mut(&id) {
            entry.served = self.turn;
            entry.recent.add(new, now);
        }
    }

    /// AP-92
    fn check_unknown(&self, id: StreamId) -> Result<(), Violation> {
        let index = id.index();
        if id.opener() == self.side {
            return if index < self.opened_here {
                Ok(())
            } else {
                Err(Violation("a frame for a stream that was never opened"))
            };
        }
        if index >= self.streams_max_told {
            return Err(Violation("more streams than allowed"));
        }
        Ok(())
    }

    /// Whether a stream that is not open was: frames for it come late, and mean nothing any more.
    fn is_forgotten(&self, id: StreamId) -> bool {
        id.opener() == self.side || self.seen.contains(&id.index())
    }

    /// The stream a frame of the peer is for: opened now if it is new, `None` if it is closed.
    fn entry_for_peer(
        &mut self,
        id: StreamId,
        events: &mut VecDeque<Event>,
    ) -> Result<Option<&mut Entry>, Violation> {
        if !self.open.contains_key(&id) {
            self.check_unknown(id)?;
            if self.is_forgotten(id) {
                return Ok(None);
            }
            let index = id.index();
            self.seen.insert(index..index.saturating_add(1));
            self.open.insert(id, Box::new(Entry::new(self.stream_windows)));
            events.push_back(Event::Opened(id));
        }
        Ok(self.open.get_mut(&id).map(AsMut::as_mut))
    }

    fn close_if_done(&mut self, id: StreamId) {
        let is_done =
            self.open.get(&id).is_some_and(|entry| entry.send.is_done() && entry.recv.is_done());
        if !is_done {
            return;
        }
        self.open.remove(&id);
        if id.opener() == self.side {
            return;
        }
        self.streams_closed = self.streams_closed.saturating_add(1);
        let max = self.streams_closed.saturating_add(self.streams_max);
        if max.saturating_sub(self.streams_max_told) >= self.streams_max / 2 {
            self.streams_max_told = max;
            self.tell_streams = true;
        }
    }
}

/// Octets that may go past the pacer in a second.
fn reserve(pace: Pace) -> f64 {
    RESERVE_OCTETS.max(RESERVE_SHARE * pace.rate)
}

/// Whether a packet's pieces can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    Full,
}

/// An empty set keeps its last leaf, a new one has none.
pub(super) fn give_back_if_empty(set: &mut RangeSet<u64>) {
    if set.is_empty() {
        *set = RangeSet::new();
    }
}

impl Entry {
    fn new(windows: (u64, u64)) -> Self {
        Self {
            send: SendHalf::new(INITIAL_STREAM_WINDOW),
            recv: RecvHalf::new(INITIAL_STREAM_WINDOW, windows),
            recent: Recent::default(),
            served: 0,
        }
    }

    fn is_sparse(&self, pace: Pace) -> bool {
        let backlog = self.send.unsent().saturating_add(self.send.lost_octets());
        let allowed = num::to_f64(SPARSE_OCTETS).max(SPARSE_SHARE * pace.rate);
        backlog <= SPARSE_OCTETS && self.recent.octets(pace.now) <= allowed
    }
}

impl Credit {
    const fn sent_room(&self) -> u64 {
        self.sent_max.saturating_sub(self.sent)
    }

    const fn room(&self) -> u64 {
        self.received_max.saturating_sub(self.received)
    }

    fn receive(&mut self, octets: u64) -> Result<(), Violation> {
        if octets > self.room() {
            return Err(Violation("more data than allowed for all streams"));
        }
        self.received = self.received.saturating_add(octets);
        let unread = self.received.saturating_sub(self.consumed);
        let is_stop = self.room() == 0 || self.received == self.received_max_before;
        self.is_exhausted |= is_stop && unread <= self.granted / 2;
        Ok(())
    }

    /// Octets were read; more is granted once half the window is used up.
    fn consume(&mut self, octets: u64) {
        self.consumed = self.consumed.saturating_add(octets);
        let ahead = self.received_max.saturating_sub(self.consumed);
        if ahead < self.granted / 2 {
            if std::mem::take(&mut self.is_exhausted) {
                self.window = self.window.saturating_mul(2).min(self.window_max);
            }
            self.received_max_before = self.received_max;
            self.received_max = self.consumed.saturating_add(self.window);
            self.granted = self.window;
            self.tell = true;
        }
    }
}
