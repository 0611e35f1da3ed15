//! The ways to the bridge, and what is known of each.

use std::time::{Duration, Instant};

/// So many paths in a row that failed alike make a route blocked: one or two may have had a dead relay.
const BLOCKED_AFTER: u32 = 3;

/// A login of this side's, on one carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginId(pub u32);

/// A way to the bridge: a login of this side's and a name of the bridge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub(crate) u32);

/// What a route is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose budget it uses.
    pub login: LoginId,
    /// Paths that the carrier makes over it at once: over AP2AP any number, over UDP one.
    pub paths_max: u8,
}

/// What the evidence says of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was not tried yet, or not often enough.
    Untold,
    /// A path over it answers.
    Healthy,
    /// A path over it answers, and carries little.
    Throttled,
    /// The overlay refuses to open a path, time after time: the other login is off line, or is kept from us.
    Unreachable,
    /// Paths open and nobody answers, time after time: what relays carry is dropped, or the bridge is gone.
    Blocked,
    /// This side's carrier is gone.
    Away,
    /// The login has used up its day.
    Spent,
}

/// What there is to tell of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteReport {
    /// Which route.
    pub route: RouteId,
    /// Whose.
    pub login: LoginId,
    /// What the evidence says.
    pub verdict: Verdict,
    /// Paths over it at this time, in whatever state.
    pub paths: usize,
    /// Paths in a row that could not be opened.
    pub refused: u32,
    /// Paths in a row that opened and never answered.
    pub unanswered: u32,
    /// When it may be tried next; `None`: at once.
    pub retry_in: Option<Duration>,
    /// Octets of the login's last day, both directions.
    pub octets_today: u64,
    /// Paths that the login opened in the last day.
    pub openings_today: u32,
}

/// A route and its history.
#[derive(Clone, Debug)]
pub(crate) struct RouteState {
    pub(crate) route: Route,
    /// Paths in a row that failed to be of any use.
    pub(crate) failures: u32,
    /// Of them in a row, the last ones: could not be opened,
    refused: u32,
    /// or opened and never answered.
    unanswered: u32,
    /// When it failed last, and when it is to be tried again while others work.
    pub(crate) failed_at: Option<Instant>,
    pub(crate) retry_at: Option<Instant>,
}

/// How a path failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused,
    Unanswered,
    /// It worked, for a short time.
    Brief,
}

impl RouteState {
    pub(crate) const fn new(route: Route) -> Self {
        Self { route, failures: 0, refused: 0, unanswered: 0, failed_at: None, retry_at: None }
    }

    pub(crate) fn fail(&mut self, failure: Failure, now: Instant, retry_at: Instant) {
        self.failures = self.failures.saturating_add(1);
        (self.refused, self.unanswered) = match failure {
            Failure::Refused => (self.refused.saturating_add(1), 0),
            Failure::Unanswered => (0, self.unanswered.saturating_add(1)),
            Failure::Brief => (0, 0),
        };
        self.failed_at = Some(now);
        self.retry_at = Some(retry_at);
    }

    /// Somebody answered over it.
    pub(crate) const fn answer(&mut self) {
        self.refused = 0;
        self.unanswered = 0;
        self.retry_at = None;
    }

    /// There is reason to hope: waits begin again with the shortest.
    pub(crate) const fn hope(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }

    pub(crate) const fn counts(&self) -> (u32, u32) {
        (self.refused, self.unanswered)
    }

    /// What failed paths tell, if no path answers now.
    pub(crate) const fn verdict(&self) -> Verdict {
        if self.unanswered >= BLOCKED_AFTER {
            Verdict::Blocked
        } else if self.refused >= BLOCKED_AFTER {
            Verdict::Unreachable
        } else {
            Verdict::Untold
        }
    }
}
