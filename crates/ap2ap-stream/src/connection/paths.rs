//! Paths that come, join, move, fall silent and leave.

use std::time::{Duration, Instant};

use tracing::debug;

use super::{Connection, State};
use crate::congestion::Congestion;
use crate::event::{Event, PathEvent};
use crate::id::{PathId, Side};
use crate::path::set::Belongs;
use crate::path::{PATHS_MAX, Way};
use crate::protection::{ConnectionId, Opened};
use crate::recovery::rtt::RttEstimator;
use crate::recovery::sent::SentFrame;
use crate::wire::CONNECTION_ID_LEN;

/// Whether the peer hears that a path is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Told,
    Known,
}

impl Connection {
    /// Takes news of a path.
    ///
    /// The first path is the handshake's. A client joins each further one to the connection by
    /// itself; at a bridge a further one becomes a path when a join comes over it (see
    /// [`is_ours`](Self::is_ours)), and until then nothing is sent on it. Bulk data goes
    /// over all paths that answer, except that a further one is first tried beside those that carry: one that shares
    /// a bottleneck with another waits ([`PathStats::shares_with`](crate::PathStats)).
    pub fn handle_path(&mut self, now: Instant, path: PathId, event: PathEvent) {
        match event {
            PathEvent::Added { payload_max } => {
                self.add_path(now, Way { id: path, payload_max, is_shared: false, memory: None });
            }
            PathEvent::AddedShared { payload_max } => {
                self.add_path(now, Way { id: path, payload_max, is_shared: true, memory: None });
            }
            PathEvent::Remembered(memory) => self.paths.remember(path, memory),
            PathEvent::Changed { payload_max } => {
                self.paths.change_candidate(path, payload_max);
                for known in self.paths.list.iter_mut().filter(|known| known.id == path) {
                    known.change_payload_max(payload_max);
                }
            }
            PathEvent::Refused => {
                let Some(index) = self.paths.index_of(path) else { return };
                if let Some(path) = self.paths.get_mut(index) {
                    path.refused = true;
                }
                self.take_last_back(now, index);
            }
            PathEvent::Writable => {
                for known in self.paths.list.iter_mut().filter(|known| known.id == path) {
                    known.refused = false;
                }
            }
            PathEvent::Removed => {
                self.paths.remove_candidate(path);
                if let Some(index) = self.paths.index_of(path) {
                    self.drop_path(now, index, Leave::Told);
                }
            }
        }
    }

    /// Whether a datagram that came over a path which is not this connection's is for it all the
    /// same: a join, or a packet of a path that moved. If so, announce the path
    /// ([`PathEvent::Added`]) and hand the datagram over.
    #[must_use]
    pub fn is_ours(&self, datagram: &[u8]) -> bool {
        datagram
            .first_chunk::<CONNECTION_ID_LEN>()
            .is_some_and(|first| self.foreign_ids().any(|id| id == *first))
    }

