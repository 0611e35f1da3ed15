//! The handshake inside a connection: first message, answer, their repeats, and what either proves.

use std::time::{Duration, Instant};

use zerocopy::IntoBytes;
use zerocopy::byteorder::U64;

use super::{Connection, State};
use crate::event::{CloseReason, Event};
use crate::id::Side;
use crate::key::PublicKey;
use crate::noise::{Handshake, first_message_mac};
use crate::path::{DATAGRAM_MAX, PAYLOAD_MIN};
use crate::protection::Protection;
use crate::recovery::sent::SentFrame;
use crate::stream::map::Class;
use crate::wire::frame::CONTROL_LEN_MAX;
use crate::wire::handshake::{
    ANSWER_OVERHEAD, AnswerPayloadHeader, EARLY_DATA_REFUSED, EARLY_DATA_TAKEN, FIRST_OVERHEAD,
    First, FirstPayloadHeader, split_payload,
};
use crate::wire::packet::{KIND_ANSWER, KIND_FIRST};
use crate::wire::writer::Writer;

/// The first message goes again after this long without an answer, then after ever longer times.
const FIRST_REPEAT_AFTER: Duration = Duration::from_millis(1000);
const FIRST_REPEAT_AFTER_MAX: Duration = Duration::from_secs(3);

/// The first message and the answer are no longer, in octets. They are repeated as they are, so they
/// must fit every path, whatever becomes of it, and pass the narrowest relay there is: one that
/// lets 500 octets of AP2AP text through a second.
const HANDSHAKE_DATAGRAM_MAX: usize = PAYLOAD_MIN;

/// Packets that overtake the answer are kept for it, up to this many.
const EARLY_PACKETS_MAX: usize = 8;

/// Room for frames in the first message and in the answer.
const FIRST_ROOM: usize = HANDSHAKE_DATAGRAM_MAX - FIRST_OVERHEAD;
const ANSWER_ROOM: usize = HANDSHAKE_DATAGRAM_MAX - ANSWER_OVERHEAD;
const _: () = assert!(FIRST_ROOM >= 4 * CONTROL_LEN_MAX && ANSWER_ROOM > FIRST_ROOM);

#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) handshake: Option<Handshake>,
    pub(crate) bridge: PublicKey,
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
    /// The first message's MAC: what a repeat is known by.
    pub(crate) first_mac: [u8; 16],
    pub(crate) early_data_taken: bool,
    /// The answer as it was sent, and the frames in it.
    pub(crate) answer: Option<(Vec<u8>, Vec<SentFrame>)>,
    pub(crate) answer_due: bool,
    pub(crate) answered_at: Option<Instant>,
}

impl Connection {
    pub(super) fn transmit_first(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let State::Opening(opening) = &self.state else { return None };
        if opening.repeat_at.is_some_and(|at| now < at) {
            return None;
        }
        if opening.first.is_none() {
            self.make_first(now)?;
        }
        let State::Opening(opening) = &mut self.state else { return None };
        let waits = FIRST_REPEAT_AFTER
            .mul_f64(1.5_f64.powi(i32::try_from(opening.repeats).unwrap_or(9).min(9)));
        if opening.sent_first_at.is_none() {
            opening.sent_first_at = Some(now);
        } else {
            opening.repeats = opening.repeats.saturating_add(1);
        }
        opening.repeat_at = Some(now + waits.min(FIRST_REPEAT_AFTER_MAX));
        let (first, _) = opening.first.as_ref()?;
        buf.get_mut(..first.len())?.copy_from_slice(first);
        Some(first.len())
    }

