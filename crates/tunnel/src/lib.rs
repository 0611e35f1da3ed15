#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bridge;
mod client;
mod dial;
mod session;
mod splice;

pub use bridge::{Bridge, STREAMS_MAX};
pub use client::{Client, REQUESTS_MAX};
pub use dial::{DIAL_TIMEOUT, ForwardList};
pub use session::{Session, SessionError};

use ap2ap_stream::ErrorCode;

/// Why a client or a bridge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Every carrier is gone: the overlay's clients it was attached to have ended.
    CarriersGone,
}

/// Why a stream was reset, as the other end of the tunnel is told.
pub mod code {
    use super::ErrorCode;

    /// The TCP connection beyond was reset.
    pub const RESET: ErrorCode = ErrorCode(1);
    /// The opening message was malformed or never came.
    pub const BAD_OPEN: ErrorCode = ErrorCode(2);
    /// The end that had asked went away.
    pub const ABANDONED: ErrorCode = ErrorCode(3);
    /// As many streams are open as the bridge serves.
    pub const BUSY: ErrorCode = ErrorCode(4);
    /// The process stops.
    pub const STOPPING: ErrorCode = ErrorCode(5);
}
