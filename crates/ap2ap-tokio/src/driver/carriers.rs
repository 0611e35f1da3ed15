//! The carriers of an endpoint as if they were one: the upper bits of a path's number say whose it is.

use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::Instant;

use carrier::{Carrier, CarrierEvent, CarrierPath, PeerId, SendError};
use tracing::Span;

use crate::carrier_id::CarrierId;
use crate::error::{ConnectionError, carrier_gone};

/// All carriers that an endpoint has at this time, asked in turn.
#[derive(Default)]
pub(super) struct Carriers {
    list: BTreeMap<CarrierId, Slot>,
    /// Who is asked first.
    turn: CarrierId,
}

/// A carrier, and where it was handed over: what it logs stands there.
pub(crate) struct Slot {
    pub(crate) carrier: Box<dyn Carrier>,
    pub(crate) span: Span,
}

impl Carriers {
    pub(super) fn insert(&mut self, id: CarrierId, slot: Slot) {
        self.list.insert(id, slot);
    }

    pub(super) fn remove(&mut self, id: CarrierId) {
        self.list.remove(&id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn open(
        &mut self,
        now: Instant,
        id: CarrierId,
        peer: &PeerId,
    ) -> Result<CarrierPath, ConnectionError> {
        let Slot { carrier, span } = self.list.get_mut(&id).ok_or_else(carrier_gone)?;
        let opened = span.in_scope(|| carrier.open(now, peer));
        let path = opened.map_err(ConnectionError::Open)?;
        Ok(id.widen(path))
    }

    pub(super) fn accept(&mut self, now: Instant, path: CarrierPath) {
        if let Some((carrier, path)) = self.of(path) {
            carrier.accept(now, path);
        }
    }

    pub(super) fn reject(&mut self, now: Instant, path: CarrierPath) {
        if let Some((carrier, path)) = self.of(path) {
            carrier.reject(now, path);
        }
    }

    pub(super) fn close(&mut self, now: Instant, path: CarrierPath) {
        if let Some((carrier, path)) = self.of(path) {
            carrier.close(now, path);
        }
    }

    pub(super) fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        let (carrier, path) = self.of(path).ok_or(SendError::Gone)?;
        carrier.try_send(now, path, datagram)
    }

    /// The next event of any carrier. After each the next carrier is asked first.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        buf: &mut [u8],
    ) -> Poll<(CarrierId, CarrierEvent)> {
        let turn = self.turn;
        for part in [turn..CarrierId::END, CarrierId::default()..turn] {
            for (id, Slot { carrier, span }) in self.list.range_mut(part) {
                if let Poll::Ready(event) = span.in_scope(|| carrier.poll(cx, now, buf)) {
                    self.turn = id.next();
                    return Poll::Ready((*id, widened(*id, event)));
                }
            }
        }
        Poll::Pending
    }

    fn of(&mut self, path: CarrierPath) -> Option<(&mut Box<dyn Carrier>, CarrierPath)> {
        let (id, path) = CarrierId::of(path);
        Some((&mut self.list.get_mut(&id)?.carrier, path))
    }
}

/// The same event, its path as the endpoint calls it.
fn widened(id: CarrierId, event: CarrierEvent) -> CarrierEvent {
    let wide = |path| id.widen(path);
    match event {
        CarrierEvent::Incoming { path, peer } => CarrierEvent::Incoming { path: wide(path), peer },
        CarrierEvent::Up { path, caps } => CarrierEvent::Up { path: wide(path), caps },
        CarrierEvent::Changed { path, caps } => CarrierEvent::Changed { path: wide(path), caps },
        CarrierEvent::Datagram { path, len } => CarrierEvent::Datagram { path: wide(path), len },
        CarrierEvent::Writable { path } => CarrierEvent::Writable { path: wide(path) },
        CarrierEvent::Hint { path, octets_per_s } => {
            CarrierEvent::Hint { path: wide(path), octets_per_s }
        }
        CarrierEvent::Down { path, reason } => CarrierEvent::Down { path: wide(path), reason },
        CarrierEvent::Closed { why } => CarrierEvent::Closed { why },
    }
}
