//! What a request holds of its session: a line to use, and a place among those who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ap2ap_tokio::Connection;
use tokio::sync::watch;

use crate::line::Line;

/// The line that requests use at a time.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    line: Arc<Line>,
    changes: watch::Receiver<Option<Arc<Line>>>,
}

impl Lease {
    pub(crate) fn new(line: Arc<Line>, changes: watch::Receiver<Option<Arc<Line>>>) -> Self {
        Self { connection: line.connection.clone(), line, changes }
    }

    /// The same line, to watch while the lease is used otherwise.
    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
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
