//! What trains say of a modelled relay is what the model was told, in virtual time.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests; the origin of virtual time is any"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use relay_probe::{Arrival, Estimate, Kind, Prober, Sender, Sizes, Step};
use relay_sim::{Link, LinkPlan, LinkSpec, Loss, Throttle};

const SEEDS: u64 = 20;

/// Of the tests of many throttles, rates and factors each, which take minutes with all twenty.
const STEP_SEEDS: u64 = 3;

/// What is asked of a rate.
const RATE_OFF_MAX: f64 = 0.1;

const RATES: [u64; 6] = [500, 3_000, 16_000, 64_000, 256_000, 1_000_000];
const SIZES: Sizes = Sizes { min: 32, max: 1_000 };

/// How long after a probe arrived the prober is told.
const TOLD_AFTER: Duration = Duration::from_millis(100);

fn run(link: Link, seconds: f64, start: Instant) -> (Estimate, Prober) {
    run_told(link, seconds, start, TOLD_AFTER)
}

/// Runs a prober over a link for so many seconds; the receiver's clock has another origin and drifts by 50 ppm.
fn run_told(
    mut link: Link,
    seconds: f64,
    start: Instant,
    told_after: Duration,
) -> (Estimate, Prober) {
    let mut now = start;
    let end = start + Duration::from_secs_f64(seconds);
    let mut prober = Prober::new(now, SIZES);
    let mut sender = Sender::default();
    let mut told: BTreeMap<(Instant, u64), Arrival> = BTreeMap::new();
    let mut order = 0;
    while now < end {
        while let Some(packet) = link.pop_packet(now) {
            let octets = packet.octets();
            let train = u16::from_be_bytes(octets[..2].try_into().unwrap());
            let number = u32::from_be_bytes(octets[2..6].try_into().unwrap());
            let sent = f64::from_be_bytes(octets[6..14].try_into().unwrap());
            let at = (packet.at() - start).as_secs_f64() * 1.000_05 + 77.0;
            order += 1;
            told.insert((packet.at() + told_after, order), Arrival { train, number, sent, at });
        }
        while let Some(entry) = told.first_entry().filter(|entry| entry.key().0 <= now) {
            prober.on_arrival(now, entry.remove());
        }
        let wake = loop {
            match prober.poll(now) {
                Step::Send(train) => sender.start(now, train),
                Step::Wait(at) => break at,
            }
        };
        while let Some((train, number)) = sender.poll(now) {
            let mut probe = vec![0; usize::from(train.octets)];
            probe[..2].copy_from_slice(&train.id.to_be_bytes());
            probe[2..6].copy_from_slice(&number.to_be_bytes());
            probe[6..14].copy_from_slice(&(now - start).as_secs_f64().to_be_bytes());
            link.push(now, &probe);
        }
        let next = [sender.next_at(), link.next_at(), told.keys().next().map(|(at, _)| *at)];
        now =
            next.into_iter().flatten().fold(wake, Instant::min).max(now + Duration::from_nanos(1));
    }
    (prober.estimate(), prober)
}

fn spec(throttle: Throttle, seed: u64) -> LinkSpec {
    LinkSpec {
        throttle,
        delay: Duration::from_millis(40 + seed * 13 % 200),
        queue_octets: throttle.rate().unwrap() * 5,
        ..LinkSpec::default()
    }
}

/// Prints and returns the median and the worst of `SEEDS` relative errors.
fn spread(name: &str, errors: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut errors: Vec<f64> = errors.collect();
    errors.sort_by(f64::total_cmp);
    let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
    println!("{name}: median {:.1} %, worst {:.1} %", median * 100.0, worst * 100.0);
    (median, worst)
}

fn f(octets: u64) -> f64 {
    f64::from(u32::try_from(octets).unwrap())
}

fn found(throttle: Throttle, seed: u64) -> Estimate {
    let start = Instant::now();
    let (estimate, prober) = run(spec(throttle, seed).build(seed), 120.0, start);
    assert!(prober.is_known(), "{throttle:?} {seed}: {estimate:?}");
    estimate
}

/// Runs every seed, and checks what all throttles have.
fn check(kind: Kind, throttle: Throttle) -> Vec<Estimate> {
    let all: Vec<Estimate> = (0..SEEDS).map(|seed| found(throttle, seed)).collect();
    for (seed, estimate) in all.iter().enumerate() {
        assert_eq!(estimate.kind, kind, "{throttle:?} {seed}: {estimate:?}");
        assert_eq!(estimate.changes, [], "{throttle:?} {seed}");
    }
    let rate = f(throttle.rate().unwrap());
    let errors = all.iter().map(|estimate| (estimate.rate.unwrap() / rate - 1.0).abs());
    let (median, worst) = spread(&format!("{throttle:?} rate"), errors);
    assert!(median <= RATE_OFF_MAX && worst <= RATE_OFF_MAX, "{throttle:?}");
    all
}

