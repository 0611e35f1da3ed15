//! From the parts that have something to say to the next datagram.

use std::time::Instant;

use super::{CLOSES_MAX, Connection, State};
use crate::congestion::{Permission, Sent};
use crate::id::{PathId, StreamId};
use crate::num;
use crate::path::{DATAGRAM_MAX, PAYLOAD_MIN, Path};
use crate::protection::Place;
use crate::recovery::sent::{IN_FLIGHT_PACKETS_MAX, SentFrame};
use crate::stream::map::{Class, Pace};
use crate::wire::ack::ACK_LEN_MIN;
use crate::wire::frame::{CONTROL_LEN_MAX, Frame, REASON_LEN_MAX, StreamHeader};
use crate::wire::packet::{Header, PACKET_NUMBER_END};
use crate::wire::writer::Writer;

/// A probe carries no more than this, in octets: it may be going nowhere.
const PROBE_OCTETS: usize = 300;

/// What was put into a packet.
#[derive(Debug)]
struct Contents {
    /// What must arrive in it; `None` if it asks for no acknowledgement.
    frames: Option<Vec<SentFrame>>,
    ack_now: bool,
}

/// Why the next packet is made, and so what goes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Nobody answers: repeat a little, ask for an answer.
    Probe,
    /// Control frames and sparse streams: somebody waits for them.
    Sparse,
    /// As much as the controller's datagram holds.
    Bulk,
    /// An acknowledgement that nothing came along to carry.
    Ack,
}

