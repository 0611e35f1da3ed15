//! Paths that join a connection, move with it, and leave it.

use std::time::Instant;

use ap2ap_stream::{PathEvent, PathId};
use carrier::{CarrierPath, PeerId};
use tracing::debug;

use super::Driver;
use super::paths::Route;
use crate::bell::ConnId;
use crate::error::ConnectionError;

/// A path that came to a bridge, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) path: CarrierPath,
    pub(super) payload_max: usize,
    pub(super) peer: Option<PeerId>,
}

impl Driver {
    /// Hands a datagram over that came by a path which is not its connection's, as it begins. True:
    /// the path is the connection's from now on.
    pub(super) fn move_in(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        id: ConnId,
        datagram: &[u8],
    ) -> bool {
        let Arrival { path, payload_max, peer } = arrival.clone();
        if self.routes.contains_key(&path) {
            // Somebody else's: who wants it must show a first message.
            return false;
        }
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let on = (PathId(path.0), payload_max);
        let span = entry.shared.span.clone();
        if !span.in_scope(|| entry.shared.handle_elsewhere(now, on, datagram)) {
            return false;
        }
        span.in_scope(|| debug!("the client comes over another path"));
        let key = entry.shared.lock().paths.join(now, path, peer);
        self.is_found(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.add_leg(path, key, (None, None));
        }
        self.routes.insert(path, Route { incumbent: id, challenger: None, payload_max });
        self.forget_stranger(path);
        self.schedule.wake(id);
        true
    }

    /// A connection has no use for a path any more. One that ends with its last path keeps that: it may be told of
    /// another that it moves to.
    pub(super) fn give_path_up(&mut self, now: Instant, id: ConnId, path: CarrierPath) {
        let Some(entry) = self.entries.get(&id) else { return };
        if entry.legs.len() > 1 || entry.tenacity == super::Tenacity::OutlivesPaths {
            self.drop_leg(now, id, path, ConnectionError::PathClosed);
        }
    }

    /// A connection's path is gone, and perhaps the connection with it.
    pub(super) fn lose_path(
        &mut self,
        now: Instant,
        id: ConnId,
        path: CarrierPath,
        why: ConnectionError,
    ) {
        let Some(entry) = self.entries.get(&id) else { return };
        if entry.legs.len() == 1 && entry.tenacity == super::Tenacity::EndsWithPath {
            self.fail(now, id, why);
            return;
        }
        entry.shared.handle_path(now, PathId(path.0), PathEvent::Removed);
        self.schedule.wake(id);
        self.drop_leg(now, id, path, why);
    }

    /// A connection does not use a path any more, which is closed unless another one does.
    fn drop_leg(&mut self, now: Instant, id: ConnId, path: CarrierPath, why: ConnectionError) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(leg) = entry.remove_leg(path) else { return };
        entry.shared.end_path(now, leg.key, why.clone());
        let is_last = entry.legs.is_empty();
        self.leave_path(now, path, id);
        if is_last {
            self.lose_last_path(now, id, why);
        }
    }

    /// Keeps the table true of what a connection's datagrams on other paths may begin with.
    pub(super) fn note_foreign_ids(&mut self, id: ConnId) {
        let Some(bridge) = self.bridge.as_mut() else { return };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(ids) = entry.shared.take_new_foreign_ids() else { return };
        for old in std::mem::replace(&mut entry.foreign_ids, ids.clone()) {
            bridge.owners.remove(&old);
        }
        bridge.owners.extend(ids.into_iter().map(|first| (first, id)));
    }

    pub(super) fn forget_foreign_ids(&mut self, ids: &[[u8; 8]]) {
        if let Some(bridge) = self.bridge.as_mut() {
            for old in ids {
                bridge.owners.remove(old);
            }
        }
    }
}
