//! One connection to the bridge, kept up: made when it is first wanted, made again when it is lost,
//! and doubled when it falls silent.
//!
//! ```text
//!            ┌─────────── wait: 0.25 s to 10 s, to 2 s while requests wait ───────────────┐
//!            ▼                                                                             │
//!   connect to the next address ──► ready ──► up ── closed, path down ─────────────────────┤
//!            │ unreachable, unanswered         │ silent for some round trips               │
//!            └──────────────────────────────── │ ──────────────────────────────────────────┘
//!                                              ▼
//!                        a second connection beside it: whichever is
//!                        answered first carries the requests from then on
//! ```

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ap2ap_stream::Credentials;
use ap2ap_tokio::{ConnectError, Connection};
use carrier::PeerId;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use crate::attach::{AttachError, Attachment, keep_all};
use crate::backoff::Backoff;
use crate::lease::{Lease, Waiting};
use crate::roster::Roster;
use crate::status::Role;

/// Between attempts to connect while nobody asks for anything.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Between attempts while requests wait for a connection.
const RETRY_WANTED: Duration = Duration::from_secs(2);

/// Attempts are never closer than this, however many requests come.
const RETRY_MIN: Duration = Duration::from_millis(250);

/// A connection that was lost sooner than this after it came up is no reason to hope.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// A request waits this long for a connection: an overlay or a bridge that is started again is back
/// within, and the clients' own patience is longer (Tor's is two minutes).
pub const CONNECTION_WAIT: Duration = Duration::from_secs(15);

/// A connection that was asked so often in a row without an answer gets a second one beside it. It
/// is asked about once a round trip, so slow relays have longer. At 20 % loss in each direction
/// one silence in sixty is as long by chance, and costs a handshake.
const SILENT_PROBES: u32 = 4;

/// The bridge, and the ways to it.
#[derive(Debug)]
pub struct Session {
    /// Attachments by the scheme of the peers that they reach.
    attachments: Vec<(String, Attachment)>,
    peers: Vec<PeerId>,
    credentials: Credentials,
    /// What requests use: changes when it is replaced or lost.
    current: watch::Sender<Option<Connection>>,
    /// A request waits, or a carrier is back: there is reason to try at once.
    wanted: Notify,
    /// Requests that wait for a connection.
    waiting: AtomicUsize,
    attempts: Mutex<Attempts>,
    roster: Roster,
}

#[derive(Debug, Default)]
struct Attempts {
    /// Which peer is tried next.
    next_peer: usize,
    /// What was said of the last failure: it is said once.
    said: Option<String>,
}

/// Why a session cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no way to begin with.
    #[error("no peer: a bridge needs at least one address")]
    NoPeer,
    /// No carrier reaches a peer.
    #[error("no carrier reaches {scheme} peers: add --carrier {scheme}:...")]
    NoCarrier {
        /// The peer's scheme.
        scheme: String,
    },
}

/// Why there is no connection to the bridge now.
#[derive(Debug, thiserror::Error)]
enum ConnectionLack {
    #[error("the carrier is gone")]
    Detached,
    #[error("no connection can begin")]
    Connect(#[from] ConnectError),
}

impl Session {
    /// A session with the bridge whose key is in `credentials` and that is reached at any of `peers`,
    /// each through the attachment of its scheme.
    ///
    /// # Errors
    /// [`SessionError`] if there is no peer, or one that no attachment reaches.
    pub fn new(
        attachments: Vec<(String, Attachment)>,
        peers: Vec<PeerId>,
        credentials: impl Into<Credentials>,
    ) -> Result<Self, SessionError> {
        if peers.is_empty() {
            return Err(SessionError::NoPeer);
        }
        let reaches =
            |peer: &&PeerId| attachments.iter().any(|(scheme, _)| scheme == peer.scheme());
        if let Some(stranger) = peers.iter().find(|peer| !reaches(peer)) {
            return Err(SessionError::NoCarrier { scheme: stranger.scheme().to_owned() });
        }
        Ok(Self {
            attachments,
            peers,
            credentials: credentials.into(),
            current: watch::Sender::new(None),
            wanted: Notify::new(),
            waiting: AtomicUsize::new(0),
            attempts: Mutex::default(),
            roster: Roster::new(Role::Client),
        })
    }

    /// Tells how things stand, for as long as it is held.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How many addresses the bridge has.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// The connection to use now. It may be so new that it is not up yet: what is written first
    /// travels in the first message. `None` if there is none for [`CONNECTION_WAIT`].
    pub(crate) async fn lease(&self) -> Option<Lease> {
        let mut changes = self.current.subscribe();
        let is_alive = |current: &Option<Connection>| {
            current.as_ref().is_some_and(|connection| connection.close_reason().is_none())
        };
        if !is_alive(&changes.borrow()) {
            self.wanted.notify_one();
        }
        let _waiting = Waiting::new(&self.waiting);
        let found = timeout(CONNECTION_WAIT, changes.wait_for(is_alive)).await.ok()?.ok()?;
        let connection = found.clone()?;
        drop(found);
        Some(Lease::new(connection, changes))
    }

