//! Populations are as their presets say, and the same seed gives the same history.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::Duration;

use proptest::prelude::*;
use relay_sim::population::{
    Change, Choice, Chooser, Class, ClassSpec, Lifetime, Population, PopulationSpec, RelayId, Rule,
    preset,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn small(spec: PopulationSpec, relays: u32) -> PopulationSpec {
    PopulationSpec { relays, ..spec }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("thousands"))
}

/// How many are up at each full hour, from the first on.
fn hourly(spec: PopulationSpec, seed: u64, hours: u32) -> Vec<f64> {
    let mut population = Population::new(spec, seed);
    let counts = (1..=hours).map(|hour| {
        while population.advance(hour * HOUR).is_some() {}
        float(population.relays().len())
    });
    counts.collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len())
}

#[test]
fn as_many_relays_are_up_as_were_asked_for_in_the_first_hour_and_weeks_later() {
    for spec in [preset::constant(), preset::two_classes(), preset::concentration_of_2012()] {
        let counts = hourly(small(spec.clone(), 2_000), 5, 24 * 28);
        for (week, hours) in counts.chunks(24 * 7).enumerate() {
            let mean = mean(hours);
            assert!((mean - 2_000.0).abs() < 80.0, "week {week}: {mean} of {:?}", spec.classes);
        }
    }
}

#[test]
fn lifetimes_have_the_quartiles_of_their_log_normal() {
    let mut population = Population::new(small(preset::constant(), 1_000), 2);
    let mut up = BTreeMap::new();
    let mut lives = Vec::new();
    // Those of the first two days, for as long as any of them may last.
    while let Some((at, change)) = population.advance(60 * DAY) {
        match change {
            Change::Up(id) if at < 2 * DAY => drop(up.insert(id, at)),
            Change::Up(_) => {}
            Change::Down(id) => lives.extend(up.remove(&id).map(|began| at - began)),
        }
    }
    assert!(up.len() < 5 && lives.len() > 4_000, "{} still up of {}", up.len(), lives.len());
    lives.sort();
    // 3.5 h, and e^(1.5 * 0.6745) times as long and as short.
    for (share, hours) in [(4, 1.273), (2, 3.5), (1, 9.626)] {
        let place = if share == 1 { lives.len() * 3 / 4 } else { lives.len() / share };
        let found = lives[place].as_secs_f64() / 3_600.0;
        assert!((found / hours - 1.0).abs() < 0.06, "{found} h where {hours} are expected");
    }
}

#[test]
fn who_is_found_up_stays_longer_than_who_comes_up() {
    let mut population = Population::new(small(preset::constant(), 10_000), 3);
    let first: Vec<RelayId> = population.relays().iter().map(|relay| relay.id).collect();
    while population.advance(24 * HOUR).is_some() {}
    let left = first.iter().filter(|id| population.relay(**id).is_some()).count();
    // The integral of the survival from a day on / the mean lifetime, by the log-normal's own formula.
    let (median, sigma) = (3.5_f64, 1.5_f64);
    let mean = median * (sigma * sigma / 2.0).exp();
    let steps = (0..200_000).map(|step| 24.0 + f64::from(step) * 0.05);
    let survives = |hours: f64| 0.5 * erfc((hours / median).ln() / sigma / 2.0_f64.sqrt());
    let expected = steps.map(|hours| survives(hours) * 0.05).sum::<f64>() / mean;
    let found = float(left) / float(first.len());
    assert!((found - expected).abs() < 0.02, "{found} where {expected} is expected");
}

/// Abramowitz, Stegun 7.1.26: off by less than 2e-7.
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let coefficients =
        [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = coefficients.iter().fold(0.0, |sum, c| (sum + c) * t) * (-x * x).exp();
    if x < 0.0 { 2.0 - tail } else { tail }
}

