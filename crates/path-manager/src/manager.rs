//! The manager: what happened goes in, what to do next comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::budget::{Accounts, Allowance};
use crate::dice::Dice;
use crate::path::{CloseReason, End, Path, PathNumber, Sign, State};
use crate::policy::{Directness, Policy};
use crate::route::{Failure, LoginId, Route, RouteId, RouteReport, RouteState, Verdict};

/// A path that never answers is waited for by so much more with each in a row, up to so many.
const PATIENCE_GROWTH: f64 = 1.5;
const PATIENCE_STEPS_MAX: u32 = 2;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a path is neither opened nor closed by itself"]
pub enum Action {
    /// Open a path over the route, and ask again.
    Open {
        /// What the path is called from now on.
        path: PathNumber,
        /// Where it is to lead.
        route: RouteId,
    },
    /// Close the path, and ask again. Nothing more need be told of it.
    Close {
        /// Which path.
        path: PathNumber,
        /// Why, for people.
        why: CloseReason,
    },
    /// Nothing to do until then, or until something is heard. The time is never past.
    Wait(Option<Instant>),
}

/// Keeps the paths of one session. It is told what happens ([`hear`](Self::hear), [`path_ended`](Self::path_ended),
/// carriers that come and go), and asked after each what to do ([`poll`](Self::poll)), until that is to wait. Any
/// call is legal at any time; what is told of paths that are over counts for nothing.
#[derive(Clone, Debug)]
pub struct PathManager {
    policy: Policy,
    dice: Dice,
    /// Those whose carriers are there.
    present: BTreeSet<LoginId>,
    routes: BTreeMap<RouteId, RouteState>,
    /// Never more than the policy's `warm`.
    paths: BTreeMap<PathNumber, Path>,
    made: u64,
    /// When the slowest path was looked at last.
    renewed_at: Option<Instant>,
}

