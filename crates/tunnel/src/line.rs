//! One connection to a bridge, and the path manager that keeps its paths.
//!
//! ```text
//!   path manager ── open, close ──► connection ──► endpoint, its carriers
//!        ▲                              │
//!        └── opened, answers, silent, ──┘
//!            rate, over
//! ```

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ap2ap_tokio::{
    CarrierId, Connection, ConnectionError, PathKey, PathPhase, PathReport, Route as Way, Ticket,
};
use carrier::PeerId;
use path_manager::{
    Accounts, Action, End, LoginId, PathManager, PathNumber, Policy, Route, RouteId, RouteReport,
    Sign,
};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, debug};

use crate::attach::Attachment;
use crate::memory::Memory;

/// Rates and octets are looked at this often: they change without a word.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// While streams are open and nothing comes for so long the bridge is asked whether it is there, for a download's
/// receiver is owed nothing; then after twice as long each time, for the streams may have nothing to say.
const ASK_AFTER: Duration = Duration::from_secs(2);
const ASK_MAX: Duration = Duration::from_secs(60);

/// So little is the answer to a question and nothing else: eight paths' of 100 octets.
const ANSWER_MAX: u64 = 800;

/// Over an AP2AP route the overlay makes a stream for each path; a connection uses eight.
const PATHS_OF_ONE_ROUTE_MAX: u8 = 8;

/// A connection, kept in paths for as long as this lives.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) connection: Connection,
    watched: Arc<Watched>,
    _keeper: AbortOnDropHandle<()>,
}

/// What a line is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) connection: Connection,
    pub(crate) policy: Policy,
    pub(crate) ways: Vec<RouteTo>,
    pub(crate) accounts: Arc<Mutex<Accounts>>,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) told: Arc<dyn Told>,
}

/// Who is told what happens to a line.
pub(crate) trait Told: std::fmt::Debug + Send + Sync {
    /// A path failed before the connection was up.
    fn refused(&self, why: &ConnectionError);

    /// The bridge gave a ticket for the next session.
    fn ticket(&self, ticket: Ticket);
}

/// A carrier, and a name of the bridge's on its overlay.
#[derive(Clone, Debug)]
pub(crate) struct RouteTo {
    pub(crate) login: LoginId,
    pub(crate) attachment: Arc<Attachment>,
    pub(crate) peer: PeerId,
}

/// What a line shows of itself.
#[derive(Debug)]
struct Watched {
    manager: Mutex<PathManager>,
    /// Whether any path answers.
    is_up: watch::Sender<bool>,
    /// There is reason to look again.
    look: Notify,
    routes: BTreeMap<RouteId, RouteTo>,
}

/// A route, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAndWay {
    /// What the path manager knows of it.
    pub route: RouteReport,
    /// The carrier, unless it is gone.
    pub carrier: Option<CarrierId>,
    /// The bridge's name there.
    pub peer: PeerId,
}

