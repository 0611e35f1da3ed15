//! All that is measured in virtual time, as one document: `cargo xtask report`.

mod blocks;
pub mod check;
mod json;
mod many;
mod page;
mod plots;
pub mod side_by_side;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use relay_sim::{Loss, Scenario, scenario};

use crate::adversary::{self, Choice, Cost, Deed};
use crate::figure::{median, quantile};
use crate::handshake::{self, Beginning};
use crate::lines::{self, Line, Measured};
use crate::random::{self, Drawn};
use crate::shared::{self, Shares};
use crate::sweep::{self, Point};
use crate::{Load, Run, Stack};

use many::Many;
use side_by_side::SideBySide;

/// Seeds of ours, of the oracle and of each peer.
pub const SEEDS: u64 = 20;
const SEEDS_OF_PEERS: u64 = 5;
/// Links drawn at random, and how many of them the oracle runs over, too.
const LINKS: u64 = 1000;
const LINKS_COMPARED: u64 = 200;
/// What the adversary may touch.
const SHARES: [f64; 3] = [0.01, 0.05, 0.1];
/// Everything.
#[derive(Debug)]
pub struct Report {
    lines: Vec<Line>,
    ours: Vec<Measured>,
    oracle: Vec<Measured>,
    stacks: SideBySide,
    links: Vec<Drawn>,
    /// By relay.
    costs: Vec<(&'static str, Vec<Cost>)>,
    twins: Vec<Shares>,
    latecomers: Vec<Shares>,
    beside_tcp: Vec<Shares>,
    beginnings: Vec<Beginning>,
    points: Vec<Point>,
    many: Many,
}

/// Something that is asked, and what there is.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Of what.
    pub name: String,
    /// What there is.
    pub value: f64,
    /// What is asked.
    pub bound: f64,
    /// Whether it is there.
    pub met: bool,
    /// What the oracle reaches, where it can be asked.
    pub oracle: Option<f64>,
    /// The worst seed, where there are many.
    pub worst: Option<f64>,
}

impl Report {
    /// Measures all there is to measure: minutes of two cores.
    ///
    /// # Errors
    ///
    /// A page in this folder, where the figures are to be written, has no place for them.
    pub fn measure(docs: &Path) -> io::Result<Self> {
        many::check_pages(docs)?;
        Ok(Self::of_everything())
    }

    fn of_everything() -> Self {
        let lines = lines::lines();
        let ours = lines::measure(&lines, Stack::Ours, SEEDS);
        let oracle = lines::measure(&lines, Stack::Oracle, SEEDS_OF_PEERS);
        let costs = |relay| (relay, adversary::costs(&without_loss(relay), &SHARES, SEEDS));
        Self {
            ours,
            oracle,
            lines,
            stacks: SideBySide::measure(SEEDS_OF_PEERS),
            links: random::draw(LINKS, LINKS_COMPARED),
            costs: ["S1", "S3"].map(costs).into(),
            twins: shared::two_of_ours(Duration::ZERO, SEEDS),
            latecomers: shared::two_of_ours(Duration::from_secs(10), SEEDS),
            beside_tcp: shared::beside_tcp(SEEDS),
            beginnings: handshake::beginnings(),
            points: sweep::points(),
            many: Many::measure(),
        }
    }

    /// Writes the page, the figures of the other pages, the drawings beside them, and what a later check compares with.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to, or a page that was there no longer is.
    pub fn write(&self, docs: &Path) -> io::Result<()> {
        fs::write(docs.join("measurements.md"), self.page())?;
        let plots = docs.join("plots");
        fs::create_dir_all(&plots)?;
        for (name, drawing) in self.plots().iter().chain(self.many.plots()) {
            fs::write(plots.join(name), drawing)?;
        }
        self.many.write(docs)?;
        fs::write(docs.join(check::FILE), check::record(&self.lines, &self.ours))
    }

