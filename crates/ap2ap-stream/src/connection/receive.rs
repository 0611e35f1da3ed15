//! From a datagram to its frames, and from each frame to the part that it concerns.

use std::time::{Duration, Instant};

use tracing::trace;

use super::{Connection, State};
use crate::event::CloseReason;
use crate::id::{ErrorCode, PathId};
use crate::num;
use crate::path::DATAGRAM_MAX;
use crate::protection::{Opened, Secret};
use crate::recovery::received::Asks;
use crate::stream::map::Room;
use crate::stream::recv::Violation;
use crate::ticket::Ticket;
use crate::wire::ack::Ack;
use crate::wire::frame::Frame;
use crate::wire::reader::Reader;

impl Connection {
    /// Takes a datagram that arrived on a path. Bad input is counted, not returned.
    pub fn handle_datagram(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        if datagram.len() > DATAGRAM_MAX {
            self.discard_unauthentic("too long");
            return;
        }
        let is_on_first_path = self.paths.get(0).is_some_and(|first| first.id == path);
        // AP-1: no octet says what a datagram is; whatever it can be shown to be, it is.
        let is_ours = match &mut self.state {
            State::Opening(_) if !is_on_first_path => false,
            State::Opening(_) => self.handle_answer(now, datagram) || self.keep_early(datagram),
            State::Answering(_) | State::Open(_) | State::Closing(_) | State::Closed => {
                self.handle_packet(now, path, datagram)
                    || (is_on_first_path && self.handle_repeated_first(now, datagram))
            }
        };
        if !is_ours {
            self.discard_unauthentic("neither a packet nor a handshake");
        }
    }

    /// False: it is no packet of this connection.
    pub(super) fn handle_packet(&mut self, now: Instant, path: PathId, datagram: &[u8]) -> bool {
        let mut packet = [0; DATAGRAM_MAX];
        let Some(packet) = packet.get_mut(..datagram.len()) else { return false };
        packet.copy_from_slice(datagram);
        let Some((index, opened)) = self.open_anywhere(now, path, packet) else { return false };
        let frames = packet.get(opened.frames.clone()).unwrap_or_default();
        if matches!(self.state, State::Closing(_)) {
            self.handle_packet_while_closing(now, frames);
        } else {
            self.handle_opened(now, (path, index, &opened), frames, datagram.len());
        }
        true
    }

    fn handle_opened(
        &mut self,
        now: Instant,
        (came_by, index, opened): (PathId, usize, &Opened),
        frames: &[u8],
        len: usize,
    ) {
        let number = opened.number;
        if !self.paths.get(index).is_some_and(|path| path.received.is_new(number)) {
            trace!(number, "repeated packet dropped");
            self.stats.discarded_repeated = self.stats.discarded_repeated.saturating_add(1);
            return;
        }
        match self.survey(frames) {
            Ok((Room::Enough, asks)) => {
                let asks = if opened.ack_now { Asks::AckNow } else { asks };
                self.note_received(now, (came_by, index), (number, len, asks));
            }
            Ok((Room::Full, _)) => {
                trace!(number, "packet dropped, no room for its pieces");
                self.stats.discarded_no_room = self.stats.discarded_no_room.saturating_add(1);
                return;
            }
            Err(violation) => {
                self.violated(now, violation.0);
                return;
            }
        }
        self.heard(now, len);
        self.confirm(now);
        if let Err(violation) = self.handle_frames(now, index, frames) {
            self.violated(now, violation.0);
        }
    }

    /// Every datagram that still comes is told that it is over, unless its sender knows.
    fn handle_packet_while_closing(&mut self, now: Instant, frames: &[u8]) {
        let mut reader = Reader::new(frames);
        while let Ok(frame) = Frame::read(&mut reader) {
            if matches!(frame, Frame::Close { .. }) {
                self.state = State::Closed;
                return;
            }
        }
        if let State::Closing(closing) = &mut self.state {
            closing.due_at = now;
        }
    }

    /// A new packet counts, and its path is the peer's.
    fn note_received(
        &mut self,
        now: Instant,
        (came_by, index): (PathId, usize),
        (number, len, asks): (u64, usize, Asks),
    ) {
        let Some(path) = self.paths.get_mut(index) else { return };
        path.received.pay_from(path.controller.rate());
        path.received.record(&self.clock, now, number, len, asks);
        if path.id == came_by {
            path.extend_limit(len);
        }
        path.heard_at = Some(now);
        if !std::mem::replace(&mut path.is_heard, true) {
            let epoch = path.epoch;
            self.paths.epoch_is_known(epoch);
            self.join_paths(now);
        }
    }

