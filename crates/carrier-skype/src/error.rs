//! Why there is no carrier, or no longer one.

use std::io;
use std::path::{Path, PathBuf};

use skype_api::session::Refusal;

use crate::carrier::ATTACH_TIMEOUT;

/// Why a program could not attach to Skype.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// Nothing is at the path.
    #[error("no Skype at {}: there is no such socket; start Skype or correct the path", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something is at the path, but nobody listens.
    #[error("no Skype at {}: nobody listens there; start Skype again", path.display())]
    NobodyListens {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The socket belongs to somebody else.
    #[error("no access to Skype at {}: run as the user whose Skype it is", path.display())]
    NoAccess {
        /// Where the socket is.
        path: PathBuf,
    },
    /// The system cannot connect to the path.
    #[error("cannot connect to Skype at {}: {source}", path.display())]
    Connect {
        /// Where the socket is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no bus, or no Skype on it.
    #[cfg(feature = "dbus")]
    #[error(transparent)]
    Bus(#[from] skype_api::attach::dbus::ConnectError),
    /// There is no display, or no Skype on it.
    #[cfg(feature = "x11")]
    #[error(transparent)]
    Display(#[from] skype_api::attach::x11::ConnectError),
    /// Skype, or its user, said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection ended before Skype had said yes or no.
    #[error("attaching to Skype at {at} failed: {why}")]
    Lost {
        /// Where the Skype is.
        at: String,
        /// What ended it.
        why: String,
    },
    /// Skype said neither yes nor no.
    #[error(
        "Skype at {at} gave no answer within {} s: log in, allow this program when Skype asks, and \
         try again", ATTACH_TIMEOUT.as_secs()
    )]
    Timeout {
        /// Where the Skype is.
        at: String,
    },
}

impl AttachError {
    pub(crate) fn connect(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        let kind = source.kind();
        if kind == io::ErrorKind::NotFound {
            return Self::Missing { path };
        }
        if kind == io::ErrorKind::ConnectionRefused {
            return Self::NobodyListens { path };
        }
        if kind == io::ErrorKind::PermissionDenied {
            return Self::NoAccess { path };
        }
        Self::Connect { path, source }
    }

    pub(crate) fn ended(at: &str, end: End) -> Self {
        match end {
            End::Refused(refusal) => Self::Refused(refusal),
            End::HungUp | End::Broken(_) | End::Deaf => {
                Self::Lost { at: at.to_owned(), why: end.to_string() }
            }
        }
    }
}

/// What ended a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum End {
    #[error(transparent)]
    Refused(Refusal),
    #[error("Skype hung up; start it again")]
    HungUp,
    #[error("the connection to Skype broke ({0}); start it again")]
    Broken(io::ErrorKind),
    #[error("Skype takes no more commands; start it again")]
    Deaf,
}
