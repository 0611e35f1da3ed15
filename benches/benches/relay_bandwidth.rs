//! How much a relay gives: goodput and latency of the whole stack over throttled relays, in virtual
//! time.
//!
//! Each case is one minute of a download beside a 100-octet request every 500 ms, its datagrams
//! dressed as AP2AP text. The figures follow from the seed and are the same on every machine;
//! criterion keeps and compares them as baselines. A table stands at the end.
#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::as_conversions, reason = "octet counts as figures")]

use std::time::Duration;

use benches::endpoint::Dress;
use benches::{Load, Outcome, Run};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use criterion::{criterion_group, criterion_main};
use relay_sim::{LinkSpec, Throttle};

/// Octets of AP2AP text a second.
const RATES: [u64; 5] = [500, 3_000, 4_000, 10_000, 100_000];
/// The length of a run.
const RUN_TIME: Duration = Duration::from_secs(60);
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// What a token bucket lets through after a pause: one AP2AP datagram and a bit.
const BURST: u64 = 1_500;

fn throttles(rate: u64) -> [(&'static str, Throttle); 4] {
    [
        ("shaper", Throttle::Shaper { rate, burst: BURST }),
        ("policer", Throttle::Policer { rate, burst: 2 * BURST }),
        ("window policer", Throttle::WindowPolicer { rate }),
        ("pausing reader", Throttle::PausingReader { rate }),
    ]
}

fn measure(rate: u64, throttle: Throttle) -> Outcome {
    let spec = LinkSpec {
        throttle,
        delay: ROUND_TRIP / 2,
        queue_octets: (5 * rate).max(16_000),
        ..LinkSpec::default()
    };
    let mut run = Run::new(spec, Load::Download);
    run.time = RUN_TIME;
    run.dress = Dress::Armoured;
    run.payload_max = armour::capacity(skype_api::DATAGRAM_OCTETS_MAX);
    let outcome = run.run();
    assert_eq!(outcome.fault, None, "a run over a working relay has no fault");
    outcome
}

/// What a run takes in virtual time; that it delivers as much each time is asserted elsewhere.
fn virtual_time(rate: u64, throttle: Throttle) -> Duration {
    std::hint::black_box(measure(rate, throttle));
    RUN_TIME
}

fn relay_bandwidth(criterion: &mut Criterion) {
    let mut table = vec![format!(
        "{:15} {:>9} {:>10} {:>6} {:>7} {:>7} {:>7} {:>8}",
        "throttle", "bytes/s", "goodput", "share", "p50 ms", "p95 ms", "p99 ms", "dropped"
    )];
    let mut group = criterion.benchmark_group("relay_bandwidth");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_millis(10));
    for rate in RATES {
        for (name, throttle) in throttles(rate) {
            let outcome = measure(rate, throttle);
            let octets = outcome.delivered.1;
            group.throughput(Throughput::Bytes(octets));
            group.bench_function(BenchmarkId::new(name, rate), |bencher| {
                // Criterion is given what the runs took in virtual time.
                bencher.iter_custom(|count| (0..count).map(|_| virtual_time(rate, throttle)).sum());
            });
            let took = RUN_TIME;
            let goodput = octets as f64 / took.as_secs_f64();
            table.push(format!(
                "{name:15} {rate:>9} {goodput:>10.0} {:>6.3} {:>7.0} {:>7.0} {:>7.0} {:>8}",
                goodput / rate as f64,
                outcome.ping_ms(0.5),
                outcome.ping_ms(0.95),
                outcome.ping_ms(0.99),
                outcome.dropped.1,
            ));
        }
    }
    group.finish();
    println!("\n{}", table.join("\n"));
}

criterion_group!(benches, relay_bandwidth);
criterion_main!(benches);
