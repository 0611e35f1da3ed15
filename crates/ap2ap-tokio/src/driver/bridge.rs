//! The bridge's side: strangers, first messages, and clients that come back.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use ap2ap_stream::{Acceptor, PathId, TicketName};
use carrier::{CarrierPath, PeerId};
use tracing::{debug, debug_span, trace};

use super::entry::{Entry, Origin};
use super::moves::Arrival;
use super::paths::Route;
use super::strangers::Strangers;
use super::{Driver, Tenacity};
use crate::bell::ConnId;
use crate::carrier_id::CarrierId;
use crate::clock;
use crate::config::UNCONFIRMED_MAX;
use crate::connection::Connection;
use crate::control::Orders;
use crate::error::ConnectionError;
use crate::shared::Shared;

/// What a bridge's endpoint has beyond a client's.
pub(super) struct Bridge {
    acceptor: Acceptor,
    pub(super) strangers: Strangers,
    /// Connections whose client has not shown that it has the keys. Never above `UNCONFIRMED_MAX`.
    unconfirmed: usize,
    /// Keyed, so that nobody can make two first messages with one hash.
    hasher: RandomState,
    /// Whose ticket it is.
    tickets: BTreeMap<TicketName, ConnId>,
    /// Whose datagram it is that begins with these octets, over whichever path it comes.
    pub(super) owners: BTreeMap<[u8; 8], ConnId>,
}

impl Bridge {
    pub(super) fn new(acceptor: Acceptor) -> Self {
        Self {
            acceptor,
            strangers: Strangers::default(),
            unconfirmed: 0,
            hasher: RandomState::new(),
            tickets: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }
}

impl Driver {
    pub(super) fn handle_incoming(&mut self, now: Instant, path: CarrierPath, peer: PeerId) {
        let Some(bridge) = self.bridge.as_mut().filter(|_| self.orders == Orders::Serve) else {
            self.carriers.reject(now, path);
            return;
        };
        if let Some(evicted) = bridge.strangers.insert(now, path, peer) {
            trace!(path = evicted.0, "a stranger's path closed, too many");
            self.carriers.close(now, evicted);
        }
        self.carriers.accept(now, path);
    }

    /// Takes a datagram that no connection of its path knows: it may be a client's first message.
    /// Whatever else it is, nobody hears of it.
    pub(super) fn handle_first(&mut self, now: Instant, path: CarrierPath, datagram: &[u8]) {
        let _in = debug_span!("path", id = path.0).entered();
        let route = self.routes.get(&path).copied();
        let Some(bridge) = self.bridge.as_mut().filter(|_| self.orders == Orders::Serve) else {
            return;
        };
        let (stranger, peer) = bridge.strangers.known(path).unzip();
        let Some(payload_max) = route.map(|route| route.payload_max).or(stranger) else { return };
        let arrival = Arrival { path, payload_max, peer };
        let owner = datagram.first_chunk().and_then(|first| bridge.owners.get(first)).copied();
        if owner.is_some_and(|owner| self.move_in(now, &arrival, owner, datagram)) {
            return;
        }
        let Some(bridge) = self.bridge.as_mut() else { return };
        if bridge.unconfirmed >= UNCONFIRMED_MAX || !self.control.has_room_for_arrival() {
            trace!("datagram dropped, too many unconfirmed connections");
            return;
        }
        let first = bridge.hasher.hash_one(datagram);
        if route.is_some_and(|route| self.is_copy(route, first)) {
            trace!("datagram dropped, a late copy of a first message");
            return;
        }
        // Before it is looked at: what was looked at once gets silence ever after (AP-14).
        if self.control.connections() >= self.control.config.connections_max {
            trace!("datagram dropped, too many connections");
            return;
        }
        let Some(bridge) = self.bridge.as_mut() else { return };
        let on = (PathId(path.0), payload_max);
        let core = match bridge.acceptor.handle_first(now, clock::wall_time(), on, datagram) {
            Ok(core) => core,
            Err(silence) => {
                trace!(%silence, "datagram dropped");
                return;
            }
        };
        if self.control.admit().is_err() {
            trace!("datagram dropped, too many connections");
            return;
        }
        let (id, bell) = (self.control.next_id(), Arc::clone(&self.control.bell));
        let shared = Arc::new(Shared::new(id, core, bell, &self.control.span));
        self.take_in(now, arrival, shared, first);
    }

