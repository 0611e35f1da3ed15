//! Who is connected: kept for whoever asks how things stand, and keeping nobody connected.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ap2ap_stream::LossClass;
use ap2ap_tokio::{Connection, PathPhase, PathReport, PathSigns, Route, WeakConnection};
use path_manager::Verdict;
use tokio::time::Instant;
use tracing::debug;

use crate::line::RouteAndWay;
use crate::splice::Carried;
use crate::status::{
    LossKind, PathRoute, PathState, PathStatus, Role, RouteStatus, RouteVerdict, SessionState,
    SessionStatus, Status, Totals, VERSION,
};

/// A path that was asked so often in a row without an answer is called silent. Loss alone makes it look so now
/// and then, and only in what is shown.
const SILENT_PROBES: u32 = 2;

/// The sessions of a client or a bridge, and what it carried. Clones are the same roster.
#[derive(Clone, Debug)]
pub struct Roster {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    role: Role,
    started: Instant,
    totals: Totals,
    /// Those that are over are left out when the next one begins: endpoints limit the others.
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    id: u64,
    began: Instant,
    connection: WeakConnection,
}

/// A stream that is being carried. It counts as open until it is dropped; what it carried by then is counted then, and
/// told in the log, whatever ended it.
#[derive(Debug)]
pub(crate) struct OpenStream {
    roster: Roster,
    pub(crate) carried: Carried,
}

