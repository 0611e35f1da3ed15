//! What a request holds of its session: a connection to use, and a place among those who wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use ap2ap_tokio::Connection;
use tokio::sync::watch;

/// The connection that requests use at a time.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    changes: watch::Receiver<Option<Connection>>,
}

impl Lease {
    pub(crate) const fn new(
        connection: Connection,
        changes: watch::Receiver<Option<Connection>>,
    ) -> Self {
        Self { connection, changes }
    }

    /// Waits until requests had better use another connection.
    pub(crate) async fn superseded(&mut self) {
        // The sender lives as long as the session, and leases are not longer.
        let _ = self.changes.changed().await;
    }
}

/// Counts a request for as long as it waits.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(crate) fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