    /// A connection's peer has shown that it has the keys.
    pub(super) fn confirm(&mut self, now: Instant, id: ConnId) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.is_unconfirmed) else {
            return;
        };
        entry.is_unconfirmed = false;
        let span = entry.shared.span.clone();
        let paths: Vec<CarrierPath> = entry.legs.iter().map(|leg| leg.path).collect();
        self.count_unconfirmed(-1);
        self.note_tickets(now, id);
        for path in paths {
            let Some(route) = self.routes.get_mut(&path) else { continue };
            if route.challenger != Some(id) {
                continue;
            }
            span.in_scope(|| debug!("a newer connection takes over its path"));
            let older = std::mem::replace(&mut route.incumbent, id);
            route.challenger = Some(older);
            let tenacity = self.entries.get(&older).map(|entry| entry.tenacity);
            if tenacity != Some(Tenacity::OutlivesPaths) {
                self.fail(now, older, ConnectionError::Replaced);
            }
        }
    }

    /// AP-24: frees the session that a client comes back from, and notes what it may come back with.
    fn note_tickets(&mut self, now: Instant, id: ConnId) {
        let (Some(bridge), Some(entry)) = (&mut self.bridge, self.entries.get_mut(&id)) else {
            return;
        };
        let (given, shown) = entry.shared.tickets();
        entry.ticket = given;
        bridge.tickets.extend(given.map(|name| (name, id)));
        if let Some(older) = shown.and_then(|name| bridge.tickets.remove(&name)) {
            entry.shared.span.in_scope(|| debug!(older = older.0, "a client comes back"));
            self.fail(now, older, ConnectionError::Replaced);
        }
    }

    pub(super) fn forget_ticket(&mut self, ticket: Option<TicketName>) {
        if let (Some(bridge), Some(ticket)) = (&mut self.bridge, ticket) {
            bridge.tickets.remove(&ticket);
        }
    }

    pub(super) fn count_unconfirmed(&mut self, change: isize) {
        if let Some(bridge) = &mut self.bridge {
            bridge.unconfirmed = bridge.unconfirmed.saturating_add_signed(change);
            debug_assert!(bridge.unconfirmed <= UNCONFIRMED_MAX);
        }
    }

    pub(super) fn note_stranger_up(&mut self, path: CarrierPath, payload_max: usize) {
        if let Some(bridge) = &mut self.bridge {
            bridge.strangers.set_payload_max(path, payload_max);
        }
    }

    pub(super) fn forget_stranger(&mut self, path: CarrierPath) {
        if let Some(bridge) = &mut self.bridge {
            bridge.strangers.remove(path);
        }
    }

    pub(super) fn forget_strangers_of(&mut self, carrier: CarrierId) {
        if let Some(bridge) = &mut self.bridge {
            bridge.strangers.remove_all_of(carrier);
        }
    }

    pub(super) fn expire_strangers(&mut self, now: Instant) {
        let Some(bridge) = &mut self.bridge else { return };
        while let Some(path) = bridge.strangers.take_expired(now) {
            trace!(path = path.0, "a stranger's path closed, its time is over");
            self.carriers.close(now, path);
        }
    }

    pub(super) fn dismiss_strangers(&mut self, now: Instant) {
        let Some(bridge) = &mut self.bridge else { return };
        while let Some(path) = bridge.strangers.take_any() {
            self.carriers.close(now, path);
        }
    }

    fn is_copy(&self, route: Route, first: u64) -> bool {
        [Some(route.incumbent), route.challenger].into_iter().flatten().any(|id| {
            let origin = self.entries.get(&id).map(|entry| &entry.origin);
            matches!(origin, Some(Origin::Accept { first: known }) if *known == first)
        })
    }

    /// Makes room on the path for a new connection and hands it to whoever accepts.
    fn take_in(&mut self, now: Instant, arrival: Arrival, shared: Arc<Shared>, first: u64) {
        let Arrival { path, payload_max, peer } = arrival;
        let id = shared.id;
        self.forget_stranger(path);
        if let Some(older) = self.routes.get(&path).and_then(|route| route.challenger) {
            self.fail(now, older, ConnectionError::Replaced);
        }
        self.routes.entry(path).and_modify(|route| route.challenger = Some(id)).or_insert(Route {
            incumbent: id,
            challenger: None,
            payload_max,
        });
        let tenacity = match self.control.config.lost_max {
            0 => Tenacity::EndsWithPath,
            _ => Tenacity::OutlivesPaths,
        };
        let mut entry = Entry::new(Arc::clone(&shared), Origin::Accept { first }, tenacity);
        let key = shared.lock().paths.join(now, path, peer);
        entry.add_leg(path, key, (None, None));
        self.entries.insert(id, entry);
        self.count_unconfirmed(1);
        self.schedule.add(id);
        self.control.arrive(Connection::new(shared));
    }
}
