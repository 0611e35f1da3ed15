#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod caps;
mod error;
mod event;
mod fault;
mod memory;
mod peer;

use std::task::{Context, Poll};
use std::time::Instant;

pub use caps::{Caps, Delivery, Route};
pub use error::{OpenError, SendError};
pub use event::{CarrierEvent, DownReason};
pub use fault::{FaultCounters, Faults, Faulty};
pub use memory::{MEMORY_QUEUE_MAX, MemoryCarrier};
pub use peer::{PEER_LEN_MAX, ParsePeerError, PeerId};

/// One way to a peer: an AP2AP stream, a UDP peer address, a TURN channel.
///
/// The number is chosen by the carrier that made the path, below [`CarrierPath::END`], and is never used twice
/// by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierPath(pub u64);

impl CarrierPath {
    /// No path has this number or a higher one: what owns several carriers needs room beside it.
    pub const END: u64 = 1 << 40;
}

/// An overlay that carries datagrams between two logins.
///
/// A carrier is driven by one owner from one task. No call blocks, and every call is legal at any
/// time: a call for a path that is gone does nothing or says [`SendError::Gone`].
///
/// ```text
///   open(peer) ─────────────► Up(caps) ─┬─► Datagram … Changed … Hint … ─► Down(why)
///   Incoming(path) ─ accept ─►          │
///                  └ reject ─► (gone)   └─ close ─► (gone)
/// ```
pub trait Carrier: Send {
    /// Starts to open a path to `peer`; [`CarrierEvent::Up`] or [`CarrierEvent::Down`] follows.
    ///
    /// # Errors
    /// [`OpenError`] says why this carrier cannot even begin.
    fn open(&mut self, now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError>;

    /// Takes a path that [`CarrierEvent::Incoming`] announced; [`CarrierEvent::Up`] follows.
    fn accept(&mut self, now: Instant, path: CarrierPath);

    /// Gives a path back without using it. The peer is told nothing.
    fn reject(&mut self, now: Instant, path: CarrierPath);

    /// Closes a path. No event follows.
    fn close(&mut self, now: Instant, path: CarrierPath);

    /// Hands one datagram to the overlay. There is no promise that it arrives.
    ///
    /// # Errors
    /// [`SendError::Full`] is neither loss nor congestion: [`CarrierEvent::Writable`] follows.
    fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError>;

    /// Asks for the next event. A datagram's octets are written to the front of `buf`, which must
    /// hold [`DATAGRAM_MAX`] octets; what does not fit is dropped by the carrier and counted.
    ///
    /// The waker in `cx` is woken when there is more to ask for.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent>;
}

/// No carrier delivers a longer datagram, in octets: the largest UDP payload in use, with room.
pub const DATAGRAM_MAX: usize = 2048;

impl<C: Carrier + ?Sized> Carrier for Box<C> {
    fn open(&mut self, now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError> {
        (**self).open(now, peer)
    }
    fn accept(&mut self, now: Instant, path: CarrierPath) {
        (**self).accept(now, path);
    }
    fn reject(&mut self, now: Instant, path: CarrierPath) {
        (**self).reject(now, path);
    }
    fn close(&mut self, now: Instant, path: CarrierPath) {
        (**self).close(now, path);
    }
    fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        (**self).try_send(now, path, datagram)
    }
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        (**self).poll(cx, now, buf)
    }
}
