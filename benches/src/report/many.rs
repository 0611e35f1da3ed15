//! Many relays, censors and measurements: the figures of docs/measurements-many.md and docs/open-questions.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use super::blocks::{self, Blocks};
use super::page;
use super::{Acceptance, SEEDS};
use crate::availability::{self, PATHS};
use crate::many::table as sessions;
use crate::many::worlds::{self, Made};
use crate::probe;
use crate::row::{self, Row};

/// Sessions drawn at random.
const WORLDS: u64 = 500;
/// A drawing has eight populations' worth of censors in each of its days.
const SEEDS_DRAWN: u64 = 10;
/// A day in which so many seconds were not served was served as a whole.
const SHOWN_AS_ALL: f64 = 0.5e-5;

const MANY: &str = "measurements-many.md";
const QUESTIONS: &str = "open-questions.md";

/// All of it.
#[derive(Debug)]
pub(super) struct Many {
    sessions: Vec<Row>,
    schedulers: String,
    worlds: Vec<Made>,
    days: Vec<availability::Row>,
    probes: Vec<Row>,
    plots: Vec<(&'static str, String)>,
}

/// The figures of a check, by name: each with whether more is better.
pub(super) fn few(seeds: u64) -> BTreeMap<String, (f64, bool)> {
    let mut scenes = availability::scenes();
    for scene in &mut scenes {
        scene.watched.retain(|watched| !watched.asked.is_empty());
    }
    let days = availability::rows(&scenes, seeds);
    // In seconds: shares near 1 would all be alike.
    let missed = |row: &availability::Row| (86_400.0 * (1.0 - row.availability.0)).round();
    let days = days.iter().map(|row| {
        (
            format!("{}, {}: seconds without service", row.name, paths(row.paths)),
            (missed(row), false),
        )
    });
    let rows = [sessions::rows(seeds), probe::rows(seeds)].into_iter().flatten();
    let rows = rows.map(|row| (row.what, (row.median, row.asked.is_share())));
    rows.chain(days).collect()
}

/// Whether the pages have a place for everything: to be asked before minutes are spent on it.
pub(super) fn check_pages(docs: &Path) -> io::Result<()> {
    let names = |names: &[&'static str]| names.iter().map(|name| (*name, String::new())).collect();
    filled(docs, MANY, &names(&OF_MANY))?;
    filled(docs, QUESTIONS, &names(&OF_QUESTIONS)).map(|_| ())
}

const OF_MANY: [&str; 3] = ["rows", "schedulers", "worlds"];
const OF_QUESTIONS: [&str; 6] = ["censors", "scarce", "rates", "openings", "times", "measure"];

fn filled(docs: &Path, name: &str, blocks: &Blocks) -> io::Result<String> {
    let page = fs::read_to_string(docs.join(name))?;
    blocks::fill(&page, blocks).map_err(|error| io::Error::other(format!("docs/{name}: {error}")))
}

impl Many {
    pub(super) fn measure() -> Self {
        Self {
            sessions: sessions::rows(SEEDS),
            schedulers: sessions::schedulers(SEEDS),
            worlds: worlds::make(WORLDS),
            days: availability::rows(&availability::scenes(), SEEDS),
            probes: probe::rows(SEEDS),
            plots: vec![
                ("availability-share.svg", availability::by_share(SEEDS_DRAWN)),
                ("availability-sweep.svg", availability::by_sweep(SEEDS_DRAWN)),
            ],
        }
    }

    pub(super) fn write(&self, docs: &Path) -> io::Result<()> {
        fs::write(docs.join(MANY), filled(docs, MANY, &self.of_many())?)?;
        fs::write(docs.join(QUESTIONS), filled(docs, QUESTIONS, &self.of_questions())?)
    }

    pub(super) fn plots(&self) -> impl Iterator<Item = &(&'static str, String)> {
        self.plots.iter()
    }

    pub(super) fn acceptance(&self) -> impl Iterator<Item = Acceptance> {
        let rows = self.sessions.iter().chain(&self.probes).map(|row| Acceptance {
            name: row.what.clone(),
            value: row.median,
            bound: row.asked.bound(),
            met: row.is_met(),
            oracle: None,
            worst: Some(row.worst),
        });
        let days = self.days.iter().filter_map(|row| {
            let (value, worst) = row.availability;
            Some(Acceptance {
                name: format!("{}, {}: seconds served", row.name, paths(row.paths)),
                value,
                bound: row.bound?,
                met: row.is_met(),
                oracle: None,
                worst: Some(worst),
            })
        });
        rows.chain(days)
    }

    fn of_many(&self) -> Blocks {
        let texts = [
            row::table(&self.sessions),
            self.schedulers.clone(),
            format!("{WORLDS} of them:\n\n{}", worlds::table(&self.worlds)),
        ];
        OF_MANY.into_iter().zip(texts).collect()
    }

    fn of_questions(&self) -> Blocks {
        let texts = [
            self.served("censor", &CENSORS),
            self.served("relays, censor", &SCARCE),
            self.rates(),
            self.openings(),
            self.served("relays, censor", &TIMES),
            row::table(&self.probes),
        ];
        OF_QUESTIONS.into_iter().zip(texts).collect()
    }

    /// The share of seconds that were served, and what is asked.
    fn served(&self, what: &str, rows: &[(&str, &str)]) -> String {
        let mut out = page::table(&[what, "1 path", "4 paths", "8 paths", "asked"]);
        for (shown, name) in rows {
            let users = PATHS.map(|paths| self.user(name, paths));
            let asked = users.iter().filter_map(|row| Some((row.paths, row.bound?)));
            let asked: Vec<String> =
                asked.map(|(number, bound)| format!("{} {bound}", paths(number))).collect();
            let cells = users.map(|row| share(row.availability));
            let cells = [(*shown).to_owned()].into_iter().chain(cells);
            page::row(&mut out, cells.chain([asked.join(", ")]));
        }
        out
    }

    fn rates(&self) -> String {
        let mut out =
            page::table(&["choice", "1 path, octets/s", "4 paths", "8 paths", "1 path served"]);
        for (shown, name) in RATES {
            let users = PATHS.map(|paths| self.user(name, paths));
            let cells = users.map(|row| format!("{:.0}", row.rate));
            let cells = [shown.to_owned()].into_iter().chain(cells);
            page::row(&mut out, cells.chain([share(self.user(name, 1).availability)]));
        }
        out
    }

    fn openings(&self) -> String {
        let mut out = page::table(&["censor", "opened an hour, 1 path", "4 paths", "8 paths"]);
        for (shown, name) in OPENINGS {
            let users = PATHS.map(|paths| self.user(name, paths));
            let cells = users.map(|row| format!("{:.1}", row.opened_hourly));
            page::row(&mut out, [shown.to_owned()].into_iter().chain(cells));
        }
        let every = 3_600.0 / self.user(NINETY, 4).opened_hourly;
        let _ = writeln!(
            out,
            "\nFour paths behind a censor of 90 % an hour cost an opening every {every:.0} s, and no person calls \
             somebody that often. With\na budget of 1,440 openings a day, an opening a minute if it were spread \
             evenly, the share of seconds that are served is:\n"
        );
        out + &self.served("censor", &BUDGET)
    }

    fn user(&self, name: &str, paths: u8) -> &availability::Row {
        let is_it = |row: &&availability::Row| row.name == name && row.paths == paths;
        self.days.iter().find(is_it).expect("the tables name scenes that there are")
    }
}

fn paths(number: u8) -> String {
    if number == 1 { "1 path".to_owned() } else { format!("{number} paths") }
}

/// The median share of seconds, and the worst one's where it is another.
fn share((median, worst): (f64, f64)) -> String {
    let shown = |share: f64| {
        if 1.0 - share < SHOWN_AS_ALL {
            "1".to_owned()
        } else if share == 0.0 {
            "0".to_owned()
        } else {
            format!("{share:.5}")
        }
    };
    let (median, worst) = (shown(median), shown(worst));
    if median == worst { median } else { format!("{median} (worst {worst})") }
}

const NINETY: &str = "3 KB/s, 90 % blocked an hour";

/// As the page calls them, and as [`availability::scenes`] does.
const CENSORS: [(&str, &str); 10] = [
    ("none", "3 KB/s, no censor"),
    ("10 % blocked an hour", "3 KB/s, 10 % blocked an hour"),
    ("50 % blocked an hour", "3 KB/s, 50 % blocked an hour"),
    ("90 % blocked an hour", NINETY),
    ("the same, refused and not silent", "3 KB/s, 90 % blocked an hour, with refusals"),
    ("paths in use blocked every 60 s", "3 KB/s, paths in use blocked every 60 s"),
    (
        "the same, client waits for four questions (5.1 s)",
        "3 KB/s, paths in use blocked every 60 s, four questions asked",
    ),
    (
        "login blocked at noon, Skype started anew every 6 h",
        "3 KB/s, login blocked at noon, Skype started anew every 6 h",
    ),
    ("500 octets a second of each relay let through", "3 KB/s, 500 B/s let through"),
    ("a fifth of the datagrams dropped", "3 KB/s, a fifth dropped"),
];

const SCARCE: [(&str, &str); 6] = [
    (
        "six in ten come back under the same address; 50 % an hour",
        "two classes, 50 % blocked an hour",
    ),
    ("the same; 90 % an hour", "two classes, 90 % blocked an hour"),
    ("10,000 in data centres, as since 2012; none", "since 2012, no censor"),
    ("the same; 50 % an hour", "since 2012, 50 % blocked an hour"),
    ("the same; paths in use every 60 s", "since 2012, paths in use blocked every 60 s"),
    ("the same; all data centres", "since 2012, the data centres blocked"),
];

const RATES: [(&str, &str); 3] = [
    ("any relay", "mixed rates, no censor"),
    ("in proportion to rate", "mixed rates, the fastest preferred"),
    ("the nearest of 200", "mixed rates, the nearest of 200"),
];

const OPENINGS: [(&str, &str); 6] = [
    ("none", "3 KB/s, no censor"),
    ("10 % an hour", "3 KB/s, 10 % blocked an hour"),
    ("50 % an hour", "3 KB/s, 50 % blocked an hour"),
    ("90 % an hour", NINETY),
    ("paths in use every 60 s", "3 KB/s, paths in use blocked every 60 s"),
    ("10,000 in data centres, 50 % an hour", "since 2012, 50 % blocked an hour"),
];

const BUDGET: [(&str, &str); 2] = [
    ("90 % an hour", "3 KB/s, 90 % blocked an hour, an opening each minute"),
    ("paths in use every 60 s", "3 KB/s, paths in use blocked every 60 s, an opening each minute"),
];

const TIMES: [(&str, &str); 3] = [
    ("arrivals that swing with the hour; none", "day and night, no censor"),
    ("the same; 50 % an hour", "day and night, 50 % blocked an hour"),
    ("22 December 2010, six hours into the day; none", "22 December 2010, no censor"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_name_scenes_that_there_are() {
        let scenes = availability::scenes();
        let of = |scene: &availability::Scene| -> Vec<String> {
            let names = scene.watched.iter().map(|watched| &watched.name);
            names.map(|name| format!("{}, {name}", scene.name)).collect()
        };
        let there: Vec<String> = scenes.iter().flat_map(of).collect();
        let told = [&CENSORS[..], &SCARCE, &RATES, &OPENINGS, &BUDGET, &TIMES].concat();
        for (_, name) in told {
            assert!(there.iter().any(|scene| scene == name), "{name}");
        }
    }

    #[test]
    fn a_share_that_is_all_or_nothing_is_shown_so() {
        assert_eq!(share((1.0, 0.999_999)), "1");
        assert_eq!(share((0.5, 0.0)), "0.50000 (worst 0)");
        assert_eq!(share((0.999_98, 0.999_98)), "0.99998");
    }
}
