//! From the parts that have something to say to the next datagram.

mod frames;

use std::time::Instant;

use super::schedule::Role;
use super::{CLOSES_MAX, Connection, Copies, State};
use crate::congestion::{Permission, Sent};
use crate::id::PathId;
use crate::num;
use crate::path::set::PathSet;
use crate::path::{COPIED_OCTETS_MAX, PAYLOAD_MIN};
use crate::protection::Place;
use crate::recovery::sent::{IN_FLIGHT_PACKETS_MAX, SentFrame};
use crate::stream::sparse::{Class, Pace};
use crate::wire::frame::{Frame, REASON_LEN_MAX};
use crate::wire::packet::{Header, PACKET_NUMBER_END};
use crate::wire::writer::Writer;

/// A probe carries no more than this, in octets: it may be going nowhere.
const PROBE_OCTETS: usize = 300;

/// What a datagram of bulk is taken to be long, in octets, when paths are put in order.
const DATAGRAM_OCTETS: f64 = 1200.0;

/// What was put into a packet.
#[derive(Debug)]
struct Contents {
    /// What must arrive in it; `None` if it asks for no acknowledgement.
    frames: Option<Vec<SentFrame>>,
    /// AP-43.
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
    /// As much as the path takes, and nothing in it: a path is tried beside another.
    Trial,
    /// An acknowledgement that nothing came along to carry.
    Ack,
}

