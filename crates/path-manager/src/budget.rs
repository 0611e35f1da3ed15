//! What logins did in the last 24 hours.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::policy::Budget;
use crate::route::LoginId;

/// Counts are kept by the hour, so that a day's are some two dozen numbers.
const HOUR: Duration = Duration::from_secs(3600);

/// An hour counts for as long as any of it is within the last day.
const COUNTED_FOR: Duration = Duration::from_secs(25 * 3600);

/// What each login did in the last 24 hours, under all managers that there were: sessions end, and days do not.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    by_login: BTreeMap<LoginId, Account>,
}

impl Accounts {
    /// So many more octets went over a login's paths, in both directions together.
    pub fn spend(&mut self, now: Instant, login: LoginId, octets: u64) {
        let hour = self.by_login.entry(login).or_default().hour(now);
        hour.octets = hour.octets.saturating_add(octets);
    }

    /// Octets and openings of a login's last day.
    #[must_use]
    pub fn totals(&self, now: Instant, login: LoginId) -> (u64, u32) {
        self.by_login.get(&login).map(|account| account.totals(now)).unwrap_or_default()
    }

    pub(crate) fn open(&mut self, now: Instant, login: LoginId) {
        let hour = self.by_login.entry(login).or_default().hour(now);
        hour.openings = hour.openings.saturating_add(1);
    }

    /// What is left of a login's budget.
    pub(crate) fn allowance(&self, now: Instant, login: LoginId, budget: Budget) -> Allowance {
        let nothing_done = Account::default();
        self.by_login.get(&login).unwrap_or(&nothing_done).allowance(now, budget)
    }
}

/// What was done, by hours of which the last is under way.
#[derive(Clone, Debug, Default)]
struct Account {
    /// At most 25.
    hours: VecDeque<Hour>,
}

#[derive(Clone, Copy, Debug)]
struct Hour {
    began: Instant,
    octets: u64,
    openings: u32,
}

/// Whether a login may do more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// Yes.
    Some,
    /// No path may be opened before then.
    NoOpening(Instant),
    /// Nothing may be sent or received before then.
    Nothing(Instant),
}

impl Account {
    fn totals(&self, now: Instant) -> (u64, u32) {
        let counted = self.hours.iter().filter(|hour| hour.counts_until() > now);
        counted.fold((0, 0), |(octets, openings), hour| {
            (hour.octets.saturating_add(octets), hour.openings.saturating_add(openings))
        })
    }

    fn allowance(&self, now: Instant, budget: Budget) -> Allowance {
        let (octets, openings) = self.totals(now);
        let first = self.hours.iter().map(Hour::counts_until).find(|until| *until > now);
        let until = first.unwrap_or_else(|| now + HOUR);
        if budget.octets.is_some_and(|max| octets >= max) {
            return Allowance::Nothing(until);
        }
        if budget.openings.is_some_and(|max| openings >= max) {
            return Allowance::NoOpening(until);
        }
        Allowance::Some
    }

    fn hour(&mut self, now: Instant) -> &mut Hour {
        while self.hours.front().is_some_and(|hour| hour.counts_until() <= now) {
            self.hours.pop_front();
        }
        if self.hours.back().is_none_or(|hour| now.saturating_duration_since(hour.began) >= HOUR) {
            self.hours.push_back(Hour { began: now, octets: 0, openings: 0 });
        }
        self.hours.back_mut().expect("one was just pushed if there was none")
    }
}

impl Hour {
    fn counts_until(&self) -> Instant {
        self.began + COUNTED_FOR
    }
}
