//! An overlay's settings: its logins, the links between them, and what befalls them.

mod happenings;

use std::collections::BTreeMap;

use happenings::{CENSOR, CONTACT, EVENT, RELAYS, SKYPE};
use skype_emu::{
    BURST_DEFAULT, ConfigError, Consent, EVENTS_MAX, LOGINS_MAX, LinkBetween, LinkConfig,
    LoginConfig, OverlayConfig, ThrottleKind,
};
use toml::de::DeValue;

use super::print::Printer;
use super::problem::Origin;
use super::sources::{Key, Missing, Setting, Sources};
use super::table::Table;
use super::value::{Value, choice, expected, listed, shown, word};
use super::{Kind, Settings, near};
use crate::args::{FileArgs, OverlayArgs};

/// No more pairs of logins have a link of their own: a file of all of them is at its limit anyway.
const LINKS_MAX: usize = 8192;

const SEED: Key = Key { name: "seed", flag: "--seed", variable: "SKYPEPROXY_SEED" };
const LOGIN: Key = Key { name: "login", flag: "--config", variable: "SKYPEPROXY_CONFIG" };
const LINK: &str = "link";
const LINK_BETWEEN: &str = "link_between";

/// What may stand at the top of an overlay's file.
pub(super) const KEYS: [&str; 9] =
    [SEED.name, LOGIN.name, LINK, LINK_BETWEEN, SKYPE, CONTACT, RELAYS, CENSOR, EVENT];

const CONSENTS: [(&str, Consent); 3] =
    [("ok", Consent::Ok), ("refuse", Consent::Refuse), ("pending", Consent::Pending)];
const THROTTLES: [(&str, ThrottleKind); 4] = [
    ("shaper", ThrottleKind::Shaper),
    ("policer", ThrottleKind::Policer),
    ("window-policer", ThrottleKind::WindowPolicer),
    ("pausing-reader", ThrottleKind::PausingReader),
];

/// What an overlay does.
#[derive(Debug)]
pub(crate) struct OverlaySettings {
    pub(crate) config: OverlayConfig,
    seed: Setting<u64>,
    /// Where each key of the file stands, by its full name.
    origins: BTreeMap<String, Origin>,
}

impl Settings for OverlaySettings {
    type Args = OverlayArgs;
    const KIND: Kind = Kind::Overlay;

    fn file(args: &OverlayArgs) -> &FileArgs {
        &args.file
    }

    fn resolve(args: OverlayArgs, sources: &mut Sources<'_>) -> Self {
        let seed = sources.value(&SEED, args.seed).unwrap_or(Setting::default(0));
        let mut config = OverlayConfig { seed: seed.value, ..OverlayConfig::default() };
        if let Some(table) = sources.table() {
            config.logins = table.tables(LOGIN.name, LOGINS_MAX, login);
            config.link = table.table(LINK, link).unwrap_or_default();
            config.links_between = table.tables(LINK_BETWEEN, LINKS_MAX, link_between);
            config.skype = table.table(SKYPE, happenings::skype).unwrap_or_default();
            config.contacts = table.tables(CONTACT, LINKS_MAX, happenings::contact);
            config.relays = table.table(RELAYS, happenings::relays);
            config.censor = table.table(CENSOR, happenings::censor);
            config.events = table.tables(EVENT, EVENTS_MAX, happenings::event);
            // What could not be read would be missed once more.
            if !table.has_problems()
                && let Err(error) = config.check()
            {
                let hint = login_hint(&error, &config);
                table.problem_at(error.key(), format!("{error}{hint}"));
            }
        }
        Self { config, seed, origins: sources.origins() }
    }

    fn missing(&self) -> Vec<Missing> {
        let missing = Missing {
            key: &LOGIN,
            remedy: "no login: name a file that has [[login]] with --config FILE",
        };
        if self.config.logins.is_empty() { vec![missing] } else { Vec::new() }
    }

    fn print(&self, printer: &mut Printer) {
        printer.value(&SEED, Some(&self.seed));
        for (index, login) in self.config.logins.iter().enumerate() {
            self.print_login(printer, &format!("login[{index}]"), login);
        }
        self.print_link(printer);
        for (index, between) in self.config.links_between.iter().enumerate() {
            self.print_link_between(printer, &format!("link_between[{index}]"), between);
        }
        happenings::print(printer, &self.config, &self.origins);
    }
}

impl OverlaySettings {
    fn print_login(&self, printer: &mut Printer, table: &str, login: &LoginConfig) {
        printer.line(&format!("\n[[login]]  # {}", self.origin(table)));
        let mut pair = |name: &str, value| {
            printer.pair(name, value, self.origin(&format!("{table}.{name}")));
        };
        pair("name", login.name.to_toml());
        pair("socket", login.socket.to_toml());
        if let Some(bus) = &login.dbus {
            pair("dbus", bus.to_toml());
        }
        if let Some(display) = &login.x11 {
            pair("x11", display.to_toml());
        }
        pair("consent", login.consent.to_toml());
        pair("consent_ms", login.consent_ms.to_toml());
    }

