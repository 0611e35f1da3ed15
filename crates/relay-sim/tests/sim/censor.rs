//! Censors block what they are told to, by address alone, and never take it back.

use std::time::Duration;

use proptest::prelude::*;
use relay_sim::censor::{Censor, CensorSpec, Hunt, Manner, Verdict};
use relay_sim::population::{Class, Population, PopulationSpec, RelayId, preset};
use relay_sim::{LinkSpec, Loss, Throttle};

const HOUR: Duration = Duration::from_hours(1);

fn population() -> Population {
    Population::new(PopulationSpec { relays: 4_000, ..preset::two_classes() }, 1)
}

fn blocked(censor: &Censor, population: &Population, at: Duration) -> f64 {
    let relays = population.relays();
    let blocked = relays.iter().filter(|relay| censor.verdict(at, relay) != Verdict::Passes);
    f64::from(u32::try_from(blocked.count()).expect("thousands")) / 4_000.0
}

#[test]
fn a_share_is_blocked_in_each_hour_of_what_is_left() {
    let population = population();
    for per_hour in [0.0, 0.1, 0.5, 0.9, 1.0] {
        let hunt = Hunt::Share { per_hour };
        let censor = Censor::new(CensorSpec { hunt, ..CensorSpec::default() }, 3);
        for hours in [1, 2] {
            let expected = 1.0 - (1.0 - per_hour).powi(hours);
            let found = blocked(&censor, &population, HOUR * hours.unsigned_abs());
            assert!((found - expected).abs() < 0.03, "{per_hour}, {hours} h: {found}");
        }
    }
}

#[test]
fn a_sweep_blocks_what_is_seen_and_nothing_else() {
    let population = population();
    let every = Duration::from_secs(60);
    let spec = CensorSpec { hunt: Hunt::Seen { every }, ..CensorSpec::default() };
    let mut censor = Censor::new(spec, 3);
    let seen: Vec<RelayId> = population.relays().iter().take(4).map(|relay| relay.id).collect();
    censor.sweep(every / 2, &seen);
    assert!(blocked(&censor, &population, HOUR) < 1e-9, "it is not due yet");
    censor.sweep(every, &seen);
    assert_eq!(censor.next_sweep(), Some(every * 2));
    assert!((blocked(&censor, &population, HOUR) - 4.0 / 4_000.0).abs() < 1e-9);
    assert_eq!(censor.verdict(every / 2, &population.relays()[0]), Verdict::Passes);
}

#[test]
fn who_looks_up_addresses_blocks_a_class_and_all_of_it() {
    let population = population();
    let hunt = Hunt::Class(Class::Passing);
    let censor = Censor::new(CensorSpec { hunt, ..CensorSpec::default() }, 3);
    assert!((blocked(&censor, &population, Duration::ZERO) - 0.4).abs() < 1e-9);

    let hosted = Population::new(preset::concentration_of_2012(), 1);
    let hunt = Hunt::Class(Class::Hosted);
    let censor = Censor::new(CensorSpec { hunt, ..CensorSpec::default() }, 3);
    let passes = |relay| censor.verdict(Duration::ZERO, relay) == Verdict::Passes;
    assert!(!hosted.relays().iter().any(passes));
}

#[test]
fn a_block_is_silent_or_loud_as_asked() {
    let population = population();
    for (manner, verdict) in [(Manner::Silent, Verdict::Vanishes), (Manner::Loud, Verdict::Refused)]
    {
        let hunt = Hunt::Share { per_hour: 1.0 };
        let censor = Censor::new(CensorSpec { hunt, manner, ..CensorSpec::default() }, 3);
        assert_eq!(censor.verdict(HOUR, &population.relays()[0]), verdict);
    }
}

#[test]
fn a_throttle_narrows_and_never_widens_and_drops_come_before_it() {
    let link = population().relays()[0].link();
    let drops = Loss::Bernoulli { probability: 0.2 };
    let narrowed = |rate_max| {
        let spec = CensorSpec { rate_max, drops, ..CensorSpec::default() };
        Censor::new(spec, 1).narrowed(link.clone())
    };
    let slow = narrowed(Some(500));
    assert_eq!((slow.throttle.rate(), slow.early_loss), (Some(500), drops));
    assert_eq!(narrowed(Some(10_000)), LinkSpec { early_loss: drops, ..link.clone() });
    assert_eq!(narrowed(None).throttle, Throttle::Shaper { rate: 3_000, burst: 1_500 });
    assert_eq!(Censor::new(CensorSpec::default(), 1).narrowed(link.clone()), link);
}

#[test]
fn login_is_blocked_from_its_time_on() {
    let spec = CensorSpec { login_blocked_from: Some(HOUR), ..CensorSpec::default() };
    let censor = Censor::new(spec, 1);
    assert!(censor.lets_log_in(HOUR - Duration::from_secs(1)));
    assert!(!censor.lets_log_in(HOUR) && !censor.lets_log_in(100 * HOUR));
}

fn hunts() -> impl Strategy<Value = Hunt> {
    prop_oneof![
        Just(Hunt::Nobody),
        (0.0..1.0).prop_map(|per_hour| Hunt::Share { per_hour }),
        (1..600_u64).prop_map(|seconds| Hunt::Seen { every: Duration::from_secs(seconds) }),
        Just(Hunt::Class(Class::Returning)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_that_is_blocked_is_ever_let_through_again(
        hunt in hunts(), seed in any::<u64>(), used in prop::collection::vec(0..50_usize, 200),
    ) {
        let spec = PopulationSpec { relays: 50, ..preset::constant() };
        let relays = Population::new(spec, seed).relays().to_vec();
        let mut censor = Censor::new(CensorSpec { hunt, ..CensorSpec::default() }, seed);
        let mut blocked = vec![false; relays.len()];
        for (used, minutes) in used.iter().zip(0_u64..) {
            let at = Duration::from_mins(10 * minutes);
            censor.sweep(at, &[relays[*used].id]);
            for (relay, blocked) in relays.iter().zip(&mut blocked) {
                let passes = censor.verdict(at, relay) == Verdict::Passes;
                prop_assert!(!*blocked || !passes);
                *blocked |= !passes;
            }
        }
    }
}
