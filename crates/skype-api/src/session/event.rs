//! What a session tells its caller: steps, events, refusals, counters.

use std::time::Instant;

use crate::error_code::ErrorCode;
use crate::name::UserHandle;
use crate::stream_ref::StreamRef;

/// The next step of [`Session::poll_output`](super::Session::poll_output).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Send this line to Skype.
    Send(String),
    /// Something happened.
    Event(Event),
    /// Nothing to do until a line comes in, or until this time.
    Wait(Option<Instant>),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The user consented and the application is ours.
    Attached,
    /// The attempt is over; only [`Session::restart`](super::Session::restart) begins another.
    Refused(Refusal),
    /// Nobody is logged in any more, or the application was taken away. The session tries again.
    Detached,
    /// Skype lost its network. Streams may live on.
    Offline,
    /// Skype has its network again.
    Online,
    /// A stream is there, whoever asked for it.
    StreamUp(StreamRef),
    /// A stream is gone.
    StreamDown(StreamRef),
    /// A datagram came in on a stream that is up.
    Datagram {
        /// On which stream.
        stream: StreamRef,
        /// Its payload.
        text: String,
    },
    /// No stream to this user came about.
    ConnectFailed(UserHandle),
}

/// Why a session cannot attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The user, or a setting, said no.
    #[error("Skype's user refused this program; allow it in Skype's settings under API access")]
    Consent,
    /// This Skype is too old for applications.
    #[error("this Skype speaks protocol {0}, applications need 5: use Skype 1.4 or later")]
    Protocol(u32),
    /// A command of the attach sequence failed.
    #[error("Skype answered error {0} while attaching")]
    Command(ErrorCode),
}

/// Why no stream was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Wait for [`Event::Attached`].
    #[error("not attached to Skype")]
    NotAttached,
    /// The same user is being connected to: wait for that attempt's event.
    #[error("a stream to this user is already asked for")]
    Pending,
    /// Too many attempts or unanswered commands: wait for their events.
    #[error("too many commands wait for Skype")]
    Full,
}

/// Why a stream's command was not given to Skype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The stream is not up, or no longer.
    #[error("there is no such stream")]
    NoStream,
    /// More than [`DATAGRAM_OCTETS_MAX`](crate::DATAGRAM_OCTETS_MAX) octets.
    #[error("the datagram has more than 1400 octets")]
    TooLarge,
    /// The text is empty or holds NUL or LF, which the API cannot carry.
    #[error("the datagram is empty or has a NUL or a line feed")]
    Text,
    /// Too many unanswered commands: try again after the next message Skype sends.
    #[error("too many commands wait for Skype")]
    Full,
}

/// Counters, all since the session was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Lines taken.
    pub messages: u64,
    /// Lines that were no message.
    pub nonsense: u64,
    /// Messages of kinds this crate does not read; most are legal.
    pub unknown: u64,
    /// Replies nobody waited for: duplicates and late ones.
    pub unmatched: u64,
    /// Messages dropped because events were not polled.
    pub dropped: u64,
    /// Commands Skype answered with an error.
    pub refused: u64,
    /// Commands Skype never answered.
    pub timeouts: u64,
}
