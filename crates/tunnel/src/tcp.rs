//! TCP connections that keep little in the kernel, so that whoever writes keeps the choice of what
//! goes first.
//!
//! All of Tor's traffic is one TLS stream. What tor has written it cannot put in another order any
//! more, and on one machine the kernel takes megabytes from a writer before it says no: at 32 KB/s
//! a minute in which every urgent cell waits behind bulk. tor's scheduler (KIST) looks at its
//! socket and writes up to twice the congestion window; on loopback that begins at ten segments
//! of 64 KiB.
//!
//! ```text
//!   tor ──► its send buffer ────► our receive buffer ──► stream ──────────► relay
//!           2 x 10 x SEGMENT      WINDOW, or with the    one round trip's
//!           under KIST            path's rate more       worth unsent
//! ```
//!
//! docs/measurements-tor.md has what each of them is worth.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tracing::debug;

/// The receive buffer on loopback while the path is slow, in octets. The kernel doubles it for its
/// own books, and the peer may send about half of that ahead.
const WINDOW: u32 = 2304;

/// The largest segment that a peer on this machine sends us. Its kernel counts congestion windows
/// in segments.
const SEGMENT: u32 = 256;

/// What we have written and TCP has not sent, in octets; beyond it, writing waits.
const UNSENT: u32 = 16 * 1024;

/// From this room in a stream on, in octets, the path is fast and the window follows it. Above
/// what a stream takes while its path's rate is not known yet.
const FAST: usize = 64 * 1024;

/// The window never grows beyond, in octets.
const WINDOW_MAX: usize = 4 * 1024 * 1024;

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 1024;

/// How much of a TCP connection's data may wait in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcpBuffers {
    /// As little as the path needs.
    #[default]
    Small,
    /// As much as the system likes.
    System,
}

impl TcpBuffers {
    /// Listens; what is accepted keeps as little in the kernel as this says.
    ///
    /// # Errors
    /// The system's.
    pub fn listen(self, addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.socket(addr)?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    }

    /// Connects.
    pub(crate) async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        self.socket(addr)?.connect(addr).await
    }

    fn socket(self, addr: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if self == Self::Small
            && let Err(error) = shrink(&socket, addr)
        {
            // Slower to let urgent cells pass, and as correct as ever.
            debug!(%error, "the system limits no TCP buffers");
        }
        Ok(socket)
    }

    /// A receive window that follows its stream, if it was made small.
    pub(crate) fn window(self, tcp: &TcpStream) -> Window {
        let is_near = tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
        Window { is_small: self == Self::Small && is_near, octets: 0 }
    }
}

/// Before the handshake: windows and segments are agreed on there.
fn shrink(socket: &TcpSocket, addr: SocketAddr) -> io::Result<()> {
    let socket_ref = SockRef::from(socket);
    socket_ref.set_tcp_notsent_lowat(UNSENT)?;
    if addr.ip().is_loopback() {
        // Over a round trip of some length so small a window would be the bottleneck.
        socket.set_recv_buffer_size(WINDOW)?;
        socket_ref.set_tcp_mss(SEGMENT)?;
    }
    Ok(())
}

/// A connection's receive window, in step with its stream.
#[derive(Debug)]
pub(crate) struct Window {
    /// Any other is the system's to adjust.
    is_small: bool,
    /// What it was raised to; 0 if it was not.
    octets: usize,
}

impl Window {
    /// The stream has room for so much at once: on a fast path the peer may send as much ahead.
    pub(crate) fn follow(&mut self, tcp: &TcpStream, room: usize) {
        if !self.is_small || room < FAST || room <= self.octets {
            return;
        }
        self.octets = room.saturating_mul(2).min(WINDOW_MAX);
        // If the system will not, the connection is as slow as its window, and as correct as ever.
        let _ = SockRef::from(tcp).set_recv_buffer_size(self.octets);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    /// What a writer on this machine gets rid of while nobody reads, in octets.
    async fn taken_unread(buffers: TcpBuffers) -> usize {
        let listener = buffers.listen(([127, 0, 0, 1], 0).into()).unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut unread, _) = listener.accept().await.unwrap();
        // The writer's own buffer at its smallest, so that the reader's is what is seen.
        SockRef::from(&writer).set_send_buffer_size(1).unwrap();
        let mut taken = 0;
        while let Ok(len) = timeout(Duration::from_millis(300), writer.write(&[7; 512])).await {
            taken += len.unwrap();
        }
        // All of it arrives all the same.
        let mut read = vec![0; taken];
        unread.read_exact(&mut read).await.unwrap();
        taken
    }

    #[tokio::test]
    async fn little_waits_unread_in_small_buffers() {
        let small = taken_unread(TcpBuffers::Small).await;
        let system = taken_unread(TcpBuffers::System).await;
        assert!(small <= 16 * 1024, "{small}");
        assert!(system >= 2 * small, "{system} against {small}");
    }

    #[tokio::test]
    async fn a_fast_path_gets_its_window() {
        let listener = TcpBuffers::Small.listen(([127, 0, 0, 1], 0).into()).unwrap();
        let dialled = TcpBuffers::Small.connect(listener.local_addr().unwrap());
        let (tcp, accepted) = tokio::join!(dialled, listener.accept());
        let (tcp, _accepted) = (tcp.unwrap(), accepted.unwrap());
        let size = || SockRef::from(&tcp).recv_buffer_size().unwrap();
        let before = size();
        let mut window = TcpBuffers::Small.window(&tcp);
        window.follow(&tcp, FAST - 1);
        assert_eq!(size(), before);
        window.follow(&tcp, FAST);
        assert!(size() > before);
    }
}
