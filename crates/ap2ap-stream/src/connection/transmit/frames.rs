//! What a packet is filled with: an acknowledgement, control frames, pieces of streams, datagrams.

use std::time::Instant;

use super::{Contents, Purpose};
use crate::connection::Connection;
use crate::connection::schedule::Role;
use crate::num;
use crate::path::DATAGRAM_MAX;
use crate::recovery::received::Report;
use crate::recovery::sent::SentFrame;
use crate::stream::map::StreamControl;
use crate::stream::sparse::Class;
use crate::wire::ack::ACK_LEN_MIN;
use crate::wire::frame::{CONTROL_LEN_MAX, Frame, TICKET_LEN_MAX};
use crate::wire::writer::Writer;

/// Of so many sparse packets that go more than once, all but one ask to be acknowledged at once.
const COPIES_ASKING: u8 = 3;

/// An acknowledgement alone is followed by fewer octets of padding than this.
const ACK_PADDING_END: u8 = 16;

impl Connection {
    pub(super) fn write_frames(
        &mut self,
        now: Instant,
        (index, role): (usize, Role),
        purpose: Purpose,
        writer: &mut Writer<'_>,
    ) -> Contents {
        let carries_data = match purpose {
            Purpose::Sparse => role.sparse,
            Purpose::Probe | Purpose::Bulk => role.bulk,
            Purpose::Trial | Purpose::Ack => false,
        };
        let for_datagram = carries_data && self.makes_room_for_datagram(purpose);
        let mut room = writer.room();
        if for_datagram {
            room = self.room_beside_datagram(room);
        }
        self.write_ack(now, (index, purpose), room, writer);
        if purpose != Purpose::Trial {
            self.write_farewells(index, writer);
        }
        if purpose == Purpose::Ack {
            self.pad_ack(writer);
            return Contents { frames: None, ack_now: false };
        }
        let before = writer.len();
        let octets = num::to_f64(num::len_u64(writer.room()));
        let mut wants_ack_now = purpose == Purpose::Probe;
        if let Some(path) = self.paths.get_mut(index) {
            // The last copy only, and not of each: the answers would have a rhythm (AP-73).
            wants_ack_now |= purpose == Purpose::Sparse
                && self.copies.left == 1
                && self.dice.below(COPIES_ASKING) > 0;
            wants_ack_now |= purpose == Purpose::Bulk && path.controller.wants_ack_now(octets);
            if std::mem::take(&mut path.ping_due)
                || matches!(purpose, Purpose::Probe | Purpose::Trial)
            {
                Frame::Ping.write(writer);
            }
        }
        // Nearly always one: a path that holds much keeps thousands of these.
        let mut frames = Vec::with_capacity(1);
        if carries_data {
            self.write_control(writer, &mut frames);
            let class = if purpose == Purpose::Sparse { Class::Sparse } else { Class::Bulk };
            let datagrams_first = class == Class::Sparse && self.datagrams.take_turn();
            if datagrams_first {
                self.write_datagrams(now, class, writer);
            }
            self.write_streams(now, class, writer, &mut frames);
            if !datagrams_first {
                self.write_datagrams(now, class, writer);
            }
        }
        if purpose == Purpose::Trial {
            (0..writer.room()).for_each(|_| Frame::Padding.write(writer));
        }
        let frames = (writer.len() > before).then_some(frames);
        Contents { frames, ack_now: wants_ack_now }
    }

    /// Every packet that has room says what has arrived; at most half of the room is spent on that.
    fn write_ack(
        &mut self,
        now: Instant,
        (index, purpose): (usize, Purpose),
        room: usize,
        writer: &mut Writer<'_>,
    ) {
        let Some(received) = self.paths.get_mut(index).map(|path| &mut path.received) else {
            return;
        };
        let due = received.due().is_some();
        if !(due || received.has_news()) || room < 2 * ACK_LEN_MIN {
            return;
        }
        let Some(Report { ack, fresh }) = received.take_ack(&self.clock, now, &mut self.dice)
        else {
            return;
        };
        // AP-70: all ranges, and where bulk data does not want the room, as many told arrivals again
        // as there are new ones.
        let arrivals = if purpose == Purpose::Bulk { fresh } else { 2 * fresh };
        let wanted = ack.room_for(arrivals);
        let mut scratch = [0; DATAGRAM_MAX];
        let mut part = Writer::new(&mut scratch);
        part.shrink_room(wanted.min(room / 2));
        Frame::Ack(ack).write(&mut part);
        let len = part.len();
        writer.octets(scratch.get(..len).unwrap_or_default());
    }

    /// AP-73: an acknowledgement alone has no usual length.
    fn pad_ack(&mut self, writer: &mut Writer<'_>) {
        self.stats.acks_sent_alone = self.stats.acks_sent_alone.saturating_add(1);
        let padding = usize::from(self.dice.below(ACK_PADDING_END)).min(writer.room());
        for _ in 0..padding {
            Frame::Padding.write(writer);
        }
    }

    pub(in crate::connection) fn write_control(
        &mut self,
        writer: &mut Writer<'_>,
        frames: &mut Vec<SentFrame>,
    ) {
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
        while writer.room() >= CONTROL_LEN_MAX
            && let Some(epoch) = self.paths.take_leave()
        {
            Frame::PathLeave(epoch).write(writer);
            frames.push(SentFrame::PathLeave(epoch));
        }
        if writer.room() >= TICKET_LEN_MAX
            && let Some(given) = self.ticket.as_mut().filter(|given| given.is_due)
        {
            given.is_due = false;
            given.ticket.frame().write(writer);
            frames.push(SentFrame::Ticket);
        }
        while writer.room() >= 3 * CONTROL_LEN_MAX
            && let Some(control) = self.streams.take_control()
        {
            write_stream_control(control, writer, frames);
        }
    }

    /// Writes pieces of streams of the class, in turn, until the room is used up.
    pub(in crate::connection) fn write_streams(
        &mut self,
        now: Instant,
        class: Class,
        writer: &mut Writer<'_>,
        frames: &mut Vec<SentFrame>,
    ) {
        let (turn, limit) = ((class, self.pace(now)), self.send_limit());
        while let Some((id, piece)) =
            self.streams.write_piece(turn, limit, writer, &mut self.events)
        {
            if piece.again {
                self.stats.octets_resent = self.stats.octets_resent.saturating_add(piece.octets());
            }
            frames.push(SentFrame::Stream { id, range: piece.range, fin: piece.fin });
        }
    }
}

fn write_stream_control(
    StreamControl { id, reset, stop, max }: StreamControl,
    writer: &mut Writer<'_>,
    frames: &mut Vec<SentFrame>,
) {
    if let Some((code, final_size)) = reset {
        Frame::Reset { id, code, final_size }.write(writer);
        frames.push(SentFrame::Reset(id));
    }
    if let Some(code) = stop {
        Frame::Stop { id, code }.write(writer);
        frames.push(SentFrame::Stop(id));
    }
    if let Some(max) = max {
        Frame::MaxStreamData { id, max }.write(writer);
        frames.push(SentFrame::MaxStreamData(id));
    }
}
