//! The handshake inside a connection: first message, answer, their repeats, and what either proves.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use zerocopy::IntoBytes;
use zeroize::Zeroizing;

use super::{Connection, State};
use crate::credentials::Credentials;
use crate::event::{CloseReason, Event};
use crate::id::Side;
use crate::identity::SharedTickets;
use crate::noise::{Handshake, Seed, next_seed, salt};
use crate::outer::{Pattern, first_mac};
use crate::protection::Protection;
use crate::recovery::sent::SentFrame;
use crate::stream::recv::Violation;
use crate::stream::sparse::Class;
use crate::ticket::{self, Ticket};
use crate::wire::frame::{CONTROL_LEN_MAX, Frame};
use crate::wire::handshake::{
    ANSWER_OVERHEAD, AnswerPayloadHeader, EarlyData, FIRST_OVERHEAD, FirstPayloadHeader,
    HANDSHAKE_DATAGRAM_MAX, SEALED_KEY_LEN, VERSION_MAX, split_payload,
};
use crate::wire::writer::Writer;

/// The first message goes again after this long without an answer, then after ever longer times.
const FIRST_REPEAT_AFTER: Duration = Duration::from_millis(300);
/// So many repeats come at the same pace: one may well be lost.
const REPEATS_ALIKE: u32 = 4;
const FIRST_REPEAT_AFTER_MAX: Duration = Duration::from_secs(3);

/// Packets that overtake the answer are kept for it, up to this many.
const EARLY_PACKETS_MAX: usize = 8;

/// Room for frames in the first message and in the answer.
const FIRST_ROOM: usize = HANDSHAKE_DATAGRAM_MAX - FIRST_OVERHEAD;
const FIRST_ROOM_WITH_KEY: usize = FIRST_ROOM - SEALED_KEY_LEN;
const ANSWER_ROOM: usize = HANDSHAKE_DATAGRAM_MAX - ANSWER_OVERHEAD;
const _: () = assert!(
    FIRST_ROOM_WITH_KEY >= 3 * CONTROL_LEN_MAX + ticket::OVERHEAD && ANSWER_ROOM > FIRST_ROOM
);

/// AP-14: how long a client waits after so many repeats.
fn repeat_after(repeats: u32) -> Duration {
    let later = repeats.saturating_sub(REPEATS_ALIKE);
    let grown = 1.5_f64.powi(i32::try_from(later).unwrap_or(9).min(9));
    FIRST_REPEAT_AFTER.mul_f64(grown).min(FIRST_REPEAT_AFTER_MAX)
}

#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) handshake: Option<Handshake>,
    pub(crate) credentials: Credentials,
    pub(crate) seed: Zeroizing<Seed>,
    pub(crate) wall: Duration,
    /// The first message as it was sent, and the frames in it.
    pub(crate) first: Option<(Vec<u8>, Vec<SentFrame>)>,
    pub(crate) sent_first_at: Option<Instant>,
    pub(crate) repeat_at: Option<Instant>,
    pub(crate) repeats: u32,
    /// Packets that overtook the answer.
    pub(crate) early: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) keys: Option<Protection>,
    pub(crate) handshake: Option<Handshake>,
    /// The first message: what a repeat is known by.
    pub(crate) first: Vec<u8>,
    pub(crate) early_data: EarlyData,
    /// The version of the wire that was chosen.
    pub(crate) version: u8,
    /// The answer as it was sent, and the frames in it.
    pub(crate) answer: Option<(Vec<u8>, Vec<SentFrame>)>,
    pub(crate) answer_due: bool,
    /// For the client's next connection, and where it is to be known.
    pub(crate) ticket: Option<(Ticket, SharedTickets)>,
}

/// A ticket that the client does not have yet, as far as is known.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) ticket: Ticket,
    pub(super) is_due: bool,
}

impl Opening {
    pub(super) fn new(credentials: Credentials, seed: Seed, wall: Duration) -> Self {
        Self {
            handshake: Some(Handshake::client(&credentials, seed)),
            credentials,
            seed: Zeroizing::new(seed),
            wall,
            first: None,
            sent_first_at: None,
            repeat_at: None,
            repeats: 0,
            early: Vec::new(),
        }
    }
}

impl Connection {
    /// A first message is one path's: on another the bridge would take it for a copy (AP-14). The next
    /// one is made anew, and what was in this one goes again.
    pub(super) fn begin_handshake_again(&mut self) {
        let State::Opening(opening) = &mut self.state else { return };
        let Some((_, frames)) = opening.first.take() else { return };
        let seed = next_seed(*opening.seed);
        **opening = Opening::new(opening.credentials.clone(), seed, opening.wall);
        for frame in &frames {
            self.frame_lost(frame);
        }
    }

