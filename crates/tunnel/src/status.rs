//! What a client or bridge tells of itself: its sessions, their paths, what was carried.
//!
//! These are plain values with a fixed shape: [`VERSION`] counts up when a field changes its meaning or goes.
//! Durations are milliseconds or seconds as their names say, rates are octets a second.

use serde::{Deserialize, Serialize};

/// Which shape [`Status`] has.
pub const VERSION: u32 = 1;

/// All there is to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`] of whoever wrote it.
    pub version: u32,
    /// Whose status it is.
    pub role: Role,
    /// Since it was started, in seconds.
    pub uptime_s: f64,
    /// What was carried since then.
    pub totals: Totals,
    /// The sessions that are not over, the oldest first.
    pub sessions: Vec<SessionStatus>,
    /// At a client, the ways to the bridge in use; at a bridge, none.
    pub routes: Vec<RouteStatus>,
}

/// Whose status it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It offers SOCKS.
    Client,
    /// It forwards to targets.
    Bridge,
}

/// What was carried since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Sessions that were begun.
    pub sessions: u64,
    /// Streams that were connected to a target.
    pub streams: u64,
    /// Those that are open.
    pub streams_open: u64,
    /// Payload octets that TCP connections gave, of streams that have ended.
    pub octets_from_tcp: u64,
    /// Payload octets that TCP connections were given, of streams that have ended.
    pub octets_to_tcp: u64,
}

/// One session: a connection between a client and a bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its number in this process.
    pub id: u64,
    /// How far it is.
    pub state: SessionState,
    /// Since it was begun, in seconds.
    pub age_s: f64,
    /// Streams that are open on at least one side.
    pub streams_open: u64,
    /// Datagrams that left.
    pub datagrams_sent: u64,
    /// Their octets.
    pub octets_sent: u64,
    /// Datagrams of the peer that came.
    pub datagrams_received: u64,
    /// Their octets.
    pub octets_received: u64,
    /// Packets sent and found lost.
    pub packets_lost: u64,
    /// Stream octets that were sent again.
    pub octets_resent: u64,
    /// Its paths, the oldest first.
    pub paths: Vec<PathStatus>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// The handshake is not through.
    Connecting,
    /// Streams can be opened.
    Up,
}

/// One path of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathStatus {
    /// Its number in the session.
    pub id: u64,
    /// The number of the carrier that it is on.
    pub carrier: String,
    /// Who is at the other end, as in `skype:bob`, as far as the overlay says.
    pub peer: Option<String>,
    /// Whether it goes through somebody else's machine, as far as the overlay says.
    pub route: PathRoute,
    /// How far it is.
    pub state: PathState,
    /// Why it is over.
    pub reason: Option<String>,
    /// Since it came to be in this state, in seconds.
    pub age_s: f64,
    /// How often the peer was asked over it since it last acknowledged something.
    pub probes_unanswered: u32,
    /// At which rate bulk data is sent, once one is known.
    pub rate: Option<u64>,
    /// Smoothed round trip, once there is one.
    pub rtt_ms: Option<f64>,
    /// Least round trip, once there is one.
    pub rtt_min_ms: Option<f64>,
    /// How the path answers too much.
    pub loss: LossKind,
    /// The share of datagrams that chance takes.
    pub chance: f64,
    /// Changes of the relay under the path that were seen in its delay; none until it has carried bulk.
    pub switches: Option<u64>,
    /// The name of the bottleneck that it shares with other paths, if one was found.
    pub bottleneck: Option<String>,
    /// What governs its rate at this moment, in a word or two.
    pub control: String,
    /// Octets that left.
    pub octets_sent: u64,
    /// Octets of the peer that came.
    pub octets_received: u64,
    /// Packets sent and found lost.
    pub packets_lost: u64,
    /// Octets sent, and neither acknowledged nor given up.
    pub in_flight: u64,
}

/// A way to the bridge, and what the evidence says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The number of the carrier, unless it is gone.
    pub carrier: Option<String>,
    /// The bridge's name there.
    pub peer: String,
    /// What the evidence says.
    pub verdict: RouteVerdict,
    /// Paths over it, in whatever state.
    pub paths: u64,
    /// Paths in a row that could not be opened.
    pub refused: u32,
    /// Paths in a row that opened and never answered.
    pub unanswered: u32,
    /// When it may be tried next, in seconds; none: at once.
    pub retry_in_s: Option<f64>,
    /// Octets of the login's last day, both directions.
    pub octets_today: u64,
    /// Paths that the login opened in the last day.
    pub openings_today: u32,
}

/// What the evidence says of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteVerdict {
    /// It was not tried often enough.
    Untold,
    /// A path answers.
    Healthy,
    /// A path answers, and carries little.
    Throttled,
    /// The overlay opens no path.
    Unreachable,
    /// Paths open, and nobody answers.
    Blocked,
    /// This side's carrier is gone.
    Away,
    /// The login has used up its day.
    Spent,
}

/// How a path goes, as far as the overlay tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathRoute {
    /// Straight to the peer.
    Direct,
    /// Through somebody else's machine.
    Relayed,
    /// The overlay does not tell.
    Unknown,
}

/// How far a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathState {
    /// The overlay is asked for it.
    Opening,
    /// Nobody has answered on it yet.
    Asking,
    /// Somebody answers.
    Answering,
    /// Somebody answered, and does not now.
    Silent,
    /// It ended, or could not be opened.
    Over,
}

/// How a path answers who sends more than it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// Nobody has seen that yet.
    Untold,
    /// Nobody has seen that, and some datagrams are lost whatever is sent.
    Chance,
    /// By a queue.
    Queue,
    /// By dropping what is too much.
    Policer,
}
