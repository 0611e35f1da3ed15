//! SIGINT and SIGTERM: the first stops gracefully, the second ends at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The exit code of a process that a signal ended, less the signal's number (POSIX shells).
const SIGNAL_EXIT_BASE: i32 = 128;

/// A token that the first signal cancels.
pub(crate) fn stop_token() -> anyhow::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let first = next(&mut interrupt, &mut terminate).await;
        info!(signal = first, "stopping; a second signal ends at once");
        token.cancel();
        let second = next(&mut interrupt, &mut terminate).await;
        std::process::exit(SIGNAL_EXIT_BASE + second);
    });
    Ok(stop)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
    }
}
