//! Links that change, and links that are down.

use std::time::Duration;

use relay_sim::{LinkPlan, LinkSpec, Outage, Throttle, scenario};

use crate::{drain, ms, number_of, numbered, origin};

fn shaped(rate: u64, delay: Duration) -> LinkSpec {
    let throttle = Throttle::Shaper { rate, burst: 1 };
    LinkSpec { throttle, delay, ..LinkSpec::default() }
}

#[test]
fn an_outage_loses_queue_and_flight_and_what_is_sent_and_nothing_else() {
    let start = origin();
    let outages = vec![Outage::once(ms(1_000), ms(500))];
    let plan = LinkPlan { outages, ..shaped(1_000, ms(200)).into() };
    let mut link = plan.build(1, start);
    // One leaves the shaper each 100 ms: 0 to 7 have arrived by 1000 ms, 8 and 9 are under way.
    (0..20).for_each(|number| link.push(start, &numbered(number, 100)));
    link.push(start + ms(1_499), &numbered(20, 100));
    link.push(start + ms(1_500), &numbered(21, 100));
    let trace = drain(&mut link, start + ms(10_000));
    let numbers: Vec<u32> = trace.iter().map(|(_, octets)| number_of(octets)).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 21]);
    // The queue is gone too: what comes after the outage waits for nobody.
    assert!(trace[8].0 <= start + ms(1_800));
    assert_eq!(link.stats().outage.packets, 13);
}

#[test]
fn an_outage_repeats_for_ever_even_if_nobody_looks() {
    let start = origin();
    let mut link = scenario::by_name("S8").unwrap().a_to_b.build(1, start);
    for (second, arrives) in [(14, true), (16, false), (18, true), (3_600 * 24 + 1, false)] {
        let now = start + Duration::from_secs(second);
        link.push(now, b"ping");
        assert_eq!(link.pop(now + ms(60)).is_some(), arrives, "at {second} s");
    }
}

#[test]
fn a_changed_rate_holds_for_what_already_waits() {
    let start = origin();
    let plan = LinkPlan {
        changes: vec![(ms(1_050), shaped(100, Duration::ZERO)), (ms(5_050), shaped(1_000, ms(0)))],
        ..shaped(1_000, Duration::ZERO).into()
    };
    let mut link = plan.build(1, start);
    (0..20).for_each(|number| link.push(start, &numbered(number, 100)));
    let arrivals: Vec<u128> = drain(&mut link, start + ms(60_000))
        .iter()
        .map(|(at, _)| (*at - start).as_millis())
        .collect();
    // Half of the eleventh was paid for at the old rate, the other half at the new one.
    let slow = [1_549, 2_549, 3_549, 4_549, 5_099];
    assert_eq!(arrivals.len(), 20);
    assert!(arrivals[10..15].iter().zip(slow).all(|(at, expected)| at.abs_diff(expected) <= 11));
    assert!(arrivals[15..].windows(2).all(|pair| pair[1] - pair[0] == 100));
}

#[test]
fn a_shorter_path_lets_later_packets_overtake() {
    let start = origin();
    let plan = LinkPlan {
        changes: vec![(ms(100), LinkSpec { delay: ms(40), ..LinkSpec::default() })],
        ..LinkSpec { delay: ms(300), ..LinkSpec::default() }.into()
    };
    let mut link = plan.build(1, start);
    link.push(start + ms(99), &numbered(0, 4));
    link.push(start + ms(100), &numbered(1, 4));
    let arrivals: Vec<_> = drain(&mut link, start + ms(1_000));
    assert_eq!(arrivals, [(start + ms(140), numbered(1, 4)), (start + ms(399), numbered(0, 4)),]);
}

#[test]
fn a_dead_link_that_comes_back_wakes_who_waits() {
    let start = origin();
    let changes = vec![(ms(5_000), shaped(1_000, Duration::ZERO))];
    let plan = LinkPlan { changes, ..shaped(0, Duration::ZERO).into() };
    let mut link = plan.build(1, start);
    link.push(start, &[0; 100]);
    let trace = drain(&mut link, start + ms(10_000));
    assert_eq!(trace.len(), 1);
    assert!(trace[0].0.duration_since(start).abs_diff(ms(5_100)) < ms(2));
}

#[test]
fn every_scenario_has_its_name_and_carries_a_datagram() {
    let start = origin();
    for name in scenario::NAMES.into_iter().chain(scenario::VARIANTS) {
        let scenario = scenario::by_name(name).unwrap();
        assert_eq!(scenario.name, name);
        let (mut there, mut back) = scenario.build(1, start);
        for link in [&mut there, &mut back] {
            link.push(start, &[0; 100]);
            let trace = drain(link, start + ms(1_000));
            assert!(trace.iter().all(|(at, _)| *at <= start + scenario.round_trip()));
        }
    }
    assert_eq!(scenario::by_name("S0"), None);
}
