//! SIGINT and SIGTERM: the first stops gracefully, the second ends at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::exit::{Exit, OrExit};
use crate::notify;

/// The exit code of a process that a signal ended, less the signal's number (POSIX shells).
const SIGNAL_EXIT_BASE: i32 = 128;

/// A token that the first signal cancels.
pub(crate) fn stop_token() -> anyhow::Result<CancellationToken> {
    let mut interrupt = listen_for(SignalKind::interrupt(), "SIGINT")?;
    let mut terminate = listen_for(SignalKind::terminate(), "SIGTERM")?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let first = next(&mut interrupt, &mut terminate).await;
        info!(signal = first, "stopping; a second signal ends at once");
        notify::stopping();
        token.cancel();
        let second = next(&mut interrupt, &mut terminate).await;
        std::process::exit(SIGNAL_EXIT_BASE + second);
    });
    Ok(stop)
}

/// Signals of a kind from now on, which do not end the process any more.
pub(crate) fn listen_for(kind: SignalKind, name: &str) -> anyhow::Result<Signal> {
    signal(kind).with_context(|| format!("cannot listen for {name}")).or_exit(Exit::Os)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
    }
}