    pub(super) fn transmit_first(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let State::Opening(opening) = &self.state else { return None };
        if opening.repeat_at.is_some_and(|at| now < at) {
            return None;
        }
        if opening.first.is_none() {
            self.make_first(now)?;
        }
        let State::Opening(opening) = &mut self.state else { return None };
        if opening.sent_first_at.is_none() {
            opening.sent_first_at = Some(now);
        } else {
            opening.repeats = opening.repeats.saturating_add(1);
        }
        opening.repeat_at = Some(now + repeat_after(opening.repeats));
        let (first, _) = opening.first.as_ref()?;
        buf.get_mut(..first.len())?.copy_from_slice(first);
        Some(first.len())
    }

    fn make_first(&mut self, now: Instant) -> Option<()> {
        let State::Opening(opening) = &mut self.state else { return None };
        let mut handshake = opening.handshake.take()?;
        let pattern = opening.credentials.pattern();
        let bridge = *opening.credentials.bridge();
        let room = match pattern {
            Pattern::Nk => FIRST_ROOM,
            Pattern::Ik => FIRST_ROOM_WITH_KEY,
        };
        let header = FirstPayloadHeader::new(opening.wall, VERSION_MAX);
        let ticket = opening.credentials.ticket().cloned().map(|it| (it, salt(*opening.seed)));
        let (payload, frames) = match ticket {
            None => {
                let mut payload = header.as_bytes().to_vec();
                let frames = self.append_frames(now, &mut payload, room, handshake.padding());
                (payload, frames)
            }
            // AP-22
            Some((ticket, salt)) => {
                let mut plain = Vec::new();
                let room = room.saturating_sub(ticket::OVERHEAD);
                let frames = self.append_frames(now, &mut plain, room, handshake.padding());
                let mut payload = header.with_ticket().as_bytes().to_vec();
                ticket.seal(salt, &plain, &mut payload);
                (payload, frames)
            }
        };
        let mut first = Vec::with_capacity(HANDSHAKE_DATAGRAM_MAX);
        handshake.write(&payload, &mut first).ok()?;
        let mac = first_mac(&bridge, pattern, &first);
        first.extend_from_slice(&mac);
        debug_assert!(first.len() <= HANDSHAKE_DATAGRAM_MAX);
        let State::Opening(opening) = &mut self.state else { return None };
        opening.handshake = Some(handshake);
        opening.first = Some((first, frames));
        Some(())
    }

    pub(super) fn transmit_answer(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let State::Answering(answering) = &self.state else { return None };
        if answering.answer.is_none() {
            self.make_answer(now)?;
        }
        let State::Answering(answering) = &mut self.state else { return None };
        answering.answer_due = false;
        let (answer, _) = answering.answer.as_ref()?;
        buf.get_mut(..answer.len())?.copy_from_slice(answer);
        Some(answer.len())
    }

    /// Makes the answer, and with it the keys, if there is none yet.
    pub(super) fn make_answer(&mut self, now: Instant) -> Option<()> {
        let State::Answering(answering) = &mut self.state else { return None };
        let mut handshake = answering.handshake.take()?;
        let header = AnswerPayloadHeader::new(answering.early_data, answering.version);
        let mut payload = header.as_bytes().to_vec();
        let frames = self.append_frames(now, &mut payload, ANSWER_ROOM, handshake.padding());
        let mut answer = Vec::with_capacity(HANDSHAKE_DATAGRAM_MAX);
        handshake.write(&payload, &mut answer).ok()?;
        debug_assert!(answer.len() <= HANDSHAKE_DATAGRAM_MAX);
        let State::Answering(answering) = &mut self.state else { return None };
        answering.keys = handshake.into_protection(Side::Bridge).ok();
        answering.answer = Some((answer, frames));
        self.expect_ids();
        Some(())
    }

    /// Appends as many control and stream frames as fit into `room` octets, and `padding` more octets
    /// (AP-20). Frames that would fill the room leave that much of it free instead.
    fn append_frames(
        &mut self,
        now: Instant,
        payload: &mut Vec<u8>,
        room: usize,
        padding: usize,
    ) -> Vec<SentFrame> {
        let mut plain = [0; HANDSHAKE_DATAGRAM_MAX];
        let mut writer = Writer::new(&mut plain);
        writer.shrink_room(room.saturating_sub(padding));
        let mut frames = Vec::new();
        self.write_control(&mut writer, &mut frames);
        self.write_streams(now, Class::Sparse, &mut writer, &mut frames);
        self.write_streams(now, Class::Bulk, &mut writer, &mut frames);
        for _ in 0..padding.min(writer.room()) {
            Frame::Padding.write(&mut writer);
        }
        let len = writer.len();
        payload.extend_from_slice(plain.get(..len).unwrap_or_default());
        frames
    }

