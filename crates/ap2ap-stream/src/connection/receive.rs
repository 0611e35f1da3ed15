//! From a datagram to its frames, and from each frame to the part that it concerns.

use std::time::{Duration, Instant};

use tracing::trace;

use super::{Connection, State};
use crate::event::CloseReason;
use crate::id::{ErrorCode, PathId};
use crate::num;
use crate::path::DATAGRAM_MAX;
use crate::protection::Opened;
use crate::recovery::received::Asks;
use crate::stream::map::Room;
use crate::stream::recv::Violation;
use crate::wire::ack::Ack;
use crate::wire::frame::Frame;
use crate::wire::reader::Reader;

/// Packets under way when a key was updated are opened for at least this long.
const PREVIOUS_KEY_KEPT_MIN: Duration = Duration::from_secs(3);

impl Connection {
    /// Takes a datagram that arrived on a path. Bad input is counted, not returned.
    pub fn handle_datagram(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        let is_ours = self.path.as_ref().is_some_and(|current| current.id == path);
        if !is_ours || datagram.len() > DATAGRAM_MAX {
            self.discard_unauthentic("another path");
            return;
        }
        // AP-1: no octet says what a datagram is; whatever it can be shown to be, it is.
        let is_ours = match &mut self.state {
            State::Opening(_) => self.handle_answer(now, datagram) || self.keep_early(datagram),
            State::Answering(_) | State::Open(_) | State::Closing(_) | State::Closed => {
                self.handle_packet(now, datagram) || self.handle_repeated_first(now, datagram)
            }
        };
        if !is_ours {
            self.discard_unauthentic("neither a packet nor a handshake");
        }
    }

    /// False: it is no packet of this connection.
    pub(super) fn handle_packet(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let mut packet = [0; DATAGRAM_MAX];
        let Some(packet) = packet.get_mut(..datagram.len()) else { return false };
        packet.copy_from_slice(datagram);
        let Some(opened) = self.open_packet(now, packet) else { return false };
        let frames = packet.get(opened.frames.clone()).unwrap_or_default();
        if matches!(self.state, State::Closing(_)) {
            self.handle_packet_while_closing(now, frames);
        } else {
            self.handle_opened(now, &opened, frames, datagram.len());
        }
        true
    }

    fn handle_opened(&mut self, now: Instant, opened: &Opened, frames: &[u8], len: usize) {
        let number = opened.number;
        if !self.received.is_new(number) {
            trace!(number, "repeated packet dropped");
            self.stats.discarded_repeated = self.stats.discarded_repeated.saturating_add(1);
            return;
        }
        match self.survey(frames) {
            Ok((Room::Enough, asks)) => {
                let asks = if opened.ack_now { Asks::AckNow } else { asks };
                self.received.record(&self.clock, now, number, len, asks);
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
        self.confirm();
        if let Err(violation) = self.handle_frames(now, frames) {
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

    /// Authenticates a packet and opens it in place.
    fn open_packet(&mut self, now: Instant, packet: &mut [u8]) -> Option<Opened> {
        let expected = self.received.expected();
        let timeout = self.path.as_ref()?.rtt.probe_timeout();
        let keep_previous = (timeout * 3).max(PREVIOUS_KEY_KEPT_MIN);
        self.protection()?.open((now, keep_previous), (0, expected), 0, packet)
    }

    /// Reads all frames once without effect: what they ask, and whether they can be taken.
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
                | Frame::Reset { .. }
                | Frame::Stop { .. }
                | Frame::MaxData(_)
                | Frame::MaxStreamData { .. }
                | Frame::MaxStreams(_)
                | Frame::Close { .. } => {}
            }
        }
        Ok((room, asks))
    }

    pub(crate) fn handle_frames(&mut self, now: Instant, frames: &[u8]) -> Result<(), Violation> {
        let mut reader = Reader::new(frames);
        while !reader.is_empty() && !self.is_closed() {
            let frame = Frame::read(&mut reader).map_err(|_| Violation("a malformed frame"))?;
            self.handle_frame(now, frame)?;
        }
        Ok(())
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame<'_>) -> Result<(), Violation> {
        let events = &mut self.events;
        match frame {
            Frame::Padding | Frame::Ping => Ok(()),
            Frame::Ack(ack) => self.handle_ack(now, &ack),
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
            Frame::Close { code, reason } => {
                self.handle_close(code, reason);
                Ok(())
            }
        }
    }

    fn handle_ack(&mut self, now: Instant, ack: &Ack) -> Result<(), Violation> {
        let news = self
            .sent
            .handle_ack(&self.clock, now, ack)
            .map_err(|_| Violation("an acknowledgement of what was never sent"))?;
        if let (Some(generation), Some(keys)) = (news.generation, self.protection()) {
            keys.acknowledged(generation);
        }
        let limit = self.send_limit();
        for frame in &news.arrived {
            self.streams.frame_arrived(frame, limit, &mut self.events);
        }
        for frame in &news.lost {
            self.streams.frame_lost(frame);
        }
        let lost = num::len_u64(news.lost_packets.len());
        self.stats.packets_lost = self.stats.packets_lost.saturating_add(lost);
        self.stats.packets_late = self.stats.packets_late.saturating_add(news.late);
        if !news.acked_packets.is_empty() || news.late > 0 {
            self.probing = crate::path::Probing { progress: Some(now), ..Default::default() };
            self.idle.asked = self.sent.oldest_sent_at();
        }
        let seconds = self.clock.seconds(now);
        let Some(path) = &mut self.path else { return Ok(()) };
        if let Some((answered_after, held)) = news.round_trip {
            path.rtt.sample(answered_after, held);
        }
        if !news.acked_packets.is_empty() {
            let round_trip = path.round_trip();
            path.controller.on_acked(seconds, &news.acked_packets, round_trip);
        }
        if !news.lost_packets.is_empty() {
            path.controller.on_lost(seconds, &news.lost_packets);
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
