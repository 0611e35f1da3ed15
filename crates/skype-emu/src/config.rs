//! What an overlay is made of: logins with their sockets, and the links between them.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use relay_sim::{LinkSpec, Loss, Reordering, Throttle};
use serde::Deserialize;
use skype_api::{DATAGRAM_OCTETS_MAX, NameError, UserHandle};

/// Logins of one overlay: each has a socket, and descriptors are few.
pub const LOGINS_MAX: usize = 1024;

/// What a relay lets pass at once when the configuration does not say; bursts of 4 to 8 KB are
/// what a throttled relay is assumed to allow.
pub const BURST_DEFAULT: u64 = 4096;

/// How late a reordered datagram comes at most.
const REORDER_LATE_MAX: Duration = Duration::from_millis(50);

/// An overlay: who is logged in, and what lies between them.
///
/// ```
/// use skype_emu::OverlayConfig;
/// let config: OverlayConfig = toml::from_str(r#"
///     seed = 7
///     [[login]]
///     name = "alice"
///     socket = "alice.sock"
///     [[login]]
///     name = "bob"
///     socket = "bob.sock"
///     [link]
///     rate = 65536
///     rtt_ms = 150
///     [[link_between]]
///     logins = ["alice", "bob"]
///     rate = 3000
/// "#)?;
/// config.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverlayConfig {
    /// Of all randomness.
    pub seed: u64,
    /// Who is logged in, each with a Skype of its own.
    #[serde(rename = "login")]
    pub logins: Vec<LoginConfig>,
    /// What lies between any two logins.
    pub link: LinkConfig,
    /// What lies between two particular logins; what is not said here is as in `link`.
    #[serde(rename = "link_between")]
    pub links_between: Vec<LinkBetween>,
}

/// A login and its attach point.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// Its handle.
    pub name: String,
    /// Where programs attach.
    pub socket: PathBuf,
    /// What its user says to a program that wants in.
    #[serde(default)]
    pub consent: Consent,
    /// How long its user thinks about that, in milliseconds.
    #[serde(default)]
    pub consent_ms: u64,
}

/// What Skype's user says to a program that wants in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Yes.
    #[default]
    Ok,
    /// No.
    Refuse,
    /// Nothing: the dialog stays open for ever.
    Pending,
}

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

/// A value that cannot be, with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number is out of range.
    #[error("{key} = {value}: must be from {min} to {max}")]
    Range {
        /// Which key.
        key: String,
        /// What it says.
        value: String,
        /// The least it may say.
        min: String,
        /// The most it may say.
        max: String,
    },
    /// A login's name is none.
    #[error("{key} = {name:?} is no Skype name: {source}")]
    Name {
        /// Which key.
        key: String,
        /// What it says.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The same name, socket or pair stands there twice.
    #[error("{key} = {value:?} stands there twice")]
    Twice {
        /// Which key.
        key: String,
        /// What it says.
        value: String,
    },
    /// A link to somebody who is not there.
    #[error("{key} names {name:?}, but no login has that name")]
    UnknownLogin {
        /// Which key.
        key: String,
        /// The name.
        name: String,
    },
    /// Nobody is logged in.
    #[error("there is no login: add at least one [[login]] with a name and a socket")]
    NoLogin,
}

impl ConfigError {
    /// Which key is wrong, with its tables, as in `login[1].name`: they count from 0.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Range { key, .. }
            | Self::Name { key, .. }
            | Self::Twice { key, .. }
            | Self::UnknownLogin { key, .. } => key,
            Self::NoLogin => "login",
        }
    }
}

impl OverlayConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.logins.is_empty() {
            return Err(ConfigError::NoLogin);
        }
        range("login (their number)", self.logins.len(), 1..=LOGINS_MAX)?;
        let mut names = BTreeSet::new();
        let mut sockets = BTreeSet::new();
        for (index, login) in self.logins.iter().enumerate() {
            let key = |name: &str| format!("login[{index}].{name}");
            if !names.insert(handle(key("name"), &login.name)?) {
                return Err(ConfigError::Twice { key: key("name"), value: login.name.clone() });
            }
            if !sockets.insert(&login.socket) {
                let value = login.socket.display().to_string();
                return Err(ConfigError::Twice { key: key("socket"), value });
            }
            range(key("consent_ms"), login.consent_ms, 0..=3_600_000)?;
        }
        self.link.check("link")?;
        let mut pairs = BTreeSet::new();
        for (index, between) in self.links_between.iter().enumerate() {
            let table = format!("link_between[{index}]");
            let key = format!("{table}.logins");
            let (one, other) = between.handles(&key)?;
            for name in [one, other] {
                if !names.contains(&name) {
                    return Err(ConfigError::UnknownLogin { key, name: name.to_string() });
                }
            }
            if one == other || !pairs.insert((one.min(other), one.max(other))) {
                return Err(ConfigError::Twice { key, value: format!("{one}, {other}") });
            }
            between.link.check(&table)?;
        }
        Ok(())
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
        let throttle = match self.throttle.unwrap_or_default() {
            _ if rate == 0 => Throttle::None,
            ThrottleKind::Shaper => Throttle::Shaper { rate, burst },
            ThrottleKind::Policer => Throttle::Policer { rate, burst },
            ThrottleKind::WindowPolicer => Throttle::WindowPolicer { rate },
            ThrottleKind::PausingReader => Throttle::PausingReader { rate },
        };
        let loss = match self.loss.unwrap_or(0.0) {
            0.0 => Loss::None,
            probability => Loss::Bernoulli { probability },
        };
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

    fn check(&self, section: &str) -> Result<(), ConfigError> {
        // A bucket or queue smaller than a datagram would never let one pass.
        let datagram = u64::try_from(DATAGRAM_OCTETS_MAX).unwrap_or(u64::MAX);
        let key = |name: &str| format!("{section}.{name}");
        range(key("rate"), self.rate.unwrap_or(0), 0..=1_000_000_000)?;
        range(key("burst"), self.burst.unwrap_or(datagram), datagram..=64 * 1024 * 1024)?;
        range(key("queue"), self.queue.unwrap_or(datagram), datagram..=64 * 1024 * 1024)?;
        range(key("rtt_ms"), self.rtt_ms.unwrap_or(0), 0..=60_000)?;
        range(key("jitter_ms"), self.jitter_ms.unwrap_or(0), 0..=60_000)?;
        range(key("loss"), self.loss.unwrap_or(0.0), 0.0..=1.0)?;
        range(key("reorder"), self.reorder.unwrap_or(0.0), 0.0..=1.0)
    }
}

fn handle(key: impl Into<String>, name: &str) -> Result<UserHandle, ConfigError> {
    UserHandle::new(name).map_err(|source| ConfigError::Name {
        key: key.into(),
        name: name.to_owned(),
        source,
    })
}

/// NaN lies in no range.
fn range<T: PartialOrd + fmt::Display>(
    key: impl Into<String>,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (min, max) = (range.start().to_string(), range.end().to_string());
    Err(ConfigError::Range { key: key.into(), value: value.to_string(), min, max })
}
