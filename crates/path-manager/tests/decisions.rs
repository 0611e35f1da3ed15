//! What the manager does in situations that have a name.
#![expect(clippy::unwrap_used, reason = "a test that is wrong may panic")]

use std::time::{Duration, Instant};

use path_manager::{
    Accounts, Action, Budget, CloseReason, Directness, End, LoginId, PathManager, PathNumber,
    Policy, Route, RouteId, Sign, Verdict,
};

const SECOND: Duration = Duration::from_secs(1);
const SKYPE: LoginId = LoginId(0);
const UDP: LoginId = LoginId(1);

/// A manager with a route over each of two carriers, and its time.
struct World {
    manager: PathManager,
    accounts: Accounts,
    now: Instant,
    skype: RouteId,
    udp: RouteId,
}

impl World {
    fn new(policy: Policy) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        let mut manager = PathManager::new(policy, 1);
        let skype = manager.add_route(Route { login: SKYPE, paths_max: 8 });
        let udp = manager.add_route(Route { login: UDP, paths_max: 1 });
        manager.carrier_is_back(SKYPE);
        Self { manager, accounts: Accounts::default(), now, skype, udp }
    }

    fn warm(warm: u8) -> Self {
        Self::new(Policy { warm, ..Policy::default() })
    }

    fn open(&mut self) -> (PathNumber, RouteId) {
        let Action::Open { path, route } = self.manager.poll(self.now, &mut self.accounts) else {
            panic!("nothing was opened");
        };
        (path, route)
    }

    /// A path that answered for a minute.
    fn working(&mut self) -> PathNumber {
        let (path, _) = self.open();
        self.hear(path, Sign::Opened);
        self.hear(path, Sign::Answered);
        self.now += 60 * SECOND;
        path
    }

    fn hear(&mut self, path: PathNumber, sign: Sign) {
        self.manager.hear(self.now, path, sign);
    }

    fn waits(&mut self) -> bool {
        matches!(self.manager.poll(self.now, &mut self.accounts), Action::Wait(_))
    }

    fn gives_up(&mut self) -> Option<(PathNumber, CloseReason)> {
        match self.manager.poll(self.now, &mut self.accounts) {
            Action::Close { path, why } => Some((path, why)),
            Action::Open { .. } | Action::Wait(_) => None,
        }
    }

    fn verdict(&self, route: RouteId) -> Verdict {
        let report = self.manager.report(self.now, &self.accounts);
        report.iter().find(|report| report.route == route).map(|report| report.verdict).unwrap()
    }
}

#[test]
fn keeps_as_many_paths_as_it_is_told() {
    let mut world = World::warm(3);
    for _ in 0..3 {
        world.open();
    }
    assert!(world.waits());
}

#[test]
fn one_silent_path_of_several_is_given_up_at_the_second_question() {
    let mut world = World::warm(2);
    let (first, _second) = (world.working(), world.working());
    world.hear(first, Sign::Unanswered { probes: 1 });
    assert!(world.waits());
    world.hear(first, Sign::Unanswered { probes: 2 });
    assert_eq!(world.gives_up(), Some((first, CloseReason::Silent)));
    world.open();
}

#[test]
fn when_all_are_silent_each_is_given_up_at_the_first_question() {
    let mut world = World::warm(2);
    let (first, second) = (world.working(), world.working());
    world.hear(first, Sign::Unanswered { probes: 1 });
    assert!(world.waits());
    world.hear(second, Sign::Unanswered { probes: 1 });
    assert_eq!(world.gives_up(), Some((first, CloseReason::Silent)));
    let (_, route) = world.open();
    assert_eq!(route, world.skype, "another relay of the same way");
}

#[test]
fn a_path_by_itself_that_is_silent_once_may_be_so_by_chance() {
    let mut world = World::warm(1);
    let path = world.working();
    world.hear(path, Sign::Unanswered { probes: 1 });
    assert!(world.waits());
    world.hear(path, Sign::Answered);
    world.hear(path, Sign::Unanswered { probes: 1 });
    assert!(world.waits());
}

#[test]
fn what_fails_often_gives_way_to_another_route_and_is_called_blocked() {
    let mut world = World::warm(1);
    for _ in 0..3 {
        let (path, route) = world.open();
        assert_eq!(route, world.skype);
        world.hear(path, Sign::Opened);
        world.now += 7 * SECOND;
        assert_eq!(world.gives_up(), Some((path, CloseReason::NeverAnswered)));
        world.now += 2 * SECOND;
    }
    assert_eq!(world.verdict(world.skype), Verdict::Blocked);
    assert_eq!(world.verdict(world.udp), Verdict::Away);
    world.manager.carrier_is_back(UDP);
    let (path, route) = world.open();
    assert_eq!(route, world.udp);
    world.hear(path, Sign::Answered);
    world.hear(path, Sign::Rate(50_000));
    assert_eq!(world.verdict(world.udp), Verdict::Healthy);
    world.hear(path, Sign::Rate(3_000));
    assert_eq!(world.verdict(world.udp), Verdict::Throttled);
}

