//! What befalls an overlay, and when: the tables `[[event]]`.

use std::time::Duration;

use serde::Deserialize;

use super::relays::SECONDS_MAX;
use super::{ConfigError, range, seconds};

/// Events of one overlay: each costs a timer, and a file with more is no longer read by people.
pub const EVENTS_MAX: usize = 256;

/// The shortest length and period of an event, in seconds.
const LENGTH_MIN_S: f64 = 0.01;

/// Something that begins at a time after the overlay's start, ends, and may begin again.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventConfig {
    /// What happens.
    pub what: Happening,
    /// When it begins, in seconds.
    pub at_s: f64,
    /// How long it lasts, in seconds.
    pub for_s: f64,
    /// From beginning to beginning, in seconds, if it comes again.
    #[serde(default)]
    pub every_s: Option<f64>,
    /// To whom; nobody stands for everybody.
    #[serde(default)]
    pub logins: Vec<String>,
    /// Of [`Happening::Block`]: the share of relays; default all.
    #[serde(default)]
    pub share: Option<f64>,
}

/// What can befall logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// Nothing passes; afterwards everything goes on as it was.
    Outage,
    /// Relays that carry their streams, or are given to one until it ends, carry nothing any more.
    /// Streams opened afterwards are well.
    Block,
    /// Their Skype is gone, and all streams with it; afterwards it is started again.
    SkypeDies,
}

impl EventConfig {
    pub(crate) fn at(&self) -> Duration {
        seconds(self.at_s)
    }

    pub(crate) fn length(&self) -> Duration {
        seconds(self.for_s)
    }

    pub(crate) fn every(&self) -> Option<Duration> {
        self.every_s.map(seconds)
    }

    pub(super) fn check(&self, section: &str, has_relays: bool) -> Result<(), ConfigError> {
        let key = |name: &str| format!("{section}.{name}");
        range(key("at_s"), self.at_s, 0.0..=SECONDS_MAX)?;
        range(key("for_s"), self.for_s, LENGTH_MIN_S..=SECONDS_MAX)?;
        if let Some(every) = self.every_s {
            // It ends before it begins again.
            range(key("every_s"), every, self.for_s + LENGTH_MIN_S..=SECONDS_MAX)?;
        }
        range(key("share"), self.share.unwrap_or(1.0), 0.0..=1.0)?;
        let is_block = self.what == Happening::Block;
        if is_block && !has_relays {
            return Err(ConfigError::Needs { key: key("what"), other: "[relays]".to_owned() });
        }
        if self.share.is_some() && !is_block {
            let other = format!("{} = \"block\"", key("what"));
            return Err(ConfigError::Needs { key: key("share"), other });
        }
        Ok(())
    }
}
