//! The API over a Unix stream socket: one message per line of UTF-8, for either end.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::str;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tracing::trace;

pub use super::TrySendError;
use crate::line::{MESSAGE_OCTETS_MAX, check_text};

/// What may wait to be written by default: the longest message fits beside as much again.
pub const WRITE_OCTETS_MAX: usize = 2 * MESSAGE_OCTETS_MAX;

/// Octets asked of the socket at one time.
const READ_OCTETS: usize = 16 * 1024;

/// Lines thrown away in one poll before the task yields: a peer that sends nothing but nonsense
/// must not keep it busy.
const NONSENSE_BUDGET: u32 = 64;

/// A socket that carries messages.
///
/// Drive it by [`poll_recv`](Self::poll_recv), which also writes what waits. Lines that are no
/// message (not UTF-8, too long, a NUL inside) are dropped and counted. Both buffers are bounded.
#[derive(Debug)]
pub struct UnixAttach {
    io: UnixStream,
    /// Octets read; those before `start` are used up. Never more than a message and one read.
    input: Vec<u8>,
    start: usize,
    /// No LF stands between `start` and here.
    searched: usize,
    /// In the middle of a line that is too long.
    skipping: bool,
    /// Octets to write; those before `written` are gone.
    output: Vec<u8>,
    written: usize,
    output_max: usize,
    closed: bool,
    /// Who polled last, to be woken when something waits that the socket did not take at once.
    waker: Option<Waker>,
    nonsense: u64,
}

/// No attach point could be reached.
#[derive(Debug, thiserror::Error)]
#[error("no Skype answers at {path}: is the overlay running, and is this the login's socket?")]
pub struct ConnectError {
    path: String,
    source: io::Error,
}

/// Connects to a login's attach point.
///
/// # Errors
/// [`ConnectError`] when nobody listens there.
pub async fn connect(path: impl AsRef<Path>) -> Result<UnixAttach, ConnectError> {
    let path = path.as_ref();
    match UnixStream::connect(path).await {
        Ok(io) => Ok(UnixAttach::new(io)),
        Err(source) => Err(ConnectError { path: path.display().to_string(), source }),
    }
}

impl UnixAttach {
    /// Takes a connected socket: what a listener accepted, or one half of a pair.
    #[must_use]
    pub fn new(io: UnixStream) -> Self {
        Self::with_write_limit(io, WRITE_OCTETS_MAX)
    }

    /// The same, with another limit for what may wait to be written.
    #[must_use]
    pub fn with_write_limit(io: UnixStream, octets_max: usize) -> Self {
        Self {
            io,
            input: Vec::new(),
            start: 0,
            searched: 0,
            skipping: false,
            output: Vec::new(),
            written: 0,
            output_max: octets_max,
            closed: false,
            waker: None,
            nonsense: 0,
        }
    }

    /// Writes what waits and gives the next message; `None` when the peer is gone.
    ///
    /// # Errors
    /// Those of the socket; it is of no more use then.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<&str>>> {
        // Writing never holds up reading, and its failure shows in reading too.
        if let Poll::Ready(Err(_)) = self.poll_flush(cx) {
            self.closed = true;
        }
        let mut budget = NONSENSE_BUDGET;
        let range = loop {
            let Some(range) = ready!(self.poll_line(cx))? else { return Poll::Ready(Ok(None)) };
            let octets = self.input.get(range.clone()).unwrap_or_default();
            if str::from_utf8(octets).is_ok_and(|text| check_text(text).is_ok()) {
                break range;
            }
            self.drop_line("not text");
            budget -= 1;
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        let octets = self.input.get(range).unwrap_or_default();
        Poll::Ready(Ok(str::from_utf8(octets).ok()))
    }

    /// [`poll_recv`](Self::poll_recv) as a future, for a program that does nothing else meanwhile.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv(&mut self) -> io::Result<Option<String>> {
        std::future::poll_fn(|cx| self.poll_recv(cx).map_ok(|message| message.map(str::to_owned)))
            .await
    }

    /// Gives a line to the socket, or to the buffer when the socket is busy. The rest is written
    /// while [`poll_recv`](Self::poll_recv) or [`poll_flush`](Self::poll_flush) is polled.
    ///
    /// # Errors
    /// [`TrySendError`] when nothing of it was taken.
    pub fn try_send(&mut self, line: &str) -> Result<(), TrySendError> {
        if self.closed {
            return Err(TrySendError::Closed);
        }
        if check_text(line).is_err() || line.contains('\n') {
            return Err(TrySendError::Line);
        }
        if self.waiting() + line.len() + 1 > self.output_max {
            return Err(TrySendError::Full);
        }
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
        self.write_now();
        Ok(())
    }

    /// Ready when nothing waits to be written.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waker = Some(cx.waker().clone());
        while self.waiting() > 0 {
            let rest = self.output.get(self.written..).unwrap_or_default();
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.written += len,
            }
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Octets that wait to be written.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.output.len() - self.written
    }

    /// Octets of one line, without its LF, that [`try_send`](Self::try_send) would take now. Ask
    /// before a [`Session`](crate::Session) is polled: a line it gave out is not given again.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.output_max.saturating_sub(self.waiting() + 1)
    }

    /// Lines that came in and were no message.
    #[must_use]
    pub const fn nonsense(&self) -> u64 {
        self.nonsense
    }

    fn write_now(&mut self) {
        let rest = self.output.get(self.written..).unwrap_or_default();
        match self.io.try_write(rest) {
            Ok(len) => self.written += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.closed = true,
        }
        if self.waiting() == 0 {
            self.output.clear();
            self.written = 0;
            return;
        }
        // Half of the buffer is history: move the rest down, so that it cannot grow for ever.
        if self.written > self.output.len() / 2 {
            self.output.drain(..self.written);
            self.written = 0;
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The place of the next line in `input`, without its LF.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Range<usize>>>> {
        loop {
            if let Some(range) = self.next_line() {
                if !self.skipping {
                    return Poll::Ready(Ok(Some(range)));
                }
                self.skipping = false;
                self.drop_line("too long");
                continue;
            }
            if self.input.len() - self.start > MESSAGE_OCTETS_MAX {
                self.skipping = true;
            }
            if self.skipping {
                self.start = self.input.len();
            }
            if ready!(self.poll_read(cx))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    fn next_line(&mut self) -> Option<Range<usize>> {
        self.searched = self.searched.max(self.start);
        let fresh = self.input.get(self.searched..).unwrap_or_default();
        let Some(at) = fresh.iter().position(|&octet| octet == b'\n') else {
            self.searched = self.input.len();
            return None;
        };
        let line = self.start..self.searched + at;
        self.start = line.end + 1;
        self.searched = self.start;
        Some(line)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let before = self.input.len();
        self.input.resize(before + READ_OCTETS, 0);
        let mut buf = ReadBuf::new(self.input.get_mut(before..).unwrap_or_default());
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut buf);
        let len = buf.filled().len();
        self.input.truncate(before + len);
        ready!(polled)?;
        Poll::Ready(Ok(len))
    }

    fn drop_line(&mut self, cause: &'static str) {
        trace!(cause, "line dropped");
        self.nonsense += 1;
    }
}
