//! The carrier: one UDP socket, one path per peer address.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use carrier::{
    Caps, Carrier, CarrierEvent, CarrierPath, Delivery, DownReason, OpenError, PeerId, Route,
    SendError,
};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tracing::trace;

use crate::address;
use crate::paths::{PATHS_MAX, Paths};

/// The longest datagram, in octets: what QUIC relies on too (RFC 9000 section 14), 1,280 octets of
/// IPv6 without its headers, rounded down.
pub const PAYLOAD_MAX: usize = 1200;

/// One poll discards this many datagrams at most before it lets others run.
const DISCARDS_PER_POLL_MAX: usize = 64;

/// So many errors in a row, and the socket is given up: it would only burn time.
const ERRORS_IN_A_ROW_MAX: u32 = 1024;

/// Plain UDP as a carrier: a path is a peer's address, and nobody says that one is closed.
///
/// A datagram from an unknown address announces a path by [`CarrierEvent::Incoming`] and follows
/// it at once, whether the path is accepted or not yet.
#[derive(Debug)]
pub struct UdpCarrier {
    socket: UdpSocket,
    /// The same socket without tokio's readiness, which is unknown until the reactor has run.
    direct: std::net::UdpSocket,
    local: SocketAddr,
    paths: Paths,
    /// Told before anything is received. At most a handful per path.
    events: VecDeque<CarrierEvent>,
    /// The datagram that announced a path.
    held: Option<(CarrierPath, Vec<u8>)>,
    /// Paths that were told `Full`.
    blocked: BTreeSet<CarrierPath>,
    waker: Waker,
    errors_in_a_row: u32,
    counters: Counters,
}

/// What a [`UdpCarrier`] dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams that the system did not send: no route, refused by a port, no memory.
    pub send_errors: u64,
    /// Errors on receiving: mostly an earlier datagram that a port refused.
    pub receive_errors: u64,
    /// Datagrams that filled the buffer and may have been cut.
    pub too_long: u64,
    /// Datagrams from strangers for whom the table had no room.
    pub no_room: u64,
    /// Strangers' paths that made way for newer ones.
    pub evicted: u64,
}

impl UdpCarrier {
    /// Binds a socket. Port 0 takes a free one; see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    /// What the system says: the port is in use, the address is not ours.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime with I/O enabled.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            local: socket.local_addr()?,
            direct: socket.try_clone()?,
            socket: UdpSocket::from_std(socket)?,
            paths: Paths::default(),
            events: VecDeque::new(),
            held: None,
            blocked: BTreeSet::new(),
            waker: Waker::noop().clone(),
            errors_in_a_row: 0,
            counters: Counters::default(),
        })
    }

    /// The address that the socket has.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What was dropped so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn forget(&mut self, path: CarrierPath) {
        self.paths.remove(path);
        self.blocked.remove(&path);
        self.events.retain(|event| path_of(event) != Some(path));
        if self.held.as_ref().is_some_and(|(held, _)| *held == path) {
            self.held = None;
        }
    }

    fn push(&mut self, event: CarrierEvent) {
        self.events.push_back(event);
        self.waker.wake_by_ref();
    }

    /// What needs no system call: events, and the datagram that announced a path.
    fn poll_kept(&mut self, buf: &mut [u8]) -> Option<CarrierEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let (path, datagram) = self.held.take()?;
        let front = buf.get_mut(..datagram.len())?;
        front.copy_from_slice(&datagram);
        Some(CarrierEvent::Datagram { path, len: datagram.len() })
    }

    fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        // A fresh socket is not known to be writable yet, though it is. The order matters: an
        // attempt through tokio clears its readiness, so that a later change is seen.
        match self.socket.try_send_to(datagram, to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.direct.send_to(datagram, to)
            }
            result => result,
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Option<CarrierEvent> {
        let path = self.blocked.first().copied()?;
        match self.socket.poll_send_ready(cx) {
            Poll::Ready(_) => {
                self.blocked.remove(&path);
                Some(CarrierEvent::Writable { path })
            }
            Poll::Pending => None,
        }
    }

    /// Receives one datagram: the event it makes, if it makes one.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Option<CarrierEvent>> {
        let mut read = ReadBuf::new(buf);
        let from = match ready!(self.socket.poll_recv_from(cx, &mut read)) {
            Ok(from) => address::canonical(from),
            Err(error) => return Poll::Ready(self.note_receive_error(&error)),
        };
        self.errors_in_a_row = 0;
        if read.remaining() == 0 {
            trace!("datagram dropped, longer than the buffer");
            count(&mut self.counters.too_long);
            return Poll::Ready(None);
        }
        let datagram = read.filled();
        Poll::Ready(match self.paths.path(from) {
            Some(path) => Some(CarrierEvent::Datagram { path, len: datagram.len() }),
            None => self.announce(from, datagram),
        })
    }

    fn announce(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<CarrierEvent> {
        let peer = address::peer(from)?;
        let Ok((path, evicted)) = self.paths.offer(from) else {
            trace!("datagram dropped, no room for another peer");
            count(&mut self.counters.no_room);
            return None;
        };
        self.held = Some((path, datagram.to_vec()));
        let incoming = CarrierEvent::Incoming { path, peer };
        let Some(evicted) = evicted else { return Some(incoming) };
        trace!("a stranger's path made way for a newer one");
        count(&mut self.counters.evicted);
        self.forget(evicted);
        self.events.push_back(incoming);
        Some(CarrierEvent::Down { path: evicted, reason: DownReason::ClosedByPeer })
    }

    fn note_receive_error(&mut self, error: &io::Error) -> Option<CarrierEvent> {
        trace!(kind = ?error.kind(), "receiving failed");
        count(&mut self.counters.receive_errors);
        self.errors_in_a_row = self.errors_in_a_row.saturating_add(1);
        let is_given_up = self.errors_in_a_row == ERRORS_IN_A_ROW_MAX;
        is_given_up.then(|| CarrierEvent::Closed {
            why: format!("the UDP socket gives nothing but errors: {error}"),
        })
    }
}

