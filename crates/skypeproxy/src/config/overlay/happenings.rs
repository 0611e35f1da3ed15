//! How an overlay behaves and what befalls its streams: its Skypes, relays, censor and events, as tables of a file.

use std::collections::BTreeMap;

use skype_emu::{
    CensorConfig, ChoiceRule, Class, ConnectingEnd, ContactConfig, ContactRule, EventConfig,
    Happening, LOGINS_MAX, Manner, OverlayConfig, Preset, RelaysConfig, SendingForm, SkypeConfig,
    WhenGone,
};

use super::super::print::Printer;
use super::super::problem::Origin;
use super::super::table::Table;
use super::super::value::{Value, choice, listed, word};

pub(super) const SKYPE: &str = "skype";
pub(super) const CONTACT: &str = "contact";
pub(super) const RELAYS: &str = "relays";
pub(super) const CENSOR: &str = "censor";
pub(super) const EVENT: &str = "event";

const PRESETS: [(&str, Preset); 6] = [
    ("constant", Preset::Constant),
    ("two-classes", Preset::TwoClasses),
    ("mixed", Preset::Mixed),
    ("diurnal", Preset::Diurnal),
    ("failure-of-2010", Preset::FailureOf2010),
    ("concentration-of-2012", Preset::ConcentrationOf2012),
];
const CHOICES: [(&str, ChoiceRule); 3] = [
    ("uniform", ChoiceRule::Uniform),
    ("by-rate", ChoiceRule::ByRate),
    ("nearest", ChoiceRule::Nearest),
];
const WHEN_GONE: [(&str, WhenGone); 2] =
    [("switch", WhenGone::Switch), ("silence", WhenGone::Silence)];
const CLASSES: [(&str, Class); 3] =
    [("passing", Class::Passing), ("returning", Class::Returning), ("hosted", Class::Hosted)];
const MANNERS: [(&str, Manner); 2] = [("silent", Manner::Silent), ("loud", Manner::Loud)];
const HAPPENINGS: [(&str, Happening); 3] = [
    ("outage", Happening::Outage),
    ("block", Happening::Block),
    ("skype-dies", Happening::SkypeDies),
];

const CONNECTING_ENDS: [(&str, ConnectingEnd); 3] = [
    ("after", ConnectingEnd::After),
    ("before", ConnectingEnd::Before),
    ("absent", ConnectingEnd::Absent),
];
const SENDING_FORMS: [(&str, SendingForm); 4] = [
    ("printed", SendingForm::Printed),
    ("recorded", SendingForm::Recorded),
    ("bare", SendingForm::Bare),
    ("blank", SendingForm::Blank),
];
const CONTACT_RULES: [(&str, ContactRule); 2] =
    [("everybody", ContactRule::Everybody), ("listed", ContactRule::Listed)];

pub(super) fn skype(table: &mut Table<'_>) -> SkypeConfig {
    let default = SkypeConfig::default();
    SkypeConfig {
        version: table.value("version").unwrap_or(default.version),
        protocol: protocol(table).unwrap_or(default.protocol),
        list_blank: table.value("list_blank").unwrap_or(default.list_blank),
        connecting_end: table.value("connecting_end").unwrap_or(default.connecting_end),
        sending: table.value("sending").unwrap_or(default.sending),
        news_first: table.value("news_first").unwrap_or(default.news_first),
        empty_returns: table.value("empty_returns").unwrap_or(default.empty_returns),
        pieces_lost: table.value("pieces_lost").unwrap_or(default.pieces_lost),
        pieces_swapped: table.value("pieces_swapped").unwrap_or(default.pieces_swapped),
        search_ms: table.value("search_ms").unwrap_or(default.search_ms),
        confirm_ms: table.value("confirm_ms").unwrap_or(default.confirm_ms),
        idle_s: table.value("idle_s").unwrap_or(default.idle_s),
        contacts_only: table.value("contacts_only").unwrap_or(default.contacts_only),
        contacts: table.value("contacts").unwrap_or(default.contacts),
        accepts: table.list("accepts", LOGINS_MAX).unwrap_or(default.accepts),
    }
}

