//! What a client or a bridge gives up before it hears from anybody, so that whoever takes it over
//! gets little.
//!
//! ```text
//!   read the configuration and the key ─► raise limits ─► enter ─► threads, sockets, peers
//!                                                           │
//!            landlock (reach.rs): which files and ports ────┤
//!            seccomp (calls.rs): which system calls ────────┘
//! ```
//!
//! Both hold for the thread that enters and for all that it starts, so it is entered before there
//! are others.

mod calls;
mod reach;
#[cfg(test)]
mod tests;

use std::fmt;

use tracing::{info, warn};

pub(crate) use reach::Reach;

/// How much of a sandbox is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// None.
    Off,
    /// What the kernel has; what it lacks is told.
    BestEffort,
    /// All of it, or nothing is run.
    Require,
}

/// What is enforced. What is not comes with the reason.
#[derive(Debug)]
struct Held {
    landlock: Result<reach::Held, reach::Error>,
    seccomp: Result<(), calls::Error>,
}

/// A sandbox was required, and the kernel lacks some of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Files and ports are not restricted.
    #[error("no sandbox: landlock is needed for --sandbox=require")]
    Reach(#[from] reach::Error),
    /// Some of them are not.
    #[error("no whole sandbox: {0}, and --sandbox=require needs a newer kernel (Linux 6.12)")]
    Partly(reach::Held),
    /// System calls are not restricted.
    #[error("no sandbox: seccomp is needed for --sandbox=require")]
    Calls(#[from] calls::Error),
}

/// Enters the sandbox. There is no way out.
///
/// # Errors
/// [`Error`] if all of it is required and the kernel has less.
pub(crate) fn enter(mode: Mode, reach: &Reach) -> Result<(), Error> {
    if mode == Mode::Off {
        return Ok(());
    }
    // In this order: the second forbids the calls that the first needs.
    let held = Held { landlock: reach.restrict(), seccomp: calls::restrict() };
    if mode == Mode::Require {
        return held.require();
    }
    held.tell();
    Ok(())
}

impl Held {
    fn require(self) -> Result<(), Error> {
        let landlock = self.landlock?;
        if !landlock.is_whole() {
            return Err(Error::Partly(landlock));
        }
        self.seccomp?;
        info!("sandboxed: {landlock}, seccomp on");
        Ok(())
    }

    fn tell(&self) {
        if self.landlock.is_ok() || self.seccomp.is_ok() {
            info!("sandboxed: {self}");
        }
        if let Err(error) = &self.landlock {
            warn!(error = %chain(error), "files and ports are not restricted");
        }
        if let Err(error) = &self.seccomp {
            warn!(error = %chain(error), "system calls are not restricted");
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.landlock {
            Ok(held) => held.fmt(f)?,
            Err(_) => f.write_str("landlock off")?,
        }
        f.write_str(if self.seccomp.is_ok() { ", seccomp on" } else { ", seccomp off" })
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
