#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attach;
mod backoff;
mod bridge;
mod client;
mod dial;
mod lease;
mod limits;
mod line;
mod measure;
mod memory;
mod roster;
mod session;
mod splice;
pub mod status;
mod tcp;

pub use attach::{Attach, AttachError, Attaching, Attachment};
pub use bridge::{Bridge, STREAMS_MAX};
pub use client::{Client, REQUESTS_MAX};
pub use dial::{DIAL_TIMEOUT, ForwardList};
pub use limits::{LOST_KEPT, LOST_MAX, endpoint_config};
pub use line::RouteAndWay;
pub use measure::{MeasureError, Measured, measure};
pub use memory::{Forgetful, Memory};
pub use path_manager::{Budget, Directness, LoginId, Policy, RouteReport, Verdict};
pub use roster::Roster;
pub use session::{BridgeWays, CONNECTION_WAIT, Session, SessionError};
pub use tcp::TcpBuffers;

use ap2ap_stream::ErrorCode;

/// Why a client or a bridge ended.
#[derive(Debug)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Every carrier is gone and none will be back: the last one to be refused says why. `None` if
    /// there was no way to attach again.
    CarriersGone(Option<AttachError>),
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
