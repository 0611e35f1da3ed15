//! A client that comes over another path than before: its address changed, or it has a second one.

use std::time::Instant;

use ap2ap_stream::{PathEvent, PathId};
use carrier::CarrierPath;
use tracing::{debug, error_span};

use super::paths::{Route, Users};
use super::{Driver, Entry};
use crate::bell::ConnId;
use crate::error::ConnectionError;

impl Driver {
    /// Hands a datagram over that came by a path which is not its connection's, as it begins. True:
    /// the path is the connection's from now on.
    pub(super) fn move_in(
        &mut self,
        now: Instant,
        (path, payload_max): (CarrierPath, usize),
        id: ConnId,
        datagram: &[u8],
    ) -> bool {
        if self.routes.contains_key(&path) {
            // Somebody else's: who wants it must show a first message.
            return false;
        }
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let on = (PathId(path.0), payload_max);
        if !entry.span.in_scope(|| entry.shared.handle_elsewhere(now, on, datagram)) {
            return false;
        }
        entry.span.in_scope(|| debug!(to = path.0, "the client comes over another path"));
        entry.older_paths.push(std::mem::replace(&mut entry.path, path));
        entry.span = error_span!(parent: &entry.shared.span, "path", id = path.0);
        self.routes.insert(path, Route { incumbent: id, challenger: None, payload_max });
        self.forget_stranger(path);
        self.schedule.wake(id);
        true
    }

    /// A connection has no use for a path any more. The last one it keeps: it may be told of another
    /// that it moves to.
    pub(super) fn give_path_up(&mut self, now: Instant, id: ConnId, path: CarrierPath) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.forget_path(path) && self.leave_route(path, id) == Users::None {
            self.carrier.close(now, path);
        }
    }

    /// A connection's path is gone, and the connection with it, unless it has another one.
    pub(super) fn lose_path(
        &mut self,
        now: Instant,
        id: ConnId,
        path: CarrierPath,
        why: ConnectionError,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if !entry.forget_path(path) {
            self.fail(now, id, why);
            return;
        }
        entry.shared.handle_path(now, PathId(path.0), PathEvent::Removed);
        self.schedule.wake(id);
        if self.leave_route(path, id) == Users::None {
            self.carrier.close(now, path);
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

impl Entry {
    /// Leaves a path out, if another one remains.
    fn forget_path(&mut self, path: CarrierPath) -> bool {
        if let Some(index) = self.older_paths.iter().position(|older| *older == path) {
            self.older_paths.remove(index);
            return true;
        }
        if self.path != path {
            return false;
        }
        let Some(older) = self.older_paths.pop() else { return false };
        self.path = older;
        true
    }
}
