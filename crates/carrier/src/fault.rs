//! A decorator that loses, corrupts and stalls datagrams of any carrier, for tests.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::{Carrier, CarrierEvent, CarrierPath, OpenError, PeerId, SendError};

/// How often a datagram meets each fault: every n-th one; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every n-th datagram sent is lost.
    pub lose_every: u64,
    /// Every n-th datagram sent has one octet changed.
    pub corrupt_every: u64,
    /// Every n-th attempt to send answers [`SendError::Full`], and `Writable` follows.
    pub refuse_every: u64,
}

/// How many datagrams met each fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounters {
    /// Datagrams lost.
    pub lost: u64,
    /// Datagrams with a changed octet.
    pub corrupted: u64,
    /// Attempts refused.
    pub refused: u64,
}

/// A carrier with faults in its sending direction. The faults come at fixed counts, so that a test
/// sees the same ones each time.
#[derive(Debug)]
pub struct Faulty<C> {
    inner: C,
    faults: Faults,
    attempts: u64,
    counters: FaultCounters,
    /// Paths that were refused and are to be told that they may go on.
    writable: VecDeque<CarrierPath>,
    waker: Option<Waker>,
}

impl<C: Carrier> Faulty<C> {
    /// Puts `faults` before `inner`.
    #[must_use]
    pub fn new(inner: C, faults: Faults) -> Self {
        let counters = FaultCounters::default();
        Self { inner, faults, attempts: 0, counters, writable: VecDeque::new(), waker: None }
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> FaultCounters {
        self.counters
    }

    fn is_due(&self, every: u64) -> bool {
        every != 0 && self.attempts.is_multiple_of(every)
    }
}

impl<C: Carrier> Carrier for Faulty<C> {
    fn open(&mut self, now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError> {
        self.inner.open(now, peer)
    }

    fn accept(&mut self, now: Instant, path: CarrierPath) {
        self.inner.accept(now, path);
    }

    fn reject(&mut self, now: Instant, path: CarrierPath) {
        self.inner.reject(now, path);
    }

    fn close(&mut self, now: Instant, path: CarrierPath) {
        self.inner.close(now, path);
    }

    fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        self.attempts = self.attempts.saturating_add(1);
        if self.is_due(self.faults.refuse_every) {
            self.counters.refused = self.counters.refused.saturating_add(1);
            if !self.writable.contains(&path) {
                self.writable.push_back(path);
            }
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
            return Err(SendError::Full);
        }
        if self.is_due(self.faults.lose_every) {
            self.counters.lost = self.counters.lost.saturating_add(1);
            return Ok(());
        }
        if !self.is_due(self.faults.corrupt_every) {
            return self.inner.try_send(now, path, datagram);
        }
        self.counters.corrupted = self.counters.corrupted.saturating_add(1);
        let mut changed = datagram.to_vec();
        if let Some(last) = changed.last_mut() {
            *last ^= 0x55;
        }
        self.inner.try_send(now, path, &changed)
    }

    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        if let Some(path) = self.writable.pop_front() {
            return Poll::Ready(CarrierEvent::Writable { path });
        }
        self.waker = Some(cx.waker().clone());
        self.inner.poll(cx, now, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryCarrier;

    #[expect(clippy::disallowed_methods, reason = "a test needs some origin; its value is unused")]
    fn test_now() -> Instant {
        Instant::now()
    }

    #[test]
    fn every_fault_comes_at_its_count() {
        let (a, _b) = MemoryCarrier::pair();
        let faults = Faults { lose_every: 2, corrupt_every: 3, refuse_every: 5 };
        let mut a = Faulty::new(a, faults);
        let path = a.open(test_now(), &"memory:b".parse().unwrap()).unwrap();
        let refused = (0..30).filter(|_| a.try_send(test_now(), path, b"x").is_err()).count();
        assert_eq!(refused, 6);
        assert_eq!(a.counters(), FaultCounters { lost: 12, corrupted: 4, refused: 6 });
    }
}
