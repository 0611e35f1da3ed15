//! How much of the time something arrives: paths over a population of relays, behind censors that block them.
//!
//! Days are counted by [`relay_sim::paths`], not simulated datagram by datagram, with the product's path manager to
//! open and give up paths. How long a path takes to come up, to fall silent and to be refused is the model's;
//! `tests/availability.rs` holds that against real connections over the same relays, both by the model's own policy.

mod managed;
mod plot;
mod scene;

use std::time::Duration;

use relay_sim::paths::{Counted, PathPolicy, Plan, User, run_with};

use crate::figure::{median, quantile};
use crate::jobs::in_parallel;

use managed::Managed;
pub use plot::{by_share, by_sweep};
pub use scene::{Scene, Watched, scenes};

/// A censor is at work, and relays come and go, for a day before a day is counted: by then most of the relays
/// that were there when it began are blocked.
const WARM_UP: Duration = Duration::from_hours(24);
const COUNTED: Duration = Duration::from_hours(24);

/// Bulk payload / what a relay of 3 KB/s passes while a path carries: a little less than is measured.
pub const GOODPUT_SHARE: f64 = 0.9;

/// A calendar second counts in which so many octets of payload arrive.
pub const ENOUGH_OCTETS: f64 = 1_000.0;

/// So many paths are compared.
pub const PATHS: [u8; 3] = [1, 4, 8];

/// What users of so many paths had of their days, in one scene behind one censor.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where, and behind whom.
    pub name: String,
    /// Paths at once.
    pub paths: u8,
    /// Of all seeds: the median and the least share of seconds in which enough arrived.
    pub availability: (f64, f64),
    /// The longest run of seconds in which not enough did, of all seeds.
    pub longest_gap: u32,
    /// Streams that were opened in an hour, by the median user.
    pub opened_hourly: f64,
    /// Octets of payload in a second, of the median user.
    pub rate: f64,
    /// What the availability is to be, if anything is asked.
    pub bound: Option<f64>,
}

impl Row {
    /// Whether the median is as is asked.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.bound.is_none_or(|bound| self.availability.0 >= bound)
    }

    fn new(name: String, paths: u8, bound: Option<f64>, days: &[Counted]) -> Self {
        let of = |figure: fn(&Counted) -> f64| -> Vec<f64> { days.iter().map(figure).collect() };
        let availability = of(Counted::availability);
        let hours = (WARM_UP + COUNTED).as_secs_f64() / 3_600.0;
        let opened = of(|day| f64::from(u32::try_from(day.opened).unwrap_or(u32::MAX)));
        Self {
            name,
            paths,
            availability: (median(&availability), quantile(&availability, 0.0)),
            longest_gap: days.iter().map(|day| day.longest_gap).max().unwrap_or(0),
            opened_hourly: median(&opened) / hours,
            rate: median(&of(|day| day.rate)),
            bound,
        }
    }
}

/// The days of all users of all scenes, over so many seeds. All users of a scene live through the same history.
#[must_use]
pub fn rows(scenes: &[Scene], seeds: u64) -> Vec<Row> {
    let jobs: Vec<(&Scene, u64)> =
        scenes.iter().flat_map(|scene| (1..=seeds).map(move |seed| (scene, seed))).collect();
    let days = in_parallel(&jobs, |(scene, seed)| day(scene, *seed));
    let per_scene = usize::try_from(seeds).unwrap_or(usize::MAX).max(1);
    let of_scene = |(scene, seeds): (&Scene, &[Vec<Counted>])| -> Vec<Row> {
        let user = |(index, (watched, paths)): (usize, (&Watched, u8))| {
            let days: Vec<Counted> =
                seeds.iter().filter_map(|day| day.get(index)).copied().collect();
            let name = format!("{}, {}", scene.name, watched.name);
            Row::new(name, paths, watched.bound(paths), &days)
        };
        scene.users().enumerate().map(user).collect()
    };
    scenes.iter().zip(days.chunks(per_scene)).flat_map(of_scene).collect()
}

/// One history, and what each user had of it.
fn day(scene: &Scene, seed: u64) -> Vec<Counted> {
    let plan = Plan {
        population: scene.population.clone(),
        warm_up: WARM_UP,
        time: COUNTED,
        goodput_share: GOODPUT_SHARE,
        enough_octets: ENOUGH_OCTETS,
        seed,
    };
    let of = |(watched, warm): (&Watched, u8)| User {
        policy: PathPolicy { warm, ..watched.user.policy },
        ..watched.user
    };
    run_with(&plan, &scene.users().map(of).collect::<Vec<User>>(), Managed::new)
}

/// A table for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        "| scene, censor | paths | asked | median | worst seed | longest gap, s | opened an hour | octets/s | met |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(rows.iter().map(|row| {
        let met = if row.is_met() { "yes" } else { "**no**" };
        let (asked, met) = row.bound.map_or_else(
            || (String::new(), String::new()),
            |bound| (bound.to_string(), met.to_owned()),
        );
        let (median, worst) = row.availability;
        format!(
            "| {} | {} | {asked} | {median:.5} | {worst:.5} | {} | {:.1} | {:.0} | {met} |",
            row.name, row.paths, row.longest_gap, row.opened_hourly, row.rate
        )
    }));
    lines.push(String::new());
    lines.join("\n")
}
