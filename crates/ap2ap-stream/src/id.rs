//! The names of things: sides, streams, paths, error codes.

use std::fmt;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The end that sent the first message.
    Client,
    /// The end that owns the static key.
    Bridge,
}

/// A stream's number: the lowest bit says who opened it, the rest counts up from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

impl StreamId {
    /// The stream that `opener` opened as its `index`-th, counting from zero.
    pub(crate) const fn new(opener: Side, index: u64) -> Self {
        let side_bit = match opener {
            Side::Client => 0,
            Side::Bridge => 1,
        };
        Self((index << 1) | side_bit)
    }

    pub(crate) const fn from_wire(number: u64) -> Self {
        Self(number)
    }

    pub(crate) const fn to_wire(self) -> u64 {
        self.0
    }

    /// Who opened the stream.
    #[must_use]
    pub const fn opener(self) -> Side {
        if self.0 & 1 == 0 { Side::Client } else { Side::Bridge }
    }

    /// How many streams the opener had opened before this one.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.0 >> 1
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opener = match self.opener() {
            Side::Client => 'c',
            Side::Bridge => 'b',
        };
        write!(f, "{opener}{}", self.index())
    }
}

/// A way to the peer, as the caller numbers it: one AP2AP stream, one UDP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u64);

/// What an application says when it resets or stops a stream, or closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u32);