impl Line {
    /// Begins to keep a connection in paths.
    pub(crate) fn begin(plan: Plan) -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("every system that this runs on has a random source");
        let mut manager = PathManager::new(plan.policy, u64::from_le_bytes(seed));
        let routes = plan.ways.into_iter().map(|to| {
            let paths_max = if to.peer.scheme() == "skype" { PATHS_OF_ONE_ROUTE_MAX } else { 1 };
            (manager.add_route(Route { login: to.login, paths_max }), to)
        });
        let routes: BTreeMap<RouteId, RouteTo> = routes.collect();
        let watched = Arc::new(Watched {
            manager: Mutex::new(manager),
            is_up: watch::Sender::new(false),
            look: Notify::new(),
            routes,
        });
        let keeper = Keeper {
            connection: plan.connection.clone(),
            watched: Arc::clone(&watched),
            accounts: plan.accounts,
            memory: plan.memory,
            told: plan.told,
            paths: BTreeMap::new(),
            carriers: BTreeMap::new(),
            was_up: false,
            quiet: Quiet::new(Instant::now()),
        };
        let span = plan.connection.span().clone();
        let task = tokio::spawn(keeper.keep().instrument(span));
        Self { connection: plan.connection, watched, _keeper: AbortOnDropHandle::new(task) }
    }

    /// Waits until no path answers for `patience`.
    pub(crate) async fn stalled(&self, patience: Duration) {
        let mut is_up = self.watched.is_up.subscribe();
        loop {
            // The sender lives as long as the line.
            let _ = is_up.wait_for(|up| !up).await;
            if tokio::time::timeout(patience, is_up.wait_for(|up| *up)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until a path answers.
    pub(crate) async fn answered(&self) {
        let mut is_up = self.watched.is_up.subscribe();
        let _ = is_up.wait_for(|up| *up).await;
    }

    /// There is reason to hope: waits end now.
    pub(crate) fn hurry(&self) {
        self.watched.manager().hurry();
        self.watched.look.notify_one();
    }

    /// Only one path is kept up from now on.
    pub(crate) fn step_back(&self) {
        self.watched.manager().set_warm(1);
    }

    /// What is known of the ways to the bridge.
    pub(crate) fn routes(&self, accounts: &Accounts) -> Vec<RouteAndWay> {
        let reports = self.watched.manager().report(Instant::now().into_std(), accounts);
        let with_way = |route: RouteReport| {
            let to = self.watched.routes.get(&route.route)?;
            let (carrier, peer) = (to.attachment.carrier(), to.peer.clone());
            Some(RouteAndWay { route, carrier, peer })
        };
        reports.into_iter().filter_map(with_way).collect()
    }
}

impl Watched {
    fn manager(&self) -> MutexGuard<'_, PathManager> {
        // Each of its calls leaves it whole.
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what the manager says.
struct Keeper {
    connection: Connection,
    watched: Arc<Watched>,
    accounts: Arc<Mutex<Accounts>>,
    memory: Arc<dyn Memory>,
    told: Arc<dyn Told>,
    paths: BTreeMap<PathNumber, Known>,
    /// As they were when they were last looked at.
    carriers: BTreeMap<RouteId, Option<CarrierId>>,
    was_up: bool,
    quiet: Quiet,
}

/// How long nothing has come, and when the bridge is asked whether it is there.
#[derive(Debug)]
struct Quiet {
    octets: u64,
    since: Instant,
    patience: Duration,
}

impl Quiet {
    const fn new(now: Instant) -> Self {
        Self { octets: 0, since: now, patience: ASK_AFTER }
    }

    /// Whether it is time to ask. Each time it is waited for twice as long, until something comes.
    fn is_due(&mut self, now: Instant, octets: u64) -> bool {
        if self.octets != octets {
            let answered_at_once =
                self.patience > ASK_AFTER && octets < self.octets.saturating_add(ANSWER_MAX);
            self.octets = octets;
            self.since = now;
            if !answered_at_once {
                self.patience = ASK_AFTER;
            }
            return false;
        }
        let is_due = now.saturating_duration_since(self.since) >= self.patience;
        if is_due {
            self.since = now;
            self.patience = (self.patience * 2).min(ASK_MAX);
        }
        is_due
    }
}

/// A path that the manager knows.
struct Known {
    key: PathKey,
    route: RouteId,
    /// Octets that were counted already.
    octets: u64,
}

impl Keeper {
    async fn keep(mut self) {
        let watched = Arc::clone(&self.watched);
        let connection = self.connection.clone();
        let mut presence: Vec<_> =
            watched.routes.values().map(|to| to.attachment.watch()).collect();
        loop {
            let mut changed = pin!(connection.paths_changed());
            let looked_at = Instant::now();
            if connection.close_reason().is_some() {
                watched.is_up.send_replace(false);
                return;
            }
            presence.iter_mut().for_each(watch::Receiver::mark_unchanged);
            self.look_at_carriers();
            self.look_at_paths(looked_at);
            let received = connection.stats().octets_received;
            if self.quiet.is_due(looked_at, received) && connection.streams_open() > 0 {
                connection.ask();
            }
            let due = self.act(looked_at);
            let is_up = watched.manager().is_up();
            watched.is_up.send_if_modified(|was_up| std::mem::replace(was_up, is_up) != is_up);
            tokio::select! {
                () = &mut changed => {}
                () = watched.look.notified() => {}
                () = any_changed(&mut presence) => {}
                () = sleep_until(due.map_or(looked_at + LOOK_EVERY, Into::into)) => {}
                () = sleep_until(looked_at + LOOK_EVERY) => {}
            }
        }
    }

    fn look_at_carriers(&mut self) {
        for (id, to) in &self.watched.routes {
            let carrier = to.attachment.carrier();
            if self.carriers.insert(*id, carrier) == Some(carrier) {
                continue;
            }
            let mut manager = self.watched.manager();
            manager.carrier_is_gone(to.login);
            if carrier.is_some() {
                manager.carrier_is_back(to.login);
            }
        }
    }

    fn look_at_paths(&mut self, now: Instant) {
        if let Some(ticket) = self.connection.take_ticket() {
            self.told.ticket(ticket);
        }
        let mut reports: BTreeMap<PathKey, PathReport> =
            self.connection.paths().into_iter().map(|report| (report.key, report)).collect();
        self.was_up |= reports.values().any(|report| report.signs.is_heard);
        let numbers: Vec<PathNumber> = self.paths.keys().copied().collect();
        for number in numbers {
            let Some(known) = self.paths.get(&number) else { continue };
            match reports.remove(&known.key) {
                Some(report) => self.look_at(now, number, &report),
                None => self.forget(number),
            }
        }
    }

    fn look_at(&mut self, now: Instant, number: PathNumber, report: &PathReport) {
        if let PathPhase::Over(why) = &report.phase {
            debug!(%why, "a path is over");
            if !self.was_up {
                self.told.refused(why);
            }
            self.watched.manager().path_ended(now.into_std(), number, end_of(why));
            self.forget(number);
            return;
        }
        self.count(now, number, report);
        if let (Some(known), Some(memory)) = (self.paths.get(&number), report.memory)
            && let Some(to) = self.watched.routes.get(&known.route)
        {
            self.memory.keep_path(&to.peer, memory);
        }
        let mut manager = self.watched.manager();
        for sign in signs(report) {
            manager.hear(now.into_std(), number, sign);
        }
    }

    /// Counts what went over a path since it was last looked at.
    fn count(&mut self, now: Instant, number: PathNumber, report: &PathReport) {
        let (Some(known), Some(stats)) = (self.paths.get_mut(&number), report.stats) else {
            return;
        };
        let octets = stats.sent.octets.saturating_add(stats.octets_received);
        let more = octets.saturating_sub(std::mem::replace(&mut known.octets, octets));
        if let Some(login) = self.watched.manager().login_of(number) {
            accounts(&self.accounts).spend(now.into_std(), login, more);
        }
    }

    fn forget(&mut self, number: PathNumber) {
        if let Some(known) = self.paths.remove(&number) {
            self.connection.close_path(known.key);
        }
    }

    /// Does what there is to do, until the manager waits; until when.
    fn act(&mut self, now: Instant) -> Option<std::time::Instant> {
        loop {
            let action = {
                let mut accounts = accounts(&self.accounts);
                self.watched.manager().poll(now.into_std(), &mut accounts)
            };
            match action {
                Action::Open { path, route } => self.open(now, path, route),
                Action::Close { path, why } => {
                    debug!(?why, "a path is given up");
                    self.forget(path);
                }
                Action::Wait(at) => return at,
            }
        }
    }

    fn open(&mut self, now: Instant, number: PathNumber, route: RouteId) {
        let Some(to) = self.watched.routes.get(&route) else { return };
        let opened = match to.attachment.carrier() {
            Some(carrier) => self.connection.open_path(carrier, to.peer.clone()).ok(),
            None => None,
        };
        let Some(key) = opened else {
            self.watched.manager().path_ended(now.into_std(), number, End::Refused);
            return;
        };
        if let Some(memory) = self.memory.path(&to.peer) {
            self.connection.remember_path(key, memory);
        }
        debug!(?route, "a path is opened");
        self.paths.insert(number, Known { key, route, octets: 0 });
    }
}

pub(crate) fn accounts(accounts: &Mutex<Accounts>) -> MutexGuard<'_, Accounts> {
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a path that is not over says.
fn signs(report: &PathReport) -> impl Iterator<Item = Sign> {
    let is_open = report.phase == PathPhase::Open;
    let opened = is_open.then_some(Sign::Opened);
    let answered = report.signs.is_heard.then_some(Sign::Answered);
    let probes = report.signs.probes_unanswered;
    let unanswered = (probes > 0).then_some(Sign::Unanswered { probes });
    let rate = report.stats.and_then(|stats| stats.rate).map(Sign::Rate);
    let direct = (report.route == Way::Direct).then_some(Sign::Direct);
    [opened, answered, unanswered, rate, direct].into_iter().flatten()
}

fn end_of(why: &ConnectionError) -> End {
    match why {
        ConnectionError::Open(_) | ConnectionError::Unreachable => End::Refused,
        ConnectionError::CarrierLost { .. } => End::CarrierGone,
        ConnectionError::Unanswered
        | ConnectionError::PathClosed
        | ConnectionError::Crowded
        | ConnectionError::Replaced
        | ConnectionError::NotNeeded
        | ConnectionError::Closed(_)
        | _ => End::Closed,
    }
}

/// Waits until one of them changes. Those whose sender is gone never do.
async fn any_changed(watched: &mut [watch::Receiver<Option<CarrierId>>]) {
    let mut changes: Vec<_> = watched.iter_mut().map(|one| Box::pin(one.changed())).collect();
    poll_fn(|cx| {
        let is_changed =
            changes.iter_mut().any(|one| matches!(one.as_mut().poll(cx), Poll::Ready(Ok(()))));
        if is_changed { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_asked_about_ever_more_rarely_until_more_than_an_answer_comes() {
        let second = Duration::from_secs(1);
        let mut now = Instant::now();
        let mut quiet = Quiet::new(now);
        assert!(!quiet.is_due(now, 5000));
        let mut waits = Vec::new();
        let mut octets = 5000;
        for _ in 0..6 {
            let since = now;
            while !quiet.is_due(now, octets) {
                now += second;
            }
            waits.push((now - since).as_secs());
            // The answer, and nothing else.
            octets += 60;
            assert!(!quiet.is_due(now, octets));
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60]);
        assert!(!quiet.is_due(now, octets + 5000));
        now += ASK_AFTER;
        assert!(quiet.is_due(now, octets + 5000));
    }
}
