//! Connections without a path: kept in case their peers come back, and not too many of them.

use std::collections::BTreeSet;
use std::time::Instant;

use tracing::debug;

use super::{Driver, Tenacity};
use crate::bell::ConnId;
use crate::error::ConnectionError;

/// Connections without a path, those first that have been longest.
#[derive(Debug, Default)]
pub(super) struct Lost {
    by_age: BTreeSet<(Instant, ConnId)>,
}

impl Lost {
    pub(super) fn remove(&mut self, since: Option<Instant>, id: ConnId) {
        if let Some(since) = since {
            self.by_age.remove(&(since, id));
        }
    }
}

impl Driver {
    /// A connection's last path is gone: it ends, or it waits and the one that waited longest may have to go.
    pub(super) fn lose_last_path(&mut self, now: Instant, id: ConnId, why: ConnectionError) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.tenacity == Tenacity::EndsWithPath {
            self.fail(now, id, why);
            return;
        }
        entry.shared.span.in_scope(|| debug!(%why, "no path is left"));
        entry.lost_at = Some(now);
        self.lost_connections.by_age.insert((now, id));
        self.schedule.wake(id);
        if self.lost_connections.by_age.len() > self.control.config.lost_max
            && let Some((_, oldest)) = self.lost_connections.by_age.first().copied()
        {
            self.fail(now, oldest, ConnectionError::Crowded);
        }
    }

    /// It has one again.
    pub(super) fn is_found(&mut self, id: ConnId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            self.lost_connections.remove(entry.lost_at.take(), id);
        }
    }
}
