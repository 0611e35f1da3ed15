//! Measures both directions over datagrams of random octets: `cargo run --release --example armour_speed`.
#![expect(clippy::print_stdout, reason = "it is a tool that prints")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::hint::black_box;
use std::time::Instant;

fn main() {
    let mut state = 1_u64;
    let octets: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(1225 * 64)
    .collect();
    let datagrams: Vec<&[u8]> = octets.chunks(1225).collect();
    let mut text = String::new();
    let mut texts = Vec::new();
    for datagram in &datagrams {
        let mut text = String::new();
        armour::encode(datagram, &mut text);
        texts.push(text);
    }
    let mut out = Vec::new();

    report("encode", || {
        for datagram in &datagrams {
            text.clear();
            armour::encode(black_box(datagram), &mut text);
            black_box(&text);
        }
    });
    report("decode", || {
        for text in &texts {
            out.clear();
            armour::decode(black_box(text), &mut out).expect("it was encoded above");
            black_box(&out);
        }
    });
}

/// Prints the best of 20 rounds, each of about 80 MB of datagrams.
fn report(name: &str, mut once: impl FnMut()) {
    const REPEATS: u32 = 1000;
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            (0..REPEATS).for_each(|_| once());
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    let octets = f64::from(REPEATS) * 64.0 * 1225.0;
    println!("{name}: {:.0} MB/s of payload", octets / best.as_secs_f64() / 1e6);
}
