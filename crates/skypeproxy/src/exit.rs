//! The exit codes, after sysexits.h, and how an error carries its own.

use std::error::Error;
use std::fmt;
use std::io;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    CheckFailed,
    Usage,
    Data,
    NoInput,
    Unavailable,
    Internal,
    Os,
    CannotCreate,
    Io,
    Temporary,
    NoPermission,
    Config,
}

impl Exit {
    /// In the order of their numbers, as the help shows them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Ok,
        Self::CheckFailed,
        Self::Usage,
        Self::Data,
        Self::NoInput,
        Self::Unavailable,
        Self::Internal,
        Self::Os,
        Self::CannotCreate,
        Self::Io,
        Self::Temporary,
        Self::NoPermission,
        Self::Config,
    ];

    /// What `error` ends the process with. If more than one code lies in its chain, the one added
    /// last knows best; if none does, nobody foresaw the error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let coded = error.chain().find_map(|cause| cause.downcast_ref::<Coded>());
        coded.map_or(Self::Internal, |coded| coded.exit)
    }

    /// For a file that was to be read.
    pub(crate) fn of_reading(error: &io::Error) -> Self {
        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) {
            return Self::NoInput;
        }
        Self::of_io(error, Self::Io)
    }

    /// For any call to the system: a missing permission, or else `otherwise`.
    pub(crate) fn of_io(error: &io::Error, otherwise: Self) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied { Self::NoPermission } else { otherwise }
    }

    /// The number, as in sysexits.h.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::CheckFailed => 1,
            Self::Usage => 64,
            Self::Data => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Os => 71,
            Self::CannotCreate => 73,
            Self::Io => 74,
            Self::Temporary => 75,
            Self::NoPermission => 77,
            Self::Config => 78,
        }
    }

    /// What the number tells a user, in a few words.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done, or stopped by the first SIGINT or SIGTERM",
            Self::CheckFailed => "demo --check failed, for whatever reason",
            Self::Usage => "the command line is wrong or incomplete",
            Self::Data => "a key file is damaged",
            Self::NoInput => "a file that was named does not exist",
            Self::Unavailable => "Skype cannot be reached, or every carrier is gone",
            Self::Internal => "an internal error; 101 after a panic: please report both",
            Self::Os => "the system refused: a port in use, no threads, no sandbox",
            Self::CannotCreate => "a file or socket cannot be made, or exists already",
            Self::Io => "reading or writing failed",
            Self::Temporary => {
                "Skype gave no answer in time, or another bridge has the key: try again"
            }
            Self::NoPermission => "not permitted, by the system or by Skype's user",
            Self::Config => "a configuration file or a SKYPEPROXY_ variable is wrong",
        }
    }
}

/// An error that knows its exit code. It shows as the error itself would.
#[derive(Debug)]
struct Coded {
    exit: Exit,
    error: anyhow::Error,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for Coded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Says with which code an error ends the process.
pub(crate) trait OrExit<T> {
    /// The error with its code.
    fn or_exit(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| coded(exit, error))
    }
}

/// An error with its code.
pub(crate) fn coded(exit: Exit, error: impl Into<anyhow::Error>) -> anyhow::Error {
    Coded { exit, error: error.into() }.into()
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn an_error_keeps_its_text_and_gains_a_code() {
        let error = coded(Exit::NoInput, anyhow!("no such file").context("cannot read it"));
        assert_eq!(format!("{error:#}"), "cannot read it: no such file");
        assert_eq!(Exit::of(&error), Exit::NoInput);
    }

    #[test]
    fn a_code_is_found_below_context_and_the_outermost_counts() {
        let inner: anyhow::Result<()> = Err(anyhow!("x")).or_exit(Exit::Io).context("above");
        assert_eq!(Exit::of(inner.as_ref().unwrap_err()), Exit::Io);
        assert_eq!(Exit::of(&inner.or_exit(Exit::Config).unwrap_err()), Exit::Config);
        assert_eq!(Exit::of(&anyhow!("x")), Exit::Internal);
    }

    #[test]
    fn the_numbers_rise_so_each_stands_there_once() {
        assert!(Exit::ALL.is_sorted_by(|one, other| one.code() < other.code()));
    }
}
