//! The polled half of a transport that has a task or threads of its own: two bounded queues.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::TrySendError;
use crate::line::check_text;

/// Lines either way that may wait.
pub(super) const LINES_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Queued {
    incoming: mpsc::Receiver<String>,
    outgoing: PollSender<String>,
    /// There is room for a line.
    has_room: bool,
    /// What `poll_recv` gave last.
    line: String,
    nonsense: Arc<AtomicU64>,
}

/// The other half. Dropped, it takes no more before it says that nothing more comes.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) said: mpsc::Receiver<String>,
    pub(super) inlet: Inlet,
}

/// Where what was heard goes in.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) lines: mpsc::Sender<String>,
    nonsense: Arc<AtomicU64>,
}

impl Queued {
    pub(super) fn new() -> (Self, Ends) {
        let (lines, incoming) = mpsc::channel(LINES_MAX);
        let (outgoing, said) = mpsc::channel(LINES_MAX);
        let nonsense = Arc::new(AtomicU64::new(0));
        let ends = Ends { said, inlet: Inlet { lines, nonsense: Arc::clone(&nonsense) } };
        let (outgoing, line) = (PollSender::new(outgoing), String::new());
        (Self { incoming, outgoing, has_room: false, line, nonsense }, ends)
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<&str>> {
        self.incoming.poll_recv(cx).map(|line| {
            self.line = line?;
            Some(self.line.as_str())
        })
    }

    pub(super) async fn recv(&mut self) -> Option<String> {
        self.incoming.recv().await
    }

    pub(super) fn try_send(&mut self, line: &str) -> Result<(), TrySendError> {
        if check_text(line).is_err() {
            return Err(TrySendError::Line);
        }
        if std::mem::take(&mut self.has_room) {
            return self.outgoing.send_item(line.to_owned()).map_err(|_| TrySendError::Closed);
        }
        // Not by polling: a task that has had its turn would be told that there is no room.
        let queue = self.outgoing.get_ref().ok_or(TrySendError::Closed)?;
        queue.try_send(line.to_owned()).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => TrySendError::Full,
            mpsc::error::TrySendError::Closed(_) => TrySendError::Closed,
        })
    }

    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_room {
            return Poll::Ready(Ok(()));
        }
        let reserved = ready!(self.outgoing.poll_reserve(cx));
        self.has_room = reserved.is_ok();
        Poll::Ready(reserved.map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    pub(super) fn nonsense(&self) -> u64 {
        self.nonsense.load(Ordering::Relaxed)
    }
}

impl Inlet {
    pub(super) fn count(&self) {
        self.nonsense.fetch_add(1, Ordering::Relaxed);
    }
}
