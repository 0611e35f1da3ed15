//! The one place that asks for the time.
#![expect(clippy::disallowed_methods, reason = "real tors run in real time")]

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::stop;

/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Now.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Looks until `found` gives something.
///
/// # Errors
/// What `found` fails with; that `what` took longer than `at_most`; that a signal asked to stop.
pub(crate) fn wait_until<T>(
    what: &str,
    at_most: Duration,
    mut found: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = now();
    loop {
        if let Some(value) = found()? {
            return Ok(value);
        }
        if stop::is_asked_for() {
            bail!("interrupted while waiting for {what}");
        }
        if begun.elapsed() > at_most {
            bail!("waited {} s for {what}", at_most.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
}
