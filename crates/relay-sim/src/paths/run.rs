//! Users of one overlay over hours, and the seconds in which something arrived.

use std::time::Duration;

use super::PathPolicy;
use super::client::Paths;
use super::keeper::{Carried, Keeper};
use crate::censor::{Censor, CensorSpec};
use crate::population::{Change, Choice, Chooser, Population, PopulationSpec, RelayId};
use crate::time::earlier;

/// Logging in took 3 to 7 s (Baset, Schulzrinne 2004).
const LOG_IN: Duration = Duration::from_secs(5);

/// What is run, for all users alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The relays.
    pub population: PopulationSpec,
    /// Everything happens for so long before it counts; the censors are at work from the beginning.
    pub warm_up: Duration,
    /// What counts, in whole seconds.
    pub time: Duration,
    /// Payload that arrives / what relays pass.
    pub goodput_share: f64,
    /// A second counts in which so many octets of payload arrive.
    pub enough_octets: f64,
    /// All chance.
    pub seed: u64,
}

/// Who uses the overlay, and from behind whom. Users do not get in each other's way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct User {
    /// How paths are kept.
    pub policy: PathPolicy,
    /// How the overlay picks relays.
    pub choice: Choice,
    /// Who is on the line, and on nobody else's.
    pub censor: CensorSpec,
    /// How often Skype or the machine is started anew, and logs in again; `None`: never.
    pub restart_every: Option<Duration>,
}

/// What a user had of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    /// Calendar seconds.
    pub seconds: u32,
    /// Those in which enough arrived.
    pub served: u32,
    /// The longest run of seconds in which not enough did.
    pub longest_gap: u32,
    /// Octets of payload that arrived, in a second on average.
    pub rate: f64,
    /// Paths that were opened, before it counted and since.
    pub opened: u64,
}

impl Counted {
    /// The share of seconds in which enough arrived.
    #[must_use]
    pub fn availability(&self) -> f64 {
        f64::from(self.served) / f64::from(self.seconds.max(1))
    }
}

/// All users over the same relays, from the origin to the end. Same plan, same users: same counts. Which relays
/// a user is given follows from the seed and from the user's place among all.
#[must_use]
pub fn run(plan: &Plan, users: &[User]) -> Vec<Counted> {
    run_with(plan, users, |user, seed| {
        Paths::new(user.policy, Chooser::new(user.choice, seed), Duration::ZERO)
    })
}

/// The same where each user's paths are kept by what `keeper` makes of the user and of a seed.
#[must_use]
pub fn run_with<K: Keeper>(
    plan: &Plan,
    users: &[User],
    keeper: impl Fn(&User, u64) -> K,
) -> Vec<Counted> {
    let end = plan.warm_up.saturating_add(plan.time);
    let mut population = Population::new(plan.population.clone(), plan.seed);
    let new = |(user, seed): (&User, u64)| Line::new(plan, *user, keeper(user, seed));
    let mut lines: Vec<Line<'_, K>> = users.iter().zip(plan.seed..).map(new).collect();
    let earliest = |lines: &[Line<'_, K>]| lines.iter().filter_map(|line| line.due).min();
    let mut due = earliest(&lines);
    loop {
        let next = due.unwrap_or(end).min(end);
        // One change at a time: a relay that goes may give a user something to do before the next one does.
        if let Some((at, change)) = population.advance(next) {
            let Change::Down(relay) = change else { continue };
            for line in lines.iter_mut().filter(|line| line.paths.in_use().contains(&relay)) {
                line.lose(at, relay);
                due = earlier(due, line.due);
            }
            continue;
        }
        if next >= end {
            return lines.into_iter().map(|line| line.counted(end)).collect();
        }
        for line in lines.iter_mut().filter(|line| line.due.is_some_and(|due| due <= next)) {
            line.act(next, &population);
        }
        due = earliest(&lines);
    }
}

/// One user's line.
struct Line<'a, K> {
    plan: &'a Plan,
    restart_every: Option<Duration>,
    restart: Option<Duration>,
    /// When there is something to do.
    due: Option<Duration>,
    paths: K,
    censor: Censor,
    carried: Vec<Carried>,
    /// Octets in each second that counts.
    seconds: Vec<f64>,
}

