//! What one session makes of many relays, as rows: what is asked, what there is.

use std::fmt::Write as _;
use std::time::Duration;

use ap2ap_stream::{PathId, Scheduler};
use relay_sim::{LinkSpec, Loss, Outage, Throttle};

use super::{ManyRun, Relay};
use crate::figure::median;
use crate::jobs::in_parallel;
use crate::row::{Asked, Row};
use crate::{Load, Outcome};

/// Seeds of each row.
pub const SEEDS: u64 = 20;

/// When relays die, and when new ones come.
const DEATH: Duration = Duration::from_secs(100);
const REBIRTH: Duration = Duration::from_secs(160);
const FOR_EVER: Duration = Duration::from_secs(100_000);

/// A relay like S1's: a shaper with a burst of 1,500 octets and a queue of five seconds.
#[must_use]
pub fn relay(rate: u64, round_trip_ms: u64, loss: f64) -> Relay {
    let no_loss = Loss::None;
    Relay::new(LinkSpec {
        throttle: Throttle::Shaper { rate, burst: 1500 },
        delay: Duration::from_millis(round_trip_ms / 2),
        queue_octets: 5 * rate,
        loss: if loss > 0.0 { Loss::Bernoulli { probability: loss } } else { no_loss },
        ..LinkSpec::default()
    })
}

/// Eight relays of 3 KB/s and 200 ms.
#[must_use]
pub fn eight() -> Vec<Relay> {
    (0..8).map(|_| relay(3000, 200, 0.0)).collect()
}

/// Three that have nothing in common.
#[must_use]
pub fn unlike() -> Vec<Relay> {
    vec![relay(3000, 300, 0.0), relay(16_000, 80, 0.0), relay(8000, 200, 0.1)]
}

/// Eight paths through one relay.
#[must_use]
pub fn one_for_all() -> Vec<Relay> {
    vec![Relay { joins: vec![Duration::ZERO; 8], ..relay(3000, 200, 0.0) }]
}

/// Eight, of which every second one dies without a word.
#[must_use]
pub fn half_die() -> Vec<Relay> {
    let mut relays = eight();
    relays.iter_mut().step_by(2).for_each(|relay| die(relay, DEATH));
    relays
}

/// Two that die at once, and two others a minute later.
#[must_use]
pub fn all_die() -> Vec<Relay> {
    let mut relays: Vec<Relay> = (0..4).map(|_| relay(3000, 200, 0.0)).collect();
    for (index, relay) in relays.iter_mut().enumerate() {
        if index < 2 {
            die(relay, DEATH);
        } else {
            relay.joins = vec![REBIRTH];
        }
    }
    relays
}

fn die(relay: &mut Relay, at: Duration) {
    for plan in [&mut relay.up, &mut relay.down] {
        plan.outages.push(Outage::once(at, FOR_EVER));
    }
}

/// Octets of bulk that arrived.
fn carried(outcome: &Outcome) -> f64 {
    assert_eq!(outcome.fault, None, "a session over many relays never fails");
    u32::try_from(outcome.delivered.0).map_or(f64::NAN, f64::from)
}

/// The longest time without bulk octets in order, from some time on, in seconds.
fn longest_gap(outcome: &Outcome, from: Duration) -> f64 {
    let times = outcome.deliveries.iter().map(|(at, _)| *at).filter(|at| *at >= from);
    let gaps = times.clone().zip(times.skip(1)).map(|(one, next)| next.saturating_sub(one));
    gaps.max().unwrap_or(FOR_EVER).as_secs_f64()
}

fn run(relays: &[Relay], scheduler: Scheduler, seed: u64) -> Outcome {
    ManyRun { scheduler, seed, ..ManyRun::new(relays.to_vec()) }.run()
}

/// What each of these carries alone.
fn alone(relays: &[Relay], seed: u64) -> Vec<f64> {
    let of = |relay| carried(&run(std::slice::from_ref(relay), Scheduler::default(), seed));
    relays.iter().map(of).collect()
}

/// All that is asked of many relays.
#[must_use]
pub fn rows(seeds: u64) -> Vec<Row> {
    let seeds: Vec<u64> = (1..=seeds).collect();
    let mut rows = adding_up(&seeds);
    rows.extend(sharing(&seeds));
    rows.extend(dying(&seeds));
    rows
}