impl Roster {
    pub(crate) fn new(role: Role) -> Self {
        let state = State {
            role,
            started: Instant::now(),
            totals: Totals::default(),
            sessions: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A connection began.
    pub(crate) fn enter(&self, connection: &Connection) {
        let mut state = self.lock();
        state.sessions.retain(|session| session.connection.upgrade().is_some());
        let (id, began) = (state.totals.sessions, Instant::now());
        state.totals.sessions += 1;
        state.sessions.push(Session { id, began, connection: connection.downgrade() });
    }

    /// A stream was connected to its target.
    pub(crate) fn stream(&self) -> OpenStream {
        let mut state = self.lock();
        state.totals.streams += 1;
        state.totals.streams_open += 1;
        OpenStream { roster: self.clone(), carried: Carried::default() }
    }

    /// How things stand now.
    #[must_use]
    pub fn status(&self) -> Status {
        // Locks of connections are taken one at a time, and not under ours.
        let (role, uptime, totals, live) = {
            let state = self.lock();
            let live: Vec<_> = state
                .sessions
                .iter()
                .filter_map(|one| Some((one.id, one.began, one.connection.upgrade()?)))
                .collect();
            (state.role, state.started.elapsed(), state.totals, live)
        };
        let sessions = live
            .iter()
            .filter(|(_, _, connection)| connection.close_reason().is_none())
            .map(|(id, began, connection)| session(*id, began.elapsed(), connection))
            .collect();
        let (uptime_s, routes) = (seconds(uptime), Vec::new());
        Status { version: VERSION, role, uptime_s, totals, sessions, routes }
    }

    /// A poisoned lock is taken all the same: counters are never half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Carried { from_tcp, to_tcp } = self.carried;
        let role = {
            let mut state = self.roster.lock();
            let totals = &mut state.totals;
            totals.streams_open = totals.streams_open.saturating_sub(1);
            totals.octets_from_tcp = totals.octets_from_tcp.saturating_add(from_tcp);
            totals.octets_to_tcp = totals.octets_to_tcp.saturating_add(to_tcp);
            state.role
        };
        match role {
            Role::Client => debug!(from_client = from_tcp, to_client = to_tcp, "request ended"),
            Role::Bridge => debug!(from_target = from_tcp, to_target = to_tcp, "stream ended"),
        }
    }
}

fn session(id: u64, age: Duration, connection: &Connection) -> SessionStatus {
    let stats = connection.stats();
    SessionStatus {
        id,
        state: if connection.is_up() { SessionState::Up } else { SessionState::Connecting },
        age_s: seconds(age),
        streams_open: u64::try_from(connection.streams_open()).unwrap_or(u64::MAX),
        datagrams_sent: stats.datagrams_sent,
        octets_sent: stats.octets_sent,
        datagrams_received: stats.datagrams_received,
        octets_received: stats.octets_received,
        packets_lost: stats.packets_lost,
        octets_resent: stats.octets_resent,
        paths: paths(&connection.paths()),
    }
}

/// What a path manager knows of a way.
pub(crate) fn route(known: &RouteAndWay) -> RouteStatus {
    let RouteAndWay { route, carrier, peer } = known;
    RouteStatus {
        carrier: carrier.map(|carrier| carrier.to_string()),
        peer: peer.to_string(),
        verdict: match route.verdict {
            Verdict::Untold => RouteVerdict::Untold,
            Verdict::Healthy => RouteVerdict::Healthy,
            Verdict::Throttled => RouteVerdict::Throttled,
            Verdict::Unreachable => RouteVerdict::Unreachable,
            Verdict::Blocked => RouteVerdict::Blocked,
            Verdict::Away => RouteVerdict::Away,
            Verdict::Spent => RouteVerdict::Spent,
        },
        paths: u64::try_from(route.paths).unwrap_or(u64::MAX),
        refused: route.refused,
        unanswered: route.unanswered,
        retry_in_s: route.retry_in.map(seconds),
        octets_today: route.octets_today,
        openings_today: route.openings_today,
    }
}

fn paths(reports: &[PathReport]) -> Vec<PathStatus> {
    // A bottleneck has the name of the path that goes on over it.
    let is_shared = |key| reports.iter().any(|report| report.shares_with == Some(key));
    let bottleneck = |report: &PathReport| {
        let key = report.shares_with.or_else(|| is_shared(report.key).then_some(report.key));
        key.map(|key| format!("path {}", key.number()))
    };
    let one = |report| PathStatus { bottleneck: bottleneck(report), ..path(report) };
    reports.iter().map(one).collect()
}

fn path(report: &PathReport) -> PathStatus {
    let stats = report.stats.unwrap_or_default();
    let (state, reason) = match &report.phase {
        PathPhase::Opening => (PathState::Opening, None),
        PathPhase::Open => (state_of(report.signs), None),
        PathPhase::Over(why) => (PathState::Over, Some(why.to_string())),
    };
    PathStatus {
        id: report.key.number(),
        carrier: report.carrier.to_string(),
        peer: report.peer.as_ref().map(ToString::to_string),
        route: match report.route {
            Route::Direct => PathRoute::Direct,
            Route::Relayed => PathRoute::Relayed,
            Route::Unknown => PathRoute::Unknown,
        },
        state,
        reason,
        age_s: seconds(report.age),
        probes_unanswered: report.signs.probes_unanswered,
        rate: stats.rate,
        rtt_ms: stats.rtt.map(millis),
        rtt_min_ms: stats.rtt_min.map(millis),
        loss: match stats.loss.class {
            LossClass::Chance => LossKind::Chance,
            LossClass::Queue => LossKind::Queue,
            LossClass::Policer => LossKind::Policer,
            LossClass::Untold | _ => LossKind::Untold,
        },
        chance: f64::from(stats.loss.chance_ppm) / 1e6,
        switches: stats.rate.map(|_| stats.switches),
        bottleneck: None,
        control: stats.state.to_owned(),
        octets_sent: stats.sent.octets,
        octets_received: stats.octets_received,
        packets_lost: stats.lost.packets,
        in_flight: stats.in_flight,
    }
}

const fn state_of(signs: PathSigns) -> PathState {
    match signs {
        PathSigns { is_heard: false, .. } => PathState::Asking,
        PathSigns { probes_unanswered: SILENT_PROBES.., .. } => PathState::Silent,
        PathSigns { .. } => PathState::Answering,
    }
}

/// To the microsecond, which is more than anybody reads.
fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64())
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
