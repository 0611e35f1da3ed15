//! The relays of an overlay: the table `[relays]`.

use std::time::Duration;

use relay_sim::population::{Choice, Lifetime, PopulationSpec, RoundTrip, Rule, preset};
use serde::Deserialize;
use skype_api::DATAGRAM_OCTETS_MAX;

use super::link::{HELD_MAX, RATE_MAX, RTT_MS_MAX, ThrottleKind, loss};
use super::{ConfigError, range, seconds};

/// Relays of one overlay: twice what Skype had. Each takes some 150 octets, and time when it comes or goes.
pub const RELAYS_MAX: u64 = 100_000;

/// What a bucket of a relay lets pass at once if nothing else is said: one AP2AP datagram and a bit, as in
/// the presets.
const BURST_DEFAULT: u64 = 1_500;

/// The longest time that may be said, in seconds: a year.
pub(super) const SECONDS_MAX: f64 = 31_536_000.0;

/// Between the loss of a relay and the next one, in milliseconds, if nothing else is said: a guess of the
/// references.
const GAP_MS: [u64; 2] = [1_000, 15_000];

/// How long a stream takes to come up, in milliseconds, if nothing else is said: what the questions about
/// censors were asked with.
const SET_UP_MS: u64 = 1_000;

/// When the relays fail that [`Preset::FailureOf2010`] is about, in seconds, if nothing else is said.
const FAILURE_AT_S: f64 = 3_600.0;

/// Of which relays a stream is given one, and what happens when that goes. What is not said is as in the
/// preset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelaysConfig {
    /// What the population is like.
    pub preset: Option<Preset>,
    /// How many relays are up at once, on average.
    pub count: Option<u64>,
    /// Octets per second of each relay and direction, for all streams through it together; 0 for no limit.
    pub rate: Option<u64>,
    /// How that rate is kept.
    pub throttle: Option<ThrottleKind>,
    /// Octets let pass at once.
    pub burst: Option<u64>,
    /// Octets that may wait; default five seconds of the rate.
    pub queue: Option<u64>,
    /// Through each relay and back, in milliseconds.
    pub rtt_ms: Option<u64>,
    /// Probability that a relay loses a datagram.
    pub loss: Option<f64>,
    /// How long half of the relays stay up, in seconds; 0: all of them for ever.
    pub lifetime_s: Option<f64>,
    /// When the relays of [`Preset::FailureOf2010`] fail, in seconds.
    pub failure_at_s: Option<f64>,
    /// By what a stream's relay is picked.
    pub choice: Option<ChoiceRule>,
    /// Among how many relays, drawn anew each time.
    pub known: Option<u64>,
    /// What becomes of a stream whose relay goes.
    pub when_gone: Option<WhenGone>,
    /// The shortest time without a relay, in milliseconds.
    pub gap_ms_min: Option<u64>,
    /// The longest time without a relay, in milliseconds.
    pub gap_ms_max: Option<u64>,
    /// How long a stream takes to come up, in milliseconds, beside the link's round trip.
    pub set_up_ms: Option<u64>,
    /// The share of streams that go direct, through no relay.
    pub direct: Option<f64>,
}

/// A population with a name; see [`relay_sim::population::preset`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Always as many, all alike.
    #[default]
    Constant,
    /// Some addresses come back.
    TwoClasses,
    /// The throttles that were published, and other round trips.
    Mixed,
    /// With the hours of the day.
    Diurnal,
    /// A quarter of all fails for a day.
    #[serde(rename = "failure-of-2010")]
    FailureOf2010,
    /// Servers in few places.
    #[serde(rename = "concentration-of-2012")]
    ConcentrationOf2012,
}

/// By what a relay is picked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChoiceRule {
    /// Any.
    #[default]
    Uniform,
    /// In proportion to its rate.
    ByRate,
    /// The nearest.
    Nearest,
}

/// What becomes of a stream whose relay goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenGone {
    /// After a gap it has another one, and nobody is told.
    #[default]
    Switch,
    /// It carries nothing any more, and nobody is told.
    Silence,
}

