//! Relays that differ in nothing but their rate: how goodput and latency go with it.

use std::time::Duration;

use relay_sim::{LinkSpec, Throttle};

use crate::figure::Figure;
use crate::jobs::in_parallel;
use crate::{Load, Run, Stack};

/// Octets a second.
const RATES: [u32; 11] =
    [500, 1_000, 2_000, 3_000, 6_000, 12_000, 30_000, 64_000, 150_000, 400_000, 1_000_000];

/// One stack over one relay.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Whose.
    pub stack: Stack,
    /// Octets a second.
    pub rate: f64,
    /// Bulk payload / what the relay carries.
    pub utilisation: f64,
    /// 95 of 100 requests take no longer, in milliseconds.
    pub p95_ms: f64,
}

/// All stacks over shapers of all rates: 200 ms, a bucket of 1,500 octets, a queue of 16 KB or half a second; bulk
/// beside requests, a minute, no loss.
#[must_use]
pub fn points() -> Vec<Point> {
    let jobs: Vec<(Stack, u32)> =
        Stack::ALL.iter().flat_map(|stack| RATES.map(|rate| (*stack, rate))).collect();
    in_parallel(&jobs, |(stack, rate)| {
        let spec = LinkSpec {
            throttle: Throttle::Shaper { rate: (*rate).into(), burst: 1500 },
            delay: Duration::from_millis(100),
            queue_octets: u64::from(*rate / 2).max(16_000),
            ..LinkSpec::default()
        };
        let run = Run { stack: *stack, ..Run::new(spec, Load::Interactive) };
        let outcome = run.run();
        assert_eq!(outcome.fault, None, "{stack:?} at {rate}");
        Point {
            stack: *stack,
            rate: f64::from(*rate),
            utilisation: Figure::Utilisation.of(&run, &outcome),
            p95_ms: outcome.ping_ms(0.95),
        }
    })
}
