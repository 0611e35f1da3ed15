//! Named paths: the links that all stacks were measured on, so that figures can be compared.

use std::time::{Duration, Instant};

use crate::link::Link;
use crate::plan::{LinkPlan, Outage};
use crate::spec::{LinkSpec, Loss, Reordering, Throttle};

/// Bucket of every shaper below: a datagram that finds the link idle is not serialised.
const BURST_OCTETS: u64 = 1_500;

/// Sets the reverse direction's luck apart from the forward one's.
const REVERSE_SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// A path between two ends, with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// As in [`NAMES`].
    pub name: &'static str,
    /// One line for a table.
    pub about: &'static str,
    /// Where bulk goes.
    pub a_to_b: LinkPlan,
    /// The other way.
    pub b_to_a: LinkPlan,
    /// How many millionths b's clock runs fast: [`Drift`](crate::Drift).
    pub drift: i32,
}

/// All scenarios, in order: S1 to S10, then variants of S1 and a relay as coturn throttles. Where
/// the measured ones do not say, we chose: the queue of S10, and the queues of the variants.
pub const NAMES: [&str; 17] = [
    "S1",
    "S2",
    "S3",
    "S4",
    "S5",
    "S6",
    "S7",
    "S8",
    "S9",
    "S10",
    "S500",
    "window",
    "asymmetric",
    "serial",
    "deep",
    "pausing",
    "bursty",
];

/// Scenarios that differ from one of [`NAMES`] in one thing: jitter (in milliseconds) and loss before the
/// throttle (in percent) of both directions, or b's clock.
pub const VARIANTS: [&str; 10] = [
    "S1-jitter-4",
    "S3-jitter-4",
    "S4-jitter-1",
    "S4-jitter-4",
    "S5-jitter-1",
    "S5-jitter-4",
    "S1-drift",
    "S3-drift",
    "S3-early-1",
    "S3-early-5",
];

/// The scenario of this name, of [`NAMES`] or of [`VARIANTS`].
///
/// ```
/// let scenario = relay_sim::scenario::by_name("S1").expect("it is one of NAMES");
/// assert_eq!(scenario.round_trip().as_millis(), 200);
/// assert_eq!(scenario.a_to_b.spec.capacity(), Some(3_000.0));
/// ```
#[must_use]
pub fn by_name(name: &str) -> Option<Scenario> {
    let scenario = match name {
        "S1" => alike("S1", "3 KB/s shaper, 200 ms", shaped(3_000, 200, 16_000)),
        "S2" => alike("S2", "3 KB/s policer, 200 ms", policed()),
        "S3" => alike("S3", "64 KB/s, 150 ms, 1 % loss", lossy(shaped(64_000, 150, 64_000), 0.01)),
        "S4" => alike("S4", "1 MB/s, 100 ms, 5 % loss", lossy(shaped(MB, 100, 128_000), 0.05)),
        "S5" => {
            alike("S5", "10 MB/s, 40 ms, 0.1 % loss", lossy(shaped(10 * MB, 40, 512_000), 0.001))
        }
        "S6" => alike("S6", "neither throttled nor delayed", LinkSpec::default()),
        "S7" => alike("S7", "64 KB/s, 80 ms; 20 to 40 s: 8 KB/s, 300 ms", switching()),
        "S8" => alike("S8", "64 KB/s, 100 ms, down for 2 of each 15 s", interrupted()),
        "S9" => {
            alike("S9", "256 KB/s, 200 ms, 20 % loss", lossy(shaped(256_000, 200, 128_000), 0.2))
        }
        "S10" => alike("S10", "64 KB/s, 120 ms, 2 % loss, 5 % late, 1 % twice", unruly()),
        "S500" => alike("S500", "500 B/s shaper, 200 ms", shaped(500, 200, 8_000)),
        "serial" => alike("serial", "3 KB/s octet by octet, 200 ms", with_bucket(1)),
        "deep" => alike("deep", "3 KB/s behind a bucket of 20 KB, 200 ms", with_bucket(20_000)),
        "pausing" => alike("pausing", "8 KB/s read in bursts, 200 ms", pausing()),
        "bursty" => alike("bursty", "64 KB/s, 150 ms, 5 % loss in bursts", bursty()),
        "window" => alike("window", "64 KB/s in each second, 100 ms", windowed()),
        "asymmetric" => Scenario {
            name: "asymmetric",
            about: "3 KB/s up, 16 KB/s down, 200 ms",
            a_to_b: shaped(3_000, 200, 16_000).into(),
            b_to_a: shaped(16_000, 200, 16_000).into(),
            drift: 0,
        },
        _ => return variant(name),
    };
    Some(scenario)
}

