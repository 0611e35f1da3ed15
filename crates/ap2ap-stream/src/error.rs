//! Why an operation was refused, one small enum each.

use crate::id::ErrorCode;

/// Why no stream can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The peer allows no more now; [`Event::Openable`](crate::Event::Openable) follows.
    #[error("the peer allows no more streams now")]
    Blocked,
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
}

/// Why octets cannot be written to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The buffer is full; [`Event::Writable`](crate::Event::Writable) follows.
    #[error("the stream's buffer is full")]
    Blocked,
    /// The peer wants no more of this stream.
    #[error("the peer stopped the stream with code {}", .0.0)]
    Stopped(ErrorCode),
    /// The stream was finished or reset on this side, or there is none.
    #[error("the stream is finished")]
    Finished,
}

/// Why an unreliable datagram is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendDatagramError {
    /// No packet of the path holds so many octets.
    #[error("the datagram is too long, at most {max} octets fit")]
    TooLarge {
        /// The most that would be taken now.
        max: usize,
    },
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
}

/// Why octets cannot be read from a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing is there yet; [`Event::Readable`](crate::Event::Readable) follows.
    #[error("nothing to read yet")]
    Blocked,
    /// The peer gave the stream up.
    #[error("the peer reset the stream with code {}", .0.0)]
    Reset(ErrorCode),
    /// The stream was stopped on this side, or there is none.
    #[error("the stream is finished")]
    Finished,
}