impl<'a, K: Keeper> Line<'a, K> {
    fn new(plan: &'a Plan, user: User, paths: K) -> Self {
        let seconds = usize::try_from(plan.time.as_secs()).unwrap_or(usize::MAX);
        Self {
            plan,
            restart_every: user.restart_every,
            restart: user.restart_every,
            due: Some(Duration::ZERO),
            paths,
            censor: Censor::new(user.censor, plan.seed),
            carried: Vec::new(),
            seconds: vec![0.0; seconds],
        }
    }

    fn next_at(&self) -> Option<Duration> {
        [self.paths.next_at(), self.censor.next_sweep(), self.restart].into_iter().flatten().min()
    }

    fn act(&mut self, at: Duration, population: &Population) {
        if self.restart.is_some_and(|due| due <= at) {
            self.restart(at);
        }
        if self.censor.next_sweep().is_some_and(|due| due <= at) {
            self.censor.sweep(at, &self.paths.in_use());
            self.paths.lose_blocked(at, (population, &self.censor));
        }
        if self.paths.next_at().is_some_and(|due| due <= at) {
            self.paths.act(at, (population, &self.censor), &mut self.carried);
        }
        self.count();
        self.due = self.next_at();
    }

    fn lose(&mut self, at: Duration, relay: RelayId) {
        self.paths.lose(at, relay);
        self.due = self.next_at();
    }

    /// Who cannot log in is out for good: blocks are not taken back.
    fn restart(&mut self, at: Duration) {
        let logged_in = at.saturating_add(LOG_IN);
        let is_in = self.censor.lets_log_in(at);
        self.paths.close(at, is_in.then_some(logged_in), &mut self.carried);
        let every = self.restart_every.filter(|_| is_in);
        self.restart = every.map(|every| at.saturating_add(every.max(LOG_IN)));
    }

    /// Spreads what was carried over the seconds in which it arrived.
    fn count(&mut self) {
        let offset = self.plan.warm_up.as_secs_f64();
        for Carried { from, to, rate } in self.carried.drain(..) {
            let (from, to) = (from.as_secs_f64() - offset, to.as_secs_f64() - offset);
            let mut second = from.max(0.0).floor();
            for octets in self.seconds.iter_mut().skip(whole(second)) {
                if second >= to {
                    break;
                }
                let overlap = to.min(second + 1.0) - from.max(second);
                let at = Duration::try_from_secs_f64(second + offset).unwrap_or_default();
                let left = self.plan.population.failure.map_or(1.0, |all| all.rate_left_at(at));
                *octets += overlap * rate * left * self.plan.goodput_share;
                second += 1.0;
            }
        }
    }

    fn counted(mut self, end: Duration) -> Counted {
        self.paths.close(end, None, &mut self.carried);
        self.count();
        let mut counted = Counted { opened: self.paths.opened(), ..Counted::default() };
        let mut gap = 0;
        for octets in &self.seconds {
            let is_served = *octets >= self.plan.enough_octets;
            gap = if is_served { 0 } else { gap + 1 };
            counted.longest_gap = counted.longest_gap.max(gap);
            counted.seconds += 1;
            counted.served += u32::from(is_served);
            counted.rate += octets;
        }
        counted.rate /= f64::from(counted.seconds.max(1));
        counted
    }
}

/// A whole number of seconds as a place; beyond all places if there is none such.
fn whole(second: f64) -> usize {
    let seconds = Duration::try_from_secs_f64(second).map_or(u64::MAX, |at| at.as_secs());
    usize::try_from(seconds).unwrap_or(usize::MAX)
}
