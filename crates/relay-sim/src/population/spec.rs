//! What a population of relays is like, as plain data.

use std::time::Duration;

use crate::chance::{Chance, scaled};
use crate::spec::{LinkSpec, Loss, Throttle};

const DAY: Duration = Duration::from_hours(24);

/// A population, as plain data. [`PopulationSpec::default`] is [`preset::constant`](super::preset::constant).
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationSpec {
    /// How many relays are up at once, on average.
    pub relays: u32,
    /// What kinds of machine they run on.
    pub classes: Vec<ClassSpec>,
    /// How relays hold down what they forward: each throttle with its weight among all.
    pub throttles: Vec<(f64, Throttle)>,
    /// From one end through a relay to the other and back.
    pub round_trip: RoundTrip,
    /// What every relay loses at random.
    pub loss: Loss,
    /// How arrivals swing with the hour of the day, if they do.
    pub diurnal: Option<Diurnal>,
    /// A failure of many at once, if there is one.
    pub failure: Option<MassFailure>,
}

/// On what kind of machine a relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Somebody's computer whose address is seen in one session and never again.
    Passing,
    /// Somebody's computer that comes back under the same address.
    Returning,
    /// A server in a data centre, in address ranges that anybody can look up.
    Hosted,
}

/// The relays of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassSpec {
    /// Which.
    pub class: Class,
    /// Its share of the relays that are up.
    pub share: f64,
    /// How long a relay stays up.
    pub session: Lifetime,
    /// Whether its address comes back after a session; `None`: never.
    pub returns: Option<Returns>,
}

/// How long relays stay up: log-normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetime {
    /// Half of them stay longer.
    pub median: Duration,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
}

/// How addresses come back. Both waits have no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returns {
    /// From the end of a session to the next, on average.
    pub absence: Duration,
    /// How long an address that is seen will still be used, on average.
    pub residual_life: Duration,
}

/// Round trips of relays: log-normal, cut off at both ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrip {
    /// Half of the relays are further.
    pub median: Duration,
    /// The standard deviation of the logarithm; 0: all are alike.
    pub sigma: f64,
    /// None is nearer.
    pub min: Duration,
    /// None is further.
    pub max: Duration,
}

/// Arrivals go as 1 + amplitude * cos: relays come up most often at the peak. How many are up swings less, and
/// later, for relays outlast the hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diurnal {
    /// Between 0 and 1.
    pub amplitude: f64,
    /// The hour of the day with the most arrivals, since the origin.
    pub peak: Duration,
}

/// Many relays fail at once, and those that are left bear the load of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassFailure {
    /// When.
    pub at: Duration,
    /// The share of relays that go down.
    pub share: f64,
    /// When they are back, after that.
    pub length: Duration,
    /// What a relay that is left gives in the meantime / what it gave before.
    pub rate_left: f64,
}

impl Lifetime {
    /// No relay ever goes, and none comes: what there is stays.
    pub const FOR_EVER: Self = Self { median: Duration::MAX, sigma: 0.0 };

    /// The mean of all that come up.
    #[must_use]
    pub fn mean(self) -> Duration {
        scaled(self.median, (self.sigma * self.sigma / 2.0).exp())
    }

    /// How long one stays that comes up now.
    pub(super) fn draw(self, chance: &mut Chance) -> Duration {
        scaled(self.median, (self.sigma * chance.normal()).exp())
    }

    /// How long one still stays that is found up in a population that has been there for long: those
    /// that last are found in proportion to how long they last, at any point of their lives.
    pub(super) fn draw_remaining(self, chance: &mut Chance) -> Duration {
        if self == Self::FOR_EVER {
            return self.median;
        }
        let exponent = self.sigma * chance.normal() + self.sigma * self.sigma;
        scaled(self.median, exponent.exp() * chance.uniform())
    }
}

impl RoundTrip {
    /// All relays alike.
    #[must_use]
    pub const fn of_all(round_trip: Duration) -> Self {
        Self { median: round_trip, sigma: 0.0, min: round_trip, max: round_trip }
    }

    pub(super) fn draw(self, chance: &mut Chance) -> Duration {
        let drawn = scaled(self.median, (self.sigma * chance.normal()).exp());
        drawn.min(self.max).max(self.min)
    }
}

impl Diurnal {
    /// What the rate of arrivals at `at` is of the highest.
    pub(super) fn of_highest(self, at: Duration) -> f64 {
        let days = (at.as_secs_f64() - self.peak.as_secs_f64()) / DAY.as_secs_f64();
        let swing = self.amplitude * (std::f64::consts::TAU * days).cos();
        (1.0 + swing) / (1.0 + self.amplitude)
    }
}

impl MassFailure {
    /// What becomes of a link in the meantime.
    #[must_use]
    pub fn weakened(self, link: LinkSpec) -> LinkSpec {
        LinkSpec { throttle: link.throttle.scaled(self.rate_left), ..link }
    }

    /// What a relay gives at `at` / what it gives when all are up.
    #[must_use]
    pub fn rate_left_at(self, at: Duration) -> f64 {
        let is_on = at >= self.at && at < self.at.saturating_add(self.length);
        if is_on { self.rate_left } else { 1.0 }
    }
}

impl ClassSpec {
    /// Addresses that are up or away for each that is up.
    pub(super) fn addresses_for_each_up(self) -> f64 {
        let away = self.returns.map_or(0.0, |returns| returns.absence.as_secs_f64());
        1.0 + away / self.session.mean().as_secs_f64()
    }

    /// How long an address is used from its first session on, on average.
    pub(super) fn address_life(self) -> Duration {
        self.returns.map_or_else(|| self.session.mean(), |returns| returns.residual_life)
    }
}