    /// The octets that [`is_ours`](Self::is_ours) looks for, for a table of many connections. They
    /// change when paths join or leave.
    pub fn foreign_ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.paths.ids()
    }

    /// All of [`foreign_ids`](Self::foreign_ids), if they changed since this was asked last.
    pub fn take_new_foreign_ids(&mut self) -> Option<Vec<ConnectionId>> {
        self.paths.take_new_ids()
    }

    /// Whether something is sent on this path, or would be.
    #[must_use]
    pub fn uses_path(&self, path: PathId) -> bool {
        self.paths.index_of(path).is_some()
    }

    /// Asks the peer for a sign of life on every path: who only receives never finds out otherwise that nobody is there
    /// any more, until a [keep-alive](crate::Config::keep_alive).
    pub fn ask(&mut self) {
        if self.has_keys() && !self.is_closed() {
            for path in self.paths.list.iter_mut().filter(|path| path.asked.is_none()) {
                path.ping_due = true;
            }
        }
    }

    /// Lets other controllers decide when data goes, on each path and on those to come. What they knew is
    /// lost: it is for who does not transfer but measures, and paces by itself.
    pub fn set_congestion(&mut self, congestion: Congestion) {
        self.paths.control_by(congestion);
    }

    fn add_path(&mut self, now: Instant, way: Way) {
        if self.is_closed() {
            return;
        }
        if let Some(known) = self.paths.index_of(way.id).and_then(|index| self.paths.get_mut(index))
        {
            known.share(way.is_shared);
            return;
        }
        if matches!(self.state, State::Opening(_)) && self.paths.list.is_empty() {
            self.paths.begin_again();
            self.begin_handshake_again();
        }
        if self.paths.begin(way) {
            self.expect_ids();
        } else if self.paths.add_candidate(way) {
            self.join_paths(now);
        } else {
            debug!("a path is ignored, too many wait");
        }
    }

    /// AP-19: the handshake's path, which the peer may not be on.
    pub(crate) fn limit_first_path(&mut self, octets: usize) {
        if let Some(path) = self.paths.get_mut(0) {
            path.limit(octets);
        }
    }

    /// AP-80: a client joins the paths that wait, as far as it may.
    pub(crate) fn join_paths(&mut self, now: Instant) {
        if self.side != Side::Client || !matches!(self.state, State::Open(_)) {
            return;
        }
        let before = self.paths.list.len();
        while let Some(path) = self.paths.join_next() {
            debug!(epoch = path.epoch, "a path joins");
            path.ping_due = true;
        }
        if self.paths.list.len() > before {
            self.tell_of_silent(now);
        }
        self.expect_ids();
    }

    /// What the peer's packets may begin with follows from keys and paths.
    pub(crate) fn expect_ids(&mut self) {
        let Some(keys) = self.state.keys() else { return };
        self.paths.expect_ids(keys);
        if self.side == Side::Bridge {
            self.paths.awaited.fill(keys);
        }
    }

    /// Opens a packet, whichever path it belongs to, and says which that is. A join makes a path, a
    /// move takes it elsewhere, but only once the packet has shown to be the peer's.
    pub(super) fn open_anywhere(
        &mut self,
        now: Instant,
        id: PathId,
        packet: &mut [u8],
    ) -> Option<(usize, Opened)> {
        match self.paths.belongs(id, packet) {
            Belongs::To { index, id_len } => {
                let opened = self.open_on(now, index, id_len, packet)?;
                Some((index, opened))
            }
            Belongs::Elsewhere { index } => {
                let way = self.paths.way(id)?;
                let expected = self.paths.get(index)?.received.expected();
                let opened = self.open_on(now, index, CONNECTION_ID_LEN, packet)?;
                // A way that another epoch uses stays that epoch's.
                if opened.number >= expected && self.paths.index_of(id).is_none() {
                    self.move_path(index, way);
                }
                Some((index, opened))
            }
            Belongs::Joining { epoch } => {
                let way = self.paths.way(id)?;
                let keep_previous = RttEstimator::default().probe_timeout() * 3;
                let opened =
                    self.open_in(now, keep_previous, (epoch, 0), CONNECTION_ID_LEN, packet)?;
                // Only now: whoever copies a connection id is not worth a path.
                let index = self.bind_path(now, way, epoch)?;
                Some((index, opened))
            }
            Belongs::Nowhere => None,
        }
    }

    fn open_on(
        &mut self,
        now: Instant,
        index: usize,
        id_len: usize,
        packet: &mut [u8],
    ) -> Option<Opened> {
        let path = self.paths.get(index)?;
        let space = (path.epoch, path.received.expected());
        let keep_previous = path.rtt.probe_timeout() * 3;
        self.open_in(now, keep_previous, space, id_len, packet)
    }

    fn open_in(
        &mut self,
        now: Instant,
        keep_previous: Duration,
        space: (u32, u64),
        id_len: usize,
        packet: &mut [u8],
    ) -> Option<Opened> {
        let keep_previous = keep_previous.max(super::PREVIOUS_KEY_KEPT_MIN);
        self.protection()?.open((now, keep_previous), space, id_len, packet)
    }

    /// AP-81: the epoch has its path, instead of the one that was there before. Where there are too many, that
    /// of which least was heard lately makes way: a client that lost all its paths comes with new ones before it
    /// can say so.
    fn bind_path(&mut self, now: Instant, way: Way, epoch: u32) -> Option<usize> {
        let id = way.id;
        if let Some(before) = self.paths.index_of(id) {
            self.drop_path(now, before, Leave::Known);
        }
        while self.paths.list.len() >= PATHS_MAX
            && let Some((index, oldest)) = self.paths.least_recently_heard()
        {
            self.drop_path(now, index, Leave::Told);
            self.push_event(Event::PathClosed(oldest));
        }
        debug!(epoch, "a path joined");
        self.paths.remove_candidate(id);
        let mut path = self.paths.make(way, epoch);
        // What came is counted with the packet.
        path.limit(0);
        path.ping_due = true;
        self.tell_of_silent(now);
        self.paths.list.push(path);
        self.close_epoch(epoch);
        self.expect_ids();
        self.paths.index_of(id)
    }

    /// AP-82: the peer's newest packet came over another path, so that is where it is.
    fn move_path(&mut self, index: usize, way: Way) {
        let Some(path) = self.paths.get_mut(index) else { return };
        debug!(epoch = path.epoch, "a path moved");
        let before = path.move_to(way);
        // What came is counted with the packet.
        path.limit(0);
        path.ping_due = true;
        self.paths.remove_candidate(way.id);
        self.push_event(Event::PathClosed(before));
    }

    fn close_epoch(&mut self, epoch: u32) {
        if let Some(keys) = self.state.keys() {
            self.paths.awaited.close(epoch, keys);
        }
    }

    /// AP-84: the peer does not use the epoch any more, or never will.
    pub(super) fn handle_leave(&mut self, now: Instant, epoch: u32) {
        if self.side == Side::Bridge {
            self.close_epoch(epoch);
        }
        if let Some(index) = self.paths.index_of_epoch(epoch) {
            let id = self.paths.get(index).map(|path| path.id);
            self.drop_path(now, index, Leave::Known);
            self.events.extend(id.map(Event::PathClosed));
        }
    }

    /// AP-84: a path that nobody answered on for long is given up while there is another one.
    pub(super) fn drop_dead_paths(&mut self, now: Instant) {
        let after = self.config.path_timeout;
        while self.paths.list.len() > 1
            && let Some(index) = self.paths.list.iter().position(|path| {
                path.asked.is_some_and(|asked| now.saturating_duration_since(asked) >= after)
            })
        {
            let id = self.paths.get(index).map(|path| path.id);
            self.drop_path(now, index, Leave::Told);
            self.events.extend(id.map(Event::PathClosed));
        }
    }

    /// When a path is given up at the soonest if nobody answers on it.
    pub(super) fn next_dead_path_at(&self) -> Option<Instant> {
        let asked = self.paths.list.iter().filter_map(|path| path.asked).min();
        let after = self.config.path_timeout;
        asked.filter(|_| self.paths.list.len() > 1).and_then(|at| at.checked_add(after))
    }

    fn drop_path(&mut self, now: Instant, index: usize, leave: Leave) {
        self.give_all_up(now, index);
        if index >= self.paths.list.len() {
            return;
        }
        self.part_from(now, index);
        let path = self.paths.list.remove(index);
        debug!(epoch = path.epoch, "a path is gone");
        match leave {
            Leave::Known => self.paths.epoch_is_known(path.epoch),
            Leave::Told if !self.has_keys() => {}
            Leave::Told => self.paths.leave_or_keep(path),
        }
        self.join_paths(now);
        self.begin_elsewhere(now);
    }

    /// The handshake's path is gone before there was an answer: the next one that waits takes its place.
    fn begin_elsewhere(&mut self, now: Instant) {
        if matches!(self.state, State::Opening(_))
            && self.paths.list.is_empty()
            && let Some(way) = self.paths.take_candidate()
        {
            self.add_path(now, way);
        }
    }

    /// A frame that must arrive did.
    pub(super) fn frame_arrived(&mut self, frame: &SentFrame) {
        match frame {
            SentFrame::PathLeave(epoch) => {
                self.paths.epoch_is_known(*epoch);
                return;
            }
            SentFrame::Ticket => {
                self.ticket = None;
                return;
            }
            SentFrame::Stream { .. }
            | SentFrame::Reset(_)
            | SentFrame::Stop(_)
            | SentFrame::MaxData
            | SentFrame::MaxStreamData(_)
            | SentFrame::MaxStreams => {}
        }
        let limit = self.send_limit();
        self.streams.frame_arrived(frame, limit, &mut self.events);
    }

    /// A frame that must arrive has to be sent again.
    pub(super) fn frame_lost(&mut self, frame: &SentFrame) {
        match frame {
            SentFrame::PathLeave(epoch) => self.paths.leave(*epoch),
            SentFrame::Ticket => {
                if let Some(given) = &mut self.ticket {
                    given.is_due = true;
                }
            }
            SentFrame::Stream { .. }
            | SentFrame::Reset(_)
            | SentFrame::Stop(_)
            | SentFrame::MaxData
            | SentFrame::MaxStreamData(_)
            | SentFrame::MaxStreams => self.streams.frame_lost(frame),
        }
    }
}
