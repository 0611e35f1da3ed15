//! Unreliable datagrams of a connection: taken from the caller, put into packets, given to the reader.

use std::time::Instant;

use bytes::Bytes;

use super::Connection;
use crate::error::SendDatagramError;
use crate::event::Event;
use crate::num;
use crate::path::{PAYLOAD_MIN, Path};
use crate::stream::sparse::Class;
use crate::wire::frame::Frame;
use crate::wire::writer::{Writer, length_len};
use crate::wire::{CONNECTION_ID_LEN, TAG_LEN};

/// The longest header of a packet, and the type of the frame.
const HEADER_LEN_MAX: usize = 1 + 4;
const FRAME_TYPE_LEN: usize = 1;

impl Connection {
    /// Sends octets that arrive once or not at all, if a packet takes them before `expires`.
    ///
    /// They go before bulk data as far as a reserve allows, at least 700 octets or a quarter of the
    /// path's rate in each second, and beyond that when no stream wants to send. They are never sent
    /// again. At most 64 of them, or 64 KiB, wait for their turn; then the oldest is dropped for the
    /// newest, and counted.
    ///
    /// # Errors
    /// [`SendDatagramError::TooLarge`] for more than [`datagram_max`](Self::datagram_max),
    /// [`SendDatagramError::Closed`] when the connection is over.
    pub fn send_datagram(
        &mut self,
        now: Instant,
        octets: impl Into<Bytes>,
        expires: Option<Instant>,
    ) -> Result<(), SendDatagramError> {
        if self.is_closed() {
            return Err(SendDatagramError::Closed);
        }
        let (octets, max) = (octets.into(), self.datagram_max());
        if octets.len() > max {
            return Err(SendDatagramError::TooLarge { max });
        }
        let expired = self.datagrams.drop_expired(now);
        let pushed_out = self.datagrams.send(octets, expires);
        self.note_dropped(expired.saturating_add(pushed_out));
        Ok(())
    }

    /// The longest unreliable datagram that the path in use carries, in octets. It may change: what is
    /// too long for the path when its turn comes is dropped.
    #[must_use]
    pub fn datagram_max(&self) -> usize {
        let (payload_max, is_shared) = self
            .paths
            .active()
            .map_or((PAYLOAD_MIN, true), |path| (path.payload_max(), path.is_shared()));
        let id_len = if is_shared { CONNECTION_ID_LEN } else { 0 };
        payload_max.saturating_sub(id_len + HEADER_LEN_MAX + FRAME_TYPE_LEN + TAG_LEN)
    }

    /// The oldest unreliable datagram that arrived and was not read. [`Event::Datagram`] says when to
    /// look; at most 64 of them, or 64 KiB, wait, then the oldest is dropped for the newest.
    pub fn recv_datagram(&mut self) -> Option<Bytes> {
        self.datagrams.read()
    }

    pub(super) fn receive_datagram(&mut self, octets: &[u8]) {
        let (dropped, tell) = self.datagrams.receive(octets);
        self.note_dropped(dropped);
        if tell {
            self.events.push_back(Event::Datagram);
        }
    }

    /// Whether a datagram waits that may go over the path in use: the peer is there and answers.
    pub(super) fn wants_datagram(&self) -> bool {
        let is_open = |path: &Path| !path.is_silent() && path.room() == Some(path.payload_max());
        self.is_confirmed()
            && self.datagrams.next_len().is_some()
            && self.paths.active().is_some_and(is_open)
    }

    /// The same, when what has expired by now is gone.
    pub(super) fn wants_datagram_at(&mut self, now: Instant) -> bool {
        let expired = self.datagrams.drop_expired(now);
        self.note_dropped(expired);
        self.wants_datagram()
    }

    /// Room that a packet needs for the next datagram, in octets.
    pub(super) fn datagram_room(&self) -> usize {
        const AROUND: usize = CONNECTION_ID_LEN + HEADER_LEN_MAX + FRAME_TYPE_LEN + TAG_LEN;
        self.datagrams.next_len().map_or(0, |len| len.saturating_add(AROUND))
    }

    /// Room for frames that the next datagram leaves in a packet with room for so many. One that is
    /// too long even for an empty packet is dropped.
    pub(super) fn room_beside_datagram(&mut self, room: usize) -> usize {
        let dropped = self.datagrams.drop_longer_than(room.saturating_sub(FRAME_TYPE_LEN));
        self.note_dropped(dropped);
        let len = self.datagrams.next_len().map_or(0, |len| len.saturating_add(FRAME_TYPE_LEN));
        room.saturating_sub(len)
    }

    /// Writes as many datagrams as fit, and as the reserve allows where they go past the pacer.
    pub(super) fn write_datagrams(&mut self, now: Instant, class: Class, writer: &mut Writer<'_>) {
        if !self.wants_datagram() {
            return;
        }
        let pace = self.pace(now);
        while let Some(len) = self.datagrams.next_len() {
            if class == Class::Sparse && !self.streams.has_reserve_for_datagrams(pace) {
                return;
            }
            let bare = len.saturating_add(FRAME_TYPE_LEN);
            if bare > writer.room() {
                return;
            }
            let Some(octets) = self.datagrams.take_next() else { return };
            if bare.saturating_add(length_len(len)) > writer.room() {
                // Nothing follows: it need not say how long it is.
                writer.shrink_room(bare);
            }
            Frame::Datagram(&octets).write(writer);
            if class == Class::Sparse {
                self.streams.note_past_pacer(num::len_u64(len), pace.now);
            }
        }
    }

    fn note_dropped(&mut self, count: u64) {
        self.stats.unreliable_dropped = self.stats.unreliable_dropped.saturating_add(count);
    }
}
