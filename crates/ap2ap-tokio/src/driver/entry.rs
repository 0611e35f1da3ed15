//! A connection as the driver knows it, and the paths that it uses.

use std::sync::Arc;
use std::time::Instant;

use ap2ap_stream::TicketName;
use carrier::{CarrierPath, PeerId};
use tracing::{Span, error_span};

use crate::carrier_id::CarrierId;
use crate::paths::PathKey;
use crate::shared::Shared;

/// A connection as the driver knows it.
pub(super) struct Entry {
    pub(super) shared: Arc<Shared>,
    /// Those that it uses or opens, the newest last.
    pub(super) legs: Vec<Leg>,
    pub(super) origin: Origin,
    /// Whether it lives without a path.
    pub(super) tenacity: Tenacity,
    /// Its peer has not shown that it has the keys, and may have company on the path.
    pub(super) is_unconfirmed: bool,
    /// At a bridge: what its client may come back with.
    pub(super) ticket: Option<TicketName>,
    /// Since when it has no path.
    pub(super) lost_at: Option<Instant>,
    /// When it is forgotten; set once it is closed.
    pub(super) gone_at: Option<Instant>,
    /// What its datagrams on other paths may begin with, as the bridge's table has it.
    pub(super) foreign_ids: Vec<[u8; 8]>,
}

/// A path as one connection uses it.
pub(super) struct Leg {
    pub(super) path: CarrierPath,
    pub(super) key: PathKey,
    /// Whom this side called.
    pub(super) peer: Option<PeerId>,
    /// It is up and was not shown to the connection yet.
    pub(super) held: Option<Held>,
    /// `path{id, carrier}`, inside the connection's.
    pub(super) span: Span,
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This side connects.
    Connect,
    /// A client's first message made it; its hash, by which a late copy is known.
    Accept { first: u64 },
}

/// What becomes of a connection that has lost its last path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenacity {
    /// It ends.
    EndsWithPath,
    /// It waits for another one.
    OutlivesPaths,
}

/// A path that is up and has not been shown to the connection yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) payload_max: usize,
    pub(super) until: Instant,
}

impl Entry {
    pub(super) fn new(shared: Arc<Shared>, origin: Origin, tenacity: Tenacity) -> Self {
        Self {
            shared,
            legs: Vec::new(),
            origin,
            tenacity,
            is_unconfirmed: true,
            ticket: None,
            lost_at: None,
            gone_at: None,
            foreign_ids: Vec::new(),
        }
    }

    /// Has one more path, to whom this side called if it did.
    pub(super) fn add_leg(
        &mut self,
        path: CarrierPath,
        key: PathKey,
        called: (Option<PeerId>, Option<Held>),
    ) {
        let (carrier, narrow) = CarrierId::of(path);
        let carrier = tracing::field::display(carrier);
        let span = error_span!(parent: &self.shared.span, "path", id = narrow.0, carrier);
        let (peer, held) = called;
        self.legs.push(Leg { path, key, peer, held, span });
    }

    pub(super) fn leg(&self, path: CarrierPath) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.path == path)
    }

    pub(super) fn leg_mut(&mut self, path: CarrierPath) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.path == path)
    }

    pub(super) fn remove_leg(&mut self, path: CarrierPath) -> Option<Leg> {
        let index = self.legs.iter().position(|leg| leg.path == path)?;
        Some(self.legs.remove(index))
    }

    /// Whether it has called this peer over this carrier.
    pub(super) fn calls(&self, carrier: CarrierId, peer: &PeerId) -> bool {
        self.legs.iter().any(|leg| leg.is_to(carrier, peer))
    }
}

impl Leg {
    pub(super) fn is_to(&self, carrier: CarrierId, peer: &PeerId) -> bool {
        CarrierId::of(self.path).0 == carrier && self.peer.as_ref() == Some(peer)
    }
}
