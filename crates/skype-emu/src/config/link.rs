//! What a link does to what crosses it: the tables `[link]` and `[[link_between]]`.

use std::time::Duration;

use relay_sim::{LinkSpec, Loss, Reordering, Throttle};
use serde::Deserialize;
use skype_api::{DATAGRAM_OCTETS_MAX, UserHandle};

use super::{ConfigError, handle, range};

/// What a relay lets pass at once when the configuration does not say; bursts of 4 to 8 KB are
/// what a throttled relay is assumed to allow.
pub const BURST_DEFAULT: u64 = 4096;

/// Octets that a bucket or a queue may be told to hold.
pub(super) const HELD_MAX: u64 = 64 * 1024 * 1024;

/// Octets per second that a link may be told to carry.
pub(super) const RATE_MAX: u64 = 1_000_000_000;

/// Milliseconds that a round trip may take.
pub(super) const RTT_MS_MAX: u64 = 60_000;

/// How late a reordered datagram comes at most.
const REORDER_LATE_MAX: Duration = Duration::from_millis(50);

/// What a link does to the octets of AP2AP text that cross it. Both directions are alike, each by
/// itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkConfig {
    /// Octets per second; 0 or nothing for no limit.
    pub rate: Option<u64>,
    /// How the rate is kept.
    pub throttle: Option<ThrottleKind>,
    /// Octets let pass at once; default [`BURST_DEFAULT`].
    pub burst: Option<u64>,
    /// There and back, in milliseconds.
    pub rtt_ms: Option<u64>,
    /// Probability that a datagram gets lost.
    pub loss: Option<f64>,
    /// Further delay of each datagram, uniform below this, in milliseconds.
    pub jitter_ms: Option<u64>,
    /// Probability that a datagram is overtaken.
    pub reorder: Option<f64>,
    /// Octets that may wait; default two seconds of the rate, at least 16 KiB and at most 1 MiB.
    pub queue: Option<u64>,
}

/// How a relay keeps its rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThrottleKind {
    /// A token bucket with a queue.
    #[default]
    Shaper,
    /// A token bucket that drops.
    Policer,
    /// A budget for each second that drops.
    WindowPolicer,
    /// A reader that pauses when a second's budget is spent.
    PausingReader,
}

/// A [`LinkConfig`] for two logins.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "LinkBetweenKeys")]
pub struct LinkBetween {
    /// Whom it joins.
    pub logins: [String; 2],
    /// What it is like.
    pub link: LinkConfig,
}

/// The keys of `[[link_between]]`, spelled out: serde cannot flatten and deny unknown fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkBetweenKeys {
    logins: [String; 2],
    rate: Option<u64>,
    throttle: Option<ThrottleKind>,
    burst: Option<u64>,
    rtt_ms: Option<u64>,
    loss: Option<f64>,
    jitter_ms: Option<u64>,
    reorder: Option<f64>,
    queue: Option<u64>,
}

impl From<LinkBetweenKeys> for LinkBetween {
    fn from(keys: LinkBetweenKeys) -> Self {
        let LinkBetweenKeys { logins, rate, throttle, burst, rtt_ms, loss, .. } = keys;
        let LinkBetweenKeys { jitter_ms, reorder, queue, .. } = keys;
        let link = LinkConfig { rate, throttle, burst, rtt_ms, loss, jitter_ms, reorder, queue };
        Self { logins, link }
    }
}

impl LinkBetween {
    /// Its logins, which were said at `key`.
    pub(crate) fn handles(&self, key: &str) -> Result<(UserHandle, UserHandle), ConfigError> {
        let [one, other] = &self.logins;
        Ok((handle(key, one)?, handle(key, other)?))
    }
}

impl LinkConfig {
    /// What this says, and where it says nothing, what `base` says.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        Self {
            rate: self.rate.or(base.rate),
            throttle: self.throttle.or(base.throttle),
            burst: self.burst.or(base.burst),
            rtt_ms: self.rtt_ms.or(base.rtt_ms),
            loss: self.loss.or(base.loss),
            jitter_ms: self.jitter_ms.or(base.jitter_ms),
            reorder: self.reorder.or(base.reorder),
            queue: self.queue.or(base.queue),
        }
    }

    /// One direction as relay-sim builds it.
    #[must_use]
    pub fn spec(&self) -> LinkSpec {
        let rate = self.rate.unwrap_or(0);
        let burst = self.burst.unwrap_or(BURST_DEFAULT);
        let throttle = self.throttle.unwrap_or_default().throttle(rate, burst);
        let loss = loss(self.loss.unwrap_or(0.0));
        let probability = self.reorder.unwrap_or(0.0);
        let queue = rate.saturating_mul(2).clamp(16 * 1024, 1024 * 1024);
        LinkSpec {
            throttle,
            delay: Duration::from_micros(self.rtt_ms.unwrap_or(0).saturating_mul(500)),
            jitter: Duration::from_millis(self.jitter_ms.unwrap_or(0)),
            loss,
            reorder: Reordering { probability, late_max: REORDER_LATE_MAX },
            queue_octets: self.queue.unwrap_or(queue),
            ..LinkSpec::default()
        }
    }

    pub(super) fn check(&self, section: &str) -> Result<(), ConfigError> {
        // A bucket or queue smaller than a datagram would never let one pass.
        let datagram = u64::try_from(DATAGRAM_OCTETS_MAX).unwrap_or(u64::MAX);
        let key = |name: &str| format!("{section}.{name}");
        range(key("rate"), self.rate.unwrap_or(0), 0..=RATE_MAX)?;
        range(key("burst"), self.burst.unwrap_or(datagram), datagram..=HELD_MAX)?;
        range(key("queue"), self.queue.unwrap_or(datagram), datagram..=HELD_MAX)?;
        range(key("rtt_ms"), self.rtt_ms.unwrap_or(0), 0..=RTT_MS_MAX)?;
        range(key("jitter_ms"), self.jitter_ms.unwrap_or(0), 0..=RTT_MS_MAX)?;
        range(key("loss"), self.loss.unwrap_or(0.0), 0.0..=1.0)?;
        range(key("reorder"), self.reorder.unwrap_or(0.0), 0.0..=1.0)
    }
}

impl ThrottleKind {
    /// A throttle of this kind; none if the rate is 0.
    pub(super) const fn throttle(self, rate: u64, burst: u64) -> Throttle {
        match self {
            _ if rate == 0 => Throttle::None,
            Self::Shaper => Throttle::Shaper { rate, burst },
            Self::Policer => Throttle::Policer { rate, burst },
            Self::WindowPolicer => Throttle::WindowPolicer { rate },
            Self::PausingReader => Throttle::PausingReader { rate },
        }
    }
}

/// What loses each datagram with `probability`.
pub(super) const fn loss(probability: f64) -> Loss {
    if probability > 0.0 { Loss::Bernoulli { probability } } else { Loss::None }
}
