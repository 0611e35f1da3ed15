//! A carrier that lets everything through or nothing, as a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use carrier::{Carrier, CarrierEvent, CarrierPath, OpenError, PeerId, SendError};

/// Shut, it swallows what its carriers send, and they say nothing of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    is_shut: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn around<C>(&self, inner: C) -> Gated<C> {
        Gated { inner, gate: self.clone() }
    }

    pub(crate) fn shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.is_shut.store(false, Ordering::Relaxed);
    }
}

pub(crate) struct Gated<C> {
    inner: C,
    gate: Gate,
}

impl<C: Carrier> Carrier for Gated<C> {
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
        if self.gate.is_shut.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.inner.try_send(now, path, datagram)
    }
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        self.inner.poll(cx, now, buf)
    }
}
