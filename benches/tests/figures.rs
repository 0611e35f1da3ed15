//! The figures that the project promises, in virtual time: the same on every machine, so they may be
//! asserted. Each bound leaves room below what is measured; docs/status.md has the measured ones.

use std::time::Duration;

use benches::endpoint::Dress;
use benches::{Load, Outcome, Run};
use relay_sim::{LinkSpec, Loss, Throttle, scenario};

fn over(name: &str, load: Load) -> Outcome {
    let scenario = scenario::by_name(name).expect("a named scenario");
    let mut run = Run::new(scenario.a_to_b, load);
    run.down = scenario.b_to_a;
    let outcome = run.run();
    assert_eq!(outcome.fault, None);
    outcome
}

/// Delivered octets as a share of what `rate` octets a second carry in a minute.
fn share(delivered: u64, rate: u32) -> f64 {
    f64::from(u32::try_from(delivered).expect("a minute's octets")) / (f64::from(rate) * 60.0)
}

#[test]
fn a_slow_shaper_is_filled_and_requests_stay_near_the_round_trip() {
    let outcome = over("S1", Load::Interactive);
    assert!(share(outcome.delivered.0, 3000) >= 0.85);
    assert!(outcome.ping_ms(0.5) <= 210.0, "p50 {} ms", outcome.ping_ms(0.5));
    assert!(outcome.ping_ms(0.95) <= 450.0, "p95 {} ms", outcome.ping_ms(0.95));
    assert_eq!(outcome.dropped, (0, 0), "a queue that is never full drops nothing");
}

#[test]
fn both_directions_are_filled_at_once() {
    let outcome = over("S1", Load::Duplex);
    assert!(share(outcome.delivered.0, 3000) >= 0.85 && share(outcome.delivered.1, 3000) >= 0.85);
}

#[test]
fn a_policer_is_filled_and_requests_slip_through() {
    let outcome = over("S2", Load::Interactive);
    assert!(share(outcome.delivered.0, 3000) >= 0.75);
    assert!(outcome.ping_ms(0.5) <= 210.0);
}

#[test]
fn random_loss_is_not_taken_for_congestion() {
    // 20 % of the datagrams are lost in each direction: 0.8 of the relay is all there is. Finding the
    // rate takes up to 13 of the 60 seconds (docs/status.md); taken for congestion, it is 0.05.
    let outcome = over("S9", Load::Bulk);
    assert!(share(outcome.delivered.0, 256_000) >= 0.5);
}

#[test]
fn an_outage_costs_little_more_than_itself() {
    // Two seconds of every fifteen carry nothing: 0.87 is all there is.
    let outcome = over("S8", Load::Bulk);
    assert!(share(outcome.delivered.0, 64_000) >= 0.8);
}

#[test]
fn a_relay_switch_leaves_nothing_stuck() {
    let outcome = over("S7", Load::Interactive);
    // 64, then 8, then 64 KB/s: 0.71 of the highest is all there is.
    assert!(share(outcome.delivered.0, 64_000) >= 0.5);
    assert!(outcome.ping_ms(0.95) <= 1000.0, "p95 {} ms", outcome.ping_ms(0.95));
}

#[test]
fn the_demos_own_case_holds_for_every_seed() {
    // Issue: a share of at least 0.65 as AP2AP text, requests below a second at p95.
    for seed in 1..=8 {
        let spec = LinkSpec {
            throttle: Throttle::Shaper { rate: 3000, burst: 4096 },
            delay: Duration::from_millis(100),
            ..LinkSpec::default()
        };
        let mut run = Run::new(spec, Load::Download);
        run.dress = Dress::Armoured;
        run.payload_max = armour::capacity(1400);
        run.seed = seed;
        let outcome = run.run();
        assert_eq!(outcome.fault, None);
        assert!(share(outcome.delivered.1, 3000) >= 0.7, "seed {seed}");
        assert!(outcome.ping_ms(0.95) <= 500.0, "seed {seed}: {} ms", outcome.ping_ms(0.95));
    }
}

#[test]
fn loss_costs_its_share_for_every_seed() {
    for seed in 1..=8 {
        let spec = LinkSpec {
            throttle: Throttle::Shaper { rate: 65_536, burst: 4096 },
            delay: Duration::from_millis(75),
            loss: Loss::Bernoulli { probability: 0.05 },
            ..LinkSpec::default()
        };
        let mut run = Run::new(spec, Load::Download);
        run.seed = seed;
        let outcome = run.run();
        assert_eq!(outcome.fault, None);
        assert!(share(outcome.delivered.1, 65_536) >= 0.8, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let runs = [over("S10", Load::Interactive), over("S10", Load::Interactive)];
    let [first, second] = runs.map(|run| (run.delivered, run.wire, run.pings_ms, run.stats));
    assert_eq!(first, second);
}
