//! Streams: ordered octets in both directions, each with its own window.

mod assembler;
mod credit;
pub(crate) mod map;
mod quota;
pub(crate) mod recv;
pub(crate) mod send;
pub(crate) mod sparse;
mod turns;

use bytes::Bytes;

use crate::error::{ReadError, WriteError};
use crate::id::{ErrorCode, StreamId};
use map::StreamMap;
use send::SendLimit;

/// A stream of a connection, borrowed for some operations on it.
///
/// A stream ends on each side by itself: [`finish`](Self::finish) or [`reset`](Self::reset) ends
/// what this side sends, [`stop`](Self::stop) or the peer's end what it receives. It is forgotten
/// when both sides have ended, the peer knows, and the reader has been told of the end and the
/// writer of a stop: nobody is left waiting for a stream that is gone.
#[derive(Debug)]
pub struct Stream<'a> {
    pub(crate) id: StreamId,
    pub(crate) map: &'a mut StreamMap,
    /// What the send buffer may hold now.
    pub(crate) send_limit: SendLimit,
}

impl Stream<'_> {
    /// Takes as many octets of `data` as the buffer has room for and says how many.
    ///
    /// # Errors
    /// [`WriteError::Blocked`] if there is no room at all; the other variants are final.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        self.map.write(self.id, data, self.send_limit)
    }

    /// Says how many octets [`write`](Self::write) would take now. Who reads from elsewhere only as
    /// much as this keeps what waits to be sent in the hands of whoever may still reorder it.
    ///
    /// # Errors
    /// [`WriteError::Blocked`] if there is no room: [`Event::Writable`](crate::Event::Writable)
    /// will follow; the other variants are final.
    pub fn room(&mut self) -> Result<usize, WriteError> {
        self.map.wait_for_room(self.id, self.send_limit)
    }

    /// Octets written and never sent yet: what stands between the next write and the path. See
    /// [`Config::unsent_percent`](crate::Config::unsent_percent).
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.map.unsent(self.id)
    }

    /// Ends what this side sends, after what was written.
    ///
    /// # Errors
    /// [`WriteError`] if it has ended already.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        self.map.finish(self.id)
    }

    /// Reads up to `len_max` octets, at least 1, in order; `None` is the stream's end.
    ///
    /// # Errors
    /// [`ReadError::Blocked`] if nothing is there yet; the other variants are final.
    pub fn read(&mut self, len_max: usize) -> Result<Option<Bytes>, ReadError> {
        self.map.read(self.id, len_max)
    }

    /// Gives up what this side sends: octets that were not delivered are lost.
    pub fn reset(&mut self, code: ErrorCode) {
        self.map.reset(self.id, code);
    }

    /// Wants nothing more from the peer: what arrived and was not read is lost.
    pub fn stop(&mut self, code: ErrorCode) {
        self.map.stop(self.id, code);
    }
}
