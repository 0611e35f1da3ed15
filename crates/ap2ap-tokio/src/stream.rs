//! A stream as tokio reads and writes it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ap2ap_stream::{CloseReason, ErrorCode, ReadError, StreamId, WriteError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{ConnectionError, StreamError};
use crate::shared::{ABANDONED, Handle};

/// An ordered stream of octets in both directions.
///
/// `shutdown` ends what this side sends and leaves the other direction open. A stream that is
/// dropped before its end is reset and stopped; what was written before a `shutdown` still arrives.
#[derive(Debug)]
pub struct Stream {
    read: ReadHalf,
    write: WriteHalf,
}

impl Stream {
    pub(crate) fn new(handle: &Arc<Handle>, id: StreamId) -> Self {
        let read = ReadHalf { handle: Arc::clone(handle), id, state: ReadState::Open };
        let write = WriteHalf { handle: Arc::clone(handle), id, state: WriteState::Open };
        Self { read, write }
    }

    /// Two halves that two tasks can use; no lock is shared beyond the connection's.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Gives up what this side sends; the peer's reader gets `code`.
    pub fn reset(&mut self, code: ErrorCode) {
        self.write.reset(code);
    }

    /// Wants nothing more of what the peer sends; the peer's writer gets `code`.
    pub fn stop(&mut self, code: ErrorCode) {
        self.read.stop(code);
    }

    /// The stream's number within its connection: `c0`, `b3`.
    #[must_use]
    pub const fn id(&self) -> StreamId {
        self.read.id
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}

/// What a stream receives.
#[derive(Debug)]
pub struct ReadHalf {
    handle: Arc<Handle>,
    id: StreamId,
    state: ReadState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadState {
    Open,
    /// The peer's end was read.
    End,
    Reset(ErrorCode),
    Stopped,
}

impl ReadHalf {
    /// Wants nothing more; the peer's writer gets `code`.
    pub fn stop(&mut self, code: ErrorCode) {
        if self.state != ReadState::Open {
            return;
        }
        self.state = ReadState::Stopped;
        let mut state = self.handle.shared.lock();
        state.readers.remove(&self.id);
        if let Some(mut stream) = state.core.stream(self.id) {
            stream.stop(code);
        }
        drop(state);
        self.handle.shared.ring();
    }

    fn poll_octets(
        &mut self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), StreamError>> {
        match self.state {
            ReadState::Open => {}
            ReadState::End => return Poll::Ready(Ok(())),
            ReadState::Reset(code) => return Poll::Ready(Err(StreamError::Reset(code))),
            ReadState::Stopped => return Poll::Ready(Err(StreamError::Ended)),
        }
        let mut state = self.handle.shared.lock();
        let end = state.end.clone();
        let is_closed = state.core.is_closed();
        let read = match (&end, state.core.stream(self.id)) {
            // The peer's last words are read before its close is told.
            (Some(ConnectionError::Closed(CloseReason::Peer { .. })), _) => {
                state.core.read_rest(self.id, buf.remaining())
            }
            (Some(_), _) => Err(ReadError::Blocked),
            (None, Some(mut stream)) => stream.read(buf.remaining()),
            // The event that says why is on its way.
            (None, None) if is_closed => Err(ReadError::Blocked),
            (None, None) => Err(ReadError::Finished),
        };
        if let (Some(end), Err(_)) = (&end, &read) {
            return Poll::Ready(Err(StreamError::Connection(end.clone())));
        }
        let result = match read {
            Ok(Some(octets)) => {
                buf.put_slice(&octets);
                Ok(())
            }
            Ok(None) => {
                self.state = ReadState::End;
                Ok(())
            }
            Err(ReadError::Reset(code)) => {
                self.state = ReadState::Reset(code);
                Err(StreamError::Reset(code))
            }
            Err(ReadError::Finished) => {
                self.state = ReadState::Stopped;
                Err(StreamError::Ended)
            }
            Err(ReadError::Blocked) => {
                state.readers.insert(self.id, cx.waker().clone());
                return Poll::Pending;
            }
        };
        drop(state);
        // What was read opens the window again.
        self.handle.shared.ring();
        Poll::Ready(result)
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.poll_octets(cx, buf).map_err(Into::into)
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        self.stop(ABANDONED);
    }
}

/// What a stream sends.
#[derive(Debug)]
pub struct WriteHalf {
    handle: Arc<Handle>,
    id: StreamId,
    state: WriteState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteState {
    Open,
    /// Finished, or reset here.
    Ended,
    /// The peer wants no more.
    Stopped(ErrorCode),
}

impl WriteHalf {
    /// Gives up what this side sends; the peer's reader gets `code`. After a `shutdown` it gives up
    /// what has not arrived.
    pub fn reset(&mut self, code: ErrorCode) {
        self.state = WriteState::Ended;
        let mut state = self.handle.shared.lock();
        state.writers.remove(&self.id);
        if let Some(mut stream) = state.core.stream(self.id) {
            stream.reset(code);
        }
        drop(state);
        self.handle.shared.ring();
    }

