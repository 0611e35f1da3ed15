//! The API over X11, for a client program: client messages between two windows, in pieces of 20 octets.

pub mod screen;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use tracing::debug;

use super::TrySendError;
use super::queued::{Ends, Inlet, Queued};
use crate::x11::Joiner;
use screen::{Heard, Screen, ScreenError};

/// A connection to a Skype on a display.
///
/// Two threads of its own read and write the display; they end with this. Skype knows a program by its window, so each
/// of these is another program to it. It ends when Skype's window or its mark on the root window goes, or the display.
#[derive(Debug)]
pub struct X11Attach {
    queue: Queued,
}

/// No Skype could be reached over a display.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no display, or it refuses.
    #[error(transparent)]
    Screen(#[from] ScreenError),
    /// No Skype has marked the root window.
    #[error("no Skype on the display {display}: start it there")]
    NoSkype {
        /// Which display.
        display: String,
    },
    /// The mark names a window that is gone: Skype died and left it behind.
    #[error("the Skype on the display {display} died: start it again")]
    Dead {
        /// Which display.
        display: String,
    },
    /// No thread could be had.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// Connects to the Skype on this display, or on that of the environment. Blocks for some round trips to the display.
///
/// # Errors
/// [`ConnectError`] when there is no display, or no living Skype on it.
pub fn connect(display: Option<&str>) -> Result<X11Attach, ConnectError> {
    let shown = || display.unwrap_or("of the environment").to_owned();
    let screen = Arc::new(Screen::open(display)?);
    let Some(skype) = screen.instance()? else {
        return Err(ConnectError::NoSkype { display: shown() });
    };
    // The mark outlives its owner, whose window's number may even be ours now.
    if skype == screen.window() || !screen.watch(skype)? {
        return Err(ConnectError::Dead { display: shown() });
    }
    let (queue, Ends { inlet, mut said }) = Queued::new();
    let reader = Arc::clone(&screen);
    let spawned = thread::Builder::new().name("x11-in".to_owned()).spawn(move || {
        read(&reader, skype, &inlet);
    });
    spawned.map_err(ConnectError::Thread)?;
    let spawned = thread::Builder::new().name("x11-out".to_owned()).spawn(move || {
        while let Some(line) = said.blocking_recv() {
            if screen.send(skype, &line).is_err() {
                break;
            }
        }
        screen.stop();
    });
    spawned.map_err(ConnectError::Thread)?;
    Ok(X11Attach { queue })
}

fn read(screen: &Screen, skype: u32, inlet: &Inlet) {
    let mut joiner = Joiner::default();
    loop {
        match screen.wait(&mut joiner) {
            Ok(Heard::Message { from, text }) if from == skype => {
                if inlet.lines.blocking_send(text).is_err() {
                    return;
                }
            }
            // Anybody on the display may send anything.
            Ok(Heard::Message { .. } | Heard::Dropped) => inlet.count(),
            Ok(Heard::WindowGone(window)) if window != skype => {}
            Ok(Heard::WindowGone(_) | Heard::InstanceChanged | Heard::Stopped) => return,
            Err(error) => {
                debug!(%error, "the display is gone");
                return;
            }
        }
    }
}

impl X11Attach {
    /// The next message; `None` when Skype is gone.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<&str>> {
        self.queue.poll_recv(cx)
    }

    /// [`poll_recv`](Self::poll_recv) as a future.
    pub async fn recv(&mut self) -> Option<String> {
        self.queue.recv().await
    }

    /// Gives a line to the display.
    ///
    /// # Errors
    /// [`TrySendError`] when it was not taken.
    pub fn try_send(&mut self, line: &str) -> Result<(), TrySendError> {
        self.queue.try_send(line)
    }

    /// Ready when another line is taken.
    ///
    /// # Errors
    /// Skype is gone.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.queue.poll_ready(cx)
    }

    /// Messages, and pieces of them, that were no message of Skype's.
    #[must_use]
    pub fn nonsense(&self) -> u64 {
        self.queue.nonsense()
    }
}
