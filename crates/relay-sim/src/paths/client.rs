//! One client's paths: opened, lost, noticed, opened anew.

use std::time::Duration;

use super::PathPolicy;
use super::keeper::{Carried, Keeper, rate_of};
use crate::censor::{Censor, Manner};
use crate::population::{Chooser, Population, RelayId};

/// When a client that was given no relay asks again.
const AGAIN: Duration = Duration::from_secs(1);

/// Openings that a client with a budget can have saved up: all paths twice.
const SAVED_MAX: u32 = 16;

/// A path, up or not, known to be or not.
#[derive(Clone, Copy, Debug)]
struct Path {
    relay: RelayId,
    /// When the first question leaves.
    set_up: Duration,
    /// When the first answer is there.
    carries_from: Duration,
    lost: Option<Lost>,
    rate: f64,
}

/// From when on nothing comes through a path, and how that shows.
#[derive(Clone, Copy, Debug)]
struct Lost {
    at: Duration,
    manner: Manner,
}

/// The paths of one client.
#[derive(Debug)]
pub(super) struct Paths {
    policy: PathPolicy,
    chooser: Chooser,
    list: Vec<Path>,
    /// When paths that are missing are to be opened.
    open_at: Option<Duration>,
    /// Until when the openings so far have used up the budget.
    spent_until: Duration,
    /// How many were opened.
    opened: u64,
}

impl Paths {
    pub(super) fn new(policy: PathPolicy, chooser: Chooser, from: Duration) -> Self {
        Self {
            policy,
            chooser,
            list: Vec::new(),
            open_at: Some(from),
            spent_until: from,
            opened: 0,
        }
    }

    /// When the budget allows the next opening.
    fn affordable_at(&self) -> Option<Duration> {
        let every = self.policy.opens_every?;
        Some(self.spent_until.saturating_sub(every.saturating_mul(SAVED_MAX - 1)))
    }

    /// When the last of several paths that ever answered is lost.
    fn all_lost_at(&self) -> Option<Duration> {
        let mut answered = self.list.iter().filter(|path| path.ever_answers()).peekable();
        answered.peek().filter(|_| self.policy.warm > 1)?;
        answered
            .map(|path| path.lost.map(|lost| lost.at))
            .max_by_key(|at| at.unwrap_or(Duration::MAX))?
    }

    /// Whichever relay the overlay gives that is not in use here.
    fn open(&mut self, at: Duration, population: &Population, censor: &Censor) -> Option<Path> {
        let id = self.chooser.choose(population, &self.in_use())?;
        let relay = population.relay(id)?;
        let set_up = at.saturating_add(self.policy.set_up);
        let mut path = Path {
            relay: id,
            set_up,
            carries_from: set_up.saturating_add(relay.round_trip),
            lost: None,
            rate: rate_of(relay, censor),
        };
        if let Some(from) = censor.blocked_from(relay) {
            path.lose(Lost { at: from.max(at), manner: censor.spec().manner });
        }
        Some(path)
    }
}

impl Keeper for Paths {
    fn next_at(&self) -> Option<Duration> {
        let all = self.all_lost_at();
        let given_up = self.list.iter().filter_map(|path| path.given_up(&self.policy, all));
        given_up.chain(self.open_at).min()
    }

    fn act(
        &mut self,
        at: Duration,
        (population, censor): (&Population, &Censor),
        carried: &mut Vec<Carried>,
    ) {
        let (policy, all) = (self.policy, self.all_lost_at());
        let is_due = |path: &mut Path| path.given_up(&policy, all).is_some_and(|due| due <= at);
        carried.extend(self.list.extract_if(.., is_due).filter_map(|path| path.carried(at)));
        self.open_at = None;
        while self.list.len() < usize::from(self.policy.warm) {
            if let Some(later) = self.affordable_at().filter(|affordable| *affordable > at) {
                self.open_at = Some(later);
                return;
            }
            let Some(path) = self.open(at, population, censor) else {
                self.open_at = Some(at.saturating_add(AGAIN));
                return;
            };
            self.opened += 1;
            let cost = self.policy.opens_every.unwrap_or_default();
            self.spent_until = self.spent_until.max(at).saturating_add(cost);
            self.list.push(path);
        }
    }

    fn lose(&mut self, at: Duration, relay: RelayId) {
        for path in self.list.iter_mut().filter(|path| path.relay == relay) {
            path.lose(Lost { at, manner: Manner::Silent });
        }
    }

    fn lose_blocked(&mut self, at: Duration, (population, censor): (&Population, &Censor)) {
        let manner = censor.spec().manner;
        for path in &mut self.list {
            let relay = population.relay(path.relay);
            if relay.and_then(|relay| censor.blocked_from(relay)).is_some_and(|from| from <= at) {
                path.lose(Lost { at, manner });
            }
        }
    }

    fn close(&mut self, at: Duration, again: Option<Duration>, carried: &mut Vec<Carried>) {
        carried.extend(self.list.drain(..).filter_map(|path| path.carried(at)));
        self.open_at = again;
    }

    fn in_use(&self) -> Vec<RelayId> {
        self.list.iter().map(|path| path.relay).collect()
    }

    fn opened(&self) -> u64 {
        self.opened
    }
}

impl Path {
    /// Whatever is first takes it.
    fn lose(&mut self, lost: Lost) {
        if self.lost.is_none_or(|known| lost.at < known.at) {
            self.lost = Some(lost);
        }
    }

    /// Whether an answer came before it was lost.
    fn ever_answers(&self) -> bool {
        self.lost.is_none_or(|lost| self.carries_from < lost.at)
    }

    /// When it is given up, if no other path answers from `all` on.
    fn given_up(&self, policy: &PathPolicy, all: Option<Duration>) -> Option<Duration> {
        let lost = self.lost?;
        let asked = lost.at.max(self.set_up);
        Some(match lost.manner {
            Manner::Loud => asked.saturating_add(policy.refusal),
            Manner::Silent if !self.ever_answers() => self.set_up.saturating_add(policy.no_answer),
            Manner::Silent => {
                let alone = asked.saturating_add(policy.silence);
                all.map_or(alone, |all| {
                    alone.min(all.max(asked).saturating_add(policy.silence_of_all))
                })
            }
        })
    }

    fn carried(&self, at: Duration) -> Option<Carried> {
        let to = self.lost.map_or(at, |lost| lost.at.min(at));
        (self.carries_from < to).then_some(Carried { from: self.carries_from, to, rate: self.rate })
    }
}
