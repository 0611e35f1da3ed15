//! One connection to a bridge, kept up: made when it is first wanted, made again when it is lost,
//! and doubled when nothing answers on any of its paths.
//!
//! ```text
//!            ┌─────────── wait: 0.25 s to 10 s, to 2 s while requests wait ───────────────┐
//!            ▼                                                                             │
//!   a line to the next bridge ──► ready ──► up ── closed ──────────────────────────────────┤
//!            │ unanswered                    │ no path answers for a while                 │
//!            └────────────────────────────── │ ────────────────────────────────────────────┘
//!                                            ▼
//!                        a second line beside it: whichever is answered first carries the
//!                        requests from then on; streams of the other go on if it comes back
//! ```
//!
//! A line is a connection and the manager of its paths (`line.rs`): that relays come and go is its business.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ap2ap_stream::Credentials;
use ap2ap_tokio::{ConnectError, Connection, ConnectionError, Endpoint, PublicKey, Ticket};
use carrier::PeerId;
use path_manager::{Accounts, Policy};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use crate::attach::{AttachError, Attachment, keep_all};
use crate::backoff::Backoff;
use crate::code;
use crate::lease::{Lease, Waiting};
use crate::line::{self, Line, RouteAndWay, RouteTo, Told};
use crate::memory::{Forgetful, Memory};
use crate::roster::{self, Roster};
use crate::status::{Role, Status};

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

/// A line of which no path answers for so long, and for so many round trips, gets a second one beside it: the bridge
/// may have forgotten it. That costs a handshake if it was chance.
const STALLED_AFTER: Duration = Duration::from_secs(2);
const STALLED_ROUND_TRIPS: u32 = 6;

/// A line that another one took the place of is closed if it does not answer for this long: the bridge does not know
/// it any more.
const SUPERSEDED_KEPT: Duration = Duration::from_secs(30);

/// Where there are several bridges, the next one is tried after this long.
const NEXT_BRIDGE_AFTER: Duration = Duration::from_secs(8);

/// A bridge, and the ways to it.
#[derive(Debug)]
pub struct BridgeWays {
    /// Its key, and what is shown to it.
    pub credentials: Credentials,
    /// Its names.
    pub peers: Vec<PeerId>,
    /// Carriers by the scheme of the peers that they reach.
    pub attachments: Vec<(String, Arc<Attachment>)>,
}

/// The bridges, and the connection to one of them.
#[derive(Debug)]
pub struct Session {
    endpoint: Endpoint,
    bridges: Vec<BridgeWays>,
    policy: Policy,
    memory: Arc<dyn Memory>,
    accounts: Arc<Mutex<Accounts>>,
    /// What requests use: changes when it is replaced or lost.
    current: watch::Sender<Option<Arc<Line>>>,
    /// A request waits, or a carrier is back: there is reason to try at once.
    wanted: Notify,
    /// Requests that wait for a connection.
    waiting: AtomicUsize,
    /// Which bridge is tried next.
    next_bridge: AtomicUsize,
    said: Arc<Said>,
    /// The newest last; those before it are on their way out.
    lines: Mutex<Vec<Arc<Line>>>,
    roster: Roster,
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

/// What was said of the last failure: it is said once.
#[derive(Debug, Default)]
struct Said(Mutex<Option<String>>);

/// A line's news, for this bridge.
#[derive(Debug)]
struct News {
    said: Arc<Said>,
    memory: Arc<dyn Memory>,
    bridge: PublicKey,
}

/// Whether an earlier process' session is to be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takeover {
    /// With the bridge's ticket, if there is one: whatever it was given in is over.
    Yes,
    /// Another line to the same bridge may be alive.
    No,
}

impl Session {
    /// A session with whichever of the bridges can be reached, over carriers of `endpoint`, which is one
    /// [of many](Endpoint::client_of_many) configured by [`endpoint_config`](crate::endpoint_config).
    ///
    /// # Errors
    /// [`SessionError`] if there is a bridge without a peer, or a peer that no attachment reaches.
    pub fn new(
        endpoint: Endpoint,
        bridges: Vec<BridgeWays>,
        policy: Policy,
    ) -> Result<Self, SessionError> {
        if bridges.is_empty() || bridges.iter().any(|bridge| bridge.peers.is_empty()) {
            return Err(SessionError::NoPeer);
        }
        for bridge in &bridges {
            let reaches = |peer: &&PeerId| {
                bridge.attachments.iter().any(|(scheme, _)| scheme == peer.scheme())
            };
            if let Some(stranger) = bridge.peers.iter().find(|peer| !reaches(peer)) {
                return Err(SessionError::NoCarrier { scheme: stranger.scheme().to_owned() });
            }
        }
        Ok(Self {
            endpoint,
            bridges,
            policy,
            memory: Arc::new(Forgetful),
            accounts: Arc::default(),
            current: watch::Sender::new(None),
            wanted: Notify::new(),
            waiting: AtomicUsize::new(0),
            next_bridge: AtomicUsize::new(0),
            said: Arc::default(),
            lines: Mutex::default(),
            roster: Roster::new(Role::Client),
        })
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> Status {
        let routes = self.routes().iter().map(roster::route).collect();
        Status { routes, ..self.roster.status() }
    }

    pub(crate) const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Remembers from one process to the next.
    #[must_use]
    pub fn with_memory(self, memory: Arc<dyn Memory>) -> Self {
        Self { memory, ..self }
    }

    /// How many addresses the bridges have.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.bridges.iter().map(|bridge| bridge.peers.len()).sum()
    }

