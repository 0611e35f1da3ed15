//! The far end: takes streams, dials their targets, carries octets.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ap2ap_tokio::{Connection, Endpoint, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, RwLock, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error_span, info, warn};
use tunnel_proto::{Answer, Cause, Open, Opening};

use crate::Ended;
use crate::attach::{Attachment, keep_all};
use crate::code;
use crate::dial::ForwardList;
use crate::measure;
use crate::roster::Roster;
use crate::splice::{reset_on_close, splice};
use crate::status::Role;

/// Streams that a bridge serves at once; more are reset. Each holds a socket and about 20 KiB.
pub const STREAMS_MAX: usize = 2048;

/// A stream whose opening message takes longer is reset.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Octets that a client may send before it has its answer, as far as they are read.
const AHEAD_OCTETS_MAX: usize = 8 * 1024;

/// A fault of this machine's that lasts is told this often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The far end of the tunnel.
#[derive(Debug)]
pub struct Bridge {
    endpoint: Endpoint,
    attachments: Vec<Attachment>,
    common: Common,
}

/// What all connections of a bridge share.
#[derive(Clone, Debug)]
struct Common {
    forward: Arc<ForwardList>,
    streams: Arc<Semaphore>,
    measurements: Arc<Semaphore>,
    roster: Roster,
}

impl Bridge {
    /// A bridge whose endpoint is reached through `attachments`, and that forwards to the targets of `forward` only.
    #[must_use]
    pub fn new(endpoint: Endpoint, attachments: Vec<Attachment>, forward: ForwardList) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let roster = Roster::new(Role::Bridge);
        let measurements = Arc::new(Semaphore::new(measure::MEASUREMENTS_MAX));
        let common = Common { forward: Arc::new(forward), streams, measurements, roster };
        Self { endpoint, attachments, common }
    }

    /// The same, but clients who ask to measure their path are refused.
    #[must_use]
    pub fn without_measurements(self) -> Self {
        self.common.measurements.close();
        self
    }

    /// Tells how things stand, for as long as it is held.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.common.roster
    }

    /// Serves until `stop` is cancelled or every carrier is gone for good. Streams that are open
    /// then are reset.
    pub async fn run(self, stop: CancellationToken) -> Ended {
        // Clients come by themselves when a carrier is back.
        let back = Notify::new();
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Stopped,
            refusal = keep_all(self.attachments.iter(), &back) => Ended::CarriersGone(refusal),
            never = self.serve() => match never {},
        };
        self.endpoint.shutdown(code::STOPPING, "the bridge stops").await;
        ended
    }

    /// Serves clients as they come. Those that are dropped with it are reset.
    async fn serve(&self) -> Infallible {
        let mut connections = JoinSet::new();
        while let Some(connection) = self.endpoint.accept().await {
            while connections.try_join_next().is_some() {}
            let span = connection.span().clone();
            self.common.roster.enter(&connection);
            let served = serve_connection(connection, self.common.clone());
            connections.spawn(served.instrument(span));
        }
        // Why there will be no more is for the keeper of the carriers to say.
        pending().await
    }
}

async fn serve_connection(connection: Connection, common: Common) {
    info!("a client connected");
    // A measurement writes: nothing is paced meanwhile, so that nothing else may be sent.
    let pacing = Arc::new(RwLock::new(()));
    let mut tasks = JoinSet::new();
    while let Some(mut stream) = connection.accept_stream().await {
        while tasks.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&common.streams).try_acquire_owned() else {
            stream.reset(code::BUSY);
            stream.stop(code::BUSY);
            continue;
        };
        // At the level of errors, so that whatever is logged inside it has it.
        let span = error_span!("stream", id = %stream.id());
        let (common, connection, pacing) = (common.clone(), connection.clone(), pacing.clone());
        let served = async move {
            serve_stream(stream, (&connection, &pacing), &common).await;
            drop(permit);
        };
        tasks.spawn(served.instrument(span));
    }
    let reason = connection.closed().await;
    info!(%reason, "a client is gone");
}

async fn serve_stream(
    mut stream: Stream,
    (connection, pacing): (&Connection, &RwLock<()>),
    common: &Common,
) {
    let opened = timeout(OPEN_TIMEOUT, read_open(&mut stream)).await;
    match opened {
        Ok(Some((Opening::Open(open), ahead))) => {
            let Ok(_paced) = pacing.try_read() else {
                debug!("no stream beside a measurement");
                refuse(stream, Cause::NotAllowed).await;
                return;
            };
            serve_open((stream, open, ahead), common).await;
        }
        Ok(Some((Opening::Measure, ahead))) => {
            let (Ok(_permit), Ok(_alone)) = (common.measurements.try_acquire(), pacing.try_write())
            else {
                debug!("no measurement: too many, none is wanted, or streams are open beside it");
                refuse(stream, Cause::NotAllowed).await;
                return;
            };
            measure::serve(stream, connection, ahead).await;
        }
        Ok(None) | Err(_) => {
            debug!("no opening message");
            stream.reset(code::BAD_OPEN);
            stream.stop(code::BAD_OPEN);
        }
    }
}

async fn serve_open((mut stream, open, mut ahead): (Stream, Open, Vec<u8>), common: &Common) {
    let forward = &common.forward;
    let dialled = tokio::select! {
        dialled = forward.dial(&open.target) => dialled,
        () = client_gone(&mut stream, &mut ahead) => {
            debug!("the client left while its target was being dialled");
            return;
        }
    };
    let mut tcp = match dialled {
        Ok(tcp) => tcp,
        Err(cause) => {
            debug!(?cause, "not connected");
            if cause == Cause::BridgeFailure {
                warn_of_failure();
            }
            refuse(stream, cause).await;
            return;
        }
    };
    // The address by which the target sees us: what a SOCKS reply says.
    let Ok(bound) = tcp.local_addr() else {
        refuse(stream, Cause::BridgeFailure).await;
        return;
    };
    reset_on_close(&tcp);
    let mut answer = Vec::new();
    Answer::connected(bound).encode(&mut answer);
    if stream.write_all(&answer).await.is_err() || tcp.write_all(&ahead).await.is_err() {
        return;
    }
    debug!("connected");
    let mut open = common.roster.stream();
    splice(tcp, stream, forward.tcp_buffers(), &mut open.carried).await;
}

/// Reads the opening message, and what of the payload came with it.
async fn read_open(stream: &mut Stream) -> Option<(Opening, Vec<u8>)> {
    let mut input = Vec::new();
    loop {
        match Opening::decode(&input) {
            Ok(Some((open, used))) => return Some((open, input.split_off(used))),
            Ok(None) if input.len() < Open::MAX_LEN => {}
            Ok(None) | Err(_) => return None,
        }
        if stream.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
}

/// Waits until the client gives its stream up. What it sends ahead meanwhile is kept, up to a limit:
/// after that only the answer tells whether it is still there.
async fn client_gone(stream: &mut Stream, ahead: &mut Vec<u8>) {
    while ahead.len() < AHEAD_OCTETS_MAX {
        match stream.read_buf(ahead).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return,
        }
    }
    pending().await
}

/// Says that this machine is at fault, once a minute at the most: it is likely to go on.
fn warn_of_failure() {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
        *said = Some(Instant::now());
        warn!(
            "targets cannot be dialled: raise the limit of open files (ulimit -n) if it is reached"
        );
    }
}

async fn refuse(mut stream: Stream, cause: Cause) {
    let mut answer = Vec::new();
    Answer::refused(cause).encode(&mut answer);
    stream.stop(code::ABANDONED);
    // If the client is gone there is nobody to be told.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}
