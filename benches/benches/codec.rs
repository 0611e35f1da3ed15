//! What the codecs cost in real time: armour, API lines, sealed packets, strangers' datagrams.
#![expect(clippy::as_conversions, reason = "counts as figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ap2ap_stream::internals::Packets;
use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Output, PathEvent, PathId, SecretKey, Side,
};
use benches::{Load, Run};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use relay_sim::LinkSpec;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
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

/// Sealing and opening a packet of 1,200 octets, beside the bare cipher on the same octets.
fn packets(criterion: &mut Criterion) {
    const PACKET: usize = 1200;
    let mut group = criterion.benchmark_group("seal_and_open");
    group.throughput(Throughput::Bytes(PACKET as u64));
    let key = UnboundKey::new(&CHACHA20_POLY1305, &[1; 32]).map(LessSafeKey::new);
    if let Ok(key) = key {
        let mut octets = vec![7; PACKET - CHACHA20_POLY1305.tag_len()];
        let mut number = 0_u64;
        group.bench_function("bare_cipher", |bencher| {
            bencher.iter(|| {
                number += 1;
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&number.to_be_bytes());
                let nonce = || Nonce::assume_unique_for_key(nonce);
                let sealed = key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut octets);
                let is_open = key.open_in_place(nonce(), Aad::empty(), &mut octets).is_ok();
                octets.truncate(PACKET - CHACHA20_POLY1305.tag_len());
                black_box((sealed, is_open))
            });
        });
    }
    let [mut client, mut bridge] =
        [Side::Client, Side::Bridge].map(|side| Packets::new(side, [1; 32], [2; 32]));
    let (mut packet, frames) = ([0; PACKET], [7; PACKET - 20]);
    #[expect(clippy::disallowed_methods, reason = "a key's age is told in it")]
    let now = Instant::now();
    let mut number = 0_u64;
    group.bench_function("packet", |bencher| {
        bencher.iter(|| {
            number += 1;
            let len = client.seal((0, number), number.saturating_sub(200), &frames, &mut packet);
            let sealed = len.and_then(|len| packet.get_mut(..len));
            black_box(sealed.and_then(|sealed| bridge.open(now, (0, number), sealed)))
        });
    });
    group.finish();
}

/// What a datagram costs a bridge that comes from somebody who does not know its key (AP-5): as long
/// as a first message may be, and the longest there is. Beside it a true first message, with its curve
/// operations and its answer.
fn strangers(criterion: &mut Criterion) {
    const WALL: Duration = Duration::from_secs(1_800_000_000);
    const PATH: PathId = PathId(0);
    #[expect(clippy::disallowed_methods, reason = "a connection needs some time to begin at")]
    let now = Instant::now();
    let identity = BridgeIdentity::new(SecretKey::from_octets([1; 32]), Duration::ZERO);
    let key = identity.public_key();
    let mut buf = [0; 2048];
    let mut seed = [0; 32];
    let mut number = 0_u64;
    let mut first_message = || {
        number += 1;
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let mut client = Connection::connect(key, Config::default(), seed, WALL, now);
        client.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
        let mut first = vec![0; 256];
        if let Output::Transmit { len, .. } = client.poll_output(now, &mut first) {
            first.truncate(len);
        }
        first
    };
    let mut acceptor = Acceptor::new(identity, Config::default(), [3; 32]);
    let mut group = criterion.benchmark_group("stranger");
    for len in [256, 2048] {
        let datagram = vec![0xa5; len];
        group.bench_function(format!("{len}_octets"), |bencher| {
            bencher.iter(|| {
                acceptor.handle_first(now, WALL, (PATH, 1200), black_box(&datagram)).is_err()
            });
        });
    }
    group.bench_function("who_knows_the_key", |bencher| {
        let answer = |first: Vec<u8>| {
            let bridge = acceptor.handle_first(now, WALL, (PATH, 1200), black_box(&first));
            bridge.map(|mut bridge| {
                // The first output is the event that tells of the client.
                let _connected = bridge.poll_output(now, &mut buf);
                bridge.poll_output(now, &mut buf)
            })
        };
        bencher.iter_batched(&mut first_message, answer, BatchSize::SmallInput);
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

criterion_group!(benches, armour_codec, api_lines, packets, strangers, both_ends);
criterion_main!(benches);
