//! What the codecs cost in real time: armour, API lines, sealed packets.
#![expect(clippy::as_conversions, reason = "counts as figures")]

use std::hint::black_box;
use std::time::Duration;

use benches::{Load, Run};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use relay_sim::LinkSpec;
use skype_api::{Line, Message};

fn armour_codec(criterion: &mut Criterion) {
    let octets: Vec<u8> = (0..armour::capacity(1400)).map(|i| (i * 37 % 251) as u8).collect();
    let mut text = String::new();
    armour::encode(&octets, &mut text);
    let mut group = criterion.benchmark_group("armour");
    group.throughput(Throughput::Bytes(1225));
    group.bench_function("encode", |bencher| {
        let mut out = String::with_capacity(2048);
        bencher.iter(|| {
            out.clear();
            armour::encode(black_box(&octets), &mut out);
            black_box(out.len())
        });
    });
    group.bench_function("decode", |bencher| {
        let mut out = Vec::with_capacity(2048);
        bencher.iter(|| {
            out.clear();
            armour::decode(black_box(&text), &mut out).is_ok()
        });
    });
    group.finish();
}

fn api_lines(criterion: &mut Criterion) {
    let line = format!("APPLICATION app DATAGRAM bob:1 {}", "x".repeat(1400));
    let mut group = criterion.benchmark_group("skype_api");
    group.throughput(Throughput::Bytes(line.len() as u64));
    group.bench_function("parse_datagram", |bencher| {
        bencher.iter(|| Line::parse(black_box(&line)).map(|line| line.map(Message::parse)).is_ok());
    });
    group.finish();
}

/// A second of an unthrottled transfer, both ends, cryptography included.
fn both_ends(criterion: &mut Criterion) {
    let spec = LinkSpec { delay: Duration::from_millis(5), ..LinkSpec::default() };
    let mut run = Run::new(spec, Load::Bulk);
    run.time = Duration::from_millis(200);
    let octets = run.run().delivered.0;
    let mut group = criterion.benchmark_group("ap2ap_stream");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(octets));
    group.bench_function("both_ends_unthrottled", |bencher| bencher.iter(|| run.run().delivered.0));
    group.finish();
}

criterion_group!(benches, armour_codec, api_lines, both_ends);
criterion_main!(benches);