    /// AP-50, AP-94: reads all frames once without effect: what they ask, and whether they can be
    /// taken.
    fn survey(&self, frames: &[u8]) -> Result<(Room, Asks), Violation> {
        let mut reader = Reader::new(frames);
        let mut room = Room::Enough;
        let mut asks = Asks::Nothing;
        while !reader.is_empty() {
            let frame = Frame::read(&mut reader).map_err(|_| Violation("a malformed frame"))?;
            if frame.is_ack_eliciting() {
                asks = asks.max(Asks::Ack);
            }
            match frame {
                Frame::Stream { id, offset, data, fin } => {
                    let len = num::len_u64(data.len());
                    if self.streams.check_piece(id, offset, len, fin)? == Room::Full {
                        room = Room::Full;
                    }
                }
                Frame::Padding
                | Frame::Ping
                | Frame::Ack(_)
                | Frame::Datagram(_)
                | Frame::Reset { .. }
                | Frame::Stop { .. }
                | Frame::MaxData(_)
                | Frame::MaxStreamData { .. }
                | Frame::MaxStreams(_)
                | Frame::PathLeave(_)
                | Frame::Ticket { .. }
                | Frame::Close { .. } => {}
            }
        }
        Ok((room, asks))
    }

    /// Takes the frames of a packet that came on the path with this index.
    pub(crate) fn handle_frames(
        &mut self,
        now: Instant,
        index: usize,
        frames: &[u8],
    ) -> Result<(), Violation> {
        let epoch = self.paths.get(index).map_or(0, |path| path.epoch);
        let mut reader = Reader::new(frames);
        while !reader.is_empty() && !self.is_closed() {
            let frame = Frame::read(&mut reader).map_err(|_| Violation("a malformed frame"))?;
            self.handle_frame(now, epoch, frame)?;
        }
        Ok(())
    }

    fn handle_frame(
        &mut self,
        now: Instant,
        epoch: u32,
        frame: Frame<'_>,
    ) -> Result<(), Violation> {
        let events = &mut self.events;
        match frame {
            Frame::Padding | Frame::Ping => Ok(()),
            Frame::Ack(ack) => self.handle_ack(now, epoch, &ack),
            Frame::Datagram(octets) => {
                self.receive_datagram(octets);
                Ok(())
            }
            Frame::Stream { id, offset, data, fin } => {
                self.streams.receive(id, (offset, data, fin), events)
            }
            Frame::Reset { id, code, final_size } => {
                self.streams.receive_reset(id, code, final_size, events)
            }
            Frame::Stop { id, code } => self.streams.receive_stop(id, code, events),
            Frame::MaxData(max) => {
                self.streams.receive_max_data(max);
                Ok(())
            }
            Frame::MaxStreamData { id, max } => {
                self.streams.receive_max_stream_data(id, max, events)
            }
            Frame::MaxStreams(max) => {
                self.streams.receive_max_streams(max, events);
                Ok(())
            }
            Frame::PathLeave(epoch) => {
                self.handle_leave(now, epoch);
                Ok(())
            }
            Frame::Ticket { id, secret, lifetime_s } => {
                let lifetime = Duration::from_secs(lifetime_s);
                self.handle_ticket(Ticket::new(*id, Secret::new(*secret), lifetime))
            }
            Frame::Close { code, reason } => {
                self.handle_close(code, reason);
                Ok(())
            }
        }
    }

    /// AP-74. Of a path that is gone nothing is of interest any more.
    fn handle_ack(&mut self, now: Instant, epoch: u32, ack: &Ack) -> Result<(), Violation> {
        if let Some(other) = ack.epoch.filter(|other| *other != epoch)
            && self.handle_farewell(now, other, ack)?
        {
            return Ok(());
        }
        let index = self.paths.index_of_epoch(ack.epoch.unwrap_or(epoch));
        let Some((index, path)) = index.and_then(|index| Some((index, self.paths.get_mut(index)?)))
        else {
            return Ok(());
        };
        let mut news = path
            .sent
            .handle_ack(&self.clock, now, ack)
            .map_err(|_| Violation("an acknowledgement of what was never sent"))?;
        self.note_delays(now, index, &mut news.acked_packets);
        let seconds = self.clock.seconds(now);
        if let Some(path) = self.paths.get_mut(index) {
            path.hear_of(now, seconds, &news);
        }
        let lost = num::len_u64(news.lost_packets.len());
        self.stats.packets_lost = self.stats.packets_lost.saturating_add(lost);
        self.stats.packets_late = self.stats.packets_late.saturating_add(news.late);
        if let (Some(generation), Some(keys)) = (news.generation, self.protection()) {
            keys.acknowledged(generation);
        }
        for frame in &news.arrived {
            self.frame_arrived(frame);
        }
        for frame in &news.lost {
            self.frame_lost(frame);
        }
        Ok(())
    }

    fn handle_close(&mut self, code: ErrorCode, reason: &[u8]) {
        let reason = String::from_utf8_lossy(reason)
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        self.closed(CloseReason::Peer { code, reason });
    }

    pub(super) fn heard(&mut self, now: Instant, octets: usize) {
        self.idle.heard = now;
        self.stats.datagrams_received = self.stats.datagrams_received.saturating_add(1);
        self.stats.octets_received =
            self.stats.octets_received.saturating_add(num::len_u64(octets));
    }

    pub(super) fn discard_unauthentic(&mut self, what: &'static str) {
        trace!(what, "datagram dropped");
        self.stats.discarded_unauthentic = self.stats.discarded_unauthentic.saturating_add(1);
    }
}
