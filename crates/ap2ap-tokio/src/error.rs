//! Why there is no connection, why one ended, why a stream did.

use std::io;

use ap2ap_stream::{CloseReason, ErrorCode};
use carrier::OpenError;

/// Why no connection can even begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// As many connections are open as the endpoint is configured for.
    #[error("all {max} connections of this endpoint are in use; close one first")]
    TooMany {
        /// The configured limit.
        max: usize,
    },
    /// The endpoint was shut down or its carrier is gone.
    #[error("the endpoint has ended")]
    Ended,
}

/// Why an endpoint takes no further carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCarrierError {
    /// It has as many as it takes.
    #[error("an endpoint has at most {max} carriers at once")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// It was shut down, or nobody holds it.
    #[error("the endpoint has ended")]
    Ended,
}

/// Why a connection is not even asked for a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPathError {
    /// As many are known as may be; those that are over count until they are closed.
    #[error("a connection knows at most {max} paths: close one first")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The connection is over.
    #[error("the connection is over")]
    Connection(#[source] ConnectionError),
}

/// Why a connection or one of its paths ended, or never came to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The carrier cannot open a path to such a peer.
    #[error("no path to the peer can be opened")]
    Open(#[source] OpenError),
    /// The overlay found no way to the peer.
    #[error(
        "the peer cannot be reached: it is unknown, off line, not listening, or its key is another"
    )]
    Unreachable,
    /// The path opened, and nobody answered the handshake.
    #[error(
        "nobody answered the handshake: the bridge's key is wrong, the bridge lets only clients in \
         whose keys it knows, or no bridge is there"
    )]
    Unanswered,
    /// The other side or the overlay closed the path, and the connection had no other.
    #[error("the path to the peer was closed; connect again")]
    PathClosed,
    /// It had no path for longer than others that have none, and there were too many of those.
    #[error("it had no path left, and too many connections waited for one")]
    Crowded,
    /// The way to the overlay itself broke.
    #[error("the carrier is lost: {why}")]
    CarrierLost {
        /// What broke, for people.
        why: String,
    },
    /// A newer connection of the same client took over the path, or came with this one's ticket.
    #[error("replaced by a newer connection of the same client")]
    Replaced,
    /// It was begun because an older connection over the same path was silent, and that one has
    /// answered.
    #[error("not needed: the older connection over the same path has answered")]
    NotNeeded,
    /// The protocol ended it: this side, the peer, silence, or a broken rule.
    #[error(transparent)]
    Closed(CloseReason),
}

/// Why a connection ends whose driver is gone.
pub(crate) fn driver_ended() -> ConnectionError {
    ConnectionError::CarrierLost { why: "the endpoint has ended".to_owned() }
}

/// Why no path opens on a carrier that has ended.
pub(crate) fn carrier_gone() -> ConnectionError {
    ConnectionError::CarrierLost { why: "it has ended before".to_owned() }
}

impl From<CloseReason> for ConnectionError {
    fn from(reason: CloseReason) -> Self {
        if reason == CloseReason::HandshakeTimeout {
            return Self::Unanswered;
        }
        Self::Closed(reason)
    }
}

/// Why a stream takes or gives no more octets. It is the inner error of each [`io::Error`] of a
/// stream; [`StreamError::of`] finds it there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer gave up what it was sending: [`io::ErrorKind::ConnectionReset`].
    #[error("the peer reset the stream with code {}", .0.0)]
    Reset(ErrorCode),
    /// The peer wants no more of what is written: [`io::ErrorKind::BrokenPipe`].
    #[error("the peer stopped the stream with code {}", .0.0)]
    Stopped(ErrorCode),
    /// This half was finished, reset or stopped here: [`io::ErrorKind::BrokenPipe`].
    #[error("this half of the stream was ended here")]
    Ended,
    /// The connection is over: [`io::ErrorKind::ConnectionAborted`].
    #[error("the connection is over")]
    Connection(#[source] ConnectionError),
}

impl StreamError {
    /// The stream's error within an I/O error, if there is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Reset(_) => io::ErrorKind::ConnectionReset,
            StreamError::Stopped(_) | StreamError::Ended => io::ErrorKind::BrokenPipe,
            StreamError::Connection(_) => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_carries_the_streams_error_inside() {
        let error = io::Error::from(StreamError::Reset(ErrorCode(7)));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(ErrorCode(7))));
        assert_eq!(StreamError::of(&io::Error::other("else")), None);
    }

    #[test]
    fn an_unanswered_handshake_is_told_apart() {
        assert_eq!(
            ConnectionError::from(CloseReason::HandshakeTimeout),
            ConnectionError::Unanswered
        );
    }
}
