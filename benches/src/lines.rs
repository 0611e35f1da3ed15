//! What is asked of the transport over each relay, and how near it comes.
#![expect(clippy::as_conversions, reason = "counts as figures")]

use std::time::Duration;

use relay_sim::{LinkPlan, LinkSpec, Loss, Scenario, Throttle, scenario};

use crate::jobs::in_parallel;
use crate::luck::Luck;
use crate::{Load, Outcome, Run, Stack};

/// One figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bulk payload delivered / what the relay carries after random loss and outside outages; of the
    /// worse direction where both are loaded alike.
    Utilisation,
    /// The same of the way back.
    UtilisationDown,
    /// Octets of datagrams sent by the client / octets of bulk and requests.
    Waste,
    /// The median request, in milliseconds.
    P50,
    /// 95 of 100 requests take no longer, in milliseconds.
    P95,
    /// 99 of 100 requests take no longer, in milliseconds.
    P99,
    /// After each change or outage, the longest time until two seconds carry 80 % of the capacity.
    Recovery,
}

/// What is asked of one figure.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Which.
    pub figure: Figure,
    /// What the median over all seeds should reach.
    pub asked: f64,
    /// What it does reach at least: worse than this is a step back.
    pub guard: f64,
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

impl Figure {
    /// Whether more is better.
    #[must_use]
    pub const fn is_share(self) -> bool {
        matches!(self, Self::Utilisation | Self::UtilisationDown)
    }

    /// As in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utilisation => "utilisation",
            Self::UtilisationDown => "utilisation, way back",
            Self::Waste => "wire / payload",
            Self::P50 => "p50 ms",
            Self::P95 => "p95 ms",
            Self::P99 => "p99 ms",
            Self::Recovery => "recovery s",
        }
    }

    fn of(self, run: &Run, outcome: &Outcome) -> f64 {
        let payload = outcome.delivered.0 as f64 + 100.0 * outcome.pings_ms.len() as f64;
        match self {
            Self::Utilisation => utilisation(run, outcome),
            Self::UtilisationDown => {
                let capacity = run.down.spec.capacity().unwrap_or(f64::NAN);
                outcome.delivered.1 as f64 / (capacity * run.time.as_secs_f64())
            }
            Self::Waste => outcome.wire.0 as f64 / payload,
            Self::P50 => outcome.ping_ms(0.5),
            Self::P95 => outcome.ping_ms(0.95),
            Self::P99 => outcome.ping_ms(0.99),
            Self::Recovery => recovery(run, outcome),
        }
    }
}

impl Bound {
    /// Whether `value` is good enough for `limit`.
    #[must_use]
    pub fn meets(self, value: f64, limit: f64) -> bool {
        if self.figure.is_share() { value >= limit } else { value <= limit }
    }
}

impl Measured {
    /// The median over the seeds, and the worst, of the bound with this index.
    #[must_use]
    pub fn median_and_worst(&self, bound: Bound, index: usize) -> (f64, f64) {
        let values = self.seeds.iter().filter_map(|figures| figures.get(index).copied());
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let worst = if bound.figure.is_share() { values.first() } else { values.last() };
        let median = values.get(values.len() / 2);
        (median.copied().unwrap_or(f64::NAN), worst.copied().unwrap_or(f64::NAN))
    }
}

/// From `from` to `to`, so much capacity in octets a second.
struct Stretch {
    from: f64,
    to: f64,
    rate: f64,
}

fn stretches(plan: &LinkPlan, end: f64) -> Vec<Stretch> {
    let changes = plan.changes.iter().map(|(at, spec)| (at.as_secs_f64(), spec));
    let starts: Vec<(f64, &LinkSpec)> = [(0.0, &plan.spec)].into_iter().chain(changes).collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let of = |((from, spec), to): (&(f64, &LinkSpec), f64)| Stretch {
        from: *from,
        to,
        rate: spec.capacity().unwrap_or(f64::NAN),
    };
    starts.iter().zip(ends).map(of).collect()
}

/// When outages of the plan begin and end.
fn outages(plan: &LinkPlan, end: f64) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    for outage in &plan.outages {
        let (mut at, length) = (outage.start.as_secs_f64(), outage.length.as_secs_f64());
        while at + length <= end {
            all.push((at, at + length));
            let Some(every) = outage.every else { break };
            at += every.as_secs_f64();
        }
    }
    all
}