    /// Waits until a write would take something, and says how many octets it would take. Who reads
    /// no more than that from elsewhere holds nothing back itself: what waits stays where it can
    /// still be put in another order.
    ///
    /// # Errors
    /// As writing would fail.
    pub async fn writable(&mut self) -> Result<usize, StreamError> {
        poll_fn(|cx| self.poll_with(cx, |stream| stream.room())).await
    }

    fn poll_octets(&mut self, cx: &Context<'_>, data: &[u8]) -> Poll<Result<usize, StreamError>> {
        let written = ready!(self.poll_with(cx, |stream| stream.write(data)))?;
        self.handle.shared.lock().is_used = true;
        self.handle.shared.ring();
        Poll::Ready(Ok(written))
    }

    /// Does something with the stream that takes octets; if it takes none now, the writer is woken.
    fn poll_with(
        &mut self,
        cx: &Context<'_>,
        take: impl FnOnce(&mut ap2ap_stream::Stream<'_>) -> Result<usize, WriteError>,
    ) -> Poll<Result<usize, StreamError>> {
        match self.state {
            WriteState::Open => {}
            WriteState::Ended => return Poll::Ready(Err(StreamError::Ended)),
            WriteState::Stopped(code) => return Poll::Ready(Err(StreamError::Stopped(code))),
        }
        let mut state = self.handle.shared.lock();
        if let Some(end) = &state.end {
            return Poll::Ready(Err(StreamError::Connection(end.clone())));
        }
        let is_closed = state.core.is_closed();
        let taken = match state.core.stream(self.id) {
            Some(mut stream) => take(&mut stream),
            // The event that says why is on its way.
            None if is_closed => Err(WriteError::Blocked),
            // The peer stopped the stream and both directions have ended.
            None => Err(WriteError::Finished),
        };
        Poll::Ready(match taken {
            Ok(len) => Ok(len),
            Err(WriteError::Stopped(code)) => {
                self.state = WriteState::Stopped(code);
                Err(StreamError::Stopped(code))
            }
            Err(WriteError::Finished) => {
                self.state = WriteState::Ended;
                Err(StreamError::Ended)
            }
            Err(WriteError::Blocked) => {
                state.writers.insert(self.id, cx.waker().clone());
                return Poll::Pending;
            }
        })
    }

    fn finish(&mut self) -> Result<(), StreamError> {
        match self.state {
            WriteState::Open => {}
            WriteState::Ended => return Ok(()),
            WriteState::Stopped(code) => return Err(StreamError::Stopped(code)),
        }
        let mut state = self.handle.shared.lock();
        if let Some(end) = &state.end {
            return Err(StreamError::Connection(end.clone()));
        }
        self.state = WriteState::Ended;
        state.is_used = true;
        let finished = state.core.stream(self.id).map_or(Ok(()), |mut stream| stream.finish());
        drop(state);
        self.handle.shared.ring();
        match finished {
            Ok(()) | Err(WriteError::Finished | WriteError::Blocked) => Ok(()),
            Err(WriteError::Stopped(code)) => {
                self.state = WriteState::Stopped(code);
                Err(StreamError::Stopped(code))
            }
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_octets(cx, data).map_err(Into::into)
    }

    /// There is nothing to wait for: what was written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends what this side sends, after what was written. It does not wait until that arrives.
    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish().map_err(Into::into))
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        if self.state == WriteState::Open {
            self.reset(ABANDONED);
        }
    }
}