    /// What comes before the answer may be a packet that overtook it. Beyond a few of them it is
    /// dropped, as a loss.
    pub(super) fn keep_early(&mut self, datagram: &[u8]) -> bool {
        let State::Opening(opening) = &mut self.state else { return false };
        let may_come = opening.sent_first_at.is_some();
        let has_room = may_come && opening.early.len() < EARLY_PACKETS_MAX;
        if has_room {
            opening.early.push(datagram.to_vec());
        }
        has_room
    }

    /// The same first message again: the answer was lost, or is late.
    pub(super) fn handle_repeated_first(&mut self, now: Instant, datagram: &[u8]) -> bool {
        match &mut self.state {
            // AP-14
            State::Answering(answering) if datagram == answering.first => {
                answering.answer_due = true;
                true
            }
            State::Closing(closing)
                if closing.answer.as_ref().is_some_and(|(_, first)| datagram == first) =>
            {
                closing.answer_due = true;
                closing.due_at = now;
                true
            }
            State::Opening(_)
            | State::Answering(_)
            | State::Open(_)
            | State::Closing(_)
            | State::Closed => false,
        }
    }

    pub(super) fn handle_answer(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let State::Opening(opening) = &mut self.state else { return false };
        let Some(sent_at) = opening.sent_first_at else { return false };
        if datagram.len() > HANDSHAKE_DATAGRAM_MAX {
            return false;
        }
        let Some(mut handshake) = opening.handshake.take() else { return false };
        let Ok(payload) = handshake.read(datagram) else {
            opening.handshake = Some(handshake);
            return false;
        };
        let early = std::mem::take(&mut opening.early);
        let frames_sent = opening.first.take().map(|(_, frames)| frames).unwrap_or_default();
        let repeats = opening.repeats;
        let (Ok(keys), Ok((header, frames))) = (
            handshake.into_protection(Side::Client),
            split_payload::<AnswerPayloadHeader>(&payload),
        ) else {
            self.closed(CloseReason::Protocol("a malformed answer"));
            return true;
        };
        if header.version(VERSION_MAX).is_err() {
            self.closed(CloseReason::Protocol("a version that was not offered"));
            return true;
        }
        let taken = header.early_data() == EarlyData::Taken;
        self.state = State::Open(keys);
        self.heard(now, datagram.len());
        self.events.push_back(Event::Connected);
        for frame in &frames_sent {
            if taken {
                self.frame_arrived(frame);
            } else {
                self.frame_lost(frame);
            }
        }
        let mut first_path = None;
        if let Some(path) = self.paths.get_mut(0) {
            path.ping_due = true;
            path.is_heard = true;
            path.received.suspect(repeats);
            if repeats == 0 {
                path.rtt.sample(now.saturating_duration_since(sent_at), Duration::ZERO);
            }
            first_path = Some(path.id);
        }
        self.expect_ids();
        self.join_paths(now);
        if let Err(violation) = self.handle_frames(now, 0, frames) {
            self.violated(now, violation.0);
            return true;
        }
        for packet in early {
            if !first_path.is_some_and(|path| self.handle_packet(now, path, &packet)) {
                self.discard_unauthentic("an early packet");
            }
        }
        true
    }

    /// AP-23: only a bridge gives tickets. Of several that were not told yet the newest counts.
    pub(super) fn handle_ticket(&mut self, ticket: Ticket) -> Result<(), Violation> {
        if self.side == Side::Bridge {
            return Err(Violation("a ticket from a client"));
        }
        self.events.retain(|event| !matches!(event, Event::Ticket(_)));
        self.events.push_back(Event::Ticket(ticket));
        Ok(())
    }

    /// A packet that only the client can have made: the answer arrived.
    pub(super) fn confirm(&mut self, now: Instant) {
        if !matches!(self.state, State::Answering(_)) {
            return;
        }
        let State::Answering(answering) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        if let Some(keys) = answering.keys {
            self.state = State::Open(keys);
        }
        if let Some((_, frames)) = &answering.answer {
            for frame in frames {
                self.frame_arrived(frame);
            }
        }
        if let Some((ticket, known)) = answering.ticket {
            known.lock().unwrap_or_else(PoisonError::into_inner).insert(now, &ticket);
            self.ticket_names.given = Some(ticket.name());
            self.ticket = Some(Given { ticket, is_due: true });
        }
        // It had the answer from the first path.
        if let Some(path) = self.paths.list.iter_mut().find(|path| path.epoch == 0) {
            path.prove();
            path.is_heard = true;
        }
    }
}