fn check_burst(throttle: Throttle, burst: u64, all: &[Estimate]) {
    let errors = all.iter().map(|estimate| (estimate.burst.unwrap() / f(burst) - 1.0).abs());
    let (median, worst) = spread(&format!("{throttle:?} burst"), errors);
    assert!(median <= 0.3 && worst <= 0.5, "{throttle:?}");
}

#[test]
fn tells_a_shaper() {
    for rate in RATES {
        for burst in [1_500, rate * 2] {
            let shaper = Throttle::Shaper { rate, burst };
            check_burst(shaper, burst, &check(Kind::Shaper, shaper));
        }
    }
}

#[test]
fn tells_a_policer() {
    for rate in RATES {
        for burst in [1_500, rate * 2] {
            let policer = Throttle::Policer { rate, burst };
            check_burst(policer, burst, &check(Kind::Policer, policer));
        }
    }
}

#[test]
fn tells_a_policer_whose_bucket_holds_less_than_a_probe() {
    for rate in [16_000, 64_000, 256_000] {
        for burst in [300, 450, 600, 999] {
            let policer = Throttle::Policer { rate, burst };
            if burst <= rate / 32 {
                check_burst(policer, burst, &check(Kind::Policer, policer));
            }
        }
    }
}

#[test]
fn tells_a_window_policer() {
    for rate in RATES {
        let throttle = Throttle::WindowPolicer { rate };
        let all = check(Kind::WindowPolicer, throttle);
        let errors = all.iter().map(|estimate| (estimate.window.unwrap() - 1.0).abs());
        let (median, worst) = spread(&format!("{throttle:?} window"), errors);
        assert!(median <= 0.1 && worst <= 0.1, "{throttle:?}");
    }
}

#[test]
fn tells_a_pausing_reader() {
    for rate in RATES {
        check(Kind::PausingReader, Throttle::PausingReader { rate });
    }
}

/// Seconds from a switch at `at` to when it was seen.
fn seen_after(before: LinkSpec, after: LinkSpec, seed: u64) -> f64 {
    let start = Instant::now();
    let at = 90.0 + f(seed) * 0.37;
    let changes = vec![(Duration::from_secs_f64(at), after)];
    let link = LinkPlan { changes, ..LinkPlan::from(before) }.build(seed, start);
    let (estimate, _) = run(link, 130.0, start);
    let change = estimate.changes.iter().find(|change| change.seen_at >= at);
    change.map_or(f64::INFINITY, |change| change.seen_at - at)
}

#[test]
fn sees_a_relay_switch_within_five_seconds() {
    for rate in RATES {
        for throttle in [
            Throttle::Shaper { rate, burst: 1_500 },
            Throttle::Policer { rate, burst: 1_500 },
            Throttle::WindowPolicer { rate },
            Throttle::PausingReader { rate },
        ] {
            let mut took: Vec<f64> = (0..SEEDS)
                .map(|seed| {
                    let before = spec(throttle, seed);
                    let delay = before.delay + Duration::from_millis(60);
                    let after =
                        LinkSpec { delay, throttle: throttle.scaled(0.6), ..before.clone() };
                    seen_after(before, after, seed)
                })
                .collect();
            took.sort_by(f64::total_cmp);
            println!("{throttle:?} switch: median {:.1} s, worst {:.1} s", took[10], took[19]);
            assert!(took[19] <= 5.0, "{throttle:?}: {took:?}");
        }
    }
}

