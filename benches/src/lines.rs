//! What is asked of the transport over each relay, and how near it comes.

use std::time::Duration;

use relay_sim::{Scenario, scenario};

use crate::figure::{Figure, median};
use crate::jobs::in_parallel;
use crate::{Load, Run, Stack};

/// What is asked of one figure.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Which.
    pub figure: Figure,
    /// What the median over all seeds should reach, if anything is asked.
    pub asked: Option<f64>,
    /// What the worst seed should reach, if anything is asked.
    pub worst: Option<f64>,
}

/// One relay, one kind of work, and what is asked.
#[derive(Clone, Debug)]
pub struct Line {
    /// As in the table.
    pub name: &'static str,
    /// What is run.
    pub run: Run,
    /// What is asked.
    pub bounds: Vec<Bound>,
}

/// What a line's runs came to.
#[derive(Clone, Debug)]
pub struct Measured {
    /// One outcome's figures for each seed, by bound.
    seeds: Vec<Vec<f64>>,
}

impl Bound {
    /// Whether `value` is good enough for `limit`.
    #[must_use]
    pub fn meets(self, value: f64, limit: f64) -> bool {
        if self.figure.is_share() { value >= limit } else { value <= limit }
    }
}

impl Measured {
    /// The bound's figure with each of the first seeds.
    fn first(&self, index: usize, seeds: usize) -> Vec<f64> {
        let figures = self.seeds.iter().take(seeds);
        figures.filter_map(|figures| figures.get(index).copied()).collect()
    }

    /// The median over the first so many seeds, of the bound with this index.
    #[must_use]
    pub fn median_of_first(&self, index: usize, seeds: usize) -> f64 {
        median(&self.first(index, seeds))
    }

    /// The median over all seeds, and the worst.
    #[must_use]
    pub fn median_and_worst(&self, bound: Bound, index: usize) -> (f64, f64) {
        let mut values = self.first(index, usize::MAX);
        values.sort_by(f64::total_cmp);
        let worst = if bound.figure.is_share() { values.first() } else { values.last() };
        (median(&values), worst.copied().unwrap_or(f64::NAN))
    }
}

/// A line over a named relay.
fn line(name: &'static str, relay: &str, load: Load, bounds: &[Bound]) -> Line {
    let Scenario { a_to_b, b_to_a, drift, .. } = scenario::by_name(relay).expect("a named relay");
    let mut run = Run { down: b_to_a, drift, ..Run::new(a_to_b, load) };
    let of = relay.split('-').next();
    if matches!(of, Some("S4" | "S5")) {
        run.time = Duration::from_secs(30);
    }
    Line { name, run, bounds: bounds.to_vec() }
}

const fn asked(figure: Figure, asked: f64) -> Bound {
    Bound { figure, asked: Some(asked), worst: None }
}

const fn told(figure: Figure) -> Bound {
    Bound { figure, asked: None, worst: None }
}

const fn share(limit: f64) -> Bound {
    asked(Figure::Utilisation, limit)
}

/// The named relays, and what is asked over each.
#[must_use]
pub fn lines() -> Vec<Line> {
    let mut lines = asked_lines();
    lines.extend(variants());
    lines
}

