//! What streams send, whose turn it is, and what became of what was sent.

use std::collections::VecDeque;

use super::StreamMap;
use crate::event::Event;
use crate::id::{ErrorCode, StreamId};
use crate::num;
use crate::recovery::sent::SentFrame;
use crate::stream::send::{Piece, SendHalf, SendLimit};
use crate::stream::sparse::{Class, Pace};
use crate::wire::frame::StreamHeader;
use crate::wire::writer::Writer;

/// So many streams with something to send are never at the end of it together.
const STREAMS_LOOKED_AT: usize = 8;

/// What a stream has to tell the peer beside its data, each at most once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamControl {
    pub(crate) id: StreamId,
    /// It is given up: the code, and the stream's final size.
    pub(crate) reset: Option<(ErrorCode, u64)>,
    /// Nothing more is wanted of the peer.
    pub(crate) stop: Option<ErrorCode>,
    /// The peer may send up to this offset.
    pub(crate) max: Option<u64>,
}

impl StreamMap {
    /// A frame arrived; its stream's writer may go on within `limit`.
    pub(crate) fn frame_arrived(
        &mut self,
        frame: &SentFrame,
        limit: SendLimit,
        events: &mut VecDeque<Event>,
    ) {
        match frame {
            SentFrame::Stream { id, range, fin } => {
                let wakes = self.update(*id, |entry| {
                    entry.send.acked(range.clone(), *fin);
                    entry.send.writer_could_go_on(limit)
                });
                if wakes == Some(true) {
                    events.push_back(Event::Writable(*id));
                }
            }
            SentFrame::Reset(id) => _ = self.update(*id, |entry| entry.send.reset_acked()),
            SentFrame::Stop(_)
            | SentFrame::MaxData
            | SentFrame::MaxStreamData(_)
            | SentFrame::MaxStreams
            | SentFrame::PathLeave(_)
            | SentFrame::Ticket => {}
        }
    }

    /// Whether the peer's reader waits for this frame, and has what follows it.
    pub(crate) fn is_awaited(&self, frame: &SentFrame) -> bool {
        let SentFrame::Stream { id, range, .. } = frame else { return false };
        self.open.get(id).is_some_and(|entry| entry.send.is_awaited(range))
    }

    /// A frame was lost: what it said is said again, as it stands now.
    pub(crate) fn frame_lost(&mut self, frame: &SentFrame) {
        match frame {
            SentFrame::Stream { id, range, fin } => {
                self.update(*id, |entry| entry.send.lost(range.clone(), *fin));
            }
            SentFrame::Reset(id) => _ = self.update(*id, |entry| entry.send.reset_lost()),
            SentFrame::Stop(id) => _ = self.update(*id, |entry| entry.recv.stop_lost()),
            SentFrame::MaxStreamData(id) => _ = self.update(*id, |entry| entry.recv.max_lost()),
            SentFrame::MaxData => self.credit.max_lost(),
            SentFrame::MaxStreams => self.quota.max_lost(),
            SentFrame::PathLeave(_) | SentFrame::Ticket => {}
        }
    }

    pub(crate) fn take_max_data(&mut self) -> Option<u64> {
        self.credit.take_max()
    }

    pub(crate) fn take_max_streams(&mut self) -> Option<u64> {
        self.quota.take_max()
    }

    /// What the oldest stream with a control frame to send has to say.
    pub(crate) fn take_control(&mut self) -> Option<StreamControl> {
        let id = self.turns.next_with_control()?;
        self.update(id, |entry| StreamControl {
            id,
            reset: entry.send.take_reset(),
            stop: entry.recv.take_stop(),
            max: entry.recv.take_max(),
        })
    }