impl Connection {
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut [u8],
    ) -> Option<(PathId, usize)> {
        let index = match &self.state {
            State::Closed => return None,
            State::Open(_) => return self.transmit_packet(now, buf),
            State::Answering(answering) if !answering.answer_due => {
                return self.transmit_packet(now, buf);
            }
            State::Opening(_) | State::Answering(_) => 0,
            State::Closing(_) => self.paths.active_index()?,
        };
        let path = self.paths.get(index).filter(|path| !path.refused)?;
        let id = path.id;
        let buf = buf.get_mut(..path.payload_max().min(buf.len()))?;
        if buf.len() < PAYLOAD_MIN {
            return None;
        }
        let len = match &self.state {
            State::Opening(_) => self.transmit_first(now, buf),
            State::Answering(_) => self.transmit_answer(now, buf),
            State::Closing(_) => self.transmit_close(now, index, buf),
            State::Open(_) | State::Closed => None,
        }?;
        Some((id, len))
    }

    /// When `poll_transmit` may next have something, if nothing happens before.
    pub(super) fn next_transmit_at(&mut self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Opening(opening) => {
                let first = self.paths.get(0).filter(|path| !path.refused)?;
                debug_assert_eq!(first.epoch, 0);
                return opening.repeat_at;
            }
            State::Closing(closing) => {
                return self.paths.active().filter(|path| !path.refused).map(|_| closing.due_at);
            }
            State::Answering(_) | State::Open(_) => {}
            State::Closed => return None,
        }
        let bulk_at = self.bulk_at(now);
        let carriers = self.carriers();
        let usable = self.paths.list.iter().enumerate().filter(|(_, path)| path.is_usable());
        let timers = usable.flat_map(|(index, path)| {
            [path.received.due(), path.probe_at(carriers.has_others_than(index))]
        });
        let timers = timers.flatten();
        timers.chain(bulk_at).chain(self.overdue_at(now)).min()
    }

    // ---- packets

    /// Paths that data does not go over have little to say, so they go first.
    fn transmit_packet(&mut self, now: Instant, buf: &mut [u8]) -> Option<(PathId, usize)> {
        let count = self.paths.list.len();
        if count > 1
            && let Some(tried) = self.due_trial(now, self.carriers())
        {
            let role = Role { tried: true, ..self.roles(now)?.of(tried) };
            let sent = self.transmit_if_usable(now, (tried, role), buf);
            self.note_tried(now, tried, sent.map(|(_, len)| len));
            if sent.is_some() {
                return sent;
            }
        }
        let roles = self.roles(now)?;
        if count == 1 {
            return self.transmit_if_usable(now, (0, roles.of(0)), buf);
        }
        let data = |index: usize| roles.of(index).sparse || roles.of(index).bulk;
        let order = self.in_order(now, PathSet::of(&self.paths.list, |_| true), DATAGRAM_OCTETS);
        let others = order.iter().filter(|index| !data(**index));
        let first = order.iter().filter(|index| roles.of(**index).sparse);
        let rest = order.iter().filter(|index| roles.of(**index).bulk && !roles.of(**index).sparse);
        others
            .chain(first)
            .chain(rest)
            .find_map(|index| self.transmit_if_usable(now, (*index, roles.of(*index)), buf))
    }

    fn transmit_if_usable(
        &mut self,
        now: Instant,
        (index, role): (usize, Role),
        buf: &mut [u8],
    ) -> Option<(PathId, usize)> {
        let path = self.paths.get(index).filter(|path| path.is_usable())?;
        let (id, room) = (path.id, path.room()?);
        let room = room.min(buf.len());
        let buf = buf.get_mut(..room).filter(|buf| buf.len() >= PAYLOAD_MIN)?;
        let len = self.transmit_on(now, (index, role), buf)?;
        Some((id, len))
    }

    fn transmit_on(
        &mut self,
        now: Instant,
        (index, role): (usize, Role),
        buf: &mut [u8],
    ) -> Option<usize> {
        // AP-33
        if self.paths.get(index)?.sent.next_number() >= PACKET_NUMBER_END {
            self.closed(crate::event::CloseReason::Exhausted);
            return None;
        }
        let purpose = self.purpose(now, index, role)?;
        let room = self.packet_room(now, index, purpose, buf.len());
        let buf = buf.get_mut(..room)?;
        let (id_len, header) = self.begin_packet(now, index, buf)?;
        let start = id_len.checked_add(header.len)?;
        let body_end = room.checked_sub(self.protection()?.tag_len())?;
        let mut writer = Writer::new(buf.get_mut(start..body_end)?);
        let contents = self.write_frames(now, (index, role), purpose, &mut writer);
        let frames_len = writer.len();
        if frames_len == 0 {
            return None;
        }
        let header = Header { ack_now: contents.ack_now, ..header };
        let len = self.seal(index, (id_len, header), frames_len, buf)?;
        if matches!(purpose, Purpose::Sparse | Purpose::Probe) {
            self.plan_copies(index, len, &contents);
        }
        self.note_sent(now, index, len, contents);
        if purpose == Purpose::Bulk {
            self.note_witness(now, index, len);
        }
        Some(len)
    }

    /// Writes the connection id, where one is needed, and says how long it is; and the next packet's
    /// header, as short as the peer can tell it.
    fn begin_packet(
        &mut self,
        now: Instant,
        index: usize,
        buf: &mut [u8],
    ) -> Option<(usize, Header)> {
        let path = self.paths.get(index)?;
        let (epoch, needs_id) = (path.epoch, path.needs_id());
        let header = Header::shortest(path.sent.next_number(), path.sent.unacked());
        let keys = self.protection()?;
        keys.update_if_due(now);
        let header = Header { phase: keys.generation() & 1 == 1, ..header };
        if !needs_id {
            return Some((0, header));
        }
        let id = keys.id_to_send(epoch);
        buf.get_mut(..id.len())?.copy_from_slice(&id);
        Some((id.len(), header))
    }

    /// The most urgent reason to send a packet on a path now, if there is one.
    fn purpose(&mut self, now: Instant, index: usize, role: Role) -> Option<Purpose> {
        if role.tried {
            return Some(if role.bulk { Purpose::Bulk } else { Purpose::Trial });
        }
        let path = self.paths.get(index)?;
        let ack_due = path.received.due().is_some_and(|at| at <= now);
        if path.probe_at(role.others_carry).is_some_and(|at| at <= now) {
            self.begin_probe(now, index);
            return Some(Purpose::Probe);
        }
        let has_room = path.sent.packets_in_flight() < IN_FLIGHT_PACKETS_MAX;
        // Whoever only acknowledges must be acknowledged now and then.
        let asks = path.ping_due
            || (ack_due
                && path.asked.is_none()
                && self.protection().is_some_and(|keys| keys.lacks_acknowledgement(now)));
        if let Some(path) = self.paths.get_mut(index) {
            path.ping_due = asks;
        }
        let pace = self.pace(now);
        let wants_datagram = role.sparse && self.wants_datagram_at(now);
        let says_something = role.sparse
            && (self.paths.wants_to_leave()
                || self.streams.wants_control()
                || self.ticket.as_ref().is_some_and(|given| given.is_due)
                || (wants_datagram && self.streams.has_reserve_for_datagrams(pace))
                || self.streams.next_to_send(Class::Sparse, pace).is_some());
        if has_room && (asks || says_something) {
            return Some(Purpose::Sparse);
        }
        if has_room && role.bulk && self.bulk_permission(now, index) == Some(Permission::Now) {
            return Some(Purpose::Bulk);
        }
        ack_due.then_some(Purpose::Ack)
    }

    /// Whether the packet is made for a datagram, and not only with what streams leave of it.
    fn makes_room_for_datagram(&self, purpose: Purpose) -> bool {
        let is_turn = match purpose {
            Purpose::Sparse => true,
            Purpose::Bulk => !self.streams.has_data(),
            Purpose::Probe | Purpose::Trial | Purpose::Ack => false,
        };
        is_turn && self.wants_datagram()
    }

    /// AP-3: each packet is as long as its purpose wants.
    fn packet_room(&self, now: Instant, index: usize, purpose: Purpose, most: usize) -> usize {
        let Some(path) = self.paths.get(index) else { return most };
        let for_datagram = self.makes_room_for_datagram(purpose);
        match purpose {
            Purpose::Bulk if self.is_witness(now, index) => most,
            Purpose::Bulk => num::to_usize(num::to_u64(path.controller.datagram_octets()))
                .max(if for_datagram { self.datagram_room() } else { 0 })
                .clamp(PAYLOAD_MIN, most.max(PAYLOAD_MIN))
                .min(most),
            Purpose::Probe => PROBE_OCTETS.min(most),
            Purpose::Sparse | Purpose::Trial | Purpose::Ack => most,
        }
    }

    /// Seals a packet whose frames stand in `buf` behind the header's place.
    fn seal(
        &mut self,
        index: usize,
        (id_len, header): (usize, Header),
        frames_len: usize,
        buf: &mut [u8],
    ) -> Option<usize> {
        let frames_at = id_len.checked_add(header.len)?;
        if header.number >= PACKET_NUMBER_END {
            // AP-33: not even a close.
            return None;
        }
        header.write(&mut Writer::new(buf.get_mut(id_len..frames_at)?));
        let place = Place { epoch: self.paths.get(index)?.epoch, number: header.number };
        self.protection()?.seal(place, (id_len, header.len), frames_len, buf)
    }

    fn note_sent(
        &mut self,
        now: Instant,
        index: usize,
        len: usize,
        Contents { frames, ack_now }: Contents,
    ) {
        let octets = num::len_u64(len);
        let seconds = self.clock.seconds(now);
        let generation = self.protection().map_or(0, |keys| keys.generation());
        let Some(path) = self.paths.get_mut(index) else { return };
        path.spend(octets);
        let is_tracked = frames.is_some();
        if is_tracked {
            self.idle.spoke = now;
            path.asked.get_or_insert(now);
        }
        let number = path.sent.sent(now, octets, generation, frames);
        if ack_now && is_tracked {
            path.prompt = Some((number, now));
        }
        let octets = num::to_f64(octets);
        path.controller.on_sent(Sent { now: seconds, number, octets, is_tracked });
    }

    /// What is small and somebody waits for goes again at once on a path that loses much.
    fn plan_copies(&mut self, index: usize, len: usize, contents: &Contents) {
        let Some(path) = self.paths.get(index) else { return };
        let frames = contents.frames.as_deref().unwrap_or_default();
        let frames: Vec<SentFrame> =
            frames.iter().filter(|frame| frame.is_stream()).cloned().collect();
        if frames.is_empty() || num::len_u64(len) > COPIED_OCTETS_MAX {
            self.copies = Copies::default();
            return;
        }
        let left = match self.copies.left {
            0 => path.copies_wanted(self.paths.list.len() > 1).saturating_add(1),
            more => more,
        };
        self.copies = Copies { left: left.saturating_sub(1), last: Some(path.epoch) };
        if self.copies.left > 0 {
            frames.iter().for_each(|frame| self.frame_lost(frame));
        }
    }

    fn transmit_close(&mut self, now: Instant, index: usize, buf: &mut [u8]) -> Option<usize> {
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
        let (id_len, header) = self.begin_packet(now, index, buf)?;
        let mut writer = Writer::new(buf.get_mut(id_len.checked_add(header.len)?..)?);
        Frame::Close { code, reason: &reason }.write(&mut writer);
        let frames_len = writer.len();
        let len = self.seal(index, (id_len, header), frames_len, buf)?;
        let path = self.paths.get_mut(index)?;
        path.spend(num::len_u64(len));
        path.sent.sent(now, num::len_u64(len), 0, None);
        if is_last {
            self.state = State::Closed;
        }
        Some(len)
    }

    // ---- when

    pub(super) fn pace(&self, now: Instant) -> Pace {
        let carriers = self.carriers();
        let paths = carriers.iter().filter_map(|index| self.paths.get(index));
        let rate = paths.filter_map(|path| path.controller.rate()).sum();
        Pace { now: self.clock.seconds(now), rate }
    }

    fn bulk_at(&mut self, now: Instant) -> Option<Instant> {
        let carriers = self.carriers();
        let at = |index| match self.bulk_permission(now, index)? {
            Permission::Now => Some(now),
            Permission::At(seconds) => self.clock.instant(seconds),
            Permission::AfterAck => None,
        };
        carriers.iter().filter_map(at).min()
    }

    // ---- silence

    /// The first probe repeats the oldest packet's frames; with the second one everything is given
    /// up: what is lost in a silence says nothing about the rate.
    fn begin_probe(&mut self, now: Instant, index: usize) {
        let Some(path) = self.paths.get_mut(index) else { return };
        let count = path.probing.count;
        path.probing.count = count.saturating_add(1);
        path.probing.last = Some(now);
        if count > 0 {
            self.give_all_up(now, index);
            return;
        }
        for frame in path.sent.oldest_frames().to_vec() {
            self.frame_lost(&frame);
        }
    }
}

fn truncated(text: &str, len_max: usize) -> &str {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