    /// Every figure, and the list `acceptance`, as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        json::of(self)
    }

    /// All that is asked, and what there is.
    #[must_use]
    pub fn acceptance(&self) -> Vec<Acceptance> {
        let mut all = of_lines(&self.lines, &self.ours, Some(&self.oracle));
        all.extend(self.of_beginnings());
        all.extend(self.of_shares());
        all.extend(self.of_adversary());
        all.extend(of_links(&self.links));
        all.extend(self.many.acceptance());
        all
    }

    fn of_beginnings(&self) -> impl Iterator<Item = Acceptance> {
        let asked = [
            ("ap2ap-stream", "first echo on S1, early data taken, ms", 210.0),
            ("ap2ap-stream, early data refused", "first echo on S1, early data refused, ms", 450.0),
        ];
        let find = |name: &str| {
            let of = |row: &&Beginning| row.relay == "S1" && row.name == name;
            let took = self.beginnings.iter().find(of).and_then(|row| row.took);
            took.map_or(f64::INFINITY, |took| took.as_secs_f64() * 1000.0)
        };
        asked.map(|(name, what, bound)| at_most(what, find(name), bound)).into_iter()
    }

    fn of_shares(&self) -> impl Iterator<Item = Acceptance> {
        let least = |shares: &[Shares]| {
            let of: Vec<f64> = shares.iter().map(|both| both.first.min(both.second)).collect();
            (median(&of), quantile(&of, 0.0))
        };
        let jain = |shares: &[Shares]| {
            let of: Vec<f64> = shares.iter().map(|both| both.jain()).collect();
            (median(&of), quantile(&of, 0.0))
        };
        let tcp: Vec<f64> = self.beside_tcp.iter().map(|both| both.first).collect();
        [
            ("two of ours over S3: the lesser share", least(&self.twins), 0.42),
            ("two of ours over S3: Jain's index", jain(&self.twins), 0.95),
            (
                "two of ours over S3, one 10 s later: the lesser share",
                least(&self.latecomers),
                0.42,
            ),
            ("two of ours over S3, one 10 s later: Jain's index", jain(&self.latecomers), 0.95),
            ("beside one TCP CUBIC: our share", (median(&tcp), quantile(&tcp, 0.0)), 0.3),
        ]
        .map(|(name, (value, worst), bound)| Acceptance {
            worst: Some(worst),
            ..at_least(name, value, bound)
        })
        .into_iter()
    }

    fn of_adversary(&self) -> impl Iterator<Item = Acceptance> {
        self.costs.iter().flat_map(|(relay, costs)| {
            SHARES.map(|share| {
                let of_share =
                    || costs.iter().filter(move |cost| is_close(cost.adversary.share, share));
                let of = |choice, deed| {
                    let is_it = move |cost: &&Cost| {
                        cost.adversary.choice == choice && cost.adversary.deed == deed
                    };
                    of_share().find(is_it).map_or(f64::NAN, |cost| cost.cost)
                };
                let drops = of_share().filter(|cost| cost.adversary.deed == Deed::Drop);
                let worst = drops.map(|cost| cost.cost).fold(0.0, f64::max);
                let chance = of(Choice::AtRandom, Deed::Drop);
                let name = format!(
                    "{relay}: the dearest choice of {:.0} % dropped / {:.0} % at random",
                    100.0 * share,
                    100.0 * share
                );
                at_most(&name, worst / chance, 1.5)
            })
        })
    }
}

/// What is asked of random links.
#[must_use]
pub fn of_links(links: &[Drawn]) -> Vec<Acceptance> {
    let relative: Vec<f64> = links.iter().filter_map(Drawn::relative).collect();
    let compared = links.iter().filter(|link| link.oracle.is_some());
    let p95: Vec<f64> = compared.map(|link| link.p95).collect();
    let shares: Vec<f64> = links.iter().map(|link| link.utilisation).collect();
    vec![
        at_least("random links, goodput / oracle's: median", median(&relative), 0.92),
        at_least("random links, goodput / oracle's: worst tenth", quantile(&relative, 0.1), 0.55),
        at_most("random links, p95 / round trip: median", median(&p95), 1.1),
        at_most("random links, p95 / round trip: worst tenth", quantile(&p95, 0.9), 4.0),
        at_least("1,000 random links, utilisation: least", quantile(&shares, 0.0), 0.02),
    ]
}

/// What is asked of named relays.
#[must_use]
pub fn of_lines(lines: &[Line], ours: &[Measured], oracle: Option<&[Measured]>) -> Vec<Acceptance> {
    let mut all = Vec::new();
    for (number, (line, measured)) in lines.iter().zip(ours).enumerate() {
        for (index, bound) in line.bounds.iter().enumerate() {
            let (value, worst) = measured.median_and_worst(*bound, index);
            let oracle = oracle.and_then(|oracle| oracle.get(number));
            let oracle = oracle.map(|measured| measured.median_and_worst(*bound, index));
            let name = format!("{} {}", line.name, bound.figure.name());
            let of = |name: String, value, limit, worst, oracle| {
                let met = bound.meets(value, limit);
                Acceptance { name, value, bound: limit, met, oracle, worst }
            };
            if let Some(limit) = bound.asked {
                let oracle = oracle.map(|(median, _)| median);
                all.push(of(name.clone(), value, limit, Some(worst), oracle));
            }
            if let Some(limit) = bound.worst {
                let oracle = oracle.map(|(_, worst)| worst);
                all.push(of(format!("{name}, worst seed"), worst, limit, None, oracle));
            }
        }
    }
    all
}

fn at_most(name: &str, value: f64, bound: f64) -> Acceptance {
    let met = value <= bound;
    Acceptance { name: name.to_owned(), value, bound, met, oracle: None, worst: None }
}

fn at_least(name: &str, value: f64, bound: f64) -> Acceptance {
    Acceptance { met: value >= bound, ..at_most(name, value, bound) }
}

fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

/// A named relay that loses nothing by itself.
fn without_loss(relay: &str) -> Run {
    let Scenario { mut a_to_b, mut b_to_a, .. } = scenario::by_name(relay).expect("a named relay");
    (a_to_b.spec.loss, b_to_a.spec.loss) = (Loss::None, Loss::None);
    Run { down: b_to_a, ..Run::new(a_to_b, Load::Interactive) }
}

/// A figure as the tables show it.
fn shown(value: f64) -> String {
    if value.is_nan() {
        String::new()
    } else if value.is_infinite() {
        "never".to_owned()
    } else if value.abs() < 20.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.0}")
    }
}
