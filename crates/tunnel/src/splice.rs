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

use ap2ap_tokio::{ReadHalf, Stream, WriteHalf};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, tcp};
use tracing::debug;

use crate::code;
use crate::tcp::{TcpBuffers, Window};

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
/// resets both: whatever ends a transfer early, the TCP peer sees no orderly end. `carried` is true at all times.
pub(crate) async fn splice(
    mut tcp: TcpStream,
    stream: Stream,
    buffers: TcpBuffers,
    carried: &mut Carried,
) {
    reset_on_close(&tcp);
    let (mut stream_read, mut stream_write) = stream.into_split();
    let failed = {
        let window = buffers.window(&tcp);
        let (mut tcp_read, mut tcp_write) = tcp.split();
        let up = to_stream(&mut tcp_read, window, &mut stream_write, &mut carried.from_tcp);
        let down = to_tcp(&mut stream_read, &mut tcp_write, &mut carried.to_tcp);
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

/// Reads no more than the stream takes now: what waits, waits in the peer, who knows what of it is
/// urgent.
async fn to_stream(
    from: &mut tcp::ReadHalf<'_>,
    mut window: Window,
    to: &mut WriteHalf,
    carried: &mut u64,
) -> Result<(), Failed> {
    let mut buf = vec![0; COPY_OCTETS];
    loop {
        let room = to.writable().await.map_err(|error| Failed::Stream(error.into()))?;
        window.follow(from.as_ref(), room);
        let place = buf.get_mut(..room.min(COPY_OCTETS)).unwrap_or_default();
        let len = from.read(place).await.map_err(Failed::Tcp)?;
        if len == 0 {
            return to.shutdown().await.map_err(Failed::Stream);
        }
        let octets = place.get(..len).unwrap_or_default();
        to.write_all(octets).await.map_err(Failed::Stream)?;
        count(carried, len);
    }
}

async fn to_tcp(
    from: &mut ReadHalf,
    to: &mut tcp::WriteHalf<'_>,
    carried: &mut u64,
) -> Result<(), Failed> {
    let mut buf = vec![0; COPY_OCTETS];
    loop {
        let len = from.read(&mut buf).await.map_err(Failed::Stream)?;
        if len == 0 {
            return to.shutdown().await.map_err(Failed::Tcp);
        }
        let octets = buf.get(..len).unwrap_or_default();
        to.write_all(octets).await.map_err(Failed::Tcp)?;
        count(carried, len);
    }
}

fn count(carried: &mut u64, len: usize) {
    *carried = carried.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
}
