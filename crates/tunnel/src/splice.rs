//! Carries octets between a TCP connection and a tunnel stream, ends and resets included.
//!
//! ```text
//!   TCP says        the stream is        the stream says     TCP is
//!   end of data  →  finished             end of data      →  shut down for writing
//!   reset        →  reset                reset            →  reset
//! ```
//!
//! A truncated transfer must not look complete: an end is passed on as an end and a reset as a
//! reset, in both directions and each direction by itself.

use std::io;

use ap2ap_tokio::Stream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::debug;

use crate::code;

/// Octets read at once in each direction: a few datagrams' worth, so that little waits here.
const COPY_OCTETS: usize = 8 * 1024;

/// What a splice carried, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) from_tcp: u64,
    pub(crate) to_tcp: u64,
}

/// Which side failed.
enum Failed {
    Tcp(io::Error),
    Stream(io::Error),
}

/// Carries octets both ways until both directions have ended or one was reset. Dropped before, it
/// resets both: whatever ends a transfer early, the TCP peer sees no orderly end.
pub(crate) async fn splice(mut tcp: TcpStream, stream: Stream) -> Carried {
    reset_on_close(&tcp);
    let mut carried = Carried::default();
    let (mut stream_read, mut stream_write) = stream.into_split();
    let failed = {
        let (mut tcp_read, mut tcp_write) = tcp.split();
        let up = async {
            let copied = copy(&mut tcp_read, &mut stream_write, &mut carried.from_tcp).await;
            copied.map_err(|fault| fault.named(Failed::Tcp, Failed::Stream))
        };
        let down = async {
            let copied = copy(&mut stream_read, &mut tcp_write, &mut carried.to_tcp).await;
            copied.map_err(|fault| fault.named(Failed::Stream, Failed::Tcp))
        };
        tokio::try_join!(up, down).err()
    };
    match failed {
        None => end_on_close(&tcp),
        Some(Failed::Tcp(error)) => {
            debug!(kind = ?error.kind(), "the TCP connection broke");
            stream_write.reset(code::RESET);
            stream_read.stop(code::RESET);
        }
        Some(Failed::Stream(error)) => {
            debug!(kind = ?error.kind(), "the tunnel stream broke");
        }
    }
    carried
}

/// From now on the close of a TCP connection is a reset.
pub(crate) fn reset_on_close(tcp: &TcpStream) {
    // If the socket is gone already there is nobody to be told.
    let _ = tcp.set_zero_linger();
}

/// What was written is still sent after the close.
fn end_on_close(tcp: &TcpStream) {
    let _ = SockRef::from(tcp).set_linger(None);
}

/// Which end of a copy failed.
enum CopyFault {
    Reading(io::Error),
    Writing(io::Error),
}

impl CopyFault {
    fn named(
        self,
        reading: impl FnOnce(io::Error) -> Failed,
        writing: impl FnOnce(io::Error) -> Failed,
    ) -> Failed {
        match self {
            Self::Reading(error) => reading(error),
            Self::Writing(error) => writing(error),
        }
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    carried: &mut u64,
) -> Result<(), CopyFault> {
    let mut buf = vec![0; COPY_OCTETS];
    loop {
        let len = from.read(&mut buf).await.map_err(CopyFault::Reading)?;
        if len == 0 {
            return to.shutdown().await.map_err(CopyFault::Writing);
        }
        let octets = buf.get(..len).unwrap_or_default();
        to.write_all(octets).await.map_err(CopyFault::Writing)?;
        *carried = carried.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
}