impl Connection {
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut [u8],
    ) -> Option<(PathId, usize)> {
        let path = self.path.as_ref().filter(|path| !path.refused)?;
        let id = path.id;
        let room = path.payload_max().min(buf.len());
        if room < PAYLOAD_MIN {
            return None;
        }
        let buf = buf.get_mut(..room)?;
        let len = match &self.state {
            State::Opening(_) => self.transmit_first(now, buf),
            State::Answering(answering) if answering.answer_due => self.transmit_answer(now, buf),
            State::Answering(_) | State::Open(_) => self.transmit_packet(now, buf),
            State::Closing(_) => self.transmit_close(now, buf),
            State::Closed => None,
        }?;
        Some((id, len))
    }

    /// When `poll_transmit` may next have something, if nothing happens before.
    pub(super) fn next_transmit_at(&mut self, now: Instant) -> Option<Instant> {
        let path = self.path.as_ref().filter(|path| !path.refused)?;
        match &self.state {
            State::Opening(opening) => return opening.repeat_at,
            State::Answering(answering) if !answering.allows_a_packet() => return None,
            State::Closing(closing) => return Some(closing.due_at),
            State::Answering(_) | State::Open(_) | State::Closed => {}
        }
        let probe_at = self.sent.oldest_sent_at().map(|oldest| self.probing.due(oldest, &path.rtt));
        let outage_probe_at = self.outage_probe_at();
        let timers = [self.received.due(), probe_at.or(outage_probe_at), self.bulk_at(now)];
        timers.into_iter().flatten().min()
    }

    // ---- packets

    fn transmit_packet(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        if self.sent.next_number() >= PACKET_NUMBER_END {
            self.closed(crate::event::CloseReason::Exhausted);
            return None;
        }
        if let State::Answering(answering) = &self.state
            && !answering.allows_a_packet()
        {
            return None;
        }
        let purpose = self.purpose(now)?;
        let room = self.packet_room(purpose, buf.len());
        let buf = buf.get_mut(..room)?;
        let header = self.next_header(now)?;
        let tag_len = self.protection()?.tag_len();
        let body_end = room.checked_sub(tag_len)?;
        let mut writer = Writer::new(buf.get_mut(header.len..body_end)?);
        let contents = self.write_frames(now, purpose, &mut writer);
        let frames_len = writer.len();
        if frames_len == 0 {
            return None;
        }
        let header = Header { ack_now: contents.ack_now, ..header };
        let len = self.seal(header, frames_len, buf)?;
        self.note_sent(now, len, contents.frames);
        Some(len)
    }

    /// The next packet's header, as short as the peer can tell it.
    fn next_header(&mut self, now: Instant) -> Option<Header> {
        let header = Header::shortest(self.sent.next_number(), self.sent.unacked());
        let keys = self.protection()?;
        keys.update_if_due(now);
        Some(Header { phase: keys.generation() & 1 == 1, ..header })
    }

    /// The most urgent reason to send a packet now, if there is one.
    fn purpose(&mut self, now: Instant) -> Option<Purpose> {
        let path = self.path.as_ref()?;
        let probe_at = self
            .sent
            .oldest_sent_at()
            .map(|oldest| self.probing.due(oldest, &path.rtt))
            .or_else(|| self.outage_probe_at());
        if probe_at.is_some_and(|at| at <= now) {
            self.begin_probe(now);
            return Some(Purpose::Probe);
        }
        let has_room = self.sent.packets_in_flight() < IN_FLIGHT_PACKETS_MAX;
        let pace = self.pace(now);
        let sparse = self.idle.ping_due
            || self.streams.wants_control()
            || self.streams.next_to_send(Class::Sparse, pace).is_some();
        if has_room && sparse {
            return Some(Purpose::Sparse);
        }
        if has_room && self.bulk_permission(now) == Some(Permission::Now) {
            return Some(Purpose::Bulk);
        }
        self.received.due().is_some_and(|at| at <= now).then_some(Purpose::Ack)
    }

    fn packet_room(&self, purpose: Purpose, most: usize) -> usize {
        let most = match &self.state {
            State::Answering(answering) => most.min(num::to_usize(answering.allowance)),
            State::Opening(_) | State::Open(_) | State::Closing(_) | State::Closed => most,
        };
        let Some(path) = &self.path else { return most };
        match purpose {
            Purpose::Bulk => num::to_usize(num::to_u64(path.controller.datagram_octets()))
                .clamp(PAYLOAD_MIN, most.max(PAYLOAD_MIN))
                .min(most),
            Purpose::Probe => PROBE_OCTETS.min(most),
            Purpose::Sparse | Purpose::Ack => most,
        }
    }

    fn write_frames(
        &mut self,
        now: Instant,
        purpose: Purpose,
        writer: &mut Writer<'_>,
    ) -> Contents {
        self.write_ack(now, writer);
        if purpose == Purpose::Ack {
            return Contents { frames: None, ack_now: false };
        }
        let before = writer.len();
        let octets = num::to_f64(num::len_u64(writer.room()));
        let wants_ack_now = purpose == Purpose::Bulk
            && self.path.as_ref().is_some_and(|path| path.controller.wants_ack_now(octets));
        let pings = std::mem::take(&mut self.idle.ping_due);
        if pings || purpose == Purpose::Probe {
            Frame::Ping.write(writer);
        }
        let mut frames = Vec::new();
        self.write_control(writer, &mut frames);
        let class = if purpose == Purpose::Sparse { Class::Sparse } else { Class::Bulk };
        self.write_streams(now, class, writer, &mut frames);
        let frames = (writer.len() > before).then_some(frames);
        Contents { frames, ack_now: purpose == Purpose::Probe || wants_ack_now }
    }

    /// Every packet that has room says what has arrived; at most half of it is spent on that.
    fn write_ack(&mut self, now: Instant, writer: &mut Writer<'_>) {
        let due = self.received.due().is_some();
        if !(due || self.received.has_news()) || writer.room() < 2 * ACK_LEN_MIN {
            return;
        }
        let Some(ack) = self.received.take_ack(&self.clock, now) else { return };
        let mut scratch = [0; DATAGRAM_MAX];
        let mut part = Writer::new(&mut scratch);
        part.shrink_room(writer.room() / 2);
        Frame::Ack(ack).write(&mut part);
        let len = part.len();
        writer.octets(scratch.get(..len).unwrap_or_default());
    }

    pub(super) fn write_control(&mut self, writer: &mut Writer<'_>, frames: &mut Vec<SentFrame>) {
        if writer.room() >= CONTROL_LEN_MAX
            && let Some(max) = self.streams.take_max_data()
        {
            Frame::MaxData(max).write(writer);
            frames.push(SentFrame::MaxData);
        }
        if writer.room() >= CONTROL_LEN_MAX
            && let Some(max) = self.streams.take_max_streams()
        {
            Frame::MaxStreams(max).write(writer);
            frames.push(SentFrame::MaxStreams);
        }
        while writer.room() >= 3 * CONTROL_LEN_MAX
            && let Some(id) = self.streams.next_with_control()
        {
            self.write_stream_control(id, writer, frames);
        }
    }

    fn write_stream_control(
        &mut self,
        id: StreamId,
        writer: &mut Writer<'_>,
        frames: &mut Vec<SentFrame>,
    ) {
        let Some((send, recv)) = self.streams.halves(id) else { return };
        if let Some((code, final_size)) = send.take_reset() {
            Frame::Reset { id, code, final_size }.write(writer);
            frames.push(SentFrame::Reset(id));
        }
        if let Some(code) = recv.take_stop() {
            Frame::Stop { id, code }.write(writer);
            frames.push(SentFrame::Stop(id));
        }
        if let Some(max) = recv.take_max() {
            Frame::MaxStreamData { id, max }.write(writer);
            frames.push(SentFrame::MaxStreamData(id));
        }
    }

    /// Writes pieces of streams of the class, in turn, until the room is used up.
    pub(super) fn write_streams(
        &mut self,
        now: Instant,
        class: Class,
        writer: &mut Writer<'_>,
        frames: &mut Vec<SentFrame>,
    ) {
        let pace = self.pace(now);
        while let Some(id) = self.streams.next_to_send(class, pace) {
            let credit = self.streams.send_credit();
            let room = writer.room();
            let Some(send) = self.streams.send_half(id) else { return };
            // The piece decides how long its own header is: ask, then fit.
            let Some(most) = send.next_piece(room, credit) else { return };
            let header = StreamHeader { id, offset: most.range.start };
            let available = num::to_usize(most.range.end.saturating_sub(most.range.start));
            let len = header.fitting(room, available);
            if header.data_room(room) == 0 || (len == 0 && available > 0) {
                return;
            }
            let Some(piece) = send.next_piece(len, credit) else { return };
            let len = num::to_usize(piece.range.end.saturating_sub(piece.range.start));
            header.write(writer, len, piece.fin);
            let Some(place) = writer.reserve(len) else { return };
            send.copy(&piece.range, place);
            send.sent(&piece);
            if piece.again {
                let octets = num::len_u64(len);
                self.stats.octets_resent = self.stats.octets_resent.saturating_add(octets);
            }
            self.streams.note_sent(id, &piece, class, pace.now);
            let limit = self.send_limit();
            self.streams.wake_writer(id, limit, &mut self.events);
            frames.push(SentFrame::Stream { id, range: piece.range, fin: piece.fin });
        }
    }

    /// Seals a packet whose frames stand in `buf` behind the header's place.
    fn seal(&mut self, header: Header, frames_len: usize, buf: &mut [u8]) -> Option<usize> {
        header.write(&mut Writer::new(buf.get_mut(..header.len)?));
        let place = Place { epoch: 0, number: header.number };
        self.protection()?.seal(place, (0, header.len), frames_len, buf)
    }

    fn note_sent(&mut self, now: Instant, len: usize, frames: Option<Vec<SentFrame>>) {
        let octets = num::len_u64(len);
        if let State::Answering(answering) = &mut self.state {
            answering.allowance = answering.allowance.saturating_sub(octets);
        }
        if frames.is_some() {
            self.idle.spoke = now;
            self.idle.asked.get_or_insert(now);
        }
        let is_tracked = frames.is_some();
        let generation = self.protection().map_or(0, |keys| keys.generation());
        let number = self.sent.sent(now, octets, generation, frames);
        let seconds = self.clock.seconds(now);
        let sent = Sent { now: seconds, number, octets: num::to_f64(octets), is_tracked };
        if let Some(path) = &mut self.path {
            path.controller.on_sent(sent);
        }
    }

    fn transmit_close(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let State::Closing(closing) = &mut self.state else { return None };
        if let Some((answer, _)) = &closing.answer
            && std::mem::take(&mut closing.answer_due)
        {
            buf.get_mut(..answer.len())?.copy_from_slice(answer);
            return Some(answer.len());
        }
        if now < closing.due_at {
            return None;
        }
        closing.due_at = now + closing.repeat_after;
        closing.said = closing.said.saturating_add(1);
        let is_last = closing.said >= CLOSES_MAX;
        let reason = truncated(&closing.reason, REASON_LEN_MAX).as_bytes().to_vec();
        let code = closing.code;
        let header = self.next_header(now)?;
        let mut writer = Writer::new(buf.get_mut(header.len..)?);
        Frame::Close { code, reason: &reason }.write(&mut writer);
        let frames_len = writer.len();
        let len = self.seal(header, frames_len, buf)?;
        self.sent.sent(now, num::len_u64(len), 0, None);
        if is_last {
            self.state = State::Closed;
        }
        Some(len)
    }

    // ---- when

    fn pace(&self, now: Instant) -> Pace {
        let rate = self.path.as_ref().and_then(|path| path.controller.rate()).unwrap_or(0.0);
        Pace { now: self.clock.seconds(now), rate }
    }

    /// Whether bulk data may go; `None` if there is none or an outage lasts.
    fn bulk_permission(&mut self, now: Instant) -> Option<Permission> {
        if self.probing.count >= 2 {
            return None;
        }
        if self.sent.packets_in_flight() >= IN_FLIGHT_PACKETS_MAX {
            return Some(Permission::AfterAck);
        }
        let pace = self.pace(now);
        let has_bulk = self.streams.next_to_send(Class::Bulk, pace).is_some();
        let in_flight = num::to_f64(self.sent.octets_in_flight());
        let Path { controller, .. } = self.path.as_mut()?;
        if !has_bulk {
            controller.on_application_limited();
            return None;
        }
        let octets = controller.datagram_octets();
        Some(controller.permission(pace.now, octets, in_flight))
    }

    fn bulk_at(&mut self, now: Instant) -> Option<Instant> {
        match self.bulk_permission(now)? {
            Permission::Now => Some(now),
            Permission::At(seconds) => self.clock.instant(seconds),
            Permission::AfterAck => None,
        }
    }

    // ---- silence

    /// In an outage nothing is in flight, but the peer is asked all the same.
    fn outage_probe_at(&self) -> Option<Instant> {
        let path = self.path.as_ref()?;
        let last = self.probing.last.filter(|_| self.probing.count > 0)?;
        Some(self.probing.due(last, &path.rtt))
    }

    /// The first probe repeats the oldest packet's frames; with the second one everything is given
    /// up: what is lost in a silence says nothing about the rate.
    fn begin_probe(&mut self, now: Instant) {
        if self.probing.count == 0 {
            for frame in self.sent.oldest_frames().to_vec() {
                self.streams.frame_lost(&frame);
            }
        } else {
            self.give_all_up(now);
        }
        self.probing.count = self.probing.count.saturating_add(1);
        self.probing.last = Some(now);
    }
}

fn truncated(text: &str, len_max: usize) -> &str {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
