//! Counted days agree with what can be worked out by hand, and with each other.

use std::time::Duration;

use relay_sim::censor::{CensorSpec, Hunt, Manner};
use relay_sim::paths::{Counted, PathPolicy, Plan, User, run};
use relay_sim::population::{Class, Lifetime, PopulationSpec, preset};

fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

fn plan(population: PopulationSpec, time: Duration) -> Plan {
    Plan {
        population: PopulationSpec { relays: 4_000, ..population },
        warm_up: hours(24),
        time,
        goodput_share: 0.9,
        enough_octets: 1_000.0,
        seed: 1,
    }
}

/// Relays that outlast everything.
fn lasting() -> PopulationSpec {
    let mut spec = preset::constant();
    for class in &mut spec.classes {
        class.session = Lifetime { median: hours(100_000), sigma: 0.0 };
    }
    spec
}

fn user(warm: u8, hunt: Hunt) -> User {
    let policy = PathPolicy { warm, ..PathPolicy::default() };
    User { policy, censor: CensorSpec { hunt, ..CensorSpec::default() }, ..User::default() }
}

fn one(plan: &Plan, user: User) -> Counted {
    run(plan, &[user]).first().copied().expect("one user")
}

#[test]
fn relays_that_last_serve_every_second_at_the_sum_of_their_rates() {
    let plan = plan(lasting(), hours(1));
    let counted = run(&plan, &[user(1, Hunt::Nobody), user(8, Hunt::Nobody)]);
    for (counted, paths) in counted.iter().zip([1.0, 8.0]) {
        assert_eq!((counted.served, counted.longest_gap), (3_600, 0));
        assert!((counted.rate - paths * 2_700.0).abs() < 1.0, "{}", counted.rate);
    }
}

/// Nothing before it counts, and so many relays that those which are blocked already are not met again.
fn at_once(time: Duration) -> Plan {
    let plan = plan(lasting(), time);
    let population = PopulationSpec { relays: 100_000, ..plan.population };
    Plan { population, warm_up: Duration::ZERO, ..plan }
}

#[test]
fn a_sweep_a_minute_costs_silence_and_set_up_and_a_round_trip() {
    let sweeps = Hunt::Seen { every: Duration::from_secs(60) };
    let counted = one(&at_once(hours(1)), user(1, sweeps));
    // 1.2 s at the beginning, and 2.1 + 1 + 0.2 s each minute; the last second of each is served by what is left of it.
    assert_eq!((counted.seconds - counted.served, counted.longest_gap), (1 + 59 * 3, 3));
    assert_eq!(counted.opened, 60);
}

#[test]
fn more_paths_serve_more_and_refusals_cost_less_than_silence() {
    let plan = plan(preset::constant(), hours(24));
    let hunt = Hunt::Share { per_hour: 0.9 };
    let mut loud = user(1, hunt);
    loud.censor.manner = Manner::Loud;
    let counted = run(&plan, &[user(1, hunt), user(4, hunt), user(8, hunt), loud]);
    let [one, four, eight, loud] = [0, 1, 2, 3].map(|index| counted[index].availability());
    assert!(one < four && four <= eight, "{one} {four} {eight}");
    assert!(one < loud, "{one} {loud}");
    assert!(one > 0.5 && four > 0.99, "{one} {four}");
}

#[test]
fn a_budget_of_openings_is_kept_and_what_was_saved_is_spent_at_once() {
    let mut user = user(4, Hunt::Class(Class::Passing));
    user.policy.opens_every = Some(Duration::from_secs(60));
    // Nothing answers: sixteen are opened as fast as they are given up, then one each minute.
    let counted = one(&at_once(hours(2)), user);
    assert_eq!((counted.served, counted.opened), (0, 16 + 119));
}

#[test]
fn several_paths_that_fall_silent_together_are_given_up_sooner() {
    let hunt = Hunt::Seen { every: Duration::from_secs(60) };
    let mut patient = user(4, hunt);
    patient.policy.silence_of_all = patient.policy.silence;
    let counted = run(&at_once(hours(1)), &[user(4, hunt), patient]);
    assert!(counted[0].served > counted[1].served, "{counted:?}");
}

#[test]
fn who_cannot_log_in_again_is_out_from_the_next_restart_on() {
    let mut user = user(4, Hunt::Nobody);
    user.restart_every = Some(hours(10));
    let plan = plan(lasting(), hours(24));
    let counted = one(&plan, user);
    // Restarts at 30 and 40 h, of which each costs 5 s of logging in, set-up and a round trip.
    assert!((86_380..86_390).contains(&counted.served), "{counted:?}");
    user.censor.login_blocked_from = Some(hours(25));
    assert_eq!(one(&plan, user).served, 6 * 3_600);
}

#[test]
fn nothing_arrives_in_the_day_of_2010_and_all_of_it_does_afterwards() {
    let plan = plan(preset::failure_of_2010(hours(24)), hours(25));
    let counted = one(&plan, user(8, Hunt::Nobody));
    assert_eq!((counted.longest_gap, counted.served), (24 * 3_600, 3_600));
}

#[test]
fn the_same_plan_counts_the_same_and_users_do_not_disturb_each_other() {
    let plan = plan(preset::two_classes(), hours(24));
    let (first, second) = (user(1, Hunt::Share { per_hour: 0.5 }), user(4, Hunt::Nobody));
    let alone = one(&plan, first);
    assert_eq!(run(&plan, &[first, second])[0], alone);
    assert_eq!(one(&plan, first), alone);
    assert_ne!(one(&Plan { seed: 2, ..plan }, first), alone);
}