fn delivered(outcome: &Outcome, from: f64, to: f64) -> f64 {
    let within = |at: &Duration| (from..to).contains(&at.as_secs_f64());
    let octets = outcome.deliveries.iter().filter(|(at, _)| within(at)).map(|(_, octets)| octets);
    octets.sum::<u64>() as f64
}

/// The mean over time of what is delivered of what can be.
fn utilisation(run: &Run, outcome: &Outcome) -> f64 {
    let end = run.time.as_secs_f64();
    let outages = outages(&run.up, end);
    let (mut sum, mut time) = (0.0, 0.0);
    for Stretch { from, to, rate } in stretches(&run.up, end) {
        let down = outages.iter().map(|(began, ended)| ended.min(to) - began.max(from));
        let usable = to - from - down.map(|time| time.max(0.0)).sum::<f64>();
        sum += delivered(outcome, from, to) / rate;
        time += usable;
    }
    sum / time
}

fn recovery(run: &Run, outcome: &Outcome) -> f64 {
    const STEP: f64 = 0.1;
    let end = run.time.as_secs_f64();
    let stretches = stretches(&run.up, end);
    let switches = stretches.iter().skip(1).map(|stretch| (stretch.from, stretch.rate));
    let first = stretches.first().map_or(f64::NAN, |stretch| stretch.rate);
    let ends = outages(&run.up, end).into_iter().map(|(_, ended)| (ended, first));
    let mut longest = 0.0_f64;
    for (at, rate) in switches.chain(ends) {
        let mut from = at;
        while from + 2.0 <= end && delivered(outcome, from, from + 2.0) < 0.8 * rate * 2.0 {
            from += STEP;
        }
        let took = if from + 2.0 <= end { from - at } else { f64::INFINITY };
        longest = longest.max(took);
    }
    // In whole steps, whatever their sum is in binary.
    (longest * 10.0).round() / 10.0
}

const fn bound(figure: Figure, asked: f64, guard: f64) -> Bound {
    Bound { figure, asked, guard }
}

fn line(
    name: &'static str,
    scenario: &str,
    load: Load,
    bounds: impl IntoIterator<Item = Bound>,
) -> Option<Line> {
    let Scenario { a_to_b, b_to_a, .. } = scenario::by_name(scenario)?;
    let mut run = Run::new(a_to_b, load);
    run.down = b_to_a;
    if matches!(scenario, "S4" | "S5") {
        run.time = Duration::from_secs(30);
    }
    Some(Line { name, run, bounds: bounds.into_iter().collect() })
}