#[test]
fn relays_that_stay_for_ever_neither_go_nor_are_joined_by_others() {
    let class =
        ClassSpec { class: Class::Passing, share: 1.0, session: Lifetime::FOR_EVER, returns: None };
    let spec = PopulationSpec { relays: 8, classes: vec![class], ..preset::constant() };
    let mut population = Population::new(spec, 3);
    assert_eq!(population.relays().len(), 8);
    assert_eq!(population.advance(DAY * 365 * 100), None);
    assert_eq!(population.relays().len(), 8);
}

#[test]
fn a_failure_leaves_a_hundredth_of_each_rate() {
    let spec = preset::failure_of_2010(HOUR);
    let population = Population::new(small(spec.clone(), 1), 1);
    let link = population.relays()[0].link();
    let left = spec.failure.unwrap().weakened(link.clone());
    assert_eq!((link.throttle.rate(), left.throttle.rate()), (Some(3_000), Some(30)));
}

#[test]
fn the_day_swings_as_arrivals_smoothed_by_lifetimes_do() {
    let spec = preset::diurnal();
    let amplitude = spec.diurnal.unwrap().amplitude;
    // The response of the number that is up to a cosine: the transform of the survival, by quadrature.
    let (median, sigma, step) = (3.5_f64, 1.5_f64, 0.02);
    let (mut real, mut imaginary) = (0.0, 0.0);
    for index in 0..200_000 {
        let hours = (f64::from(index) + 0.5) * step;
        let survives = 0.5 * erfc((hours / median).ln() / sigma / 2.0_f64.sqrt());
        real += survives * (TAU * hours / 24.0).cos() * step;
        imaginary += survives * (TAU * hours / 24.0).sin() * step;
    }
    let mean_life = median * (sigma * sigma / 2.0).exp();
    let swing = amplitude * real.hypot(imaginary) / mean_life;
    let expected = (1.0 + swing) / (1.0 - swing);

    // Two days pass before it has come in; then each hour of the day over eight days.
    let counts = hourly(small(spec, 20_000), 7, 24 * 10);
    let of_hour =
        |hour: usize| mean(&counts.iter().skip(48 + hour).step_by(24).copied().collect::<Vec<_>>());
    let hours: Vec<f64> = (0..24).map(of_hour).collect();
    let (least, most) = hours
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), count| (least.min(*count), most.max(*count)));
    let found = most / least;
    assert!((found - expected).abs() < 0.04, "{found} where {expected} is expected");
    assert!((1.4..1.8).contains(&found), "about half as many again: {found}");
}

#[test]
fn four_tenths_pass_and_the_others_come_back_under_their_addresses() {
    let mut population = Population::new(small(preset::two_classes(), 2_000), 4);
    let passing = |population: &Population| {
        population.relays().iter().filter(|relay| relay.class == Class::Passing).count()
    };
    assert_eq!(passing(&population), 800);
    let mut downs = BTreeMap::new();
    let mut returned = 0;
    while let Some((_, change)) = population.advance(3 * DAY) {
        match change {
            Change::Down(id) => drop(downs.insert(id, ())),
            Change::Up(id) => returned += usize::from(downs.remove(&id).is_some()),
        }
    }
    assert!(returned > 1_000, "{returned}");
    let share = float(passing(&population)) / float(population.relays().len());
    assert!((share - 0.4).abs() < 0.05, "{share}");
}

#[test]
fn a_mass_failure_takes_its_share_and_gives_it_back() {
    let at = 10 * HOUR;
    let mut population = Population::new(small(preset::failure_of_2010(at), 10_000), 6);
    while population.advance(at - Duration::from_secs(1)).is_some() {}
    let before = float(population.relays().len());
    while population.advance(at).is_some() {}
    let left = float(population.relays().len()) / before;
    assert!((left - 0.725).abs() < 0.02, "{left}");
    let failure = population.spec().failure.unwrap();
    assert!((failure.rate_left_at(at) - 0.01).abs() < 1e-9);
    assert!((failure.rate_left_at(at + DAY) - 1.0).abs() < 1e-9);
    while population.advance(at + DAY - Duration::from_secs(1)).is_some() {}
    let day_after = float(population.relays().len());
    while population.advance(at + DAY).is_some() {}
    let back = (float(population.relays().len()) - day_after) / before;
    assert!((back - 0.275).abs() < 0.02, "{back}");
}