    /// Keeps carriers and a connection up, until there is no hope for any carrier.
    pub(crate) async fn keep_up(&self) -> Option<AttachError> {
        let attachments = self.attachments.iter().map(|(_, attachment)| attachment);
        tokio::select! {
            refusal = keep_all(attachments, &self.wanted) => refusal,
            () = self.keep_connected() => None,
        }
    }

    /// Says all endpoints goodbye.
    pub async fn shutdown(&self) {
        for (_, attachment) in &self.attachments {
            attachment.shutdown("the client stops").await;
        }
    }

    /// Connects again and again. Never ends.
    async fn keep_connected(&self) {
        let mut backoff = Backoff::up_to(RETRY_MAX);
        loop {
            let since = Instant::now();
            self.connect_once().await;
            self.current.send_replace(None);
            if since.elapsed() >= STABLE_AFTER {
                backoff.reset();
            }
            self.pause(&mut backoff).await;
        }
    }

    /// Waits for the next attempt: not long if a request waits, not at all if a carrier is back.
    async fn pause(&self, backoff: &mut Backoff) {
        let wait = backoff.wait();
        let least = wait.min(RETRY_MIN);
        sleep(least).await;
        let is_wanted = self.waiting.load(Ordering::Relaxed) > 0;
        let wait = if is_wanted { wait.min(RETRY_WANTED) } else { wait };
        tokio::select! {
            () = sleep(wait.saturating_sub(least)) => {}
            () = self.wanted.notified() => backoff.reset(),
        }
    }

    /// Makes one connection and follows it, and those that take its place, to the end.
    async fn connect_once(&self) {
        let mut connection = match self.connect() {
            Ok(connection) => connection,
            // That the carrier is gone was said by whoever keeps it.
            Err(ConnectionLack::Detached) => return,
            Err(error @ ConnectionLack::Connect(_)) => {
                self.note_failure(&error);
                return;
            }
        };
        self.current.send_replace(Some(connection.clone()));
        if let Err(reason) = connection.ready().await {
            connection.span().in_scope(|| self.note_failure(&reason));
            return;
        }
        connection.span().in_scope(|| self.note_connected());
        loop {
            tokio::select! {
                reason = connection.closed() => {
                    let reason = with_sources(&reason);
                    let tell = || warn!(%reason, "the connection to the bridge is lost");
                    connection.span().in_scope(tell);
                    return;
                }
                () = connection.unanswered(SILENT_PROBES) => {}
            }
            connection.span().in_scope(|| {
                debug!("the bridge is silent: trying a second connection beside this one");
            });
            if let Some(newer) = self.second(&connection).await {
                newer.span().in_scope(|| {
                    info!("connected to the bridge again, the older way is silent");
                });
                // Streams on the older one go on if it comes back, and it ends with the last one.
                self.current.send_replace(Some(newer.clone()));
                connection = newer;
            }
        }
    }

    /// Tries to have another connection up before `silent` answers or ends.
    async fn second(&self, silent: &Connection) -> Option<Connection> {
        let connect = async {
            let mut backoff = Backoff::up_to(RETRY_WANTED);
            loop {
                match self.connect() {
                    Ok(newer) => match newer.ready().await {
                        Ok(()) => return newer,
                        Err(reason) => debug!(%reason, "no second connection"),
                    },
                    Err(reason) => debug!(%reason, "no second connection"),
                }
                sleep(backoff.wait()).await;
            }
        };
        tokio::select! {
            newer = connect => Some(newer),
            () = silent.answered() => None,
            _reason = silent.closed() => None,
        }
    }

    /// Begins a connection to the next of the bridge's addresses whose carrier is there.
    fn connect(&self) -> Result<Connection, ConnectionLack> {
        for _ in 0..self.peers.len() {
            let Some(peer) = self.next_peer() else { break };
            let attachment = self.attachments.iter().find(|(scheme, _)| scheme == peer.scheme());
            if let Some(endpoint) = attachment.and_then(|(_, attachment)| attachment.endpoint()) {
                let connection = endpoint.connect(peer.clone(), self.credentials.clone())?;
                self.roster.enter(&connection);
                return Ok(connection);
            }
        }
        Err(ConnectionLack::Detached)
    }

    fn next_peer(&self) -> Option<&PeerId> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = attempts.next_peer % self.peers.len().max(1);
        attempts.next_peer = index.saturating_add(1);
        self.peers.get(index)
    }

    /// Says why there is no connection, once for each reason until there is one.
    fn note_failure(&self, error: &dyn std::error::Error) {
        let reason = with_sources(error);
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.said.as_ref() == Some(&reason) {
            debug!(reason, "still no connection to the bridge");
            return;
        }
        warn!(reason, "no connection to the bridge");
        attempts.said = Some(reason);
    }

    fn note_connected(&self) {
        info!("connected to the bridge");
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).said = None;
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
