//! The product's path manager in the model's place: it decides what is opened and given up, the model what it hears.

use std::time::{Duration, Instant};

use path_manager::{
    Accounts, Action, End, LoginId, PathManager, PathNumber, Policy, Route, RouteId, Sign,
};
use relay_sim::censor::{Censor, Manner};
use relay_sim::paths::{Carried, Keeper, PathPolicy, User, rate_of};
use relay_sim::population::{Chooser, Population, RelayId};

use crate::run::origin;

const LOGIN: LoginId = LoginId(0);
/// As many as a connection uses: over AP2AP any number can be made.
const PATHS_MAX: u8 = 8;

/// One user's paths, kept by [`PathManager`] over one route.
#[derive(Debug)]
pub(super) struct Managed {
    manager: PathManager,
    accounts: Accounts,
    /// What the transport and the overlay take.
    times: PathPolicy,
    chooser: Chooser,
    start: Instant,
    paths: Vec<Path>,
    /// When the manager is to be asked again.
    wake: Option<Duration>,
    /// When the login is there again.
    back: Option<Duration>,
    opened: u64,
}

/// What the manager is told of a path next, and why it is as it is.
#[derive(Clone, Copy, Debug)]
struct Path {
    number: PathNumber,
    relay: RelayId,
    set_up: Duration,
    carries_from: Duration,
    lost: Option<(Duration, Manner)>,
    rate: f64,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Opened,
    Answered,
    Doubted,
    Silent,
}

#[derive(Clone, Copy, Debug)]
enum News {
    Sign(Sign, Told),
    End(End),
}

impl Managed {
    pub(super) fn new(user: &User, seed: u64) -> Self {
        let times = user.policy;
        let mut policy =
            Policy { warm: times.warm, no_answer: times.no_answer, ..Policy::default() };
        policy.budget.openings = times.opens_every.and_then(openings_a_day);
        let mut manager = PathManager::new(policy, seed);
        let _: RouteId = manager.add_route(Route { login: LOGIN, paths_max: PATHS_MAX });
        manager.carrier_is_back(LOGIN);
        Self {
            manager,
            accounts: Accounts::default(),
            times,
            chooser: Chooser::new(user.choice, seed),
            start: origin(),
            paths: Vec::new(),
            wake: Some(Duration::ZERO),
            back: None,
            opened: 0,
        }
    }

    /// Tells the manager all that is due, in order.
    fn tell(&mut self, at: Duration, carried: &mut Vec<Carried>) {
        let now = self.start + at;
        for mut path in std::mem::take(&mut self.paths) {
            let mut is_over = false;
            while let Some((due, news)) = path.next(&self.times)
                && due <= at
                && !is_over
            {
                match news {
                    News::Sign(sign, told) => {
                        self.manager.hear(now, path.number, sign);
                        path.told = told;
                    }
                    News::End(end) => {
                        self.manager.path_ended(now, path.number, end);
                        is_over = true;
                    }
                }
            }
            if is_over {
                carried.extend(path.carried(at));
            } else {
                self.paths.push(path);
            }
        }
    }

    fn open(&mut self, at: Duration, number: PathNumber, overlay: (&Population, &Censor)) {
        let (population, censor) = overlay;
        self.opened += 1;
        let chosen = self.chooser.choose(population, &self.in_use());
        let Some(relay) = chosen.and_then(|id| population.relay(id)) else {
            self.manager.path_ended(self.start + at, number, End::Refused);
            return;
        };
        let set_up = at.saturating_add(self.times.set_up);
        let blocked = censor.blocked_from(relay);
        self.paths.push(Path {
            number,
            relay: relay.id,
            set_up,
            carries_from: set_up.saturating_add(relay.round_trip),
            lost: blocked.map(|from| (from.max(at), censor.spec().manner)),
            rate: rate_of(relay, censor),
            told: Told::Nothing,
        });
    }

    fn give_up(&mut self, at: Duration, number: PathNumber, carried: &mut Vec<Carried>) {
        let is_it = |path: &mut Path| path.number == number;
        carried.extend(self.paths.extract_if(.., is_it).filter_map(|path| path.carried(at)));
    }
}

/// A budget of so many openings a day; the manager has none by the minute.
fn openings_a_day(every: Duration) -> Option<u32> {
    let seconds = every.as_secs().max(1);
    u32::try_from(Duration::from_hours(24).as_secs() / seconds).ok()
}

impl Keeper for Managed {
    fn next_at(&self) -> Option<Duration> {
        let news = self.paths.iter().filter_map(|path| path.next(&self.times));
        news.map(|(due, _)| due).chain(self.wake).chain(self.back).min()
    }