/// What does not fit is out of range, too.
fn protocol(table: &mut Table<'_>) -> Option<u32> {
    table.value("protocol").map(|value: u64| u32::try_from(value).unwrap_or(u32::MAX))
}

pub(super) fn contact(table: &mut Table<'_>) -> Option<ContactConfig> {
    Some(ContactConfig { logins: table.required("logins")? })
}

pub(super) fn relays(table: &mut Table<'_>) -> RelaysConfig {
    RelaysConfig {
        preset: table.value("preset"),
        count: table.value("count"),
        rate: table.value("rate"),
        throttle: table.value("throttle"),
        burst: table.value("burst"),
        queue: table.value("queue"),
        rtt_ms: table.value("rtt_ms"),
        loss: table.value("loss"),
        lifetime_s: table.value("lifetime_s"),
        failure_at_s: table.value("failure_at_s"),
        choice: table.value("choice"),
        known: table.value("known"),
        when_gone: table.value("when_gone"),
        gap_ms_min: table.value("gap_ms_min"),
        gap_ms_max: table.value("gap_ms_max"),
        set_up_ms: table.value("set_up_ms"),
        direct: table.value("direct"),
    }
}

pub(super) fn censor(table: &mut Table<'_>) -> CensorConfig {
    CensorConfig {
        logins: table.list("logins", LOGINS_MAX).unwrap_or_default(),
        block_per_hour: table.value("block_per_hour"),
        block_seen_every_s: table.value("block_seen_every_s"),
        block_class: table.value("block_class"),
        manner: table.value("manner"),
        login_blocked_from_s: table.value("login_blocked_from_s"),
        rate_max: table.value("rate_max"),
        loss: table.value("loss"),
        loss_burst: table.value("loss_burst"),
        loss_above: table.value("loss_above"),
    }
}

pub(super) fn event(table: &mut Table<'_>) -> Option<EventConfig> {
    let what = table.required("what");
    let (at_s, for_s) = (table.required("at_s"), table.required("for_s"));
    let (every_s, share) = (table.value("every_s"), table.value("share"));
    let logins = table.list("logins", LOGINS_MAX).unwrap_or_default();
    Some(EventConfig { what: what?, at_s: at_s?, for_s: for_s?, every_s, logins, share })
}

/// Prints the Skypes' ways, and what was said of the rest; a table that was left out has no defaults to tell.
pub(super) fn print(
    printer: &mut Printer,
    config: &OverlayConfig,
    origins: &BTreeMap<String, Origin>,
) {
    let mut section = |open: &str, name: &str, pairs: &[(&str, Option<String>)]| {
        let origin = |name: &str| origins.get(name).unwrap_or(&Origin::Default);
        printer.line(&format!("\n{open}  # {}", origin(name)));
        for (key, value) in pairs {
            if value.is_some() {
                printer.pair(key, value.clone(), origin(&format!("{name}.{key}")));
            }
        }
    };
    section("[skype]", SKYPE, &skype_pairs(&config.skype));
    for (index, contact) in config.contacts.iter().enumerate() {
        let pairs = [("logins", contact.logins.to_toml())];
        section("[[contact]]", &format!("{CONTACT}[{index}]"), &pairs);
    }
    if let Some(relays) = &config.relays {
        section("[relays]", RELAYS, &relays_pairs(relays));
    }
    if let Some(censor) = &config.censor {
        section("[censor]", CENSOR, &censor_pairs(censor));
    }
    for (index, event) in config.events.iter().enumerate() {
        section("[[event]]", &format!("{EVENT}[{index}]"), &event_pairs(event));
    }
}