impl RelaysConfig {
    /// The population as relay-sim builds it.
    #[must_use]
    pub fn population(&self) -> PopulationSpec {
        let mut spec = match self.preset.unwrap_or_default() {
            Preset::Constant => preset::constant(),
            Preset::TwoClasses => preset::two_classes(),
            Preset::Mixed => preset::mixed(),
            Preset::Diurnal => preset::diurnal(),
            Preset::FailureOf2010 => {
                preset::failure_of_2010(seconds(self.failure_at_s.unwrap_or(FAILURE_AT_S)))
            }
            Preset::ConcentrationOf2012 => preset::concentration_of_2012(),
        };
        if let Some(count) = self.count.and_then(|count| u32::try_from(count).ok()) {
            spec.relays = count;
        }
        if let Some(rate) = self.rate {
            let burst = self.burst.unwrap_or(BURST_DEFAULT);
            spec.throttles = vec![(1.0, self.throttle.unwrap_or_default().throttle(rate, burst))];
        }
        if let Some(rtt_ms) = self.rtt_ms {
            spec.round_trip = RoundTrip::of_all(Duration::from_millis(rtt_ms));
        }
        if let Some(probability) = self.loss {
            spec.loss = loss(probability);
        }
        if let Some(lifetime) = self.lifetime_s {
            for class in &mut spec.classes {
                class.session = lifetime_of(lifetime, class.session);
                class.returns = class.returns.filter(|_| lifetime > 0.0);
            }
        }
        spec
    }

    /// How streams are given theirs.
    pub(crate) fn choice(&self) -> Choice {
        let default = Choice::default();
        Choice {
            rule: match self.choice.unwrap_or_default() {
                ChoiceRule::Uniform => Rule::Uniform,
                ChoiceRule::ByRate => Rule::ByRate,
                ChoiceRule::Nearest => Rule::Nearest,
            },
            known: self.known.and_then(|known| known.try_into().ok()).unwrap_or(default.known),
        }
    }

    /// The shortest and the longest time between two relays.
    pub(crate) fn gap(&self) -> (Duration, Duration) {
        let [shortest, longest] = GAP_MS;
        let min = self.gap_ms_min.unwrap_or(shortest).min(self.gap_ms_max.unwrap_or(u64::MAX));
        let max = self.gap_ms_max.unwrap_or(longest).max(min);
        (Duration::from_millis(min), Duration::from_millis(max))
    }

    pub(crate) fn set_up(&self) -> Duration {
        Duration::from_millis(self.set_up_ms.unwrap_or(SET_UP_MS))
    }

    pub(super) fn check(&self, section: &str) -> Result<(), ConfigError> {
        let datagram = u64::try_from(DATAGRAM_OCTETS_MAX).unwrap_or(u64::MAX);
        let key = |name: &str| format!("{section}.{name}");
        let needs = |name: &str, other: String| ConfigError::Needs { key: key(name), other };
        range(key("count"), self.count.unwrap_or(1), 1..=RELAYS_MAX)?;
        range(key("rate"), self.rate.unwrap_or(0), 0..=RATE_MAX)?;
        range(key("burst"), self.burst.unwrap_or(datagram), datagram..=HELD_MAX)?;
        range(key("queue"), self.queue.unwrap_or(datagram), datagram..=HELD_MAX)?;
        range(key("rtt_ms"), self.rtt_ms.unwrap_or(0), 0..=RTT_MS_MAX)?;
        range(key("loss"), self.loss.unwrap_or(0.0), 0.0..=1.0)?;
        range(key("lifetime_s"), self.lifetime_s.unwrap_or(0.0), 0.0..=SECONDS_MAX)?;
        range(key("failure_at_s"), self.failure_at_s.unwrap_or(0.0), 0.0..=SECONDS_MAX)?;
        range(key("known"), self.known.unwrap_or(1), 1..=u64::from(u16::MAX))?;
        range(key("gap_ms_max"), self.gap_ms_max.unwrap_or(0), 0..=RTT_MS_MAX)?;
        let gap_ms_max = self.gap_ms_max.unwrap_or(RTT_MS_MAX);
        range(key("gap_ms_min"), self.gap_ms_min.unwrap_or(0), 0..=gap_ms_max)?;
        range(key("set_up_ms"), self.set_up_ms.unwrap_or(0), 0..=RTT_MS_MAX)?;
        range(key("direct"), self.direct.unwrap_or(0.0), 0.0..=1.0)?;
        if self.throttle.is_some() && self.rate.is_none() {
            return Err(needs("throttle", key("rate")));
        }
        if self.burst.is_some() && self.rate.is_none() {
            return Err(needs("burst", key("rate")));
        }
        if self.failure_at_s.is_some() && self.preset != Some(Preset::FailureOf2010) {
            return Err(needs("failure_at_s", format!("{} = \"failure-of-2010\"", key("preset"))));
        }
        Ok(())
    }
}

/// Half of the relays go within `median_s` seconds, spread as they are by the preset; of 0, none ever goes.
fn lifetime_of(median_s: f64, preset: Lifetime) -> Lifetime {
    if median_s > 0.0 {
        return Lifetime { median: seconds(median_s), ..preset };
    }
    Lifetime::FOR_EVER
}