impl PathManager {
    /// A manager without any route yet. The seed decides only what need not be foreseen by others of its kind.
    #[must_use]
    pub const fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            dice: Dice::new(seed),
            present: BTreeSet::new(),
            routes: BTreeMap::new(),
            paths: BTreeMap::new(),
            made: 0,
            renewed_at: None,
        }
    }

    /// One more way to the bridge. Its carrier counts as gone until it is said to be back.
    pub fn add_route(&mut self, route: Route) -> RouteId {
        let id = RouteId(u32::try_from(self.routes.len()).unwrap_or(u32::MAX));
        self.routes.insert(id, RouteState::new(route));
        id
    }

    /// A login's carrier is there: its routes may be tried at once.
    pub fn carrier_is_back(&mut self, login: LoginId) {
        self.present.insert(login);
        for state in self.routes.values_mut().filter(|state| state.route.login == login) {
            state.hope();
        }
    }

    /// A login's carrier is gone, and all its paths.
    pub fn carrier_is_gone(&mut self, login: LoginId) {
        self.present.remove(&login);
        let routes = &self.routes;
        let is_its = |route| routes.get(&route).is_some_and(|state| state.route.login == login);
        self.paths.retain(|_, path| !is_its(path.route));
    }

    /// There is reason to try at once what is waited with: somebody asks for something, or another session works.
    pub fn hurry(&mut self) {
        for state in self.routes.values_mut() {
            state.hope();
        }
    }

    /// Something is heard of a path.
    pub fn hear(&mut self, now: Instant, path: PathNumber, sign: Sign) {
        let Some(known) = self.paths.get_mut(&path) else { return };
        let is_first_answer = known.hear(now, sign);
        let Some(state) = self.routes.get_mut(&known.route) else { return };
        if is_first_answer {
            state.answer();
        }
    }

    /// Whose budget a path uses.
    #[must_use]
    pub fn login_of(&self, path: PathNumber) -> Option<LoginId> {
        let path = self.paths.get(&path)?;
        Some(self.routes.get(&path.route)?.route.login)
    }

    /// From now on so many paths are kept up. Those above are not closed, and not replaced either.
    pub const fn set_warm(&mut self, warm: u8) {
        self.policy.warm = warm;
    }

    /// A path ended by itself.
    pub fn path_ended(&mut self, now: Instant, path: PathNumber, end: End) {
        let Some(path) = self.paths.remove(&path) else { return };
        match (end, path.state) {
            (End::CarrierGone, _) => {}
            (End::Refused | End::Closed, State::Answering { .. }) => self.retire(now, &path),
            (End::Refused | End::Closed, State::Opening) | (End::Refused, State::Asking) => {
                self.fail(now, path.route, Failure::Refused);
            }
            (End::Closed, State::Asking) => self.fail(now, path.route, Failure::Unanswered),
        }
    }

    /// What to do next.
    pub fn poll(&mut self, now: Instant, accounts: &mut Accounts) -> Action {
        if let Some((path, why)) = self.find_fault(now, accounts) {
            self.give_up(now, path, why);
            return Action::Close { path, why };
        }
        if self.paths.len() < self.policy.warm()
            && let Some(route) = self.choose_route(now, accounts)
        {
            return self.open(now, route, accounts);
        }
        Action::Wait(self.next_at(now, accounts))
    }

    /// What there is to tell of each route.
    #[must_use]
    pub fn report(&self, now: Instant, accounts: &Accounts) -> Vec<RouteReport> {
        let one = |(id, state): (&RouteId, &RouteState)| {
            let (octets_today, openings_today) = accounts.totals(now, state.route.login);
            let (refused, unanswered) = state.counts();
            let retry = state.retry_at.filter(|at| *at > now);
            RouteReport {
                route: *id,
                login: state.route.login,
                verdict: self.verdict(now, *id, state, accounts),
                paths: self.paths_over(*id),
                refused,
                unanswered,
                retry_in: retry.map(|at| at.saturating_duration_since(now)),
                octets_today,
                openings_today,
            }
        };
        self.routes.iter().map(one).collect()
    }

    /// Whether any path answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.paths.values().any(Path::answers)
    }

    /// How it keeps paths.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    // ---- faults

    fn find_fault(
        &mut self,
        now: Instant,
        accounts: &Accounts,
    ) -> Option<(PathNumber, CloseReason)> {
        let answered = self.paths.values().filter(|path| path.has_answered()).count();
        // Of one path by itself nobody knows whether its silence is chance.
        let is_all_silent = answered > 1 && !self.is_up();
        let policy = self.policy;
        let fault = |(number, path): (&PathNumber, &Path)| {
            let why = path
                .fault(now, &policy, is_all_silent)
                .or_else(|| self.misfit(now, path, accounts))?;
            Some((*number, why))
        };
        self.paths.iter().find_map(fault).or_else(|| self.find_slowest(now))
    }

    /// Whether a path does more than it may.
    fn misfit(&self, now: Instant, path: &Path, accounts: &Accounts) -> Option<CloseReason> {
        let login = self.routes.get(&path.route)?.route.login;
        let allowance = accounts.allowance(now, login, self.policy.budget);
        if matches!(allowance, Allowance::Nothing(_)) {
            return Some(CloseReason::Spent);
        }
        let Directness::RelayedOnly { relay_rate_max } = self.policy.directness else {
            return None;
        };
        let shows = path.is_direct || path.rate.is_some_and(|rate| rate > relay_rate_max);
        shows.then_some(CloseReason::Direct)
    }

    /// Of several paths that answer, now and then, the one that is slower by far than the middle one.
    fn find_slowest(&mut self, now: Instant) -> Option<(PathNumber, CloseReason)> {
        let every = self.policy.renew_slowest?;
        let since = *self.renewed_at.get_or_insert(now);
        if now.saturating_duration_since(since) < every || self.paths.len() < self.policy.warm() {
            return None;
        }
        self.renewed_at = Some(now);
        let rated = |(number, path): (&PathNumber, &Path)| {
            path.rate.filter(|_| path.answers()).map(|rate| (rate, *number))
        };
        let mut rates: Vec<(u64, PathNumber)> = self.paths.iter().filter_map(rated).collect();
        rates.sort_unstable();
        let ((slowest, number), others) = rates.split_first()?;
        let (middle, _) = others.get(others.len() / 2)?;
        let least = Duration::from_secs(*middle).mul_f64(self.policy.slowest_share.clamp(0.0, 1.0));
        (Duration::from_secs(*slowest) < least).then_some((*number, CloseReason::Slowest))
    }

    fn give_up(&mut self, now: Instant, number: PathNumber, why: CloseReason) {
        let Some(path) = self.paths.remove(&number) else { return };
        match why {
            CloseReason::OpeningTooLong => self.fail(now, path.route, Failure::Refused),
            CloseReason::NeverAnswered => self.fail(now, path.route, Failure::Unanswered),
            CloseReason::Silent => self.retire(now, &path),
            // The overlay would choose the same way again at once.
            CloseReason::Direct => self.fail(now, path.route, Failure::Brief),
            CloseReason::Slowest | CloseReason::Spent => {}
        }
    }

    /// A path that worked is over: a short life is a failure, a long one is reason to hope.
    fn retire(&mut self, now: Instant, path: &Path) {
        if now.saturating_duration_since(path.since) < self.policy.stable_after {
            self.fail(now, path.route, Failure::Brief);
        } else if let Some(state) = self.routes.get_mut(&path.route) {
            state.hope();
        }
    }

    fn fail(&mut self, now: Instant, route: RouteId, failure: Failure) {
        let Some(state) = self.routes.get_mut(&route) else { return };
        let doubled = 2_u32.saturating_pow(state.failures.min(16));
        let wait = self.policy.retry_first.saturating_mul(doubled).min(self.policy.retry_max);
        state.fail(failure, now, now + self.dice.shorten(wait));
    }

    // ---- openings

    fn open(&mut self, now: Instant, route: RouteId, accounts: &mut Accounts) -> Action {
        let number = PathNumber(self.made);
        self.made = self.made.saturating_add(1);
        if let Some(state) = self.routes.get(&route) {
            accounts.open(now, state.route.login);
            let (_, unanswered) = state.counts();
            let steps = i32::try_from(unanswered.min(PATIENCE_STEPS_MAX)).unwrap_or_default();
            let no_answer = self.policy.no_answer.mul_f64(PATIENCE_GROWTH.powi(steps));
            self.paths.insert(number, Path::new(now, route, no_answer));
        }
        Action::Open { path: number, route }
    }

    /// Among the routes that may be tried now those with the fewest failures, and of them those with the fewest
    /// paths; of equals, any.
    fn choose_route(&mut self, now: Instant, accounts: &Accounts) -> Option<RouteId> {
        let may = |(id, state): &(&RouteId, &RouteState)| {
            self.open_at(now, **id, state, accounts).is_some_and(|at| at <= now)
        };
        let cost =
            |(id, state): (&RouteId, &RouteState)| ((state.failures, self.paths_over(*id)), *id);
        let mut costs: Vec<_> = self.routes.iter().filter(may).map(cost).collect();
        let least = costs.iter().map(|(cost, _)| *cost).min()?;
        costs.retain(|(cost, _)| *cost == least);
        let chosen = self.dice.choose(costs.len());
        costs.get(chosen).map(|(_, id)| *id)
    }

    /// When a path over the route may be opened, if ever: its carrier is there and makes one more.
    fn open_at(
        &self,
        now: Instant,
        id: RouteId,
        state: &RouteState,
        accounts: &Accounts,
    ) -> Option<Instant> {
        let login = state.route.login;
        if !self.present.contains(&login)
            || self.paths_over(id) >= usize::from(state.route.paths_max)
        {
            return None;
        }
        let retry_at = state.retry_at.unwrap_or(now);
        // While nothing works there is no use in sparing a route.
        let retry_at =
            if self.is_up() { retry_at } else { retry_at.min(self.down_limit(state, now)) };
        match accounts.allowance(now, login, self.policy.budget) {
            Allowance::Some => Some(retry_at),
            Allowance::NoOpening(until) | Allowance::Nothing(until) => Some(retry_at.max(until)),
        }
    }

    /// The latest time at which a route is tried again while nothing works: so long after it failed.
    fn down_limit(&self, state: &RouteState, now: Instant) -> Instant {
        state.failed_at.map_or(now, |at| at + self.policy.retry_down)
    }

    fn paths_over(&self, route: RouteId) -> usize {
        self.paths.values().filter(|path| path.route == route).count()
    }

    /// When something is due if nothing is heard.
    fn next_at(&self, now: Instant, accounts: &Accounts) -> Option<Instant> {
        let expiries = self.paths.values().filter_map(|path| path.expires_at(&self.policy));
        let is_short = self.paths.len() < self.policy.warm();
        let openings = self.routes.iter().filter(|_| is_short);
        let openings = openings.filter_map(|(id, state)| self.open_at(now, *id, state, accounts));
        let renewal = self.renewed_at.zip(self.policy.renew_slowest).map(|(at, every)| at + every);
        let renewal = renewal.filter(|_| !is_short && self.paths.len() > 1);
        expiries.chain(openings).chain(renewal).min()
    }

    // ---- reports

    fn verdict(
        &self,
        now: Instant,
        id: RouteId,
        state: &RouteState,
        accounts: &Accounts,
    ) -> Verdict {
        let login = state.route.login;
        if !self.present.contains(&login) {
            return Verdict::Away;
        }
        let answering = || self.paths.values().filter(|path| path.route == id && path.answers());
        if answering().next().is_some() {
            let is_slow =
                |path: &Path| path.rate.is_some_and(|it| it < self.policy.throttled_below);
            return if answering().all(is_slow) { Verdict::Throttled } else { Verdict::Healthy };
        }
        match accounts.allowance(now, login, self.policy.budget) {
            Allowance::Some => state.verdict(),
            Allowance::NoOpening(_) | Allowance::Nothing(_) => Verdict::Spent,
        }
    }
}
