//! The four throttles obey their laws.

use std::time::{Duration, Instant};

use relay_sim::{Link, LinkSpec, Throttle};

use crate::{drain, ms, number_of, numbered, origin};

fn throttled(throttle: Throttle) -> LinkSpec {
    LinkSpec { throttle, queue_octets: 16_000, ..LinkSpec::default() }
}

/// Offers datagrams of `octets` at twice `rate` for `seconds`, and counts what arrives meanwhile.
fn delivered(link: &mut Link, rate: u64, octets: u64, seconds: u64) -> u64 {
    let start = origin();
    let end = start + Duration::from_secs(seconds);
    let gap = Duration::from_nanos(octets * 1_000_000_000 / (2 * rate));
    let datagram = vec![0; usize::try_from(octets).expect("a datagram fits memory")];
    let mut now = start;
    let mut total = 0;
    while now < end {
        link.push(now, &datagram);
        now += gap;
        while link.pop(now.min(end - Duration::from_nanos(1))).is_some() {
            total += octets;
        }
    }
    total
}

#[test]
fn every_throttle_delivers_its_rate_within_one_percent() {
    for rate in [500, 3_000, 64_000, 1_000_000] {
        for octets in [100, 400] {
            for throttle in [
                Throttle::Shaper { rate, burst: 1 },
                Throttle::Policer { rate, burst: 500 },
                Throttle::WindowPolicer { rate },
                Throttle::PausingReader { rate },
            ] {
                let total = delivered(&mut throttled(throttle).build(1), rate, octets, 60);
                // A window lets through whole datagrams only; one more may lie at each end.
                let (expected, slack) = match throttle {
                    Throttle::WindowPolicer { .. } => (rate / octets * octets * 60, rate),
                    Throttle::Policer { .. } => (rate * 60, 500 + octets),
                    Throttle::None | Throttle::Shaper { .. } | Throttle::PausingReader { .. } => {
                        (rate * 60, octets)
                    }
                };
                let allowed = expected / 100 + slack;
                assert!(total.abs_diff(expected) <= allowed, "{throttle:?} {octets}: {total}");
            }
        }
    }
}

#[test]
fn shapers_and_readers_keep_order_and_drop_only_what_the_queue_cannot_hold() {
    for throttle in
        [Throttle::Shaper { rate: 10_000, burst: 1_500 }, Throttle::PausingReader { rate: 10_000 }]
    {
        let start = origin();
        let mut link = throttled(throttle).build(1);
        for number in 0..100 {
            link.push(start, &numbered(number, 1_000));
        }
        let arrived: Vec<u32> = drain(&mut link, start + ms(60_000))
            .iter()
            .map(|(_, octets)| number_of(octets))
            .collect();
        let passed = if matches!(throttle, Throttle::Shaper { .. }) { 1 } else { 10 };
        assert_eq!(arrived, Vec::from_iter(0..16 + passed));
        assert_eq!(link.stats().throttled.packets, 100 - 16 - u64::from(passed));
    }
}

#[test]
fn a_bucket_of_one_octet_serialises_and_a_full_bucket_does_not() {
    let start = origin();
    for (burst, expected) in [(1, [333, 666]), (1_500, [0, 166])] {
        let mut link = throttled(Throttle::Shaper { rate: 3_000, burst }).build(1);
        // The bucket must not grow while idle.
        for first in [start, start + ms(5_000)] {
            link.push(first, &[0; 1_000]);
            link.push(first, &[0; 1_000]);
            let trace = drain(&mut link, first + ms(4_000));
            let arrived: Vec<Duration> = trace.iter().map(|(at, _)| *at - first).collect();
            assert_eq!(arrived.len(), 2);
            for (arrived, expected) in arrived.iter().zip(expected) {
                assert!(arrived.abs_diff(ms(expected)) <= ms(1), "{arrived:?}");
            }
        }
    }
}