/// Prints how long each of `STEP_SEEDS` took to see that the rate alone became `factor` times as much.
fn rate_steps(throttle: Throttle, factor: f64) -> Vec<f64> {
    let mut took: Vec<f64> = (0..STEP_SEEDS)
        .map(|seed| {
            let before = spec(throttle, seed);
            let after = LinkSpec { throttle: throttle.scaled(factor), ..before.clone() };
            seen_after(before, after, seed)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{throttle:?} x {factor}: median {median:.1} s, worst {worst:.1} s");
    took
}

#[test]
fn sees_another_rate_within_five_seconds() {
    for rate in RATES {
        for throttle in throttles(rate) {
            for factor in [0.5, 0.7, 1.4, 2.0] {
                let took = rate_steps(throttle, factor);
                assert!(took.iter().all(|it| *it <= 5.0), "{throttle:?} x {factor}: {took:?}");
            }
        }
    }
}

/// Of all throttles and rates, runs that told of a change though there was none.
fn false_changes(jitter_ms: u64, probability: f64) -> (usize, usize) {
    let (mut runs, mut wrong) = (0, 0);
    let jitter = Duration::from_millis(jitter_ms);
    let loss = Loss::Bernoulli { probability };
    for (throttle, seed) in RATES.into_iter().flat_map(throttles).flat_map(with_seeds) {
        let spec = LinkSpec { jitter, loss, ..spec(throttle, seed) };
        let (estimate, _) = run(spec.build(seed), 120.0, Instant::now());
        runs += 1;
        if !estimate.changes.is_empty() {
            wrong += 1;
            println!("{throttle:?} {seed}: {:?}", estimate.changes);
        }
        let off =
            estimate.rate.unwrap() / (f(throttle.rate().unwrap()) * (1.0 - probability)) - 1.0;
        assert!(off.abs() <= RATE_OFF_MAX, "{throttle:?} {seed}: {off} {estimate:?}");
    }
    println!("{jitter_ms} ms, {probability}: {wrong} of {runs} runs");
    (wrong, runs)
}

#[test]
fn a_constant_relay_is_no_other_and_jitter_makes_none() {
    assert_eq!(false_changes(0, 0.0).0, 0);
    assert_eq!(false_changes(20, 0.0).0, 0);
}

#[test]
fn chance_seldom_makes_another_relay() {
    let (wrong, runs) = false_changes(0, 0.05);
    assert!(wrong * 100 <= runs, "{wrong} of {runs}");
    let (wrong, runs) = false_changes(20, 0.05);
    assert!(wrong * 100 <= runs, "{wrong} of {runs}");
}

fn with_seeds(throttle: Throttle) -> impl Iterator<Item = (Throttle, u64)> {
    (0..STEP_SEEDS).map(move |seed| (throttle, seed))
}

/// Every throttle at one rate, with buckets of up to half a second, of 1,500 octets, and of two seconds.
fn throttles(rate: u64) -> [Throttle; 8] {
    let small = 1_500.min(rate / 2);
    [
        Throttle::Shaper { rate, burst: small },
        Throttle::Shaper { rate, burst: 1_500 },
        Throttle::Shaper { rate, burst: rate * 2 },
        Throttle::Policer { rate, burst: small.max(1000) },
        Throttle::Policer { rate, burst: 1_500 },
        Throttle::Policer { rate, burst: rate * 2 },
        Throttle::WindowPolicer { rate },
        Throttle::PausingReader { rate },
    ]
}

#[test]
fn what_is_told_late_is_not_lost() {
    let shaper = spec(Throttle::Shaper { rate: 16_000, burst: 1_500 }, 0);
    let late = Duration::from_secs(2);
    let (estimate, _) = run_told(shaper.build(0), 120.0, Instant::now(), late);
    assert_eq!(estimate.loss, Some(0.0), "{estimate:?}");
    assert_eq!(estimate.changes, [], "{estimate:?}");
}

#[test]
fn tells_chance_and_jitter_where_there_is_a_queue() {
    let mut errors = Vec::new();
    for seed in 0..SEEDS {
        let clean = spec(Throttle::Shaper { rate: 16_000, burst: 1_500 }, seed);
        let (estimate, _) = run(clean.build(seed), 120.0, Instant::now());
        assert!(estimate.loss.unwrap() < 0.01, "{estimate:?}");
        let jitter = Duration::from_millis(4);
        let loss = Loss::Bernoulli { probability: 0.05 };
        let (estimate, _) =
            run(LinkSpec { jitter, loss, ..clean }.build(seed), 240.0, Instant::now());
        assert_eq!(estimate.kind, Kind::Shaper, "{estimate:?}");
        assert!((0.001..=0.004).contains(&estimate.jitter.unwrap()), "{estimate:?}");
        // Chance falls behind the throttle: the rate that is seen is what it leaves.
        assert!((estimate.rate.unwrap() / 15_200.0 - 1.0).abs() <= 0.1, "{estimate:?}");
        errors.push((estimate.loss.unwrap() - 0.05).abs());
    }
    errors.sort_by(f64::total_cmp);
    println!("loss of 5 %: median off by {:.3}, worst {:.3}", errors[10], errors[19]);
    assert!(errors[10] <= 0.015 && errors[19] <= 0.05, "{errors:?}");
}
