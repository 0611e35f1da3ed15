//! The one place in the stack that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time that connections and carriers are given. Tokio's clock, so that a test which pauses it
/// runs in virtual time.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall time since 1970-01-01; zero on a machine whose clock stands before it. A
/// [`BridgeIdentity`](crate::BridgeIdentity) needs it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "first messages carry wall time, and this is where it comes in"
)]
pub fn wall_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