    /// What is known of the ways to the bridge in use.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteAndWay> {
        let line = self.current.borrow().clone();
        let accounts = line::accounts(&self.accounts).clone();
        line.map(|line| line.routes(&accounts)).unwrap_or_default()
    }

    /// The connection to use now. It may be so new that it is not up yet: what is written first
    /// travels in the first message. `None` if there is none for [`CONNECTION_WAIT`].
    pub(crate) async fn lease(&self) -> Option<Lease> {
        let mut changes = self.current.subscribe();
        let is_alive = |current: &Option<Arc<Line>>| {
            current.as_ref().is_some_and(|line| line.connection.close_reason().is_none())
        };
        if !is_alive(&changes.borrow()) {
            self.wanted.notify_one();
        }
        let _waiting = Waiting::new(&self.waiting);
        let found = timeout(CONNECTION_WAIT, changes.wait_for(is_alive)).await.ok()?.ok()?;
        let line = found.clone()?;
        drop(found);
        Some(Lease::new(line, changes))
    }

    /// Keeps carriers and a connection up, until there is no hope for any carrier.
    pub(crate) async fn keep_up(&self) -> Option<AttachError> {
        let mut attachments: Vec<&Arc<Attachment>> = Vec::new();
        for (_, attachment) in self.bridges.iter().flat_map(|bridge| &bridge.attachments) {
            if !attachments.iter().any(|known| Arc::ptr_eq(known, attachment)) {
                attachments.push(attachment);
            }
        }
        tokio::select! {
            refusal = keep_all(attachments.into_iter().map(AsRef::as_ref), &self.wanted) => refusal,
            () = self.keep_connected() => None,
        }
    }

    /// Says all bridges goodbye.
    pub async fn shutdown(&self) {
        self.endpoint.shutdown(code::STOPPING, "the client stops").await;
    }

    /// Connects again and again. Never ends.
    async fn keep_connected(&self) {
        let mut backoff = Backoff::up_to(RETRY_MAX);
        let mut retired = JoinSet::new();
        loop {
            let since = Instant::now();
            self.connect_once(&mut retired).await;
            self.current.send_replace(None);
            self.forget_dead_lines();
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

    /// Makes one line and follows it, and those that take its place, to the end.
    async fn connect_once(&self, retired: &mut JoinSet<()>) {
        let mut line = match self.begin(Takeover::Yes) {
            Ok(line) => line,
            Err(error) => {
                self.said.failure(&error);
                return;
            }
        };
        self.current.send_replace(Some(Arc::clone(&line)));
        if let Err(reason) = self.ready(&line).await {
            line.connection.span().in_scope(|| self.said.failure(&reason));
            self.leave(&line);
            return;
        }
        line.connection.span().in_scope(|| self.said.connected());
        loop {
            tokio::select! {
                reason = line.connection.closed() => {
                    let reason = with_sources(&reason);
                    let tell = || warn!(%reason, "the connection to the bridge is lost");
                    line.connection.span().in_scope(tell);
                    return;
                }
                () = line.stalled(patience(&line.connection)) => {}
            }
            line.connection.span().in_scope(|| {
                debug!("the bridge is silent: trying a second connection beside this one");
            });
            if let Some(newer) = self.second(&line).await {
                newer.connection.span().in_scope(|| {
                    info!("connected to the bridge again, the older way is silent");
                });
                self.current.send_replace(Some(Arc::clone(&newer)));
                let older = std::mem::replace(&mut line, newer);
                while retired.try_join_next().is_some() {}
                retired.spawn(retire(older));
                self.forget_dead_lines();
            }
        }
    }

    /// Tries to have another line up before `silent` answers or ends.
    async fn second(&self, silent: &Arc<Line>) -> Option<Arc<Line>> {
        let connect = async {
            let mut backoff = Backoff::up_to(RETRY_WANTED);
            loop {
                match self.begin(Takeover::No) {
                    Ok(newer) => match self.ready(&newer).await {
                        Ok(()) => return newer,
                        Err(reason) => {
                            debug!(%reason, "no second connection");
                            self.leave(&newer);
                        }
                    },
                    Err(reason) => debug!(%reason, "no second connection"),
                }
                sleep(backoff.wait()).await;
            }
        };
        let found = tokio::select! {
            newer = connect => Some(newer),
            () = silent.answered() => None,
            _reason = silent.connection.closed() => None,
        };
        match &found {
            // Relays work again: the older line is asked at once, too.
            Some(_) => silent.hurry(),
            // What was begun beside it is dropped.
            None => self.keep_only(silent),
        }
        found
    }

    /// Waits until a line is up. Where there are several bridges, it does not wait for long.
    async fn ready(&self, line: &Arc<Line>) -> Result<(), ConnectionError> {
        if self.bridges.len() < 2 {
            return line.connection.ready().await;
        }
        let ready = timeout(NEXT_BRIDGE_AFTER, line.connection.ready()).await;
        ready.unwrap_or(Err(ConnectionError::Unanswered))
    }

    /// Begins a line to the next bridge.
    fn begin(&self, takeover: Takeover) -> Result<Arc<Line>, ConnectError> {
        let next = self.next_bridge.load(Ordering::Relaxed);
        let index = next.checked_rem(self.bridges.len()).unwrap_or_default();
        let Some(bridge) = self.bridges.get(index) else { return Err(ConnectError::Ended) };
        let key = *bridge.credentials.bridge();
        let ticket = match takeover {
            Takeover::Yes => self.memory.take_ticket(&key),
            Takeover::No => None,
        };
        let credentials = bridge.credentials.clone();
        let credentials = match ticket {
            Some(ticket) => credentials.with_ticket(ticket),
            None => credentials,
        };
        let memory = Arc::clone(&self.memory);
        let told = News { said: Arc::clone(&self.said), memory: Arc::clone(&memory), bridge: key };
        let connection = self.endpoint.connect_later(credentials)?;
        self.roster.enter(&connection);
        let line = Arc::new(Line::begin(line::Plan {
            connection,
            policy: self.policy,
            ways: bridge.ways(),
            accounts: Arc::clone(&self.accounts),
            memory,
            told: Arc::new(told),
        }));
        self.lines().push(Arc::clone(&line));
        Ok(line)
    }

    /// A line came to nothing: the next one goes to another bridge, if there is one.
    fn leave(&self, line: &Arc<Line>) {
        self.next_bridge.fetch_add(1, Ordering::Relaxed);
        line.connection.close(code::ABANDONED, "");
        self.lines().retain(|known| !Arc::ptr_eq(known, line));
    }

    /// What was begun after this line is not wanted.
    fn keep_only(&self, line: &Arc<Line>) {
        let unwanted = {
            let mut lines = self.lines();
            let place = lines.iter().position(|known| Arc::ptr_eq(known, line));
            place.map(|place| lines.split_off(place.saturating_add(1))).unwrap_or_default()
        };
        for line in unwanted {
            line.connection.close(code::ABANDONED, "");
        }
    }

    fn forget_dead_lines(&self) {
        self.lines().retain(|line| line.connection.close_reason().is_none());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BridgeWays {
    fn ways(&self) -> Vec<RouteTo> {
        let over = |peer: &PeerId| {
            let peer = peer.clone();
            let attachments =
                self.attachments.iter().filter(move |(scheme, _)| scheme == peer.scheme());
            attachments.map(|(_, attachment)| Arc::clone(attachment)).collect::<Vec<_>>()
        };
        let ways = self.peers.iter().flat_map(|peer| {
            over(peer).into_iter().map(|attachment| RouteTo {
                login: attachment.login(),
                attachment,
                peer: peer.clone(),
            })
        });
        ways.collect()
    }
}

impl Told for News {
    fn refused(&self, why: &ConnectionError) {
        self.said.failure(why);
    }

    fn ticket(&self, ticket: Ticket) {
        self.memory.keep_ticket(&self.bridge, ticket);
    }
}

impl Said {
    /// Says why there is no connection, once for each reason until there is one.
    fn failure(&self, error: &dyn std::error::Error) {
        let reason = with_sources(error);
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.as_ref() == Some(&reason) {
            debug!(reason, "still no connection to the bridge");
            return;
        }
        warn!(reason, "no connection to the bridge");
        *said = Some(reason);
    }

    fn connected(&self) {
        info!("connected to the bridge");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Lets a line go on for as long as it answers and has streams.
async fn retire(line: Arc<Line>) {
    line.step_back();
    loop {
        let is_up = timeout(SUPERSEDED_KEPT, line.answered()).await.is_ok();
        if line.connection.close_reason().is_some() {
            return;
        }
        if !is_up || line.connection.streams_open() == 0 {
            line.connection.close(code::ABANDONED, "a newer connection took its place");
            return;
        }
        sleep(SUPERSEDED_KEPT).await;
    }
}

/// How long nothing may answer before the bridge is thought to have forgotten a connection.
fn patience(connection: &Connection) -> Duration {
    let round_trip = connection.stats().rtt.unwrap_or_default();
    (round_trip * STALLED_ROUND_TRIPS).max(STALLED_AFTER)
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
