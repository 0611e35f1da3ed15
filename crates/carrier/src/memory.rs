//! Two carriers in one process that are each other's only peer: the simplest one, for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::{
    Caps, Carrier, CarrierEvent, CarrierPath, DATAGRAM_MAX, Delivery, DownReason, OpenError,
    PeerId, Route, SendError,
};

/// As many events wait for a slow reader at most; further datagrams are dropped, as UDP does.
pub const MEMORY_QUEUE_MAX: usize = 1024;

/// One end of an in-process pair. Its peer is called `memory:peer`, whatever name is asked for.
#[derive(Debug)]
pub struct MemoryCarrier {
    shared: Arc<Mutex<Shared>>,
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

#[derive(Debug, Default)]
struct Shared {
    left: Inbox,
    right: Inbox,
    paths_made: u64,
    open: Vec<CarrierPath>,
}

#[derive(Debug, Default)]
struct Inbox {
    events: VecDeque<(CarrierEvent, Vec<u8>)>,
    waker: Option<Waker>,
    gone: bool,
}

impl MemoryCarrier {
    /// Two carriers that reach each other.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let left = Self { shared: Arc::clone(&shared), side: Side::Left };
        (left, Self { shared, side: Side::Right })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, path: CarrierPath) {
        let mut shared = self.lock();
        if shared.forget(path) {
            let down = CarrierEvent::Down { path, reason: DownReason::ClosedByPeer };
            shared.inbox(self.side.other()).push(down, Vec::new());
        }
    }
}

impl Carrier for MemoryCarrier {
    fn open(&mut self, _now: Instant, _peer: &PeerId) -> Result<CarrierPath, OpenError> {
        let mut shared = self.lock();
        let path = CarrierPath(shared.paths_made);
        shared.paths_made = shared.paths_made.saturating_add(1);
        if shared.inbox(self.side.other()).gone {
            let down = CarrierEvent::Down { path, reason: DownReason::Unreachable };
            shared.inbox(self.side).push(down, Vec::new());
            return Ok(path);
        }
        shared.open.push(path);
        shared.inbox(self.side).push(CarrierEvent::Up { path, caps: CAPS }, Vec::new());
        let peer = "memory:peer".parse().map_err(|_| OpenError::Malformed { why: "a peer" })?;
        let incoming = CarrierEvent::Incoming { path, peer };
        shared.inbox(self.side.other()).push(incoming, Vec::new());
        Ok(path)
    }

    fn accept(&mut self, _now: Instant, path: CarrierPath) {
        let mut shared = self.lock();
        if shared.open.contains(&path) {
            shared.inbox(self.side).push(CarrierEvent::Up { path, caps: CAPS }, Vec::new());
        }
    }

    fn reject(&mut self, _now: Instant, path: CarrierPath) {
        self.leave(path);
    }

    fn close(&mut self, _now: Instant, path: CarrierPath) {
        self.leave(path);
    }

    fn try_send(
        &mut self,
        _now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        if datagram.len() > CAPS.payload_max {
            return Err(SendError::TooLarge { max: CAPS.payload_max });
        }
        let mut shared = self.lock();
        if !shared.open.contains(&path) {
            return Err(SendError::Gone);
        }
        let inbox = shared.inbox(self.side.other());
        if inbox.events.len() < MEMORY_QUEUE_MAX {
            let event = CarrierEvent::Datagram { path, len: datagram.len() };
            inbox.push(event, datagram.to_vec());
        }
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>, _now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        let mut shared = self.lock();
        let inbox = shared.inbox(self.side);
        while let Some((event, octets)) = inbox.events.pop_front() {
            if let Some(front) = buf.get_mut(..octets.len()) {
                front.copy_from_slice(&octets);
                return Poll::Ready(event);
            }
        }
        inbox.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for MemoryCarrier {
    fn drop(&mut self) {
        let mut shared = self.lock();
        let closed = std::mem::take(&mut shared.open);
        for path in closed {
            let down = CarrierEvent::Down { path, reason: DownReason::CarrierLost };
            shared.inbox(self.side.other()).push(down, Vec::new());
        }
        shared.inbox(self.side).gone = true;
    }
}

impl Shared {
    fn inbox(&mut self, side: Side) -> &mut Inbox {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    fn forget(&mut self, path: CarrierPath) -> bool {
        let before = self.open.len();
        self.open.retain(|open| *open != path);
        self.open.len() != before
    }
}

impl Inbox {
    fn push(&mut self, event: CarrierEvent, octets: Vec<u8>) {
        self.events.push_back((event, octets));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

const CAPS: Caps = Caps {
    payload_max: DATAGRAM_MAX,
    delivery: Delivery::Ordered,
    idle_max: None,
    route: Route::Direct,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn next(carrier: &mut MemoryCarrier, buf: &mut [u8]) -> Option<CarrierEvent> {
        let mut cx = Context::from_waker(Waker::noop());
        match carrier.poll(&mut cx, test_now(), buf) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some origin; its value is unused")]
    fn test_now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_datagram_reaches_the_other_end_and_a_close_is_seen() {
        let (mut a, mut b) = MemoryCarrier::pair();
        let mut buf = [0; DATAGRAM_MAX];
        let peer = "memory:b".parse().unwrap();
        let path = a.open(test_now(), &peer).unwrap();
        assert!(matches!(next(&mut a, &mut buf), Some(CarrierEvent::Up { .. })));
        assert!(matches!(next(&mut b, &mut buf), Some(CarrierEvent::Incoming { .. })));
        b.accept(test_now(), path);
        assert!(matches!(next(&mut b, &mut buf), Some(CarrierEvent::Up { .. })));
        a.try_send(test_now(), path, b"hello").unwrap();
        assert_eq!(next(&mut b, &mut buf), Some(CarrierEvent::Datagram { path, len: 5 }));
        assert_eq!(&buf[..5], b"hello");
        b.close(test_now(), path);
        assert!(matches!(next(&mut a, &mut buf), Some(CarrierEvent::Down { .. })));
        assert_eq!(a.try_send(test_now(), path, b"x"), Err(SendError::Gone));
    }

    #[test]
    fn a_reader_that_never_reads_costs_a_bounded_queue() {
        let (mut a, b) = MemoryCarrier::pair();
        let path = a.open(test_now(), &"memory:b".parse().unwrap()).unwrap();
        for _ in 0..2 * MEMORY_QUEUE_MAX {
            a.try_send(test_now(), path, b"x").unwrap();
        }
        assert_eq!(b.lock().right.events.len(), MEMORY_QUEUE_MAX);
    }

    #[test]
    fn too_long_a_datagram_is_refused_with_the_limit() {
        let (mut a, _b) = MemoryCarrier::pair();
        let path = a.open(test_now(), &"memory:b".parse().unwrap()).unwrap();
        let refused = a.try_send(test_now(), path, &[0; DATAGRAM_MAX + 1]);
        assert_eq!(refused, Err(SendError::TooLarge { max: DATAGRAM_MAX }));
    }
}