impl Carrier for UdpCarrier {
    /// Takes `udp:IP:PORT`. There is one path for an address: opening a second one is refused as
    /// malformed, because nothing in a datagram tells whose it would be.
    fn open(&mut self, _now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError> {
        let to = address::parse(peer)?;
        address::reachable_from(self.local, to)?;
        if self.paths.path(to).is_some() {
            return Err(OpenError::Malformed { why: "a path to this address is open already" });
        }
        let path = self.paths.open(to).map_err(|_| OpenError::TooMany { limit: PATHS_MAX })?;
        self.push(CarrierEvent::Up { path, caps: CAPS });
        Ok(path)
    }

    fn accept(&mut self, _now: Instant, path: CarrierPath) {
        if self.paths.accept(path) {
            self.push(CarrierEvent::Up { path, caps: CAPS });
        }
    }

    fn reject(&mut self, _now: Instant, path: CarrierPath) {
        self.forget(path);
    }

    fn close(&mut self, _now: Instant, path: CarrierPath) {
        self.forget(path);
    }

    fn try_send(
        &mut self,
        _now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        if datagram.len() > PAYLOAD_MAX {
            return Err(SendError::TooLarge { max: PAYLOAD_MAX });
        }
        let to = self.paths.address(path).ok_or(SendError::Gone)?;
        let to = address::reachable_from(self.local, to).map_err(|_| SendError::Gone)?;
        match self.send(datagram, to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked.insert(path);
                // The owner has polled before this and may not poll again by itself.
                self.waker.wake_by_ref();
                Err(SendError::Full)
            }
            Err(error) => {
                trace!(kind = ?error.kind(), "sending failed");
                count(&mut self.counters.send_errors);
                Ok(())
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, _now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        self.waker.clone_from(cx.waker());
        if let Some(event) = self.poll_kept(buf).or_else(|| self.poll_writable(cx)) {
            return Poll::Ready(event);
        }
        if self.errors_in_a_row >= ERRORS_IN_A_ROW_MAX {
            return Poll::Pending;
        }
        for _ in 0..DISCARDS_PER_POLL_MAX {
            if let Some(event) = ready!(self.poll_receive(cx, buf)) {
                return Poll::Ready(event);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn path_of(event: &CarrierEvent) -> Option<CarrierPath> {
    match event {
        CarrierEvent::Incoming { path, .. }
        | CarrierEvent::Up { path, .. }
        | CarrierEvent::Changed { path, .. }
        | CarrierEvent::Datagram { path, .. }
        | CarrierEvent::Writable { path }
        | CarrierEvent::Hint { path, .. }
        | CarrierEvent::Down { path, .. } => Some(*path),
        CarrierEvent::Closed { .. } => None,
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

const CAPS: Caps = Caps {
    payload_max: PAYLOAD_MAX,
    delivery: Delivery::Lossy,
    idle_max: None,
    route: Route::Direct,
};