    fn act(&mut self, at: Duration, overlay: (&Population, &Censor), carried: &mut Vec<Carried>) {
        if self.back.take_if(|back| *back <= at).is_some() {
            self.manager.carrier_is_back(LOGIN);
        }
        self.tell(at, carried);
        loop {
            match self.manager.poll(self.start + at, &mut self.accounts) {
                Action::Open { path, route: _ } => self.open(at, path, overlay),
                Action::Close { path, why: _ } => self.give_up(at, path, carried),
                Action::Wait(until) => {
                    // At least a nanosecond on: time must pass.
                    let least = at.saturating_add(Duration::from_nanos(1));
                    self.wake =
                        until.map(|until| until.saturating_duration_since(self.start).max(least));
                    return;
                }
            }
        }
    }

    fn lose(&mut self, at: Duration, relay: RelayId) {
        for path in self.paths.iter_mut().filter(|path| path.relay == relay) {
            path.lose(at, Manner::Silent);
        }
    }

    fn lose_blocked(&mut self, at: Duration, (population, censor): (&Population, &Censor)) {
        for path in &mut self.paths {
            let blocked = population.relay(path.relay).and_then(|it| censor.blocked_from(it));
            if let Some(from) = blocked.filter(|from| *from <= at) {
                path.lose(from, censor.spec().manner);
            }
        }
    }

    fn close(&mut self, at: Duration, again: Option<Duration>, carried: &mut Vec<Carried>) {
        carried.extend(self.paths.drain(..).filter_map(|path| path.carried(at)));
        self.manager.carrier_is_gone(LOGIN);
        (self.wake, self.back) = (None, again);
    }

    fn in_use(&self) -> Vec<RelayId> {
        self.paths.iter().map(|path| path.relay).collect()
    }

    fn opened(&self) -> u64 {
        self.opened
    }
}

impl Path {
    /// Whatever is first takes it.
    fn lose(&mut self, at: Duration, manner: Manner) {
        if self.lost.is_none_or(|(known, _)| at < known) {
            self.lost = Some((at, manner));
        }
    }

    fn ever_answers(&self) -> bool {
        self.lost.is_none_or(|(at, _)| self.carries_from < at)
    }

    /// What the manager hears next, and when. That nobody ever answers it must find by itself.
    fn next(&self, times: &PathPolicy) -> Option<(Duration, News)> {
        let sign = |at, sign, told| Some((at, News::Sign(sign, told)));
        if self.told == Told::Nothing {
            return sign(self.set_up, Sign::Opened, Told::Opened);
        }
        if self.told == Told::Opened && self.ever_answers() {
            return sign(self.carries_from, Sign::Answered, Told::Answered);
        }
        let (at, manner) = self.lost?;
        let asked = at.max(self.set_up);
        match (manner, self.told) {
            (Manner::Loud, _) => Some((asked + times.refusal, News::End(End::Refused))),
            (Manner::Silent, Told::Answered) => {
                let due = asked + times.silence_of_all.min(times.silence);
                sign(due, Sign::Unanswered { probes: 1 }, Told::Doubted)
            }
            (Manner::Silent, Told::Doubted) => {
                sign(asked + times.silence, Sign::Unanswered { probes: 2 }, Told::Silent)
            }
            (Manner::Silent, Told::Nothing | Told::Opened | Told::Silent) => None,
        }
    }

    fn carried(&self, at: Duration) -> Option<Carried> {
        let to = self.lost.map_or(at, |(lost, _)| lost.min(at));
        (self.carries_from < to).then_some(Carried { from: self.carries_from, to, rate: self.rate })
    }
}

#[cfg(test)]
mod tests {
    use relay_sim::censor::{CensorSpec, Hunt};
    use relay_sim::paths::{Counted, Plan, run_with};
    use relay_sim::population::preset;

    use super::*;
    use crate::availability::{ENOUGH_OCTETS, GOODPUT_SHARE};

    /// Two hours of one user.
    fn hours(warm: u8, censor: CensorSpec) -> Counted {
        let plan = Plan {
            population: preset::constant(),
            warm_up: Duration::from_mins(5),
            time: Duration::from_hours(2),
            goodput_share: GOODPUT_SHARE,
            enough_octets: ENOUGH_OCTETS,
            seed: 3,
        };
        let policy = PathPolicy { warm, ..PathPolicy::default() };
        let user = User { censor, policy, ..User::default() };
        run_with(&plan, &[user], Managed::new).remove(0)
    }

    #[test]
    fn where_nobody_blocks_as_many_paths_as_are_wanted_are_opened_and_carry() {
        let day = hours(4, CensorSpec::default());
        assert_eq!(day.longest_gap, 0);
        assert!((4..10).contains(&day.opened), "{}", day.opened);
        assert!(day.rate > 0.99 * 4.0 * GOODPUT_SHARE * 3000.0, "{}", day.rate);
    }

    #[test]
    fn each_path_that_is_blocked_is_replaced_within_seconds() {
        let hunt = Hunt::Seen { every: Duration::from_mins(1) };
        let day = hours(1, CensorSpec { hunt, ..CensorSpec::default() });
        assert!(day.opened >= 120, "{} in two hours and five minutes", day.opened);
        assert!(day.availability() > 0.9, "{}", day.availability());
        assert!((1..=20).contains(&day.longest_gap), "{} s", day.longest_gap);
    }
}
