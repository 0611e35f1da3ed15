//! What the manager holds whatever happens to it.
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong may panic"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use path_manager::{
    Accounts, Action, Budget, End, LoginId, PathManager, PathNumber, Policy, Route, RouteId, Sign,
};
use proptest::prelude::*;

/// More actions at one instant than this are a loop without end.
const ACTIONS_PER_INSTANT_MAX: usize = 64;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Something that happens, to the path with this place among those that are open.
#[derive(Clone, Copy, Debug)]
enum Step {
    Time(Duration),
    ToTheNextTimer,
    Opened(usize),
    Answered(usize),
    Unanswered(usize, u32),
    Carried(usize, u64),
    Rate(usize, u64),
    Ended(usize, End),
    CarrierGone(u32),
    CarrierBack(u32),
    Hurry,
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![Just(End::Refused), Just(End::Closed), Just(End::CarrierGone)];
    let place = 0..8_usize;
    prop_oneof![
        (0..20_000_u64).prop_map(|ms| Step::Time(Duration::from_millis(ms))),
        (0..100_000_u64).prop_map(|s| Step::Time(Duration::from_secs(s))),
        Just(Step::ToTheNextTimer),
        Just(Step::ToTheNextTimer),
        place.clone().prop_map(Step::Opened),
        place.clone().prop_map(Step::Answered),
        (place.clone(), 0..4_u32).prop_map(|(place, probes)| Step::Unanswered(place, probes)),
        (place.clone(), 0..100_000_u64).prop_map(|(place, octets)| Step::Carried(place, octets)),
        (place.clone(), 0..100_000_u64).prop_map(|(place, rate)| Step::Rate(place, rate)),
        (place, end).prop_map(|(place, end)| Step::Ended(place, end)),
        (0..2_u32).prop_map(Step::CarrierGone),
        (0..2_u32).prop_map(Step::CarrierBack),
        Just(Step::Hurry),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let budget = (proptest::option::of(0..500_000_u64), proptest::option::of(0..40_u32));
    let renewal = proptest::option::of((1..600_u64).prop_map(Duration::from_secs));
    (0..10_u8, budget, renewal).prop_map(|(warm, (octets, openings), renew_slowest)| Policy {
        warm,
        budget: Budget { octets, openings },
        renew_slowest,
        ..Policy::default()
    })
}

/// The manager, and what an overlay would know.
struct World {
    manager: PathManager,
    accounts: Accounts,
    now: Instant,
    routes: BTreeMap<RouteId, Route>,
    open: BTreeMap<PathNumber, RouteId>,
    is_there: [bool; 2],
    openings: Vec<(Instant, LoginId)>,
    wait: Option<Instant>,
}

impl World {
    fn new(policy: Policy) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        let mut manager = PathManager::new(policy, 3);
        let routes = [(0, 8), (0, 1), (1, 2)].map(|(login, paths_max)| {
            let route = Route { login: LoginId(login), paths_max };
            (manager.add_route(route), route)
        });
        let routes = routes.into_iter().collect();
        let (open, openings) = (BTreeMap::new(), Vec::new());
        let accounts = Accounts::default();
        Self { manager, accounts, now, routes, open, is_there: [false; 2], openings, wait: None }
    }

    fn path(&self, place: usize) -> Option<PathNumber> {
        self.open.keys().nth(place).copied()
    }

    fn take(&mut self, step: Step) {
        let hear = |world: &mut Self, place, sign| {
            if let Some(path) = world.path(place) {
                world.manager.hear(world.now, path, sign);
            }
        };
        match step {
            Step::Time(time) => self.now += time,
            Step::ToTheNextTimer => self.now = self.wait.unwrap_or(self.now),
            Step::Opened(place) => hear(self, place, Sign::Opened),
            Step::Answered(place) => hear(self, place, Sign::Answered),
            Step::Unanswered(place, probes) => hear(self, place, Sign::Unanswered { probes }),
            Step::Carried(place, octets) => {
                let path = self.path(place);
                if let Some(login) = path.and_then(|path| self.manager.login_of(path)) {
                    self.accounts.spend(self.now, login, octets);
                }
            }
            Step::Rate(place, rate) => hear(self, place, Sign::Rate(rate)),
            Step::Ended(place, end) => {
                if let Some(path) = self.path(place) {
                    self.open.remove(&path);
                    self.manager.path_ended(self.now, path, end);
                }
            }
            Step::CarrierGone(login) => {
                let routes = &self.routes;
                self.open.retain(|_, route| routes[route].login != LoginId(login));
                self.is_there[login as usize] = false;
                self.manager.carrier_is_gone(LoginId(login));
            }
            Step::CarrierBack(login) => {
                self.is_there[login as usize] = true;
                self.manager.carrier_is_back(LoginId(login));
            }
            Step::Hurry => self.manager.hurry(),
        }
    }

    fn settle(&mut self) {
        for _ in 0..ACTIONS_PER_INSTANT_MAX {
            match self.manager.poll(self.now, &mut self.accounts) {
                Action::Open { path, route } => {
                    assert!(self.open.insert(path, route).is_none(), "a number twice");
                    self.openings.push((self.now, self.routes[&route].login));
                    self.check_opening(route);
                }
                Action::Close { path, .. } => assert!(self.open.remove(&path).is_some()),
                Action::Wait(at) => {
                    self.wait = at;
                    self.check_wait();
                    return;
                }
            }
        }
        panic!("no end of actions at one instant");
    }

    fn check_opening(&self, id: RouteId) {
        let (policy, route) = (self.manager.policy(), self.routes[&id]);
        assert!(self.open.len() <= usize::from(policy.warm.clamp(1, 8)), "more than are warm");
        let over_it = self.open.values().filter(|over| **over == id).count();
        assert!(over_it <= usize::from(route.paths_max), "more than the carrier makes");
        assert!(self.is_there[route.login.0 as usize], "its carrier is gone");
        let today =
            |(at, login): &&(Instant, LoginId)| *login == route.login && self.now - *at < DAY;
        let openings = self.openings.iter().filter(today).count();
        assert!(policy.budget.openings.is_none_or(|max| openings <= max as usize), "over budget");
    }

    fn check_wait(&self) {
        assert!(self.wait.is_none_or(|at| at > self.now), "it asks to be called at once");
        let policy = self.manager.policy();
        let may_try = self.is_there.contains(&true) && policy.budget == Budget::default();
        if self.open.is_empty() && may_try {
            let at = self.wait.unwrap();
            assert!(at <= self.now + policy.retry_down, "nothing is tried for {:?}", at - self.now);
        }
    }
}

proptest! {
    #[test]
    fn limits_hold_something_is_always_tried_and_nothing_is_asked_without_end(
        policy in policy(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(policy);
        world.settle();
        for step in steps {
            world.take(step);
            world.settle();
        }
    }

    /// The same without budgets, so that the second law is put to the test in each case.
    #[test]
    fn without_a_budget_something_is_always_tried(
        warm in 1..9_u8,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(Policy { warm, ..Policy::default() });
        for step in steps {
            world.take(step);
            world.settle();
        }
    }
}
