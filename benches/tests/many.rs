//! What a session makes of many relays, for a seed or two: `cargo bench --bench many` has all of them.

use std::time::Duration;

use ap2ap_stream::PathId;
use benches::End as _;
use benches::many::table::{all_die, eight, half_die, one_for_all, unlike};
use benches::many::{ManyRun, Relay};

const MINUTES: Duration = Duration::from_secs(180);

fn run(relays: Vec<Relay>) -> benches::Outcome {
    let run = ManyRun { time: MINUTES, ..ManyRun::new(relays) };
    let outcome = run.run();
    assert_eq!(outcome.fault, None);
    outcome
}

/// Octets a second of bulk, delivered in order and as they were sent.
fn rate(outcome: &benches::Outcome) -> f64 {
    let octets = u32::try_from(outcome.delivered.0).expect("a run is short");
    f64::from(octets) / MINUTES.as_secs_f64()
}

#[test]
fn eight_relays_carry_nearly_eight_times_as_much_as_one() {
    let one = rate(&run(eight().into_iter().take(1).collect()));
    let outcome = run(eight());
    assert!(rate(&outcome) > 0.9 * 8.0 * one, "{} of {one}", rate(&outcome));
    assert!(outcome.ping_ms(0.95) < 300.0, "{}", outcome.ping_ms(0.95));
}

#[test]
fn relays_that_have_nothing_in_common_add_up() {
    let alone: f64 = unlike().into_iter().map(|relay| rate(&run(vec![relay]))).sum();
    let outcome = run(unlike());
    assert!(rate(&outcome) > 0.9 * alone, "{} of {alone}", rate(&outcome));
    assert!(outcome.ping_ms(0.5) < 85.0, "requests go over the fastest: {}", outcome.ping_ms(0.5));
}

#[test]
fn paths_through_one_relay_are_found_and_only_one_carries() {
    let one = rate(&run(eight().into_iter().take(1).collect()));
    let mut many = ManyRun { time: MINUTES, ..ManyRun::new(one_for_all()) }.begin();
    many.run_for(MINUTES);
    let outcome = many.outcome(many.start() + MINUTES, benches::Load::Interactive);
    assert_eq!(outcome.fault, None);
    assert!(rate(&outcome) > 0.88 * one, "{} of {one}", rate(&outcome));
    let paths = (0..8).filter_map(|path| many.client().connection.path_stats(PathId(path)));
    let paths: Vec<_> = paths.collect();
    assert_eq!(paths.iter().filter(|stats| stats.carries).count(), 1);
    assert!(paths.iter().any(|stats| stats.shares_with == Some(PathId(0))), "{paths:?}");
    assert!(many.client().pings().len() > 300);
}

#[test]
fn whatever_is_sent_arrives_to_the_last_octet() {
    for relays in [eight(), unlike(), one_for_all()] {
        for octets in [1, 2381, 20_000, 60_001, 300_000] {
            for load in [benches::Load::Bulk, benches::Load::Interactive] {
                let run = ManyRun { octets, load, time: MINUTES, ..ManyRun::new(relays.clone()) };
                let outcome = run.run();
                assert_eq!(outcome.fault, None);
                assert_eq!(outcome.delivered.0, octets, "{load:?} over {} relays", relays.len());
            }
        }
    }
}

#[test]
fn half_of_the_relays_die_and_the_rest_goes_on() {
    let outcome = run(half_die());
    let after = outcome.deliveries.iter().filter(|(at, _)| at.as_secs() >= 110);
    let octets: u64 = after.map(|(_, octets)| octets).sum();
    assert!(octets > 70 * 4 * 2400, "{octets}");
}

#[test]
fn a_session_without_a_path_goes_on_over_those_that_come_a_minute_later() {
    let outcome = run(all_die());
    let during = outcome.deliveries.iter().filter(|(at, _)| (102..160).contains(&at.as_secs()));
    assert_eq!(during.count(), 0);
    let soon = outcome.deliveries.iter().filter(|(at, _)| (160..165).contains(&at.as_secs()));
    assert!(soon.count() > 2);
}
