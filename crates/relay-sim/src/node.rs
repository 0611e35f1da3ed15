//! What can stand at an end of a path.

use std::time::Instant;

/// A sans-IO machine that exchanges datagrams with another. Any protocol; this crate knows none.
pub trait Node {
    /// A datagram arrived.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]);

    /// Fires what timers are due, then writes the next datagram to send into `buf`, which is
    /// empty. `false` if there is none.
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool;

    /// When `poll_transmit` is next to be called; `None` if only after a datagram.
    fn next_at(&self) -> Option<Instant>;
}

impl<N: Node + ?Sized> Node for Box<N> {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        (**self).handle_datagram(now, datagram);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        (**self).poll_transmit(now, buf)
    }

    fn next_at(&self) -> Option<Instant> {
        (**self).next_at()
    }
}
