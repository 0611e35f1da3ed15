//! AP-120: the same machine without keys, for callers who bring their own security.

use std::time::Instant;

use bytes::Bytes;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::{OpenError, ReadError, SendDatagramError};
use crate::event::{Output, PathEvent};
use crate::id::{ErrorCode, PathId, Side, StreamId};
use crate::stats::Stats;
use crate::stream::Stream;

/// One end of a connection **that keeps nothing secret and believes everybody**.
///
/// It is for callers whose carrier already encrypts and authenticates every datagram, and for tests
/// and measurements. Whoever can put a datagram on the path can read, change, forge and end
/// everything (AP-121); the CRC-32 of each packet finds what broke by itself and no more.
///
/// Both ends must be made as this type, one as the client and one as the bridge: there is no
/// handshake, so nothing can be negotiated, and no [`Connection`] ever becomes one of these (AP-122). It is
/// driven as a [`Connection`] is, and is not one: nothing that takes a [`Connection`] takes it.
#[derive(Debug)]
pub struct UnauthenticatedConnection(Connection);

impl UnauthenticatedConnection {
    /// One end. Exactly one of the two is [`Side::Client`], which is the one that adds paths.
    #[must_use]
    pub fn new(side: Side, config: Config, now: Instant) -> Self {
        Self(Connection::unauthenticated(side, config, now))
    }

    /// As [`Connection::handle_path`].
    pub fn handle_path(&mut self, now: Instant, path: PathId, event: PathEvent) {
        self.0.handle_path(now, path, event);
    }

    /// As [`Connection::handle_datagram`], but whoever sent it is believed.
    pub fn handle_datagram(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        self.0.handle_datagram(now, path, datagram);
    }

    /// As [`Connection::poll_output`].
    pub fn poll_output(&mut self, now: Instant, buf: &mut [u8]) -> Output {
        self.0.poll_output(now, buf)
    }

    /// As [`Connection::is_ours`].
    #[must_use]
    pub fn is_ours(&self, datagram: &[u8]) -> bool {
        self.0.is_ours(datagram)
    }

    /// As [`Connection::open`].
    ///
    /// # Errors
    /// [`OpenError::Blocked`] until the peer allows more, [`OpenError::Closed`] for good.
    pub fn open(&mut self) -> Result<StreamId, OpenError> {
        self.0.open()
    }

    /// As [`Connection::stream`].
    pub fn stream(&mut self, id: StreamId) -> Option<Stream<'_>> {
        self.0.stream(id)
    }

    /// As [`Connection::send_datagram`].
    ///
    /// # Errors
    /// [`SendDatagramError`] if it is too long or the connection is over.
    pub fn send_datagram(
        &mut self,
        now: Instant,
        octets: impl Into<Bytes>,
        expires: Option<Instant>,
    ) -> Result<(), SendDatagramError> {
        self.0.send_datagram(now, octets, expires)
    }

    /// As [`Connection::datagram_max`].
    #[must_use]
    pub fn datagram_max(&self) -> usize {
        self.0.datagram_max()
    }

    /// As [`Connection::recv_datagram`].
    pub fn recv_datagram(&mut self) -> Option<Bytes> {
        self.0.recv_datagram()
    }

    /// As [`Connection::read_rest`].
    ///
    /// # Errors
    /// [`ReadError::Blocked`] if there is nothing; the other variants are final.
    pub fn read_rest(&mut self, id: StreamId, len_max: usize) -> Result<Option<Bytes>, ReadError> {
        self.0.read_rest(id, len_max)
    }

    /// As [`Connection::close`].
    pub fn close(&mut self, now: Instant, code: ErrorCode, reason: &str) {
        self.0.close(now, code, reason);
    }

    /// As [`Connection::is_closed`].
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// As [`Connection::is_drained`].
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.0.is_drained()
    }

    /// As [`Connection::stats`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}
