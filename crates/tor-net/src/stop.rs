//! SIGINT and SIGTERM: whoever waits gives up, and what was started is stopped on the way out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Listens for signals from now on. The first process of a PID namespace gets none it does not
/// listen for.
pub(crate) fn listen() -> Result<()> {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(asked))
            .context("cannot listen for signals")?;
    }
    Ok(())
}

/// Whether a signal has come.
pub(crate) fn is_asked_for() -> bool {
    ASKED.get().is_some_and(|asked| asked.load(Ordering::Relaxed))
}