#[test]
fn late_pops_lose_no_capacity() {
    let start = origin();
    for throttle in
        [Throttle::Shaper { rate: 3_000, burst: 1 }, Throttle::PausingReader { rate: 3_000 }]
    {
        let mut link = throttled(throttle).build(1);
        let mut now = start;
        let mut total = 0;
        // Asked every 1.7 s only: as much as fits the queue leaves all the same.
        for _ in 0..60 {
            while link.stats().in_flight.octets < 8_000 {
                link.push(now, &[0; 500]);
            }
            now += ms(1_700);
            while link.pop(now).is_some() {
                total += 500_u64;
            }
        }
        let expected = 3_000 * 17 * 6;
        assert!(total.abs_diff(expected) <= expected / 100 + 500, "{throttle:?}: {total}");
        assert_eq!(link.stats().throttled.packets, 0);
    }
}

#[test]
fn a_policer_passes_its_bucket_at_once_and_never_delays() {
    let start = origin();
    let mut link = throttled(Throttle::Policer { rate: 3_000, burst: 3_000 }).build(1);
    for number in 0..10 {
        link.push(start, &numbered(number, 1_000));
    }
    assert_eq!(drain(&mut link, start).len(), 3);
    assert_eq!(link.next_at(), None);
    assert_eq!(link.stats().throttled.packets, 7);
    link.push(start + ms(333), &[0; 1_000]);
    link.push(start + ms(334), &[0; 1_000]);
    assert_eq!(drain(&mut link, start + ms(334)).len(), 1);
}

#[test]
fn a_window_passes_its_budget_then_nothing_until_the_second_turns() {
    let start = origin();
    let mut link = throttled(Throttle::WindowPolicer { rate: 10_000 }).build(7);
    let mut arrivals: Vec<Duration> = Vec::new();
    for tick in 0..5_000 {
        let now = start + ms(tick);
        link.push(now, &[0; 100]);
        arrivals.extend(drain(&mut link, now).iter().map(|(at, _)| *at - start));
    }
    // Ten times the rate is offered: a tenth of each second passes, then it is silent.
    let starts: Vec<Duration> = arrivals
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > ms(500))
        .map(|pair| pair[1])
        .collect();
    assert!(starts.len() >= 4);
    assert!(starts.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(ms(1_000)) <= ms(1)));
}

#[test]
fn the_second_of_a_window_turns_when_the_seed_says() {
    let start = origin();
    let turn = |seed| {
        let mut link = throttled(Throttle::WindowPolicer { rate: 100 }).build(seed);
        link.push(start, &[0; 100]);
        let passes = |at: &u64| {
            link.push(start + ms(*at), &[0; 100]);
            link.stats().throttled.packets < *at
        };
        (1..=1_000).find(passes)
    };
    assert_eq!(turn(1), turn(1));
    assert_ne!(turn(1), turn(2));
}

#[test]
fn a_pausing_reader_reads_its_budget_and_pays_its_overdraft_back() {
    let start = origin();
    let mut link = throttled(Throttle::PausingReader { rate: 1_000 }).build(1);
    for number in 0..6 {
        link.push(start, &numbered(number, 1_500));
    }
    let seconds: Vec<u64> = drain(&mut link, start + ms(20_000))
        .iter()
        .map(|(at, _)| (*at - start).as_secs())
        .collect();
    // 1000 granted each second, 1500 read each time: two in three seconds.
    assert_eq!(seconds, [0, 1, 3, 4, 6, 7]);
}

#[test]
fn a_rate_of_nothing_lets_nothing_out_and_ends() {
    let start = origin();
    for throttle in [
        Throttle::Shaper { rate: 0, burst: 0 },
        Throttle::Policer { rate: 0, burst: 0 },
        Throttle::WindowPolicer { rate: 0 },
        Throttle::PausingReader { rate: 0 },
    ] {
        let mut link = throttled(throttle).build(1);
        link.push(start, &[0; 100]);
        assert_eq!(link.next_at(), None);
        assert_eq!(link.pop(start + ms(100_000)), None);
    }
}

#[test]
fn a_link_that_nobody_empties_is_bounded() {
    let start: Instant = origin();
    let mut link = LinkSpec { delay: ms(1), ..LinkSpec::default() }.build(1);
    for _ in 0..40 {
        link.push(start, &vec![0; 1024 * 1024]);
    }
    assert!(link.stats().in_flight.octets <= 33 * 1024 * 1024);
    assert!(link.stats().throttled.packets > 0);
}
