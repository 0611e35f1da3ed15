//! What a remembered path is worth, and what a wrong memory costs, in virtual time. docs/status.md has
//! the figures.

use std::time::Duration;

use ap2ap_stream::PathMemory;
use benches::{Load, Outcome, Run};
use relay_sim::scenario;

/// Of another path by far: 1 MB/s, and bursts of 20 KB.
const FAST: &str = "rate=1000000 burst=20000 rtt_us=100000 loss=queue chance_ppm=50000";
/// Of a relay that was throttled.
const SLOW: &str = "rate=3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=0";

const SEEDS: std::ops::RangeInclusive<u64> = 1..=4;

fn over(name: &str, load: Load, seed: u64, memory: Option<PathMemory>) -> Outcome {
    let scenario = scenario::by_name(name).expect("a named scenario");
    let mut run = Run::new(scenario.a_to_b, load);
    (run.down, run.seed, run.memory) = (scenario.b_to_a, seed, memory);
    let outcome = run.run();
    assert_eq!(outcome.fault, None);
    outcome
}

/// The runs of all seeds that remember this.
fn remembering(name: &str, load: Load, line: &str) -> Vec<Outcome> {
    let memory = Some(line.parse().expect("a memory"));
    SEEDS.map(|seed| over(name, load, seed, memory)).collect()
}

/// The runs of all seeds that remember nothing, and those that remember what these learned.
fn without_and_with(name: &str, load: Load) -> (Vec<Outcome>, Vec<Outcome>) {
    let pair = |seed| {
        let without = over(name, load, seed, None);
        let with = over(name, load, seed, without.memory);
        (without, with)
    };
    SEEDS.map(pair).unzip()
}

/// Octets delivered in the first `seconds` of all the runs.
fn within(outcomes: &[Outcome], seconds: u64) -> u64 {
    let end = Duration::from_secs(seconds);
    let all = outcomes.iter().flat_map(|outcome| &outcome.deliveries);
    all.filter(|(at, _)| *at <= end).map(|(_, octets)| octets).sum()
}

fn worst_ping_ms(outcomes: &[Outcome], share: f64) -> f64 {
    outcomes.iter().map(|outcome| outcome.ping_ms(share)).fold(0.0, f64::max)
}

#[test]
fn what_is_learned_of_a_relay_is_its_rate_and_round_trip() {
    let memory = over("S1", Load::Bulk, 1, None).memory.expect("a minute teaches something");
    assert!((2900..=3100).contains(&memory.rate()), "{memory}");
    assert!((198..=202).contains(&memory.round_trip().as_millis()), "{memory}");
    assert!((1200..=2000).contains(&memory.burst()), "{memory}");
    assert_eq!(memory.loss().class.as_str(), "queue");
    let policed = over("S2", Load::Bulk, 1, None).memory.expect("a minute teaches something");
    assert_eq!(policed.loss().class.as_str(), "policer");
}

/// 20 % of loss: which of the first packets arrive decides more than what is remembered.
#[test]
fn with_the_memory_of_a_lossy_path_its_first_seconds_carry_about_as_much() {
    let (without, with) = without_and_with("S9", Load::Bulk);
    assert!(within(&with, 5) > within(&without, 5) * 4 / 5, "in 5 s");
    assert!(within(&with, 60) > within(&without, 60) * 49 / 50, "in a minute");
}

/// A bucket of 20 KB hides the relay's rate until it is empty, and then requests wait for seconds.
#[test]
fn with_the_memory_of_a_deep_bucket_requests_do_not_wait() {
    let (without, with) = without_and_with("deep", Load::Interactive);
    assert!(worst_ping_ms(&without, 0.95) > 1000.0);
    let with_ms = worst_ping_ms(&with, 0.95);
    assert!(with_ms < 400.0, "p95 {with_ms} ms");
    assert!(within(&with, 60) * 100 > within(&without, 60) * 98);
}

#[test]
fn a_memory_that_is_much_too_fast_neither_fills_a_slow_relay_nor_wastes_it() {
    let without: Vec<Outcome> =
        SEEDS.map(|seed| over("S1", Load::Interactive, seed, None)).collect();
    let with = remembering("S1", Load::Interactive, FAST);
    assert!(within(&with, 60) * 100 > within(&without, 60) * 98);
    assert!(within(&with, 5) * 100 > within(&without, 5) * 90);
    let (without_ms, with_ms) = (worst_ping_ms(&without, 0.99), worst_ping_ms(&with, 0.99));
    assert!(with_ms < without_ms + 250.0, "p99 {with_ms} ms, without {without_ms} ms");
}

/// Half of 3 KB/s proves little: a faster path is found out within seconds, not at once.
#[test]
fn a_memory_that_is_much_too_slow_is_given_up() {
    let with = remembering("S3", Load::Interactive, SLOW);
    assert!(within(&with, 60) * 10 > 9 * 64_000 * 60 * 4, "of four minutes at 64 KB/s");
}