fn asked_lines() -> Vec<Line> {
    use Figure::{P50, P95, P99, Recovery, Utilisation, UtilisationDown, Waste};
    use Load::{Bulk, Duplex, Interactive};
    let s9 = Bound { figure: Utilisation, asked: Some(0.91), worst: Some(0.8) };
    let s10 = Bound { figure: Utilisation, asked: Some(0.91), worst: Some(0.87) };
    let quick = [share(0.86), asked(P50, 210.0), asked(P99, 300.0)];
    let switching = [share(0.91), asked(P95, 400.0), asked(P99, 2200.0), asked(Recovery, 1.0)];
    let lossy = [told(Utilisation), asked(P95, 300.0), asked(P99, 700.0)];
    let window = [share(0.95), asked(Waste, 1.15), told(P99)];
    let serial = [share(0.8), asked(P50, 330.0), told(P95)];
    let deep = [told(Utilisation), asked(P95, 1000.0), asked(P99, 3000.0)];
    let mut lines = vec![
        line("S1-I", "S1", Interactive, &quick),
        line("S1-D", "S1", Duplex, &[share(0.91), asked(UtilisationDown, 0.91)]),
        line("S2-I", "S2", Interactive, &[share(0.86), asked(Waste, 1.15), asked(P99, 300.0)]),
        line("S3-I", "S3", Interactive, &[share(0.93), asked(P99, 300.0)]),
        line("S4-B", "S4", Bulk, &[share(0.94)]),
        line("S5-B", "S5", Bulk, &[share(0.94)]),
        line("S7-I", "S7", Interactive, &switching),
        line("S8-B", "S8", Bulk, &[share(0.93), asked(Recovery, 0.3)]),
        line("S9-B", "S9", Bulk, &[s9]),
        line("S9-I", "S9", Interactive, &lossy),
        line("S10-I", "S10", Interactive, &[s10, asked(P99, 250.0)]),
        line("window-I", "window", Interactive, &window),
        line("asymmetric-D", "asymmetric", Duplex, &[share(0.88), asked(UtilisationDown, 0.92)]),
        line("S500-B", "S500", Bulk, &[share(0.9)]),
        line("serial-I", "serial", Interactive, &serial),
        line("deep-I", "deep", Interactive, &deep),
    ];
    // A round trip, and 1.5 times what a request of 134 octets and a datagram of 300 take at 500 bytes/s.
    let slow = 200.0 + 1.5 * (134.0 + 300.0) / 0.5;
    let mut rare = line("S500, a request per 5 s", "S500", Interactive, &[told(Utilisation)]);
    rare.run.interval = Duration::from_secs(5);
    rare.bounds.push(asked(P50, slow));
    lines.push(rare);
    lines
}

/// What the relays above leave out.
fn variants() -> Vec<Line> {
    use Figure::{P50, P95, P99, Utilisation, Waste};
    use Load::{Bulk, Interactive};
    let all = [Utilisation, Waste, P50, P95, P99].map(told);
    let mut lines = vec![
        line("bursty-I", "bursty", Interactive, &all),
        line("pausing-I", "pausing", Interactive, &all),
    ];
    let others = [
        line("S4-B, 1 ms of jitter", "S4-jitter-1", Bulk, &[share(0.9)]),
        line("S5-B, 1 ms of jitter", "S5-jitter-1", Bulk, &[share(0.9)]),
        line("S4-B, 4 ms of jitter", "S4-jitter-4", Bulk, &[told(Utilisation)]),
        line("S5-B, 4 ms of jitter", "S5-jitter-4", Bulk, &[told(Utilisation)]),
        line("S1-I, 4 ms of jitter", "S1-jitter-4", Interactive, &all),
        line("S3-I, 4 ms of jitter", "S3-jitter-4", Interactive, &all),
        line("S1-I, a clock 100 ppm fast", "S1-drift", Interactive, &all),
        line("S3-I, a clock 100 ppm fast", "S3-drift", Interactive, &all),
        line("S3-I, 1 % lost before the throttle", "S3-early-1", Interactive, &all),
        line("S3-I, 5 % lost before the throttle", "S3-early-5", Interactive, &all),
    ];
    lines.extend(others);
    lines
}

/// Runs of each line over this stack with seeds 1 to `seeds`.
#[must_use]
pub fn measure(lines: &[Line], stack: Stack, seeds: u64) -> Vec<Measured> {
    let jobs: Vec<(usize, u64)> =
        (0..lines.len()).flat_map(|index| (1..=seeds).map(move |seed| (index, seed))).collect();
    let figures = in_parallel(&jobs, |(index, seed)| {
        let Some(line) = lines.get(*index) else { return Vec::new() };
        let run = Run { stack, seed: *seed, ..line.run.clone() };
        let outcome = run.run();
        assert_eq!(outcome.fault, None, "{} with seed {seed}", line.name);
        line.bounds.iter().map(|bound| bound.figure.of(&run, &outcome)).collect()
    });
    let per_line = usize::try_from(seeds).unwrap_or(1).max(1);
    figures.chunks(per_line).map(|seeds| Measured { seeds: seeds.to_vec() }).collect()
}
