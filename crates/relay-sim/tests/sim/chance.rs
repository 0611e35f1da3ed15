//! Chance has the frequencies that were asked for, and each element its own.

use relay_sim::{LinkSpec, Loss, Reordering, Throttle};

use crate::{drain, ms, number_of, numbered, origin};

/// Sends `count` datagrams, one each millisecond; the numbers of those that arrive, in order.
fn arrivals(spec: &LinkSpec, seed: u64, count: u32) -> Vec<u32> {
    let start = origin();
    let mut link = spec.build(seed);
    for number in 0..count {
        link.push(start + ms(u64::from(number)), &numbered(number, 4));
    }
    let end = start + ms(u64::from(count) + 10_000);
    drain(&mut link, end).iter().map(|(_, octets)| number_of(octets)).collect()
}

fn bernoulli(probability: f64) -> LinkSpec {
    LinkSpec { loss: Loss::Bernoulli { probability }, ..LinkSpec::default() }
}

#[test]
fn bernoulli_loses_its_share() {
    for probability in [0.0, 0.001, 0.05, 0.2, 1.0] {
        let arrived = arrivals(&bernoulli(probability), 3, 100_000).len();
        let share = 1.0 - f64::from(u32::try_from(arrived).unwrap()) / 100_000.0;
        let deviation = (probability * (1.0 - probability) / 100_000.0).sqrt();
        assert!((share - probability).abs() <= 4.0 * deviation, "{probability}: {share}");
    }
}

#[test]
fn gilbert_elliott_loses_its_mean_in_bursts_of_its_length() {
    let loss = Loss::GilbertElliott { good_to_bad: 0.01, bad_to_good: 0.2, good: 0.0, bad: 1.0 };
    let arrived = arrivals(&LinkSpec { loss, ..LinkSpec::default() }, 3, 200_000);
    let share = 1.0 - f64::from(u32::try_from(arrived.len()).unwrap()) / 200_000.0;
    assert!((share - loss.mean()).abs() < 0.005, "{share} is not {}", loss.mean());

    let gaps: Vec<u32> =
        arrived.windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|gap| *gap > 0).collect();
    let mean = f64::from(gaps.iter().sum::<u32>()) / f64::from(u32::try_from(gaps.len()).unwrap());
    assert!((mean - 5.0).abs() < 0.5, "bursts of {mean}");
}

#[test]
fn same_seed_same_trace_and_another_seed_another() {
    let spec = LinkSpec { jitter: ms(30), duplicate: 0.1, ..bernoulli(0.1) };
    assert_eq!(arrivals(&spec, 5, 1_000), arrivals(&spec, 5, 1_000));
    assert_ne!(arrivals(&spec, 5, 1_000), arrivals(&spec, 6, 1_000));
}

#[test]
fn adding_an_element_does_not_change_the_luck_of_another() {
    let plain = arrivals(&bernoulli(0.1), 5, 1_000);
    let further = LinkSpec {
        throttle: Throttle::Shaper { rate: 1_000_000, burst: 1 },
        jitter: ms(5),
        reorder: Reordering { probability: 0.1, late_max: ms(20) },
        delay: ms(10),
        ..bernoulli(0.1)
    };
    let mut other = arrivals(&further, 5, 1_000);
    assert!(!other.is_sorted());
    other.sort_unstable();
    assert_eq!(other, plain);
}

#[test]
fn duplicates_come_as_often_as_asked() {
    let spec = LinkSpec { duplicate: 0.01, ..LinkSpec::default() };
    let arrived = arrivals(&spec, 3, 100_000).len();
    assert!(arrived.abs_diff(101_000) < 130, "{arrived}");
}

#[test]
fn late_packets_are_as_many_and_as_late_as_asked() {
    let start = origin();
    let reorder = Reordering { probability: 0.05, late_max: ms(60) };
    let mut link = LinkSpec { reorder, delay: ms(60), ..LinkSpec::default() }.build(3);
    (0..20_000).for_each(|number| link.push(start, &numbered(number, 4)));
    let trace = drain(&mut link, start + ms(1_000));
    let late: Vec<_> = trace.iter().map(|(at, _)| *at - start - ms(60)).collect();
    assert!(late.iter().all(|late| *late < ms(60)));
    let count = late.iter().filter(|late| !late.is_zero()).count();
    assert!(count.abs_diff(1_000) < 125, "{count}");
}

#[test]
fn jitter_is_uniform_below_its_maximum() {
    let start = origin();
    let mut link = LinkSpec { jitter: ms(40), ..LinkSpec::default() }.build(3);
    (0..20_000).for_each(|number| link.push(start, &numbered(number, 4)));
    let trace = drain(&mut link, start + ms(40));
    assert_eq!(trace.len(), 20_000);
    let below = trace.iter().filter(|(at, _)| *at - start < ms(10)).count();
    assert!(below.abs_diff(5_000) < 250, "{below}");
}

#[test]
fn early_loss_costs_no_link_time() {
    let start = origin();
    let early = LinkSpec {
        early_loss: Loss::Bernoulli { probability: 0.5 },
        throttle: Throttle::Shaper { rate: 1_000, burst: 1 },
        queue_octets: 1_000_000,
        ..LinkSpec::default()
    };
    let late = LinkSpec { early_loss: Loss::None, loss: early.early_loss, ..early.clone() };
    let [early, late] = [early, late].map(|spec| {
        let mut link = spec.build(3);
        (0..2_000).for_each(|number| link.push(start, &numbered(number, 10)));
        drain(&mut link, start + ms(10_000)).len()
    });
    // Ten seconds pass 1,000 of the 2,000 datagrams; half of them are lost behind the throttle.
    assert!(early.abs_diff(1_000) < 100, "{early}");
    assert!(late.abs_diff(500) < 60, "{late}");
}
