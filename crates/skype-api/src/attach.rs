//! Ways to reach a Skype: each carries the same lines and knows nothing of their meaning.

#[cfg(feature = "dbus")]
pub mod dbus;
#[cfg(any(feature = "dbus", feature = "x11"))]
mod queued;
#[cfg(feature = "unix")]
pub mod unix;
#[cfg(feature = "x11")]
pub mod x11;

use std::io;
use std::task::{Context, Poll};

/// An attached program's end, whatever it goes over. Polled; each way's own page says what it is and what bounds it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Attach {
    /// A Unix socket.
    #[cfg(feature = "unix")]
    Unix(unix::UnixAttach),
    /// A bus.
    #[cfg(feature = "dbus")]
    Dbus(dbus::DbusAttach),
    /// A display.
    #[cfg(feature = "x11")]
    X11(x11::X11Attach),
}

/// Why a line was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// Too much waits: [`Attach::poll_flush`] says when it does not.
    #[error("the peer does not read")]
    Full,
    /// The peer is gone.
    #[error("the connection is closed")]
    Closed,
    /// The line is too long, or holds what this way cannot carry: NUL, and LF on a socket.
    #[error("the line is no message")]
    Line,
}

impl Attach {
    /// The next message; `None` when Skype is gone. What waits is sent meanwhile.
    ///
    /// # Errors
    /// Those of the transport; it is of no more use then.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<&str>>> {
        match self {
            #[cfg(feature = "unix")]
            Self::Unix(attach) => attach.poll_recv(cx),
            #[cfg(feature = "dbus")]
            Self::Dbus(attach) => attach.poll_recv(cx).map(Ok),
            #[cfg(feature = "x11")]
            Self::X11(attach) => attach.poll_recv(cx).map(Ok),
        }
    }

    /// Gives a line to the transport.
    ///
    /// # Errors
    /// [`TrySendError`] when nothing of it was taken.
    pub fn try_send(&mut self, line: &str) -> Result<(), TrySendError> {
        match self {
            #[cfg(feature = "unix")]
            Self::Unix(attach) => attach.try_send(line),
            #[cfg(feature = "dbus")]
            Self::Dbus(attach) => attach.try_send(line),
            #[cfg(feature = "x11")]
            Self::X11(attach) => attach.try_send(line),
        }
    }

    /// Ready when another line is taken; on a socket, when nothing waits.
    ///
    /// # Errors
    /// Those of the transport.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(feature = "unix")]
            Self::Unix(attach) => attach.poll_flush(cx),
            #[cfg(feature = "dbus")]
            Self::Dbus(attach) => attach.poll_ready(cx),
            #[cfg(feature = "x11")]
            Self::X11(attach) => attach.poll_ready(cx),
        }
    }

    /// What came in and was no message.
    #[must_use]
    pub fn nonsense(&self) -> u64 {
        match self {
            #[cfg(feature = "unix")]
            Self::Unix(attach) => attach.nonsense(),
            #[cfg(feature = "dbus")]
            Self::Dbus(attach) => attach.nonsense(),
            #[cfg(feature = "x11")]
            Self::X11(attach) => attach.nonsense(),
        }
    }
}