#[test]
fn a_choice_follows_its_rule_and_never_what_is_avoided() {
    let population = Population::new(small(preset::mixed(), 1_000), 1);
    let chosen = |rule, known| -> Vec<_> {
        let mut chooser = Chooser::new(Choice { rule, known }, 9);
        let ids = (0..4_000).map(|_| chooser.choose(&population, &[]).unwrap());
        ids.map(|id| population.relay(id).unwrap()).collect()
    };
    let share_of_video = |relays: &[&relay_sim::population::Relay]| {
        let fast = relays.iter().filter(|relay| relay.throttle.rate() == Some(10_000)).count();
        float(fast) / float(relays.len())
    };
    assert!((share_of_video(&chosen(Rule::Uniform, 1)) - 0.25).abs() < 0.05);
    // In proportion to rates of 500, 3000, 4000 and 10,000.
    assert!((share_of_video(&chosen(Rule::ByRate, 200)) - 10.0 / 17.5).abs() < 0.08);
    let near = chosen(Rule::Nearest, 200);
    assert!(near.iter().all(|relay| relay.round_trip < Duration::from_millis(130)));

    let two = Population::new(small(preset::constant(), 2), 1);
    let ids: Vec<RelayId> = two.relays().iter().map(|relay| relay.id).collect();
    let mut chooser = Chooser::new(Choice::default(), 1);
    assert!((0..50).all(|_| chooser.choose(&two, &ids[..1]) == Some(ids[1])));
    assert_eq!(chooser.choose(&two, &ids), None);
}

fn specs() -> impl Strategy<Value = PopulationSpec> {
    let presets = [
        preset::constant(),
        preset::two_classes(),
        preset::mixed(),
        preset::diurnal(),
        preset::failure_of_2010(5 * HOUR),
        preset::concentration_of_2012(),
    ];
    (prop::sample::select(presets.to_vec()), 0..300_u32)
        .prop_map(|(preset, relays)| small(preset, relays))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_same_seed_has_the_same_history_whoever_chooses_and_however_often_one_looks(
        spec in specs(), seed in any::<u64>(), looks in prop::collection::vec(1..200_u64, 1..20),
    ) {
        let end = DAY;
        let history = |looks: &[u64]| {
            let mut population = Population::new(spec.clone(), seed);
            let mut chooser = Chooser::new(Choice::default(), seed);
            let mut told = Vec::new();
            let mut at = Duration::ZERO;
            for look in looks.iter().map(|minutes| Duration::from_mins(*minutes)).chain([end]) {
                at = (at + look).min(end);
                while let Some(change) = population.advance(at) {
                    told.push(change);
                }
                chooser.choose(&population, &[]);
            }
            (told, population.relays().to_vec())
        };
        let (told, left) = history(&[]);
        prop_assert_eq!((&told, &left), (&history(&looks).0, &history(&looks).1));
        prop_assert!(told.is_sorted_by_key(|(at, _)| *at));

        // What is up is what came up and did not go down; nobody does either twice.
        let mut up: BTreeMap<RelayId, ()> =
            Population::new(spec.clone(), seed).relays().iter().map(|relay| (relay.id, ())).collect();
        for (_, change) in told {
            match change {
                Change::Up(id) => prop_assert!(up.insert(id, ()).is_none()),
                Change::Down(id) => prop_assert!(up.remove(&id).is_some()),
            }
        }
        let mut left: Vec<RelayId> = left.iter().map(|relay| relay.id).collect();
        left.sort();
        prop_assert_eq!(left, up.into_keys().collect::<Vec<_>>());
    }
}
