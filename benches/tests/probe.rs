//! What trains say of a modelled relay is what the model was told, in virtual time.

use std::time::Duration;

use benches::probe::{self, Probing, RATES, Seen, more_throttles, off, relay};
use benches::row::{self, Row};
use relay_probe::Kind;
use relay_sim::{LinkSpec, Loss, Throttle};

const SEEDS: u64 = 20;

/// Of the tests of many throttles, rates and factors each, which take minutes with all twenty.
const FEW_SEEDS: u64 = 3;

/// What is asked of a rate.
const RATE_OFF_MAX: f64 = 0.1;

#[track_caller]
fn check(rows: &[Row]) {
    assert!(rows.iter().all(Row::is_met), "{}", row::table(rows));
}

#[test]
fn a_relay_is_taken_for_what_it_is() {
    check(&probe::estimates(SEEDS));
}

#[test]
fn another_relay_is_seen_within_five_seconds() {
    check(&[probe::switches(SEEDS)]);
}

#[test]
fn another_rate_is_seen_within_five_seconds() {
    check(&[probe::steps(FEW_SEEDS)]);
}

#[test]
fn tells_a_policer_whose_bucket_holds_less_than_a_probe() {
    for rate in [16_000_u32, 64_000, 256_000] {
        for burst in [300_u32, 450, 600, 999].into_iter().filter(|burst| *burst <= rate / 32) {
            let throttle = Throttle::Policer { rate: rate.into(), burst: burst.into() };
            for seed in 0..SEEDS {
                let Seen { estimate, is_known } = Probing::of(&relay(throttle, seed), seed).run();
                let said = format!("{throttle:?} {seed}: {estimate:?}");
                assert!(is_known, "{said}");
                assert_eq!((estimate.kind, estimate.changes.len()), (Kind::Policer, 0), "{said}");
                assert!(off(estimate.rate, rate.into()) <= RATE_OFF_MAX, "{said}");
                assert!(off(estimate.burst, burst.into()) <= 0.5, "{said}");
            }
        }
    }
}

/// Of all throttles and rates, runs that told of a change though there was none.
fn false_changes(jitter_ms: u64, probability: f64) -> (usize, usize) {
    let (mut runs, mut wrong) = (0, 0);
    let jitter = Duration::from_millis(jitter_ms);
    let loss = Loss::Bernoulli { probability };
    let with_seeds = |throttle| (0..FEW_SEEDS).map(move |seed| (throttle, seed));
    for (throttle, seed) in RATES.into_iter().flat_map(more_throttles).flat_map(with_seeds) {
        let spec = LinkSpec { jitter, loss, ..relay(throttle, seed) };
        let estimate = Probing::of(&spec, seed).run().estimate;
        runs += 1;
        wrong += usize::from(!estimate.changes.is_empty());
        let capacity = spec.capacity().expect("a throttle with a rate");
        assert!(off(estimate.rate, capacity) <= RATE_OFF_MAX, "{throttle:?} {seed}: {estimate:?}");
    }
    (wrong, runs)
}

#[test]
fn a_constant_relay_is_no_other_and_jitter_makes_none() {
    assert_eq!(false_changes(0, 0.0).0, 0);
    assert_eq!(false_changes(20, 0.0).0, 0);
}

#[test]
fn chance_seldom_makes_another_relay() {
    for jitter_ms in [0, 20] {
        let (wrong, runs) = false_changes(jitter_ms, 0.05);
        assert!(wrong * 100 <= runs, "{wrong} of {runs}");
    }
}

#[test]
fn what_is_told_late_is_not_lost() {
    let shaper = relay(Throttle::Shaper { rate: 16_000, burst: 1_500 }, 0);
    let late = Probing { told_after: Duration::from_secs(2), ..Probing::of(&shaper, 0) };
    let estimate = late.run().estimate;
    assert_eq!(estimate.loss, Some(0.0), "{estimate:?}");
    assert_eq!(estimate.changes, [], "{estimate:?}");
}

#[test]
fn tells_chance_and_jitter_where_there_is_a_queue() {
    let mut errors = Vec::new();
    for seed in 0..SEEDS {
        let clean = relay(Throttle::Shaper { rate: 16_000, burst: 1_500 }, seed);
        let estimate = Probing::of(&clean, seed).run().estimate;
        assert!(estimate.loss.is_some_and(|loss| loss < 0.01), "{estimate:?}");
        let jitter = Duration::from_millis(4);
        let loss = Loss::Bernoulli { probability: 0.05 };
        let noisy = Probing::of(&LinkSpec { jitter, loss, ..clean }, seed);
        let estimate = Probing { time: Duration::from_mins(4), ..noisy }.run().estimate;
        assert_eq!(estimate.kind, Kind::Shaper, "{estimate:?}");
        assert!(estimate.jitter.is_some_and(|it| (0.001..=0.004).contains(&it)), "{estimate:?}");
        // Chance falls behind the throttle: the rate that is seen is what it leaves.
        assert!(off(estimate.rate, 15_200.0) <= RATE_OFF_MAX, "{estimate:?}");
        errors.push((estimate.loss.unwrap_or(1.0) - 0.05).abs());
    }
    errors.sort_by(f64::total_cmp);
    assert!(errors[10] <= 0.015 && errors[19] <= 0.05, "{errors:?}");
}