    fn make_first(&mut self, now: Instant) -> Option<()> {
        let State::Opening(opening) = &mut self.state else { return None };
        let mut handshake = opening.handshake.take()?;
        let (bridge, wall) = (opening.bridge, opening.wall);
        let wall_ms = U64::new(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
        let mut payload = FirstPayloadHeader { wall_ms }.as_bytes().to_vec();
        let frames = self.append_stream_frames(now, &mut payload, FIRST_ROOM);
        let mut first = vec![KIND_FIRST];
        append_noise(&mut first, |out| handshake.write(&payload, out).ok())?;
        let mac = first_message_mac(&bridge, &first);
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
        answering.answered_at.get_or_insert(now);
        let (answer, _) = answering.answer.as_ref()?;
        buf.get_mut(..answer.len())?.copy_from_slice(answer);
        Some(answer.len())
    }

    /// Makes the answer, and with it the keys, if there is none yet.
    pub(super) fn make_answer(&mut self, now: Instant) -> Option<()> {
        let State::Answering(answering) = &mut self.state else { return None };
        let mut handshake = answering.handshake.take()?;
        let taken = answering.early_data_taken;
        let early_data = if taken { EARLY_DATA_TAKEN } else { EARLY_DATA_REFUSED };
        let mut payload = AnswerPayloadHeader { early_data }.as_bytes().to_vec();
        let frames = self.append_stream_frames(now, &mut payload, ANSWER_ROOM);
        let mut answer = vec![KIND_ANSWER];
        append_noise(&mut answer, |out| handshake.write(&payload, out).ok())?;
        debug_assert!(answer.len() <= HANDSHAKE_DATAGRAM_MAX);
        let State::Answering(answering) = &mut self.state else { return None };
        answering.keys = handshake.into_protection(Side::Bridge).ok();
        answering.answer = Some((answer, frames));
        self.expect_ids();
        Some(())
    }

    /// Appends as many control and stream frames as fit into `room` octets.
    fn append_stream_frames(
        &mut self,
        now: Instant,
        payload: &mut Vec<u8>,
        room: usize,
    ) -> Vec<SentFrame> {
        let mut plain = [0; DATAGRAM_MAX];
        let mut writer = Writer::new(&mut plain);
        writer.shrink_room(room);
        let mut frames = Vec::new();
        self.write_control(&mut writer, &mut frames);
        self.write_streams(now, Class::Bulk, &mut writer, &mut frames);
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
        let mac = First::split(datagram).map(|first| *first.mac);
        match &mut self.state {
            State::Answering(answering) if mac == Ok(answering.first_mac) => {
                answering.answer_due = true;
                true
            }
            State::Closing(closing)
                if closing.answer.as_ref().is_some_and(|(_, first_mac)| mac == Ok(*first_mac)) =>
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
        let Some((&KIND_ANSWER, noise)) = datagram.split_first() else { return false };
        let Some(mut handshake) = opening.handshake.take() else { return false };
        let Ok(payload) = handshake.read(noise) else {
            opening.handshake = Some(handshake);
            return false;
        };
        let early = std::mem::take(&mut opening.early);
        let frames_sent = opening.first.take().map(|(_, frames)| frames).unwrap_or_default();
        let repeated = opening.repeats > 0;
        let (Ok(keys), Ok((header, frames))) = (
            handshake.into_protection(Side::Client),
            split_payload::<AnswerPayloadHeader>(&payload),
        ) else {
            self.closed(CloseReason::Protocol("a malformed answer"));
            return true;
        };
        let taken = header.early_data == EARLY_DATA_TAKEN;
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
            if !repeated {
                path.rtt.sample(now.saturating_duration_since(sent_at), Duration::ZERO);
            }
            first_path = Some(path.id);
        }
        self.expect_ids();
        self.join_paths();
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

    /// A packet that only the client can have made: the answer arrived.
    pub(super) fn confirm(&mut self) {
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
        // It had the answer from the first path.
        if let Some(path) = self.paths.list.iter_mut().find(|path| path.epoch == 0) {
            path.prove();
            path.is_heard = true;
        }
    }
}

/// Appends a Noise message that `write` puts into the buffer it is given.
fn append_noise(out: &mut Vec<u8>, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
    let mut message = [0; DATAGRAM_MAX];
    let len = write(&mut message)?;
    out.extend_from_slice(message.get(..len)?);
    Some(())
}