#[test]
fn refusals_are_told_from_silence() {
    let mut world = World::warm(1);
    for _ in 0..3 {
        let (path, _) = world.open();
        world.manager.path_ended(world.now, path, End::Refused);
        world.now += 2 * SECOND;
    }
    assert_eq!(world.verdict(world.skype), Verdict::Unreachable);
}

#[test]
fn waits_grow_while_another_path_works_and_not_while_none_does() {
    let mut world = World::warm(2);
    world.manager.carrier_is_back(UDP);
    let mut working = world.working();
    if world.manager.report(world.now, &world.accounts)[0].paths == 1 {
        world.manager.carrier_is_gone(SKYPE);
        working = world.working();
        world.manager.carrier_is_back(SKYPE);
    }
    // The way of one path is taken: whatever else is opened goes the other way, and fails.
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (path, route) = world.open();
        assert_eq!(route, world.skype);
        world.manager.path_ended(world.now, path, End::Refused);
        let Action::Wait(Some(at)) = world.manager.poll(world.now, &mut world.accounts) else {
            panic!("no wait")
        };
        waits.push(at - world.now);
        world.now = at;
    }
    assert!(waits[11] >= 30 * SECOND && waits[11] <= 60 * SECOND, "{waits:?}");
    world.manager.path_ended(world.now, working, End::Closed);
    world.manager.carrier_is_gone(UDP);
    let (path, _) = world.open();
    world.manager.path_ended(world.now, path, End::Refused);
    let Action::Wait(Some(at)) = world.manager.poll(world.now, &mut world.accounts) else {
        panic!("no wait")
    };
    assert!(at - world.now <= 2 * SECOND);
}

#[test]
fn the_slowest_path_is_given_another_relay_now_and_then() {
    let renew_slowest = Some(600 * SECOND);
    let mut world = World::new(Policy { warm: 3, renew_slowest, ..Policy::default() });
    let paths = [world.working(), world.working(), world.working()];
    for (path, rate) in paths.into_iter().zip([3000, 900, 2900]) {
        world.hear(path, Sign::Rate(rate));
    }
    assert!(world.waits());
    world.now += 600 * SECOND;
    assert_eq!(world.gives_up(), Some((paths[1], CloseReason::Slowest)));
    let (newer, _) = world.open();
    world.hear(newer, Sign::Answered);
    world.hear(newer, Sign::Rate(2000));
    world.now += 601 * SECOND;
    assert!(world.waits(), "none is slower by far");
}

#[test]
fn a_login_s_day_ends_with_its_octets() {
    let budget = Budget { octets: Some(1_000_000), openings: None };
    let mut world = World::new(Policy { budget, ..Policy::default() });
    let path = world.working();
    world.accounts.spend(world.now, SKYPE, 999_999);
    assert!(world.waits());
    world.accounts.spend(world.now, SKYPE, 1);
    assert_eq!(world.gives_up(), Some((path, CloseReason::Spent)));
    assert_eq!(world.verdict(world.skype), Verdict::Spent);
    // Another login has a day of its own.
    world.manager.carrier_is_back(UDP);
    let (other, route) = world.open();
    assert_eq!(route, world.udp);
    world.manager.path_ended(world.now, other, End::Closed);
    world.manager.carrier_is_gone(UDP);
    world.now += 26 * 3600 * SECOND;
    let (_, route) = world.open();
    assert_eq!(route, world.skype);
}

#[test]
fn a_path_that_shows_the_bridge_s_address_is_given_up() {
    let directness = Directness::RelayedOnly { relay_rate_max: 100_000 };
    let mut world = World::new(Policy { directness, ..Policy::default() });
    let path = world.working();
    world.hear(path, Sign::Rate(16_000));
    assert!(world.waits());
    world.hear(path, Sign::Rate(2_000_000));
    assert_eq!(world.gives_up(), Some((path, CloseReason::Direct)), "no relay is so fast");
    world.now += 60 * SECOND;
    let path = world.working();
    world.hear(path, Sign::Direct);
    assert_eq!(world.gives_up(), Some((path, CloseReason::Direct)));
}
