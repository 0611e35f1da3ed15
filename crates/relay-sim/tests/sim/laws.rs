//! What holds for every link and every schedule.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use relay_sim::{LinkPlan, LinkSpec, LinkStats, Loss, Outage, Reordering, Tally, Throttle};

use crate::{drain, ms, number_of, numbered, origin};

fn throttles() -> impl Strategy<Value = Throttle> {
    let rates = prop_oneof![Just(0), 100..2_000u64, 1_000..10_000_000u64];
    (0..5, rates, 0..5_000u64).prop_map(|(kind, rate, burst)| match kind {
        0 => Throttle::None,
        1 => Throttle::Shaper { rate, burst },
        2 => Throttle::Policer { rate, burst },
        3 => Throttle::WindowPolicer { rate },
        _ => Throttle::PausingReader { rate },
    })
}

fn losses() -> impl Strategy<Value = Loss> {
    (0..3, 0.0..1.0, 0.0..1.0, 0.0..1.0).prop_map(|(kind, a, b, c)| match kind {
        0 => Loss::None,
        1 => Loss::Bernoulli { probability: a },
        _ => Loss::GilbertElliott { good_to_bad: a, bad_to_good: b, good: 0.0, bad: c },
    })
}

fn specs() -> impl Strategy<Value = LinkSpec> {
    let times = (0..300u64, 0..50u64, 0..100u64);
    (throttles(), (losses(), losses()), times, 0.0..0.3, 0..40_000u64).prop_map(
        |(throttle, (early_loss, loss), (delay, jitter, late), share, queue_octets)| LinkSpec {
            throttle,
            delay: ms(delay),
            jitter: ms(jitter),
            early_loss,
            loss,
            reorder: Reordering { probability: share, late_max: ms(late) },
            duplicate: share,
            queue_octets,
        },
    )
}

fn plans() -> impl Strategy<Value = LinkPlan> {
    let changes = prop::collection::vec((0..3_000u64, specs()), 0..3);
    let outages = prop::collection::vec((0..3_000u64, 0..500u64, any::<bool>()), 0..3);
    (specs(), changes, outages).prop_map(|(spec, changes, outages)| LinkPlan {
        spec,
        changes: changes.into_iter().map(|(at, spec)| (ms(at), spec)).collect(),
        outages: outages
            .into_iter()
            .map(|(start, length, again)| Outage {
                start: ms(start),
                length: ms(length),
                every: again.then_some(ms(700)),
            })
            .collect(),
    })
}

/// Gaps and sizes of what is sent.
fn traffic() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((prop_oneof![Just(0), 0..40u64], 4..1_400usize), 0..150)
}

/// Sends all of it, popping when `pops` says so, then drains; what arrived, and when.
fn run(
    plan: &LinkPlan,
    start: Instant,
    traffic: &[(u64, usize)],
    mut pops: impl FnMut(usize) -> bool,
) -> (Vec<(Instant, Vec<u8>)>, LinkStats) {
    let mut link = plan.build(9, start);
    let mut now = start;
    let mut trace = Vec::new();
    for (index, (gap, octets)) in traffic.iter().enumerate() {
        now += ms(*gap);
        if pops(index) {
            trace.extend(drain(&mut link, now));
        }
        link.push(now, &numbered(u32::try_from(index).expect("few are sent"), *octets));
        assert_conserved(&link.stats());
    }
    let end = now + Duration::from_secs(200);
    if pops(traffic.len()) {
        trace.extend(drain(&mut link, end));
    } else {
        trace
            .extend(std::iter::from_fn(|| link.pop_packet(end)).map(|p| (p.at(), p.into_octets())));
    }
    assert_conserved(&link.stats());
    (trace, link.stats())
}

fn assert_conserved(stats: &LinkStats) {
    let sum = |tallies: &[Tally]| {
        tallies.iter().fold(Tally::default(), |mut sum, tally| {
            sum += *tally;
            sum
        })
    };
    assert_eq!(
        sum(&[stats.entered, stats.duplicated]),
        sum(&[stats.left, stats.dropped(), stats.in_flight]),
    );
}

proptest! {
    #[test]
    fn what_goes_in_comes_out_or_is_accounted_for(plan in plans(), traffic in traffic()) {
        let start = origin();
        let (trace, stats) = run(&plan, start, &traffic, |_| true);
        let octets: usize = trace.iter().map(|(_, octets)| octets.len()).sum();
        prop_assert_eq!(stats.left, Tally {
            packets: u64::try_from(trace.len()).unwrap(),
            octets: u64::try_from(octets).unwrap(),
        });
        prop_assert!(trace.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn the_trace_does_not_depend_on_when_it_is_looked_at(
        plan in plans(), traffic in traffic(), lazy in prop::collection::vec(any::<bool>(), 151),
    ) {
        let start = origin();
        let eager = run(&plan, start, &traffic, |_| true);
        prop_assert_eq!(&run(&plan, start, &traffic, |index| lazy[index]), &eager);
        prop_assert_eq!(&run(&plan, start, &traffic, |_| false), &eager);
    }

    #[test]
    fn throttles_alone_keep_order_and_never_exceed_their_law(
        throttle in throttles(), traffic in traffic(),
    ) {
        let start = origin();
        let plan = LinkPlan::from(LinkSpec { throttle, ..LinkSpec::default() });
        let (trace, _) = run(&plan, start, &traffic, |_| true);
        prop_assert!(trace.is_sorted_by_key(|(_, octets)| number_of(octets)));
        let (Throttle::Shaper { rate, burst } | Throttle::Policer { rate, burst }) = throttle else {
            return Ok(());
        };
        // In any interval: the bucket, what flows in, and one packet that waited for its tokens.
        for first in 0..trace.len() {
            let mut octets = 0;
            for (at, datagram) in &trace[first..] {
                octets += u64::try_from(datagram.len()).unwrap();
                let nanos = u64::try_from((*at - trace[first].0).as_nanos()).unwrap();
                let inflow = rate.saturating_mul(nanos) / 1_000_000_000;
                prop_assert!(octets <= burst.max(1_400) + inflow + 1);
            }
        }
    }
}

#[test]
fn datagrams_keep_their_senders_mark_through_every_element() {
    let spec = LinkSpec {
        throttle: Throttle::Shaper { rate: 3_000, burst: 1_500 },
        reorder: Reordering { probability: 0.3, late_max: ms(50) },
        delay: ms(20),
        jitter: ms(5),
        ..LinkSpec::default()
    };
    let (mut link, start) = (spec.build(4), origin());
    for tag in 0..50_u32 {
        link.push_tagged(start, tag.into(), &numbered(tag, 40));
    }
    let mut out = 0;
    while let Some(packet) = link.pop_packet(start + ms(10_000)) {
        assert_eq!(packet.tag(), u64::from(number_of(packet.octets())));
        out += 1;
    }
    assert_eq!(out, 50);
}
