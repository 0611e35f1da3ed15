//! What a connection tells its caller, and what the caller tells it about paths.

use std::time::Instant;

use crate::id::{ErrorCode, PathId, StreamId};
use crate::path_memory::PathMemory;
use crate::ticket::Ticket;

/// The one next step for whoever drives a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a datagram or an event is lost if the output is ignored"]
pub enum Output {
    /// Send the first `len` octets of the buffer on the path, then ask again.
    Transmit {
        /// The path to send on.
        path: PathId,
        /// The datagram's length, in octets.
        len: usize,
    },
    /// Something happened. Handle it, then ask again.
    Event(Event),
    /// Nothing to do until then, or until the next call. `None`: until the next call.
    Wait(Option<Instant>),
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is through.
    Connected,
    /// The peer opened a stream.
    Opened(StreamId),
    /// More streams can be opened after [`OpenError::Blocked`](crate::OpenError::Blocked).
    Openable,
    /// A stream has something to read: octets, its end or a reset. It is said once until the
    /// reader has been told [`ReadError::Blocked`](crate::ReadError::Blocked).
    Readable(StreamId),
    /// A stream that was [`WriteError::Blocked`](crate::WriteError::Blocked) takes octets again,
    /// or was stopped by the peer.
    Writable(StreamId),
    /// The connection does not use this path any more: the peer left it, nobody answered on it for
    /// long, or its peer is reached over another one now. Close it.
    PathClosed(PathId),
    /// Unreliable datagrams arrived. It is said once until
    /// [`recv_datagram`](crate::Connection::recv_datagram) has found none.
    Datagram,
    /// At a client: the bridge gave a ticket for the next connection. The newest counts; keep it where
    /// nobody else can read, or let it go.
    Ticket(Ticket),
    /// The connection is over. Nothing follows but the last datagrams.
    Closed(CloseReason),
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    #[error("closed here")]
    Local,
    /// The peer closed it.
    #[error("closed by the peer with code {}: {reason}", code.0)]
    Peer {
        /// The peer's code.
        code: ErrorCode,
        /// The peer's words, at most 100 octets.
        reason: String,
    },
    /// The bridge never answered: wrong key, nobody there, or every datagram lost.
    #[error("no answer to the handshake")]
    HandshakeTimeout,
    /// The peer fell silent.
    #[error("the peer fell silent")]
    TimedOut,
    /// The peer broke a rule of the protocol.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The packet numbers of this connection are used up.
    #[error("all packet numbers are used up")]
    Exhausted,
}

/// What happened to a path, as its carrier says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEvent {
    /// It can be used for datagrams of up to `payload_max` octets.
    Added {
        /// The longest datagram, in octets.
        payload_max: usize,
    },
    /// The same, but the carrier does not say which peer a datagram came from: several
    /// connections share the path, and each of their packets begins with eight octets that say
    /// whose it is. At a bridge say it of the path that the first message came over, too.
    AddedShared {
        /// The longest datagram, in octets.
        payload_max: usize,
    },
    /// What [`Connection::path_memory`](crate::Connection::path_memory) said of it at another time, perhaps
    /// long ago. It counts if it follows `Added` before [`poll_output`](crate::Connection::poll_output) is
    /// called; on a path that something was sent on it is ignored.
    Remembered(PathMemory),
    /// Its longest datagram changed.
    Changed {
        /// The longest datagram, in octets.
        payload_max: usize,
    },
    /// It did not take the last datagram, and will say so when it takes more.
    Refused,
    /// It takes datagrams again.
    Writable,
    /// It is gone.
    Removed,
}
