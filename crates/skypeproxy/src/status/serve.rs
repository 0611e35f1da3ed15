//! Answers whoever connects to the status socket: one JSON object, one line, and the end.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;
use tunnel::status::Status;

/// Who asks at the same time; more hear nothing and may ask again.
const CLIENTS_MAX: usize = 4;

/// Who has not read its answer by then hears no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// After this time a socket that could not accept, for want of descriptors, tries again.
const RETRY: Duration = Duration::from_secs(1);

/// Answers with what `status` says, for as long as it is polled. Without a socket it has nothing to do and waits for ever.
pub(crate) async fn serve(
    listener: Option<StdListener>,
    status: impl Fn() -> Status,
) -> io::Result<()> {
    let Some(listener) = listener else { return std::future::pending().await };
    let listener = UnixListener::from_std(listener)?;
    let seats = Arc::new(Semaphore::new(CLIENTS_MAX));
    let mut answers = JoinSet::new();
    loop {
        while answers.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "cannot accept who asks for the status");
                sleep(RETRY).await;
                continue;
            }
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            debug!("too many ask for the status at once");
            continue;
        };
        let mut text = serde_json::to_string(&status())?;
        text.push('\n');
        answers.spawn(async move {
            if !matches!(timeout(PATIENCE, answer(stream, &text)).await, Ok(Ok(()))) {
                debug!("whoever asked for the status did not read it");
            }
            drop(seat);
        });
    }
}

/// Nothing that the other side may have said is read.
async fn answer(mut stream: UnixStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