fn adding_up(seeds: &[u64]) -> Vec<Row> {
    let all = in_parallel(seeds, |seed| {
        let one: f64 = alone(&[relay(3000, 200, 0.0)], *seed).iter().sum();
        let outcome = run(&eight(), Scheduler::default(), *seed);
        (carried(&outcome) / (8.0 * one), outcome.ping_ms(0.99))
    });
    let (shares, pings): (Vec<f64>, Vec<f64>) = all.into_iter().unzip();
    let all = in_parallel(seeds, |seed| {
        let alone = alone(&unlike(), *seed);
        let best = alone.iter().copied().fold(0.0, f64::max);
        let carried = carried(&run(&unlike(), Scheduler::default(), *seed));
        (carried / alone.iter().sum::<f64>(), carried / best)
    });
    let (of_sum, of_best): (Vec<f64>, Vec<f64>) = all.into_iter().unzip();
    vec![
        Row::of_median(
            "8 x 3 KB/s: share of what each carries alone",
            Asked::AtLeast(0.92),
            &shares,
        ),
        Row::of_median("8 x 3 KB/s: p99 of requests, ms", Asked::AtMost(400.0), &pings),
        Row::of_median(
            "3, 16 and 8 KB/s with 10 % loss: share of the sum",
            Asked::AtLeast(0.9),
            &of_sum,
        ),
        Row::of_median(
            "3, 16 and 8 KB/s with 10 % loss: of the best alone",
            Asked::AtLeast(0.97),
            &of_best,
        ),
    ]
}

fn sharing(seeds: &[u64]) -> Vec<Row> {
    let all = in_parallel(seeds, |seed| {
        let one = run(&[relay(3000, 200, 0.0)], Scheduler::default(), *seed);
        let many_run = ManyRun { seed: *seed, ..ManyRun::new(one_for_all()) };
        let mut many = many_run.begin();
        many.run_for(many_run.time);
        let outcome = many.outcome(many.start() + many_run.time, Load::Interactive);
        let of = |path| many.client().connection.path_stats(PathId(path));
        let carrying = (0..8).filter_map(of).filter(|stats| stats.carries).count();
        (
            carried(&outcome) / carried(&one),
            outcome.ping_ms(0.99) / one.ping_ms(0.99),
            u32::try_from(carrying).map_or(f64::NAN, f64::from),
        )
    });
    let shares: Vec<f64> = all.iter().map(|figures| figures.0).collect();
    let pings: Vec<f64> = all.iter().map(|figures| figures.1).collect();
    let carrying: Vec<f64> = all.iter().map(|figures| figures.2).collect();
    vec![
        Row::of_median(
            "8 paths through one relay: share of one alone",
            Asked::AtLeast(0.9),
            &shares,
        ),
        Row::of_median(
            "8 paths through one relay: p99 of requests / one's alone",
            Asked::AtMost(1.5),
            &pings,
        ),
        Row::of_median(
            "8 paths through one relay: paths that carry at the end",
            Asked::AtMost(1.0),
            &carrying,
        ),
    ]
}

fn dying(seeds: &[u64]) -> Vec<Row> {
    let gaps = in_parallel(seeds, |seed| {
        longest_gap(&run(&half_die(), Scheduler::default(), *seed), DEATH - Duration::from_secs(1))
    });
    let waits = in_parallel(seeds, |seed| {
        let outcome = run(&all_die(), Scheduler::default(), *seed);
        let after = outcome.deliveries.iter().map(|(at, _)| *at).find(|at| *at >= REBIRTH);
        after.map_or(f64::INFINITY, |at| at.saturating_sub(REBIRTH).as_secs_f64())
    });
    vec![
        Row::of_median("half of 8 die: longest gap, s", Asked::AtMost(1.5), &gaps),
        Row::of_median(
            "all die, others come after 60 s: bulk goes on after s",
            Asked::AtMost(1.0),
            &waits,
        ),
    ]
}

/// The schedulers beside each other: share of the sum of the rates, p50, p95 and p99 of requests, by relays.
#[must_use]
pub fn schedulers(seeds: u64) -> String {
    let seeds: Vec<u64> = (1..=seeds).collect();
    let mut text = String::from(
        "| relays | scheduler | KB/s | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|---|\n",
    );
    for (name, relays) in [("8 x 3 KB/s", eight()), ("3, 16 and 8 KB/s", unlike())] {
        for (order, scheduler) in [
            ("earliest delivery", Scheduler::EarliestDelivery),
            ("least round trip", Scheduler::LeastRoundTrip),
            ("round robin", Scheduler::RoundRobin),
        ] {
            let all = in_parallel(&seeds, |seed| run(&relays, scheduler, *seed));
            let of = |figure: &dyn Fn(&Outcome) -> f64| -> f64 {
                median(&all.iter().map(figure).collect::<Vec<f64>>())
            };
            let rate = of(&|outcome| carried(outcome) / ManyRun::TIME.as_secs_f64() / 1000.0);
            let [p50, p95, p99] =
                [0.5, 0.95, 0.99].map(|share| of(&|outcome| outcome.ping_ms(share)));
            let _ =
                writeln!(text, "| {name} | {order} | {rate:.2} | {p50:.0} | {p95:.0} | {p99:.0} |");
        }
    }
    text
}