/// The named relays, and what is asked over each.
#[must_use]
pub fn lines() -> Vec<Line> {
    use Figure::{P50, P95, P99, Recovery, Utilisation, UtilisationDown, Waste};
    use Load::{Bulk, Duplex, Interactive};
    let share = |asked, guard| bound(Utilisation, asked, guard);
    let mut lines: Vec<Line> = [
        line(
            "S1-I",
            "S1",
            Interactive,
            [share(0.86, 0.85), bound(P50, 210.0, 210.0), bound(P99, 300.0, 420.0)],
        ),
        line("S1-D", "S1", Duplex, [share(0.91, 0.9), bound(UtilisationDown, 0.91, 0.9)]),
        line(
            "S2-I",
            "S2",
            Interactive,
            [share(0.86, 0.81), bound(Waste, 1.15, 1.22), bound(P99, 300.0, 300.0)],
        ),
        line("S3-I", "S3", Interactive, [share(0.93, 0.93), bound(P99, 300.0, 420.0)]),
        line("S4-B", "S4", Bulk, [share(0.94, 0.9)]),
        line("S5-B", "S5", Bulk, [share(0.94, 0.94)]),
        line(
            "S7-I",
            "S7",
            Interactive,
            [
                share(0.91, 0.9),
                bound(P95, 400.0, 500.0),
                bound(P99, 2200.0, 2200.0),
                bound(Recovery, 1.0, 1.5),
            ],
        ),
        line("S8-B", "S8", Bulk, [share(0.93, 0.92), bound(Recovery, 0.3, 1.0)]),
        line("S9-B", "S9", Bulk, [share(0.91, 0.85)]),
        line("S9-I", "S9", Interactive, [bound(P95, 300.0, 500.0), bound(P99, 700.0, 1500.0)]),
        line("S10-I", "S10", Interactive, [share(0.91, 0.91), bound(P99, 250.0, 400.0)]),
        line("window-I", "window", Interactive, [share(0.95, 0.87), bound(Waste, 1.15, 1.25)]),
        line(
            "asymmetric-D",
            "asymmetric",
            Duplex,
            [share(0.88, 0.88), bound(UtilisationDown, 0.92, 0.91)],
        ),
        line("S500-B", "S500", Bulk, [share(0.9, 0.9)]),
        line("serial-I", "serial", Interactive, [share(0.8, 0.74), bound(P50, 330.0, 370.0)]),
        line(
            "deep-I",
            "deep",
            Interactive,
            [bound(P95, 1000.0, 3000.0), bound(P99, 3000.0, 5500.0)],
        ),
        line("bursty-I", "bursty", Interactive, []),
        line("pausing-I", "pausing", Interactive, []),
    ]
    .into_iter()
    .flatten()
    .collect();
    for line in lines.iter_mut().filter(|line| line.bounds.is_empty()) {
        let told = [Utilisation, Waste, P50, P95, P99];
        let open = |figure: Figure| if figure.is_share() { 0.0 } else { f64::INFINITY };
        line.bounds = told.map(|figure| bound(figure, open(figure), open(figure))).to_vec();
    }
    if let Some(mut jittery) = line("S5-B, 1 ms of jitter", "S5", Bulk, [share(0.9, 0.7)]) {
        jittery.run.up.spec.jitter = Duration::from_millis(1);
        jittery.run.down.spec.jitter = Duration::from_millis(1);
        lines.push(jittery);
    }
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

/// A link drawn at random, and what was measured on it.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Octets a second.
    pub rate: f64,
    /// In milliseconds.
    pub round_trip_ms: f64,
    /// A share.
    pub loss: f64,
    /// A policer, not a shaper.
    pub is_policed: bool,
    /// Bulk payload / what the link carries after random loss.
    pub utilisation: f64,
    /// 95 of 100 requests take no longer, in round trips.
    pub p95: f64,
}

/// So many links, log-uniform from 500 B/s to 10 MB/s, 10 to 600 ms, 0 to 15 % loss, half of them policers
/// (bucket 1.5 to 8 KB), half shapers (bucket 1.5 KB, queue 1.5 to 64 KB): a minute of bulk beside requests.
#[must_use]
pub fn draw(count: u64) -> Vec<Drawn> {
    let seeds: Vec<u64> = (1..=count).collect();
    in_parallel(&seeds, |seed| {
        let mut luck = Luck::new(*seed);
        let rate = 500.0 * 20_000_f64.powf(luck.draw());
        let round_trip_ms = 10.0 + 590.0 * luck.draw();
        let (loss, is_policed, size) = (0.15 * luck.draw(), luck.draw() < 0.5, luck.draw());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small positive figures"
        )]
        let whole = |octets: f64| octets as u64;
        let spec = LinkSpec {
            throttle: if is_policed {
                Throttle::Policer { rate: whole(rate), burst: whole(1500.0 + 6500.0 * size) }
            } else {
                Throttle::Shaper { rate: whole(rate), burst: 1500 }
            },
            delay: Duration::from_secs_f64(round_trip_ms / 2000.0),
            loss: Loss::Bernoulli { probability: loss },
            queue_octets: whole(1500.0 * (64.0_f64 / 1.5).powf(size)),
            ..LinkSpec::default()
        };
        let mut run = Run::new(spec, Load::Interactive);
        run.seed = *seed;
        let outcome = run.run();
        assert_eq!(outcome.fault, None, "link {seed}");
        let utilisation = utilisation(&run, &outcome);
        let p95 = outcome.ping_ms(0.95) / round_trip_ms;
        Drawn { rate, round_trip_ms, loss, is_policed, utilisation, p95 }
    })
}