fn skype_pairs(skype: &SkypeConfig) -> [(&'static str, Option<String>); 15] {
    [
        ("version", skype.version.to_toml()),
        ("protocol", u64::from(skype.protocol).to_toml()),
        ("list_blank", skype.list_blank.to_toml()),
        ("connecting_end", skype.connecting_end.to_toml()),
        ("sending", skype.sending.to_toml()),
        ("news_first", skype.news_first.to_toml()),
        ("empty_returns", skype.empty_returns.to_toml()),
        ("pieces_lost", skype.pieces_lost.to_toml()),
        ("pieces_swapped", skype.pieces_swapped.to_toml()),
        ("search_ms", skype.search_ms.to_toml()),
        ("confirm_ms", skype.confirm_ms.to_toml()),
        ("idle_s", skype.idle_s.to_toml()),
        ("contacts_only", skype.contacts_only.to_toml()),
        ("contacts", skype.contacts.to_toml()),
        ("accepts", list(&skype.accepts)),
    ]
}

fn relays_pairs(relays: &RelaysConfig) -> [(&'static str, Option<String>); 17] {
    [
        ("preset", toml(relays.preset)),
        ("count", toml(relays.count)),
        ("rate", toml(relays.rate)),
        ("throttle", toml(relays.throttle)),
        ("burst", toml(relays.burst)),
        ("queue", toml(relays.queue)),
        ("rtt_ms", toml(relays.rtt_ms)),
        ("loss", toml(relays.loss)),
        ("lifetime_s", toml(relays.lifetime_s)),
        ("failure_at_s", toml(relays.failure_at_s)),
        ("choice", toml(relays.choice)),
        ("known", toml(relays.known)),
        ("when_gone", toml(relays.when_gone)),
        ("gap_ms_min", toml(relays.gap_ms_min)),
        ("gap_ms_max", toml(relays.gap_ms_max)),
        ("set_up_ms", toml(relays.set_up_ms)),
        ("direct", toml(relays.direct)),
    ]
}

fn censor_pairs(censor: &CensorConfig) -> [(&'static str, Option<String>); 10] {
    [
        ("logins", list(&censor.logins)),
        ("block_per_hour", toml(censor.block_per_hour)),
        ("block_seen_every_s", toml(censor.block_seen_every_s)),
        ("block_class", toml(censor.block_class)),
        ("manner", toml(censor.manner)),
        ("login_blocked_from_s", toml(censor.login_blocked_from_s)),
        ("rate_max", toml(censor.rate_max)),
        ("loss", toml(censor.loss)),
        ("loss_burst", toml(censor.loss_burst)),
        ("loss_above", toml(censor.loss_above)),
    ]
}

fn event_pairs(event: &EventConfig) -> [(&'static str, Option<String>); 6] {
    [
        ("what", event.what.to_toml()),
        ("at_s", event.at_s.to_toml()),
        ("for_s", event.for_s.to_toml()),
        ("every_s", toml(event.every_s)),
        ("share", toml(event.share)),
        ("logins", list(&event.logins)),
    ]
}

fn toml<T: Value>(value: Option<T>) -> Option<String> {
    value.and_then(|value| value.to_toml())
}

fn list(logins: &[String]) -> Option<String> {
    if logins.is_empty() { None } else { listed(logins) }
}

/// A value that is one of a few words.
macro_rules! words {
    ($type:ty, $choices:ident, $expected:literal) => {
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, String> {
                choice(text, &$choices)
            }

            fn to_toml(&self) -> Option<String> {
                word(*self, &$choices)
            }
        }
    };
}

words!(Preset, PRESETS, "the name of a population, such as \"constant\" or \"mixed\"");
words!(ChoiceRule, CHOICES, "\"uniform\", \"by-rate\" or \"nearest\"");
words!(WhenGone, WHEN_GONE, "\"switch\" or \"silence\"");
words!(Class, CLASSES, "\"passing\", \"returning\" or \"hosted\"");
words!(Manner, MANNERS, "\"silent\" or \"loud\"");
words!(Happening, HAPPENINGS, "\"outage\", \"block\" or \"skype-dies\"");
words!(ConnectingEnd, CONNECTING_ENDS, "\"after\", \"before\" or \"absent\"");
words!(SendingForm, SENDING_FORMS, "\"printed\", \"recorded\", \"bare\" or \"blank\"");
words!(ContactRule, CONTACT_RULES, "\"everybody\" or \"listed\"");
