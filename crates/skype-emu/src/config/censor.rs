//! A censor on some logins' lines: the table `[censor]`.

use relay_sim::Loss;
use relay_sim::censor::{self, CensorSpec, Hunt};
use relay_sim::population;
use serde::Deserialize;

use super::link::{HELD_MAX, RATE_MAX, loss};
use super::relays::SECONDS_MAX;
use super::{ConfigError, range, seconds};

/// Datagrams that one burst of loss may take, on average.
const LOSS_BURST_MAX: f64 = 1_000.0;

/// Whom a censor watches and what it does to them. The default does nothing to everybody.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CensorConfig {
    /// Whose lines; nobody stands for everybody.
    pub logins: Vec<String>,
    /// The share of all relays that it finds and blocks within an hour.
    pub block_per_hour: Option<f64>,
    /// It blocks what a line exchanges datagrams with, each so many seconds.
    pub block_seen_every_s: Option<f64>,
    /// It blocks all relays of this kind from the start.
    pub block_class: Option<Class>,
    /// How a block looks.
    pub manner: Option<Manner>,
    /// From this second on nobody can log in; who is logged in stays so.
    pub login_blocked_from_s: Option<f64>,
    /// Octets a second, each way, that each stream may carry.
    pub rate_max: Option<u64>,
    /// The share of datagrams that it drops.
    pub loss: Option<f64>,
    /// How many it drops in a row, on average; default 1.
    pub loss_burst: Option<f64>,
    /// It drops only datagrams that are longer than this, in octets of AP2AP text; default all.
    pub loss_above: Option<u64>,
}

/// On what kind of machine a relay runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Seen once.
    Passing,
    /// Seen again.
    Returning,
    /// In a data centre.
    Hosted,
}

/// How a block looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// Datagrams vanish, and the stream stays listed.
    #[default]
    Silent,
    /// The first datagram ends the stream.
    Loud,
}

impl CensorConfig {
    /// The censor as relay-sim builds it.
    #[must_use]
    pub fn spec(&self) -> CensorSpec {
        let hunt = match (self.block_per_hour, self.block_seen_every_s, self.block_class) {
            (Some(per_hour), _, _) => Hunt::Share { per_hour },
            (None, Some(every), _) => Hunt::Seen { every: seconds(every) },
            (None, None, Some(class)) => Hunt::Class(class.into()),
            (None, None, None) => Hunt::Nobody,
        };
        let manner = match self.manner.unwrap_or_default() {
            Manner::Silent => censor::Manner::Silent,
            Manner::Loud => censor::Manner::Loud,
        };
        CensorSpec {
            hunt,
            manner,
            login_blocked_from: self.login_blocked_from_s.map(seconds),
            rate_max: self.rate_max,
            drops: match self.loss_above {
                None => drops(self.loss.unwrap_or(0.0), self.loss_burst.unwrap_or(1.0)),
                Some(_) => Loss::None,
            },
        }
    }

    /// Which datagrams it drops by their length, and the share of them; a link knows no lengths.
    pub(crate) fn picks(&self) -> Option<(u64, f64)> {
        Some((self.loss_above?, self.loss.unwrap_or(0.0)))
    }

    pub(super) fn check(&self, section: &str, has_relays: bool) -> Result<(), ConfigError> {
        let key = |name: &str| format!("{section}.{name}");
        range(key("block_per_hour"), self.block_per_hour.unwrap_or(0.0), 0.0..=1.0)?;
        range(
            key("block_seen_every_s"),
            self.block_seen_every_s.unwrap_or(1.0),
            1.0..=SECONDS_MAX,
        )?;
        let from = self.login_blocked_from_s.unwrap_or(0.0);
        range(key("login_blocked_from_s"), from, 0.0..=SECONDS_MAX)?;
        range(key("rate_max"), self.rate_max.unwrap_or(1), 1..=RATE_MAX)?;
        // A run of losses has to end.
        range(key("loss"), self.loss.unwrap_or(0.0), 0.0..=0.99)?;
        range(key("loss_burst"), self.loss_burst.unwrap_or(1.0), 1.0..=LOSS_BURST_MAX)?;
        range(key("loss_above"), self.loss_above.unwrap_or(0), 0..=HELD_MAX)?;
        let beside_loss =
            [("loss_burst", self.loss_burst.is_some()), ("loss_above", self.loss_above.is_some())];
        for (name, _) in beside_loss.into_iter().filter(|(_, is_said)| *is_said) {
            if self.loss.is_none() {
                return Err(ConfigError::Needs { key: key(name), other: key("loss") });
            }
        }
        if self.loss_burst.is_some() && self.loss_above.is_some() {
            return Err(ConfigError::Exclusive {
                key: key("loss_above"),
                other: key("loss_burst"),
            });
        }
        let hunts = [
            ("block_per_hour", self.block_per_hour.is_some()),
            ("block_seen_every_s", self.block_seen_every_s.is_some()),
            ("block_class", self.block_class.is_some()),
        ];
        let mut said = hunts.into_iter().filter(|(_, is_said)| *is_said).map(|(name, _)| key(name));
        match (said.next(), said.next()) {
            (Some(other), Some(key)) => Err(ConfigError::Exclusive { key, other }),
            (Some(key), None) if !has_relays => {
                Err(ConfigError::Needs { key, other: "[relays]".to_owned() })
            }
            (_, _) => Ok(()),
        }
    }
}

impl From<Class> for population::Class {
    fn from(class: Class) -> Self {
        match class {
            Class::Passing => Self::Passing,
            Class::Returning => Self::Returning,
            Class::Hosted => Self::Hosted,
        }
    }
}

/// Loses `share` of all datagrams, `burst` in a row on average.
fn drops(share: f64, burst: f64) -> Loss {
    if burst <= 1.0 || share <= 0.0 {
        return loss(share);
    }
    let bad_to_good = 1.0 / burst;
    let good_to_bad = (bad_to_good * share / (1.0 - share)).min(1.0);
    Loss::GilbertElliott { good_to_bad, bad_to_good, good: 0.0, bad: 1.0 }
}
