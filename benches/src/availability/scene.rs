//! Which populations and censors are compared, and what is asked of them.

use std::time::Duration;

use relay_sim::Loss;
use relay_sim::censor::{CensorSpec, Hunt, Manner};
use relay_sim::paths::{PathPolicy, User};
use relay_sim::population::{Choice, Class, PopulationSpec, Rule, preset};

use super::PATHS;

/// The censor who watches the line looks each minute.
const SWEEP: Duration = Duration::from_mins(1);

/// Some relays, and who uses them from behind whom.
#[derive(Clone, Debug)]
pub struct Scene {
    /// As in tables.
    pub name: &'static str,
    /// The relays.
    pub population: PopulationSpec,
    /// Each with every number of paths.
    pub watched: Vec<Watched>,
}

/// A user, whoever is on the line, and what is asked.
#[derive(Clone, Debug)]
pub struct Watched {
    /// As in tables.
    pub name: String,
    /// Everything but the number of paths.
    pub user: User,
    /// So many paths, and the least share of seconds in which enough is to arrive.
    pub asked: Vec<(u8, f64)>,
}

impl Watched {
    fn by(name: &str, censor: CensorSpec) -> Self {
        let user = User { censor, ..User::default() };
        Self { name: name.to_owned(), user, asked: Vec::new() }
    }

    fn hunted(name: &str, hunt: Hunt) -> Self {
        Self::by(name, CensorSpec { hunt, ..CensorSpec::default() })
    }

    fn asking(self, asked: &[(u8, f64)]) -> Self {
        Self { asked: asked.to_vec(), ..self }
    }

    /// What is asked of so many paths.
    pub(super) fn bound(&self, paths: u8) -> Option<f64> {
        self.asked.iter().find(|(number, _)| *number == paths).map(|(_, bound)| *bound)
    }
}

impl Scene {
    pub(super) fn new(
        name: &'static str,
        population: PopulationSpec,
        watched: Vec<Watched>,
    ) -> Self {
        Self { name, population, watched }
    }

    /// Each censor with each number of paths.
    pub(super) fn users(&self) -> impl Iterator<Item = (&Watched, u8)> {
        self.watched.iter().flat_map(|watched| PATHS.map(|paths| (watched, paths)))
    }
}

/// Blocks so many of a hundred each hour.
pub(super) fn crawler(percent: u8) -> Watched {
    let hunt = Hunt::Share { per_hour: f64::from(percent) / 100.0 };
    Watched::hunted(&format!("{percent} % blocked an hour"), hunt)
}

/// Blocks what is in use, so often.
pub(super) fn watcher(every: Duration) -> Watched {
    let name = format!("paths in use blocked every {} s", every.as_secs());
    Watched::hunted(&name, Hunt::Seen { every })
}

/// All that is compared.
#[must_use]
pub fn scenes() -> Vec<Scene> {
    let nobody = || Watched::by("no censor", CensorSpec::default());
    let half = || crawler(50);
    vec![
        Scene::new("3 KB/s", preset::constant(), constant(nobody())),
        Scene::new("two classes", preset::two_classes(), vec![nobody(), half(), crawler(90)]),
        Scene::new("mixed rates", preset::mixed(), mixed(nobody())),
        Scene::new("day and night", preset::diurnal(), vec![nobody(), half()]),
        Scene::new(
            "22 December 2010",
            preset::failure_of_2010(Duration::from_hours(30)),
            vec![nobody()],
        ),
        Scene::new(
            "since 2012",
            preset::concentration_of_2012(),
            vec![
                nobody(),
                half(),
                watcher(SWEEP),
                Watched::hunted("the data centres blocked", Hunt::Class(Class::Hosted)),
            ],
        ),
    ]
}

fn constant(nobody: Watched) -> Vec<Watched> {
    let loud = CensorSpec {
        hunt: Hunt::Share { per_hour: 0.9 },
        manner: Manner::Loud,
        ..CensorSpec::default()
    };
    let patient = PathPolicy {
        silence: Duration::from_millis(5_100),
        silence_of_all: Duration::from_millis(5_100),
        no_answer: Duration::from_millis(5_850),
        ..PathPolicy::default()
    };
    let mut waiting = watcher(SWEEP);
    waiting.name.push_str(", four questions asked");
    waiting.user.policy = patient;
    let mut frugal = [crawler(90), watcher(SWEEP)];
    for watched in &mut frugal {
        watched.name.push_str(", an opening each minute");
        watched.user.policy.opens_every = Some(Duration::from_mins(1));
    }
    let [crawled, swept] = frugal;
    let mut locked_out = Watched::by(
        "login blocked at noon, Skype started anew every 6 h",
        CensorSpec { login_blocked_from: Some(Duration::from_hours(36)), ..CensorSpec::default() },
    );
    locked_out.user.restart_every = Some(Duration::from_hours(6));
    vec![
        nobody,
        crawler(10),
        crawler(50).asking(&[(1, 0.98), (4, 0.9999)]),
        crawler(90).asking(&[(4, 0.99)]),
        crawled,
        Watched::by("90 % blocked an hour, with refusals", loud),
        watcher(SWEEP).asking(&[(4, 0.95)]),
        waiting,
        swept,
        Watched::by(
            "500 B/s let through",
            CensorSpec { rate_max: Some(500), ..CensorSpec::default() },
        ),
        Watched::by(
            "a fifth dropped",
            CensorSpec { drops: Loss::Bernoulli { probability: 0.2 }, ..CensorSpec::default() },
        ),
        locked_out,
    ]
}

fn mixed(nobody: Watched) -> Vec<Watched> {
    let chosen = |name: &str, rule| {
        let choice = Choice { rule, known: 200 };
        let user = User { choice, ..User::default() };
        Watched { name: name.to_owned(), user, asked: Vec::new() }
    };
    vec![
        nobody,
        chosen("the fastest preferred", Rule::ByRate),
        chosen("the nearest of 200", Rule::Nearest),
        crawler(50),
    ]
}
