//! What carriers say of paths, and which connection it is for.

use std::time::Instant;

use ap2ap_stream::{PathEvent, PathId};
use carrier::{Caps, CarrierEvent, CarrierPath, DownReason, PeerId};
use tracing::{debug, trace};

use super::entry::{Entry, Held, Origin};
use super::{Carried, Driver, Tenacity};
use crate::bell::ConnId;
use crate::carrier_id::CarrierId;
use crate::config::{EARLY_DATA_HOLD, SILENT_PROBES};
use crate::control::Connect;
use crate::error::ConnectionError;
use crate::paths::{PathKey, PathOrder};
use crate::shared::Heard;

/// Who uses a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) incumbent: ConnId,
    /// At a bridge, a newer connection of the same peer, as it says: it takes over once it has shown
    /// that it has the keys. Until then a copied first message changes nothing for the incumbent.
    /// At a client, a second try beside an incumbent that is silent.
    pub(super) challenger: Option<ConnId>,
    pub(super) payload_max: usize,
}

/// Whether anyone uses a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Users {
    Some,
    None,
}

impl Driver {
    /// Takes a new connection; it says itself which paths it wants.
    pub(super) fn connect(&mut self, now: Instant, connect: Connect, buf: &mut [u8]) {
        let Connect { shared, tenacity } = connect;
        let id = shared.id;
        self.entries.insert(id, Entry::new(shared, Origin::Connect, tenacity));
        self.schedule.add(id);
        self.obey_connection(now, id, buf);
    }

    /// Opens and closes the paths that a connection's holders want.
    pub(super) fn obey_connection(&mut self, now: Instant, id: ConnId, buf: &mut [u8]) {
        while let Some(entry) = self.entries.get(&id)
            && let Some(order) = entry.shared.take_path_order()
        {
            match order {
                PathOrder::Open { key, carrier, peer } => {
                    self.open(now, id, (key, carrier, &peer), buf);
                }
                PathOrder::Close(path) => {
                    self.lose_path(now, id, path, ConnectionError::PathClosed)
                }
            }
        }
    }

