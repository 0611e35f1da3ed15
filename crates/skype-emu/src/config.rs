//! What an overlay is made of: logins with their sockets, what lies between them, and what befalls it.

mod censor;
mod error;
mod event;
mod link;
mod relays;
mod skype;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub use censor::{CensorConfig, Class, Manner};
pub use error::ConfigError;
pub use event::{EVENTS_MAX, EventConfig, Happening};
pub use link::{BURST_DEFAULT, LinkBetween, LinkConfig, ThrottleKind};
pub use relays::{ChoiceRule, Preset, RELAYS_MAX, RelaysConfig, WhenGone};
use serde::Deserialize;
pub use skype::{ConnectingEnd, ContactConfig, ContactRule, SendingForm, SkypeConfig};
use skype_api::UserHandle;

/// Logins of one overlay: each has a socket, and descriptors are few.
pub const LOGINS_MAX: usize = 1024;

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
    /// How their Skypes behave where real ones differed.
    pub skype: SkypeConfig,
    /// Who is in whose contact list, where not everybody is.
    #[serde(rename = "contact")]
    pub contacts: Vec<ContactConfig>,
    /// What lies between any two logins.
    pub link: LinkConfig,
    /// What lies between two particular logins; what is not said here is as in `link`.
    #[serde(rename = "link_between")]
    pub links_between: Vec<LinkBetween>,
    /// The relays that streams go through beside the link, if there are any.
    pub relays: Option<RelaysConfig>,
    /// Who censors some logins' lines, or all.
    pub censor: Option<CensorConfig>,
    /// What befalls the overlay, and when.
    #[serde(rename = "event")]
    pub events: Vec<EventConfig>,
}

/// A login and its attach point.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// Its handle.
    pub name: String,
    /// Where programs attach.
    pub socket: PathBuf,
    /// The address of a bus on which it is Skype too.
    #[serde(default)]
    pub dbus: Option<String>,
    /// The display on which it is Skype too, as `:1`.
    #[serde(default)]
    pub x11: Option<String>,
    /// What its user says to a program that wants in.
    #[serde(default)]
    pub consent: Consent,
    /// How long its user thinks about that, in milliseconds.
    #[serde(default)]
    pub consent_ms: u64,
}

impl LoginConfig {
    /// A login on a socket alone, whose user lets every program in.
    #[must_use]
    pub fn new(name: impl Into<String>, socket: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            socket: socket.into(),
            dbus: None,
            x11: None,
            consent: Consent::default(),
            consent_ms: 0,
        }
    }
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
        let mut buses = BTreeSet::new();
        let mut displays = BTreeSet::new();
        for (index, login) in self.logins.iter().enumerate() {
            let key = |name: &str| format!("login[{index}].{name}");
            if !names.insert(handle(key("name"), &login.name)?) {
                return Err(ConfigError::Twice { key: key("name"), value: login.name.clone() });
            }
            if let Some(bus) = &login.dbus {
                range(key("dbus (its octets)"), bus.len(), 1..=1024)?;
                // One bus has one Skype.
                if !buses.insert(bus) {
                    return Err(ConfigError::Twice { key: key("dbus"), value: bus.clone() });
                }
            }
            if let Some(display) = &login.x11 {
                range(key("x11 (its octets)"), display.len(), 1..=256)?;
                // One display has one Skype.
                if !displays.insert(display) {
                    return Err(ConfigError::Twice { key: key("x11"), value: display.clone() });
                }
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
        self.skype.check()?;
        known("skype.accepts", &self.skype.accepts, &names)?;
        for (index, contact) in self.contacts.iter().enumerate() {
            known(&format!("contact[{index}].logins"), &contact.logins, &names)?;
            if self.skype.contacts == ContactRule::Everybody {
                let (key, other) = (format!("contact[{index}]"), "skype.contacts = \"listed\"");
                return Err(ConfigError::Needs { key, other: other.to_owned() });
            }
        }
        self.check_what_happens(&names)
    }

    /// The relays, the censor, the events.
    fn check_what_happens(&self, names: &BTreeSet<UserHandle>) -> Result<(), ConfigError> {
        if let Some(relays) = &self.relays {
            relays.check("relays")?;
        }
        let has_relays = self.relays.is_some();
        if let Some(censor) = &self.censor {
            censor.check("censor", has_relays)?;
            known("censor.logins", &censor.logins, names)?;
        }
        range("event (their number)", self.events.len(), 0..=EVENTS_MAX)?;
        for (index, event) in self.events.iter().enumerate() {
            event.check(&format!("event[{index}]"), has_relays)?;
            known(&format!("event[{index}].logins"), &event.logins, names)?;
        }
        Ok(())
    }
}

fn handle(key: impl Into<String>, name: &str) -> Result<UserHandle, ConfigError> {
    UserHandle::new(name).map_err(|source| ConfigError::Name {
        key: key.into(),
        name: name.to_owned(),
        source,
    })
}

/// The logins of a list, which were said at `key`; of an empty one, none.
pub(crate) fn handles(key: &str, logins: &[String]) -> Result<BTreeSet<UserHandle>, ConfigError> {
    logins.iter().map(|login| handle(key, login)).collect()
}

fn known(key: &str, logins: &[String], names: &BTreeSet<UserHandle>) -> Result<(), ConfigError> {
    match handles(key, logins)?.difference(names).next() {
        Some(name) => {
            Err(ConfigError::UnknownLogin { key: key.to_owned(), name: name.to_string() })
        }
        None => Ok(()),
    }
}

/// Whom a list means that was checked: those it names, or everybody if it names nobody.
pub(crate) fn meant(logins: &[String], all: &BTreeSet<UserHandle>) -> BTreeSet<UserHandle> {
    let named = handles("logins", logins).unwrap_or_default();
    if named.is_empty() { all.clone() } else { named }
}

/// A time that was checked, in seconds.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
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