    fn print_link(&self, printer: &mut Printer) {
        let link = LinkConfig {
            rate: Some(0),
            throttle: Some(ThrottleKind::default()),
            burst: Some(BURST_DEFAULT),
            rtt_ms: Some(0),
            loss: Some(0.0),
            jitter_ms: Some(0),
            reorder: Some(0.0),
            queue: None,
        };
        printer.line(&format!("\n[link]  # {}", self.origin(LINK)));
        self.print_shape(printer, LINK, &self.config.link.over(link));
        if self.config.link.queue.is_none() {
            printer.line("# queue is two seconds of the rate, 16 KiB to 1 MiB  # default");
        }
    }

    fn print_link_between(&self, printer: &mut Printer, table: &str, between: &LinkBetween) {
        printer.line(&format!("\n[[link_between]]  # {}", self.origin(table)));
        let origin = self.origin(&format!("{table}.logins"));
        printer.pair("logins", between.logins.to_toml(), origin);
        self.print_shape(printer, table, &between.link);
    }

    fn print_shape(&self, printer: &mut Printer, table: &str, link: &LinkConfig) {
        let mut pair = |name: &str, value: Option<String>| {
            if value.is_some() {
                printer.pair(name, value, self.origin(&format!("{table}.{name}")));
            }
        };
        let number = |value: Option<u64>| value.and_then(|value| value.to_toml());
        pair("rate", number(link.rate));
        pair("throttle", link.throttle.and_then(|throttle| throttle.to_toml()));
        pair("burst", number(link.burst));
        pair("rtt_ms", number(link.rtt_ms));
        pair("loss", link.loss.and_then(|loss| loss.to_toml()));
        pair("jitter_ms", number(link.jitter_ms));
        pair("reorder", link.reorder.and_then(|reorder| reorder.to_toml()));
        pair("queue", number(link.queue));
    }

    fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }
}

fn login(table: &mut Table<'_>) -> Option<LoginConfig> {
    let (name, socket) = (table.required("name"), table.required("socket"));
    let consent = table.value("consent").unwrap_or_default();
    let consent_ms = table.value("consent_ms").unwrap_or_default();
    let (dbus, x11) = (table.value("dbus"), table.value("x11"));
    Some(LoginConfig { name: name?, socket: socket?, dbus, x11, consent, consent_ms })
}

fn link(table: &mut Table<'_>) -> LinkConfig {
    LinkConfig {
        rate: table.value("rate"),
        throttle: table.value("throttle"),
        burst: table.value("burst"),
        rtt_ms: table.value("rtt_ms"),
        loss: table.value("loss"),
        jitter_ms: table.value("jitter_ms"),
        reorder: table.value("reorder"),
        queue: table.value("queue"),
    }
}

fn link_between(table: &mut Table<'_>) -> Option<LinkBetween> {
    let logins = table.required("logins");
    let link = link(table);
    Some(LinkBetween { logins: logins?, link })
}

fn login_hint(error: &ConfigError, config: &OverlayConfig) -> String {
    let ConfigError::UnknownLogin { name, .. } = error else { return String::new() };
    near::hint(name, config.logins.iter().map(|login| login.name.as_str()))
}

impl Value for Consent {
    const EXPECTED: &'static str = "\"ok\", \"refuse\" or \"pending\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &CONSENTS)
    }

    fn to_toml(&self) -> Option<String> {
        word(*self, &CONSENTS)
    }
}

impl Value for ThrottleKind {
    const EXPECTED: &'static str =
        "\"shaper\", \"policer\", \"window-policer\" or \"pausing-reader\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &THROTTLES)
    }

    fn to_toml(&self) -> Option<String> {
        word(*self, &THROTTLES)
    }
}

/// The logins that a link joins.
impl Value for [String; 2] {
    const EXPECTED: &'static str = "a list of two logins";

    fn from_text(text: &str) -> Result<Self, String> {
        Err(format!("expected {}, found {}", Self::EXPECTED, shown(text)))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let Some(list) = value.as_array() else { return Err(expected(Self::EXPECTED, value)) };
        let logins = list.iter().map(|login| String::from_toml(login.get_ref()));
        let logins: Vec<String> = logins.collect::<Result<_, _>>()?;
        let count = logins.len();
        logins.try_into().map_err(|_| format!("expected {}, found {count}", Self::EXPECTED))
    }

    fn to_toml(&self) -> Option<String> {
        listed(self)
    }
}