    /// Opens a path for a connection.
    fn open(
        &mut self,
        now: Instant,
        id: ConnId,
        (key, carrier, peer): (PathKey, CarrierId, &PeerId),
        buf: &mut [u8],
    ) {
        let mut opened = self.carriers.open(now, carrier, peer);
        if opened.is_err() && self.finish_off(now, id, (carrier, peer), buf) {
            // An overlay may have but one path to a peer, and a closed connection still had it.
            opened = self.carriers.open(now, carrier, peer);
        }
        let (path, held) = match opened {
            Ok(path) => {
                let route = Route { incumbent: id, challenger: None, payload_max: 0 };
                self.routes.insert(path, route);
                (path, None)
            }
            Err(error) => match self.challenge(now, id, (carrier, peer)) {
                Some((path, held)) => (path, Some(held)),
                None => {
                    self.open_failed(now, id, key, error);
                    return;
                }
            },
        };
        self.is_found(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.add_leg(path, key, (Some(peer.clone()), held));
        let mut state = entry.shared.lock();
        let is_wanted = state.paths.begun(key, path);
        if held.is_some() {
            state.paths.is_up(now, key, carrier::Route::Unknown);
        }
        drop(state);
        if !is_wanted {
            self.lose_path(now, id, path, ConnectionError::PathClosed);
        }
    }

    fn open_failed(&mut self, now: Instant, id: ConnId, key: PathKey, error: ConnectionError) {
        let Some(entry) = self.entries.get(&id) else { return };
        entry.shared.end_path(now, key, error.clone());
        if entry.tenacity == Tenacity::EndsWithPath && entry.legs.is_empty() {
            self.fail(now, id, error);
        }
    }

    /// Puts a connection beside one to the same peer that is silent, on its path: whichever is answered first
    /// stays. Beside one that outlives its paths it may stand at any time, and neither has to go.
    fn challenge(
        &mut self,
        now: Instant,
        challenger: ConnId,
        (carrier, peer): (CarrierId, &PeerId),
    ) -> Option<(CarrierPath, Held)> {
        let has_room = |(id, entry): &(&ConnId, &Entry)| {
            let is_patient = entry.tenacity == Tenacity::OutlivesPaths;
            **id != challenger
                && entry.calls(carrier, peer)
                && (is_patient || entry.shared.probes_unanswered() >= SILENT_PROBES)
        };
        let (_, entry) = self.entries.iter().find(has_room)?;
        let path = entry.legs.iter().find(|leg| leg.is_to(carrier, peer))?.path;
        let route = self.routes.get_mut(&path).filter(|route| route.challenger.is_none())?;
        // A path that is still being opened is nobody's to share.
        let payload_max = Some(route.payload_max).filter(|max| *max > 0)?;
        route.challenger = Some(challenger);
        debug!(conn = challenger.0, "a second connection shares a path");
        Some((path, Held { payload_max, until: now + EARLY_DATA_HOLD }))
    }

    /// Lets connections to the peer that nobody uses any more say their last, and forgets them.
    /// True if there was one.
    fn finish_off(
        &mut self,
        now: Instant,
        but: ConnId,
        (carrier, peer): (CarrierId, &PeerId),
        buf: &mut [u8],
    ) -> bool {
        let is_over = |(id, entry): &(&ConnId, &Entry)| {
            **id != but && entry.calls(carrier, peer) && entry.shared.is_unused()
        };
        let over: Vec<ConnId> = self.entries.iter().filter(is_over).map(|(id, _)| *id).collect();
        for id in &over {
            if let Some(entry) = self.entries.get(id) {
                entry.shared.close(crate::shared::ABANDONED, "");
            }
            self.serve_one(now, *id, buf);
            self.remove(now, *id);
        }
        !over.is_empty()
    }

    pub(super) fn handle_event(
        &mut self,
        now: Instant,
        (carrier, event): (CarrierId, CarrierEvent),
        buf: &[u8],
    ) {
        match event {
            CarrierEvent::Incoming { path, peer } => self.handle_incoming(now, path, peer),
            CarrierEvent::Up { path, caps } => self.handle_up(now, path, caps),
            CarrierEvent::Changed { path, caps } => {
                self.change_payload_max(now, path, caps.payload_max);
            }
            CarrierEvent::Datagram { path, len } => {
                self.handle_datagram(now, path, buf.get(..len).unwrap_or_default());
            }
            CarrierEvent::Writable { path } => self.tell(now, path, PathEvent::Writable),
            CarrierEvent::Hint { path, octets_per_s } => {
                // The rate controller learns the rate from delivery; a hint is for people.
                debug!(path = path.0, octets_per_s, "the carrier names a rate");
            }
            CarrierEvent::Down { path, reason } => self.handle_down(now, path, reason),
            CarrierEvent::Closed { why } => self.handle_closed(now, carrier, why),
        }
    }

    /// A carrier has ended, and all its paths with it.
    fn handle_closed(&mut self, now: Instant, carrier: CarrierId, why: String) {
        debug!(%carrier, "a carrier ended");
        self.carriers.remove(carrier);
        self.control.carrier_ended(carrier, &why);
        if self.carried == Carried::ByOne && self.carriers.is_empty() {
            self.lost = Some(why);
            return;
        }
        self.forget_strangers_of(carrier);
        let of_it = carrier.widen(CarrierPath(0))..carrier.next().widen(CarrierPath(0));
        let paths: Vec<CarrierPath> = self.routes.range(of_it).map(|(path, _)| *path).collect();
        for path in paths {
            self.lose_route(now, path, &ConnectionError::CarrierLost { why: why.clone() });
        }
    }

    /// Shows a client's paths to its connection, once there is early data or no more time for it.
    pub(super) fn release_paths(&mut self, now: Instant, id: ConnId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.legs.iter().all(|leg| leg.held.is_none()) {
            return;
        }
        let mut state = entry.shared.lock();
        for leg in &mut entry.legs {
            if let Some(up) = leg.held.take_if(|up| state.is_used || up.until <= now) {
                let id = PathId(leg.path.0);
                let added = PathEvent::Added { payload_max: up.payload_max };
                state.core.handle_path(now, id, added);
                if let Some(memory) = state.paths.memory(leg.key) {
                    state.core.handle_path(now, id, PathEvent::Remembered(memory));
                }
            }
        }
    }

    /// A connection leaves its path, which is closed unless another one uses it.
    pub(super) fn leave_path(&mut self, now: Instant, path: CarrierPath, id: ConnId) {
        if self.leave_route(path, id) == Users::None {
            self.carriers.close(now, path);
        }
    }

    fn leave_route(&mut self, path: CarrierPath, id: ConnId) -> Users {
        let Some(route) = self.routes.get_mut(&path) else { return Users::None };
        if route.challenger == Some(id) {
            route.challenger = None;
        } else if route.incumbent == id {
            let Some(heir) = route.challenger.take() else {
                self.routes.remove(&path);
                return Users::None;
            };
            route.incumbent = heir;
        }
        Users::Some
    }

    fn handle_up(&mut self, now: Instant, path: CarrierPath, caps: Caps) {
        let payload_max = caps.payload_max;
        let Some(route) = self.routes.get_mut(&path) else {
            self.note_stranger_up(path, payload_max);
            return;
        };
        route.payload_max = payload_max;
        let id = route.incumbent;
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.origin == Origin::Connect
            && let Some(leg) = entry.leg_mut(path)
        {
            leg.held = Some(Held { payload_max, until: now + EARLY_DATA_HOLD });
            let key = leg.key;
            entry.shared.path_is_up(now, key, caps.route);
            self.schedule.wake(id);
            return;
        }
        self.change_payload_max(now, path, payload_max);
    }

    fn change_payload_max(&mut self, now: Instant, path: CarrierPath, payload_max: usize) {
        let Some(route) = self.routes.get_mut(&path) else {
            self.note_stranger_up(path, payload_max);
            return;
        };
        route.payload_max = payload_max;
        let held = self.entries.get_mut(&route.incumbent).and_then(|entry| entry.leg_mut(path));
        if let Some(held) = held.and_then(|leg| leg.held.as_mut()) {
            held.payload_max = payload_max;
        }
        self.tell(now, path, PathEvent::Changed { payload_max });
    }

    fn handle_datagram(&mut self, now: Instant, path: CarrierPath, datagram: &[u8]) {
        let Some(route) = self.routes.get(&path).copied() else {
            self.handle_first(now, path, datagram);
            return;
        };
        for id in [Some(route.incumbent), route.challenger].into_iter().flatten() {
            let Some(entry) = self.entries.get(&id) else { continue };
            self.schedule.wake(id);
            let hear = || entry.shared.handle_datagram(now, PathId(path.0), datagram);
            let span = entry.leg(path).map_or(&entry.shared.span, |leg| &leg.span);
            if span.in_scope(hear) == Heard::Ours {
                if id == route.incumbent && self.bridge.is_none() {
                    self.dismiss_challenger(now, route);
                }
                return;
            }
        }
        if self.bridge.is_some() {
            self.handle_first(now, path, datagram);
        }
    }

    /// A client's silent connection has answered: the one that was put beside it may go, unless that is
    /// its holder's to say.
    fn dismiss_challenger(&mut self, now: Instant, route: Route) {
        let tenacity = |id| self.entries.get(&id).map(|entry: &Entry| entry.tenacity);
        if let Some(challenger) = route.challenger
            && tenacity(challenger) == Some(Tenacity::EndsWithPath)
        {
            self.fail(now, challenger, ConnectionError::NotNeeded);
        }
    }

    fn handle_down(&mut self, now: Instant, path: CarrierPath, reason: DownReason) {
        let why = match reason {
            DownReason::Unreachable => ConnectionError::Unreachable,
            DownReason::ClosedByPeer => ConnectionError::PathClosed,
            DownReason::CarrierLost => {
                ConnectionError::CarrierLost { why: "the overlay dropped the path".to_owned() }
            }
            _ => ConnectionError::PathClosed,
        };
        trace!(path = path.0, ?reason, "path down");
        self.forget_stranger(path);
        self.lose_route(now, path, &why);
    }

    fn lose_route(&mut self, now: Instant, path: CarrierPath, why: &ConnectionError) {
        let Some(route) = self.routes.get(&path).copied() else { return };
        for id in [route.challenger, Some(route.incumbent)].into_iter().flatten() {
            self.lose_path(now, id, path, why.clone());
        }
    }

    /// Tells those who use a path what happened to it.
    fn tell(&mut self, now: Instant, path: CarrierPath, event: PathEvent) {
        let Some(route) = self.routes.get(&path).copied() else { return };
        for id in [Some(route.incumbent), route.challenger].into_iter().flatten() {
            if let Some(entry) = self.entries.get(&id) {
                entry.shared.handle_path(now, PathId(path.0), event);
                self.schedule.wake(id);
            }
        }
    }
}
