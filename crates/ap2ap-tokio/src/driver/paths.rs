//! What the carrier says of paths, and which connection it is for.

use std::time::Instant;

use ap2ap_stream::{PathEvent, PathId};
use carrier::{CarrierEvent, CarrierPath, DownReason};
use tracing::{debug, trace};

use super::{Driver, Entry, Held, Origin};
use crate::bell::ConnId;
use crate::config::{EARLY_DATA_HOLD, SILENT_PROBES};
use crate::control::Connect;
use crate::error::ConnectionError;
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
pub(super) enum Users {
    Some,
    None,
}

impl Driver {
    /// Opens a path for a new connection.
    pub(super) fn open(&mut self, now: Instant, connect: Connect, buf: &mut [u8]) {
        let Connect { shared, peer } = connect;
        let mut opened = self.carrier.open(now, &peer);
        if opened.is_err() && self.finish_off(now, &peer, buf) {
            // An overlay may have but one path to a peer, and a closed connection still had it.
            opened = self.carrier.open(now, &peer);
        }
        let id = shared.id;
        let (path, held) = match opened {
            Ok(path) => {
                let route = Route { incumbent: id, challenger: None, payload_max: 0 };
                self.routes.insert(path, route);
                (path, None)
            }
            Err(error) => match self.challenge(now, &peer, id) {
                Some((path, held)) => (path, Some(held)),
                None => {
                    shared.fail(ConnectionError::Open(error));
                    self.control.release();
                    return;
                }
            },
        };
        self.entries.insert(id, Entry::new(shared, path, Origin::Connect { peer, held }));
        self.schedule.add(id);
    }

    /// Puts a new connection beside one to the same peer that is silent, on its path: whichever is
    /// answered first stays.
    fn challenge(
        &mut self,
        now: Instant,
        peer: &carrier::PeerId,
        challenger: ConnId,
    ) -> Option<(CarrierPath, Held)> {
        let is_silent = |entry: &&Entry| {
            let to_peer =
                matches!(&entry.origin, Origin::Connect { peer: other, .. } if other == peer);
            to_peer && entry.shared.probes_unanswered() >= SILENT_PROBES
        };
        let path = self.entries.values().find(is_silent)?.path;
        let route = self.routes.get_mut(&path).filter(|route| route.challenger.is_none())?;
        route.challenger = Some(challenger);
        debug!(conn = challenger.0, "a second connection shares a silent one's path");
        Some((path, Held { payload_max: route.payload_max, until: now + EARLY_DATA_HOLD }))
    }

    /// Lets connections to the peer that nobody uses any more say their last, and forgets them.
    /// True if there was one.
    fn finish_off(&mut self, now: Instant, peer: &carrier::PeerId, buf: &mut [u8]) -> bool {
        let is_over = |entry: &Entry| {
            let to_peer =
                matches!(&entry.origin, Origin::Connect { peer: other, .. } if other == peer);
            to_peer && entry.shared.is_unused()
        };
        let over: Vec<ConnId> =
            self.entries.iter().filter(|(_, entry)| is_over(entry)).map(|(id, _)| *id).collect();
        for id in &over {
            if let Some(entry) = self.entries.get(id) {
                entry.shared.close(crate::shared::ABANDONED, "");
            }
            self.serve_one(now, *id, buf);
            self.remove(now, *id);
        }
        !over.is_empty()
    }

    pub(super) fn handle_event(&mut self, now: Instant, event: CarrierEvent, buf: &[u8]) {
        match event {
            CarrierEvent::Incoming { path, .. } => self.handle_incoming(now, path),
            CarrierEvent::Up { path, caps } => self.handle_up(now, path, caps.payload_max),
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
            CarrierEvent::Closed { why } => {
                debug!("the carrier ended");
                self.lost = Some(why);
            }
        }
    }

    /// Shows a client's path to its connection, once there is early data or no more time for it.
    pub(super) fn release_path(&mut self, now: Instant, id: ConnId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Origin::Connect { held, .. } = &mut entry.origin else { return };
        let Some(up) = *held else { return };
        if up.until <= now || entry.shared.lock().is_used {
            *held = None;
            let added = PathEvent::Added { payload_max: up.payload_max };
            entry.shared.handle_path(now, PathId(entry.path.0), added);
        }
    }

    /// A connection leaves its path.
    pub(super) fn leave_route(&mut self, path: CarrierPath, id: ConnId) -> Users {
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

    fn handle_up(&mut self, now: Instant, path: CarrierPath, payload_max: usize) {
        let Some(route) = self.routes.get_mut(&path) else {
            self.note_stranger_up(path, payload_max);
            return;
        };
        route.payload_max = payload_max;
        let id = route.incumbent;
        if let Some(entry) = self.entries.get_mut(&id)
            && let Origin::Connect { held, .. } = &mut entry.origin
        {
            *held = Some(Held { payload_max, until: now + EARLY_DATA_HOLD });
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
        if let Some(entry) = self.entries.get_mut(&route.incumbent)
            && let Origin::Connect { held: Some(held), .. } = &mut entry.origin
        {
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
            if entry.span.in_scope(hear) == Heard::Ours {
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

    /// A client's silent connection has answered: the one that was put beside it may go.
    fn dismiss_challenger(&mut self, now: Instant, route: Route) {
        if let Some(challenger) = route.challenger {
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
