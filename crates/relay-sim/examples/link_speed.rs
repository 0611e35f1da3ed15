//! Measures how much faster than real time links run: `cargo run --release --example link_speed`.
#![expect(clippy::print_stdout, reason = "it is a tool that prints")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::time::{Duration, Instant};

use relay_sim::{LinkSpec, Loss, Node, Pair, Reordering, Throttle};

/// Sends 1200 octets as often as `gap` says.
struct Paced {
    due: Option<Instant>,
    gap: Duration,
    heard: u64,
}

impl Node for Paced {
    fn handle_datagram(&mut self, _now: Instant, _datagram: &[u8]) {
        self.heard += 1;
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let Some(due) = self.due.filter(|due| *due <= now) else { return false };
        self.due = Some(due + self.gap);
        buf.resize(1200, 0);
        true
    }

    fn next_at(&self) -> Option<Instant> {
        self.due
    }
}

fn main() {
    let shaped = LinkSpec {
        throttle: Throttle::Shaper { rate: 10_000_000, burst: 1_500 },
        delay: Duration::from_millis(20),
        loss: Loss::Bernoulli { probability: 0.001 },
        queue_octets: 512_000,
        ..LinkSpec::default()
    };
    let unruly = LinkSpec {
        jitter: Duration::from_millis(20),
        reorder: Reordering { probability: 0.05, late_max: Duration::from_millis(60) },
        duplicate: 0.01,
        ..shaped.clone()
    };
    report("10 MB/s, shaped and lossy", &shaped);
    report("10 MB/s, and jitter, reordering, duplicates", &unruly);
}

/// Both ends send 5 % more than the link carries, for a virtual minute.
fn report(name: &str, spec: &LinkSpec) {
    let virtual_time = Duration::from_secs(60);
    let began = Instant::now();
    let node = || Paced { due: Some(began), gap: Duration::from_nanos(114_000), heard: 0 };
    let mut pair = Pair::new(began, node(), node(), spec.build(1), spec.build(2));
    pair.run_until(began + virtual_time);
    let factor = virtual_time.as_secs_f64() / began.elapsed().as_secs_f64();
    println!("{name}: {factor:.0} x real time, {} datagrams heard", pair.a.heard + pair.b.heard);
}
