//! How a client keeps its paths: how many, and the policy that only a file can say.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use tunnel::{Budget, Directness, Policy};

use super::print::Printer;
use super::problem::Origin;
use super::sources::{Key, Setting, Sources};
use super::table::Table;
use super::value::{Value, choice, word};

const PATHS: Key = Key { name: "paths", flag: "--paths", variable: "SKYPEPROXY_PATHS" };
const POLICY: &str = "path_policy";

/// What may stand at the top of a client's file for it.
pub(super) const KEYS: [&str; 2] = [PATHS.name, POLICY];

/// A session uses no more at once.
const WARM: RangeInclusive<u64> = 1..=8;

/// An hour is as good as never for something that is asked once a round trip.
const MS: RangeInclusive<u64> = 100..=3_600_000;
const SECONDS: RangeInclusive<u64> = 1..=86_400;
const PROBES: RangeInclusive<u64> = 1..=1000;
const ANY: RangeInclusive<u64> = 0..=u64::MAX;
const OPENINGS: RangeInclusive<u64> = 0..=1_000_000;

/// No relay that was ever measured carries more, in octets a second.
const RELAY_RATE_MAX: u64 = 250_000;

/// What the overlay may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Routes {
    Any,
    Relayed,
}

const ROUTES: [(&str, Routes); 2] = [("any", Routes::Any), ("relayed", Routes::Relayed)];

impl Value for Routes {
    const EXPECTED: &'static str = "\"any\" or \"relayed\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &ROUTES)
    }

    fn to_toml(&self) -> Option<String> {
        word(*self, &ROUTES)
    }
}

/// A policy, and where each part of it was said.
#[derive(Debug)]
pub(crate) struct PathSettings {
    pub(crate) policy: Policy,
    warm: Setting<u64>,
    /// What a file said, by its full name.
    said: Vec<(&'static str, String)>,
    origins: BTreeMap<String, Origin>,
}

impl PathSettings {
    pub(super) fn resolve(flag: Option<u64>, sources: &mut Sources<'_>) -> Self {
        let default = Policy::default();
        let warm = sources.value(&PATHS, flag);
        let warm = warm.unwrap_or_else(|| Setting::default(default.warm.into()));
        if !WARM.contains(&warm.value) {
            let what = format!("expected 1 to 8 paths, found {}", warm.value);
            sources.problem(warm.origin.clone(), what);
        }
        let mut said = Vec::new();
        let mut policy = match sources.table() {
            Some(table) => table
                .table(POLICY, |table| {
                    let mut read = Reader { table, said: Vec::new() };
                    (read.policy(default), read.said)
                })
                .map(|(policy, named)| {
                    said = named;
                    policy
                })
                .unwrap_or(default),
            None => default,
        };
        policy.warm = u8::try_from(warm.value).unwrap_or(default.warm);
        Self { policy, warm, said, origins: sources.origins() }
    }

    pub(super) fn print(&self, printer: &mut Printer) {
        printer.value(&PATHS, Some(&self.warm));
    }

    /// The table, which has to follow what stands at the top.
    pub(super) fn print_table(&self, printer: &mut Printer) {
        let origin = |name: &str| self.origins.get(name).unwrap_or(&Origin::Default);
        if self.said.is_empty() {
            return;
        }
        printer.line(&format!("\n[{POLICY}]  # {}", origin(POLICY)));
        for (key, value) in &self.said {
            printer.pair(key, Some(value.clone()), origin(&format!("{POLICY}.{key}")));
        }
    }
}

/// Reads one table, and notes what it said.
struct Reader<'t, 'a> {
    table: &'t mut Table<'a>,
    said: Vec<(&'static str, String)>,
}

impl Reader<'_, '_> {
    fn policy(&mut self, default: Policy) -> Policy {
        let routes = self.value::<Routes>("routes").unwrap_or(Routes::Any);
        let relay_rate_max = self.number("relay_rate_max", ANY).unwrap_or(RELAY_RATE_MAX);
        let budget = Budget {
            octets: self.number("octets_per_day", ANY),
            openings: self.small("openings_per_day", OPENINGS),
        };
        let all = self.small("silent_probes_of_all", PROBES);
        Policy {
            silent_probes: self.small("silent_probes", PROBES).unwrap_or(default.silent_probes),
            silent_probes_of_all: all.unwrap_or(default.silent_probes_of_all),
            no_answer: self.ms("no_answer_ms").unwrap_or(default.no_answer),
            retry_max: self.seconds("retry_max_s").unwrap_or(default.retry_max),
            retry_down: self.ms("retry_down_ms").unwrap_or(default.retry_down),
            renew_slowest: self.seconds("renew_slowest_s"),
            throttled_below: self.number("throttled_below", ANY).unwrap_or(default.throttled_below),
            directness: match routes {
                Routes::Any => Directness::Any,
                Routes::Relayed => Directness::RelayedOnly { relay_rate_max },
            },
            budget,
            ..default
        }
    }

    fn value<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let value: T = self.table.value(key)?;
        self.said.extend(value.to_toml().map(|text| (key, text)));
        Some(value)
    }

    fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let number: u64 = self.value(key)?;
        if !range.contains(&number) {
            let name = format!("{POLICY}.{key}");
            let (least, most) = (range.start(), range.end());
            let what = format!("`{name}`: expected {least} to {most}, found {number}");
            self.table.problem_at(&name, what);
        }
        Some(number)
    }

    fn small(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u32> {
        self.number(key, range).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn ms(&mut self, key: &'static str) -> Option<Duration> {
        self.number(key, MS).map(Duration::from_millis)
    }

    fn seconds(&mut self, key: &'static str) -> Option<Duration> {
        self.number(key, SECONDS).map(Duration::from_secs)
    }
}