fn variant(name: &str) -> Option<Scenario> {
    match name {
        "S1-jitter-4" => jittery("S1-jitter-4", "S1 with 4 ms of jitter", "S1", 4),
        "S3-jitter-4" => jittery("S3-jitter-4", "S3 with 4 ms of jitter", "S3", 4),
        "S4-jitter-1" => jittery("S4-jitter-1", "S4 with 1 ms of jitter", "S4", 1),
        "S4-jitter-4" => jittery("S4-jitter-4", "S4 with 4 ms of jitter", "S4", 4),
        "S5-jitter-1" => jittery("S5-jitter-1", "S5 with 1 ms of jitter", "S5", 1),
        "S5-jitter-4" => jittery("S5-jitter-4", "S5 with 4 ms of jitter", "S5", 4),
        "S1-drift" => drifting("S1-drift", "S1, b's clock 100 ppm fast", "S1"),
        "S3-drift" => drifting("S3-drift", "S3, b's clock 100 ppm fast", "S3"),
        "S3-early-1" => Some(early("S3-early-1", "S3, but 1 % lost before the throttle", 0.01)),
        "S3-early-5" => Some(early("S3-early-5", "S3, but 5 % lost before the throttle", 0.05)),
        _ => None,
    }
}

impl Scenario {
    /// The two links, a to b first, whose time starts at `origin`. Same seed, same luck.
    #[must_use]
    pub fn build(&self, seed: u64, origin: Instant) -> (Link, Link) {
        (self.a_to_b.build(seed, origin), self.b_to_a.build(seed ^ REVERSE_SEED, origin))
    }

    /// There and back on an idle path, as it starts.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.a_to_b.spec.delay + self.b_to_a.spec.delay
    }
}

/// Octets per second.
const MB: u64 = 1_000_000;

fn alike(name: &'static str, about: &'static str, plan: impl Into<LinkPlan>) -> Scenario {
    let plan = plan.into();
    Scenario { name, about, a_to_b: plan.clone(), b_to_a: plan, drift: 0 }
}

/// One of the above whose datagrams are late by up to so much.
fn jittery(name: &'static str, about: &'static str, of: &str, jitter_ms: u64) -> Option<Scenario> {
    let mut scenario = by_name(of)?;
    for plan in [&mut scenario.a_to_b, &mut scenario.b_to_a] {
        plan.spec.jitter = Duration::from_millis(jitter_ms);
    }
    Some(Scenario { name, about, ..scenario })
}

/// One of the above between clocks that do not agree: by 100 ppm, more than cheap crystals do.
fn drifting(name: &'static str, about: &'static str, of: &str) -> Option<Scenario> {
    Some(Scenario { name, about, drift: 100, ..by_name(of)? })
}

/// S3, but what is lost never reaches the throttle.
fn early(name: &'static str, about: &'static str, probability: f64) -> Scenario {
    let early_loss = Loss::Bernoulli { probability };
    alike(name, about, LinkSpec { early_loss, ..shaped(64_000, 150, 64_000) })
}

fn shaped(rate: u64, round_trip_ms: u64, queue_octets: u64) -> LinkSpec {
    LinkSpec {
        throttle: Throttle::Shaper { rate, burst: BURST_OCTETS },
        delay: Duration::from_millis(round_trip_ms / 2),
        queue_octets,
        ..LinkSpec::default()
    }
}

fn lossy(spec: LinkSpec, probability: f64) -> LinkSpec {
    LinkSpec { loss: Loss::Bernoulli { probability }, ..spec }
}

fn policed() -> LinkSpec {
    LinkSpec {
        throttle: Throttle::Policer { rate: 3_000, burst: 3_000 },
        delay: Duration::from_millis(100),
        ..LinkSpec::default()
    }
}

/// S1 but for the bucket.
fn with_bucket(burst: u64) -> LinkSpec {
    LinkSpec { throttle: Throttle::Shaper { rate: 3_000, burst }, ..shaped(3_000, 200, 16_000) }
}

fn pausing() -> LinkSpec {
    LinkSpec {
        throttle: Throttle::PausingReader { rate: 8_000 },
        delay: Duration::from_millis(100),
        ..LinkSpec::default()
    }
}

/// Bursts of five packets on average, of which 85 % are lost: 5 % in all.
fn bursty() -> LinkSpec {
    let loss = Loss::GilbertElliott { good_to_bad: 0.0125, bad_to_good: 0.2, good: 0.0, bad: 0.85 };
    LinkSpec { loss, ..shaped(64_000, 150, 64_000) }
}

fn windowed() -> LinkSpec {
    LinkSpec {
        throttle: Throttle::WindowPolicer { rate: 64_000 },
        delay: Duration::from_millis(50),
        ..LinkSpec::default()
    }
}

/// The relay is exchanged for a worse one, and back.
fn switching() -> LinkPlan {
    let good = shaped(64_000, 80, 32_000);
    let bad = shaped(8_000, 300, 32_000);
    let changes = vec![(Duration::from_secs(20), bad), (Duration::from_secs(40), good.clone())];
    LinkPlan { changes, ..good.into() }
}

fn interrupted() -> LinkPlan {
    let every = Duration::from_secs(15);
    let outage = Outage { start: every, length: Duration::from_secs(2), every: Some(every) };
    LinkPlan { outages: vec![outage], ..shaped(64_000, 100, 32_000).into() }
}

fn unruly() -> LinkSpec {
    let late_max = Duration::from_millis(60);
    LinkSpec {
        reorder: Reordering { probability: 0.05, late_max },
        duplicate: 0.01,
        ..lossy(shaped(64_000, 120, 64_000), 0.02)
    }
}
