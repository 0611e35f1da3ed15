//! From a datagram to its frames, and from each frame to the part that it concerns.

use std::time::Instant;

use tracing::trace;

use super::{Connection, State};
use crate::event::{CloseReason, Event};
use crate::id::{ErrorCode, PathId};
use crate::num;
use crate::path::DATAGRAM_MAX;
use crate::recovery::received::Asks;
use crate::stream::map::Room;
use crate::stream::recv::Violation;
use crate::wire::ack::Ack;
use crate::wire::frame::Frame;
use crate::wire::handshake::{AnswerPayloadHeader, EARLY_DATA_TAKEN, First, split_payload};
use crate::wire::packet::{self, Kind};
use crate::wire::reader::Reader;

/// Packets that overtake the answer are kept for it, up to this many.
const EARLY_PACKETS_MAX: usize = 8;

impl Connection {
    /// Takes a datagram that arrived on a path. Bad input is counted, not returned.
    pub fn handle_datagram(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        let is_ours = self.path.as_ref().is_some_and(|current| current.id == path);
        if !is_ours || datagram.len() > DATAGRAM_MAX {
            self.discard_unauthentic("another path");
            return;
        }
        match packet::kind(datagram) {
            Kind::First => self.handle_repeated_first(now, datagram),
            Kind::Answer => self.handle_answer(now, datagram),
            Kind::Packet => self.handle_packet(now, datagram),
            Kind::Unknown => self.discard_unauthentic("unknown kind"),
        }
    }

    /// The same first message again: the answer was lost, or is late.
    fn handle_repeated_first(&mut self, now: Instant, datagram: &[u8]) {
        let mac = First::split(datagram).map(|first| *first.mac);
        match &mut self.state {
            State::Answering(answering) if mac == Ok(answering.first_mac) => {
                answering.answer_due = true;
            }
            State::Closing(closing)
                if closing.answer.as_ref().is_some_and(|(_, first_mac)| mac == Ok(*first_mac)) =>
            {
                closing.answer_due = true;
                closing.due_at = now;
            }
            State::Opening(_)
            | State::Answering(_)
            | State::Open(_)
            | State::Closing(_)
            | State::Closed => self.discard_unauthentic("first message"),
        }
    }

    fn handle_answer(&mut self, now: Instant, datagram: &[u8]) {
        let State::Opening(opening) = &mut self.state else {
            self.discard_unauthentic("answer");
            return;
        };
        let Some(sent_at) = opening.sent_first_at else {
            self.discard_unauthentic("answer");
            return;
        };
        let Some(mut handshake) = opening.handshake.take() else { return };
        let noise = datagram.get(1..).unwrap_or_default();
        let Ok(payload) = handshake.read(noise) else {
            opening.handshake = Some(handshake);
            self.discard_unauthentic("answer");
            return;
        };
        let early = std::mem::take(&mut opening.early);
        let frames_sent = opening.first.take().map(|(_, frames)| frames).unwrap_or_default();
        let repeated = opening.repeats > 0;
        let (Ok(keys), Ok((header, frames))) =
            (handshake.into_keys(), split_payload::<AnswerPayloadHeader>(&payload))
        else {
            self.closed(CloseReason::Protocol("a malformed answer"));
            return;
        };
        let taken = header.early_data == EARLY_DATA_TAKEN;
        self.state = State::Open(keys);
        self.heard(now, datagram.len());
        self.idle.ping_due = true;
        self.events.push_back(Event::Connected);
        let limit = self.send_limit();
        for frame in &frames_sent {
            if taken {
                self.streams.frame_arrived(frame, limit, &mut self.events);
            } else {
                self.streams.frame_lost(frame);
            }
        }
        if !repeated && let Some(path) = &mut self.path {
            path.rtt.sample(now.saturating_duration_since(sent_at), std::time::Duration::ZERO);
        }
        if let Err(violation) = self.handle_frames(now, frames) {
            self.violated(now, violation.0);
            return;
        }
        for packet in early {
            self.handle_packet(now, &packet);
        }
    }

    fn handle_packet(&mut self, now: Instant, datagram: &[u8]) {
        if let State::Opening(opening) = &mut self.state {
            if opening.early.len() < EARLY_PACKETS_MAX {
                opening.early.push(datagram.to_vec());
            }
            return;
        }
        let mut plain = [0; DATAGRAM_MAX];
        let Some((number, len)) = self.open_packet(datagram, &mut plain) else {
            self.discard_unauthentic("packet");
            return;
        };
        if matches!(self.state, State::Closing(_)) {
            self.handle_packet_while_closing(now, plain.get(..len).unwrap_or_default());
            return;
        }
        if !self.received.is_new(number) {
            trace!(number, "repeated packet dropped");
            self.stats.discarded_repeated = self.stats.discarded_repeated.saturating_add(1);
            return;
        }
        let frames = plain.get(..len).unwrap_or_default();
        match self.survey(frames) {
            Ok((Room::Enough, asks)) => {
                self.received.record(&self.clock, now, number, datagram.len(), asks);
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
        self.heard(now, datagram.len());
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

    /// Authenticates a packet: its number, and the length of its frames in `plain`.
    fn open_packet(&self, datagram: &[u8], plain: &mut [u8]) -> Option<(u64, usize)> {
        let mut reader = Reader::new(datagram);
        let (low, len) = packet::read_header(&mut reader).ok()?;
        let number = packet::expand_number(low, len, self.received.expected());
        if number >= packet::PACKET_NUMBER_END {
            return None;
        }
        let len = self.keys()?.open(number, reader.rest(), plain).ok()?;
        Some((number, len))
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
                Frame::AckNow => asks = Asks::AckNow,
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
            Frame::Padding | Frame::Ping | Frame::AckNow => Ok(()),
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

    /// A packet that only the client can have made: the answer arrived.
    fn confirm(&mut self) {
        if !matches!(self.state, State::Answering(_)) {
            return;
        }
        let State::Answering(answering) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        let limit = self.send_limit();
        if let Some((_, frames)) = &answering.answer {
            for frame in frames {
                self.streams.frame_arrived(frame, limit, &mut self.events);
            }
        }
        if let Some(keys) = answering.keys {
            self.state = State::Open(keys);
        }
    }

    fn heard(&mut self, now: Instant, octets: usize) {
        self.idle.heard = now;
        self.stats.datagrams_received = self.stats.datagrams_received.saturating_add(1);
        self.stats.octets_received =
            self.stats.octets_received.saturating_add(num::len_u64(octets));
    }

    fn discard_unauthentic(&mut self, what: &'static str) {
        trace!(what, "datagram dropped");
        self.stats.discarded_unauthentic = self.stats.discarded_unauthentic.saturating_add(1);
    }
}