    /// Writes a piece of the stream of the class whose turn it is, past the pacer if it is sparse; `None` if
    /// there is none, or no room for any of it. The stream's writer may go on within `limit`.
    pub(crate) fn write_piece(
        &mut self,
        (class, pace): (Class, Pace),
        limit: SendLimit,
        writer: &mut Writer<'_>,
        events: &mut VecDeque<Event>,
    ) -> Option<(StreamId, Piece)> {
        let id = self.next_to_send(class, pace)?;
        let (credit, turn) = (self.send_credit(), self.served.saturating_add(1));
        let written = self.update(id, |entry| {
            let piece = write_piece(&mut entry.send, (id, credit), writer)?;
            entry.served = turn;
            entry.recent.add(piece.new_octets(), pace.now);
            Some((piece, entry.send.writer_could_go_on(limit)))
        });
        let (piece, wakes_writer) = written??;
        if wakes_writer {
            events.push_back(Event::Writable(id));
        }
        self.served = turn;
        self.credit.send(piece.new_octets());
        if class == Class::Sparse {
            self.note_past_pacer(piece.new_octets(), pace.now);
        }
        Some((id, piece))
    }

    /// Octets of no stream went past the pacer.
    pub(crate) fn note_past_pacer(&mut self, octets: u64, now: f64) {
        self.past_pacer.add(octets, now);
    }

    /// Whether a control frame waits.
    pub(crate) fn wants_control(&self) -> bool {
        self.credit.wants_max()
            || self.quota.wants_max()
            || self.turns.next_with_control().is_some()
    }

    /// Whether any stream has something to send.
    pub(crate) fn has_data(&self) -> bool {
        self.turns.has_data(self.send_credit())
    }

    /// Whether no more than so many octets wait to be sent, and nobody waits to write more.
    pub(crate) fn backlog_within(&self, octets: u64) -> bool {
        let entries = self.turns.with_data(self.send_credit()).filter_map(|id| self.open.get(&id));
        let mut left = octets;
        entries.take(STREAMS_LOOKED_AT + 1).enumerate().all(|(count, entry)| {
            let backlog = entry.send.backlog_within(left).filter(|_| count < STREAMS_LOOKED_AT);
            left = left.saturating_sub(backlog.unwrap_or_default());
            backlog.is_some() && !entry.send.writer_waits()
        })
    }

    /// The stream of the class whose turn it is and that has something to send.
    pub(crate) fn next_to_send(&self, class: Class, pace: Pace) -> Option<StreamId> {
        let credit = self.send_credit();
        match class {
            Class::Bulk => self.turns.next(credit),
            Class::Sparse if !self.has_reserve(pace) => None,
            Class::Sparse => self.turns.next_sparse(credit, |id| {
                self.open.get(&id).is_some_and(|entry| entry.sent_little(pace))
            }),
        }
    }

    /// Whether a datagram may go past the pacer: half of the reserve is for streams alone.
    pub(crate) fn has_reserve_for_datagrams(&self, pace: Pace) -> bool {
        self.past_pacer.octets(pace.now) <= pace.reserve() / 2.0
    }

    /// Octets never sent before that all streams together may send now.
    pub(crate) const fn send_credit(&self) -> u64 {
        self.credit.sent_room()
    }

    pub(super) fn has_reserve(&self, pace: Pace) -> bool {
        self.past_pacer.octets(pace.now) <= pace.reserve()
    }
}

/// Writes as much of a stream as the room and the connection's credit allow.
fn write_piece(
    send: &mut SendHalf,
    (id, credit): (StreamId, u64),
    writer: &mut Writer<'_>,
) -> Option<Piece> {
    // The piece decides how long its own header is: ask, then fit.
    let room = writer.room();
    let most = send.next_piece(room, credit)?;
    let header = StreamHeader { id, offset: most.range.start };
    let available = num::to_usize(most.octets());
    let len = header.fitting(room, available);
    if header.data_room(room) == 0 || (len == 0 && available > 0) {
        return None;
    }
    let piece = send.next_piece(len, credit)?;
    let len = num::to_usize(piece.octets());
    header.write(writer, len, piece.fin);
    send.copy(&piece.range, writer.reserve(len)?);
    send.sent(&piece);
    Some(piece)
}
