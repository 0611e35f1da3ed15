//! What trains of probes say of a relay, beside what the relay was told: the lab of `skypeproxy measure`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use relay_probe::{Arrival, Estimate, Kind, Prober, Sender, Sizes, Step};
use relay_sim::{Link, LinkPlan, LinkSpec, Throttle};

use crate::jobs::in_parallel;
use crate::row::{Asked, Row};
use crate::run::origin;

/// Octets in a second, of the relays that are looked at.
pub const RATES: [u64; 6] = [500, 3_000, 16_000, 64_000, 256_000, 1_000_000];

/// What a rate alone becomes.
pub const FACTORS: [f64; 4] = [0.5, 0.7, 1.4, 2.0];

/// How long after a probe arrived the prober is told.
const TOLD_AFTER: Duration = Duration::from_millis(100);

/// How long a relay is looked at that does not change.
const CONSTANT: Duration = Duration::from_mins(2);

/// When a relay changes, for the first seed, and how long one is looked at that does.
const SWITCH: Duration = Duration::from_secs(90);
const SWITCHED: Duration = Duration::from_secs(130);

const SIZES: Sizes = Sizes { min: 32, max: 1_000 };

/// The octets of a probe that tell which it is, and when it left: its train, its number, its time.
const HEADER_OCTETS: usize = 14;

/// What a prober made of a relay.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it says.
    pub estimate: Estimate,
    /// Whether it would say so.
    pub is_known: bool,
}

/// One prober over one link; the receiver's clock has another origin and drifts by 50 ppm.
#[derive(Debug)]
pub struct Probing {
    /// The relay.
    pub link: Link,
    /// When its time begins.
    pub start: Instant,
    /// For how long.
    pub time: Duration,
    /// How long after a probe arrived the prober is told.
    pub told_after: Duration,
}

impl Probing {
    /// Two minutes of a relay that stays as it is.
    #[must_use]
    pub fn of(link: &LinkSpec, seed: u64) -> Self {
        Self { link: link.build(seed), start: origin(), time: CONSTANT, told_after: TOLD_AFTER }
    }

    /// Sends, is told and estimates until the time is over.
    #[must_use]
    pub fn run(mut self) -> Seen {
        let start = self.start;
        let (mut now, end) = (start, start + self.time);
        let mut prober = Prober::new(now, SIZES);
        let mut sender = Sender::default();
        let mut told: BTreeMap<(Instant, u64), Arrival> = BTreeMap::new();
        let mut order = 0;
        while now < end {
            while let Some(packet) = self.link.pop_packet(now) {
                order += 1;
                let at = (packet.at() - start).as_secs_f64() * 1.000_05 + 77.0;
                let arrival = read(packet.octets(), at).expect("links alter nothing");
                told.insert((packet.at() + self.told_after, order), arrival);
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
                let sent = (now - start).as_secs_f64();
                self.link.push(now, &write(train.id, number, sent, train.octets.into()));
            }
            let next =
                [sender.next_at(), self.link.next_at(), told.keys().next().map(|(at, _)| *at)];
            let next = next.into_iter().flatten().fold(wake, Instant::min);
            now = next.max(now + Duration::from_nanos(1));
        }
        Seen { estimate: prober.estimate(), is_known: prober.is_known() }
    }
}

fn write(train: u16, number: u32, sent: f64, octets: usize) -> Vec<u8> {
    let mut probe = Vec::with_capacity(octets);
    probe.extend(train.to_be_bytes());
    probe.extend(number.to_be_bytes());
    probe.extend(sent.to_be_bytes());
    probe.resize(octets.max(HEADER_OCTETS), 0);
    probe
}

fn read(probe: &[u8], at: f64) -> Option<Arrival> {
    let (train, rest) = probe.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (sent, _) = rest.split_first_chunk()?;
    Some(Arrival {
        train: u16::from_be_bytes(*train),
        number: u32::from_be_bytes(*number),
        sent: f64::from_be_bytes(*sent),
        at,
    })
}

/// A relay with this throttle and a queue of five seconds; how far it is is the seed's.
///
/// # Panics
///
/// The throttle has no rate.
#[must_use]
pub fn relay(throttle: Throttle, seed: u64) -> LinkSpec {
    let rate = throttle.rate().expect("a throttle that is looked for has a rate");
    LinkSpec {
        throttle,
        delay: Duration::from_millis(40 + seed * 13 % 200),
        queue_octets: rate * 5,
        ..LinkSpec::default()
    }
}

/// Every throttle at one rate, with buckets of 1,500 octets and of two seconds.
#[must_use]
pub fn throttles(rate: u64) -> [Throttle; 6] {
    [
        Throttle::Shaper { rate, burst: 1_500 },
        Throttle::Shaper { rate, burst: rate * 2 },
        Throttle::Policer { rate, burst: 1_500 },
        Throttle::Policer { rate, burst: rate * 2 },
        Throttle::WindowPolicer { rate },
        Throttle::PausingReader { rate },
    ]
}

/// The same, and with small buckets, of up to half a second.
pub fn more_throttles(rate: u64) -> impl Iterator<Item = Throttle> {
    let burst = 1_500.min(rate / 2);
    let small =
        [Throttle::Shaper { rate, burst }, Throttle::Policer { rate, burst: burst.max(1_000) }];
    throttles(rate).into_iter().chain(small)
}

/// What a throttle is to be taken for.
#[must_use]
pub const fn kind(throttle: Throttle) -> Option<Kind> {
    match throttle {
        Throttle::Shaper { .. } => Some(Kind::Shaper),
        Throttle::Policer { .. } => Some(Kind::Policer),
        Throttle::WindowPolicer { .. } => Some(Kind::WindowPolicer),
        Throttle::PausingReader { .. } => Some(Kind::PausingReader),
        Throttle::None => None,
    }
}

/// Seconds from a switch to when it was seen; infinite if it never was.
#[must_use]
pub fn seen_after(before: LinkSpec, after: LinkSpec, seed: u64) -> f64 {
    let seconds = Duration::from_millis(370) * u32::try_from(seed).unwrap_or(u32::MAX);
    let at = SWITCH + seconds;
    let plan = LinkPlan { changes: vec![(at, after)], ..LinkPlan::from(before) };
    let start = origin();
    let link = plan.build(seed, start);
    let seen = Probing { link, start, time: SWITCHED, told_after: TOLD_AFTER }.run();
    let at = at.as_secs_f64();
    let mut changes = seen.estimate.changes.iter();
    changes.find(|change| change.seen_at >= at).map_or(f64::INFINITY, |it| it.seen_at - at)
}

/// Another relay: 60 ms farther away and 40 % slower.
#[must_use]
pub fn another(before: &LinkSpec) -> LinkSpec {
    LinkSpec {
        delay: before.delay + Duration::from_millis(60),
        throttle: before.throttle.scaled(0.6),
        ..before.clone()
    }
}

/// How far off an estimate is, as a share of the truth; infinite where there is none.
#[must_use]
pub fn off(estimate: Option<f64>, truth: f64) -> f64 {
    estimate.map_or(f64::INFINITY, |estimate| (estimate / truth - 1.0).abs())
}

/// All that is asked of a measurement, over all rates and so many seeds of each throttle.
#[must_use]
pub fn rows(seeds: u64) -> Vec<Row> {
    let mut rows = estimates(seeds);
    rows.extend([switches(seeds), steps(seeds)]);
    rows
}

/// What relays that stay as they are are taken for.
#[must_use]
pub fn estimates(seeds: u64) -> Vec<Row> {
    let runs = runs(throttles, seeds);
    let seen =
        in_parallel(&runs, |(throttle, seed)| Probing::of(&relay(*throttle, *seed), *seed).run());
    let mut rates: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let mut bursts: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let (mut windows, mut kinds, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for ((throttle, _), seen) in runs.iter().zip(&seen) {
        let (name, estimate) = (name(*throttle), &seen.estimate);
        let is_right = seen.is_known && kind(*throttle) == Some(estimate.kind);
        kinds.push(if is_right { 1.0 } else { 0.0 });
        changes.push(u32::try_from(estimate.changes.len()).map_or(f64::NAN, f64::from));
        let rate = throttle.rate().map_or(f64::NAN, figure);
        rates.entry(name).or_default().push(off(estimate.rate, rate));
        match *throttle {
            Throttle::Shaper { burst, .. } | Throttle::Policer { burst, .. } => {
                bursts.entry(name).or_default().push(off(estimate.burst, figure(burst)));
            }
            Throttle::WindowPolicer { .. } => windows.push(off(estimate.window, 1.0)),
            Throttle::PausingReader { .. } | Throttle::None => {}
        }
    }
    let at_most = |what: &str, bound, seen: &[f64]| {
        Row::of_each(&format!("measure, {what}"), Asked::AtMost(bound), seen)
    };
    let mut rows = vec![
        Row::of_each("measure, any throttle: taken for what it is", Asked::AtLeast(1.0), &kinds),
        at_most("any throttle: changes seen where there are none", 0.0, &changes),
    ];
    rows.extend(rates.iter().map(|(name, off)| at_most(&format!("{name}: rate off by"), 0.1, off)));
    rows.extend(
        bursts.iter().map(|(name, off)| at_most(&format!("{name}: burst off by"), 0.3, off)),
    );
    rows.push(at_most("window policer: window off by", 0.1, &windows));
    rows
}

/// How long another relay is not seen.
#[must_use]
pub fn switches(seeds: u64) -> Row {
    let took = in_parallel(&runs(throttles, seeds), |(throttle, seed)| {
        let before = relay(*throttle, *seed);
        seen_after(before.clone(), another(&before), *seed)
    });
    Row::of_each("measure, another relay: seen after s", Asked::AtMost(5.0), &took)
}

/// How long another rate alone is not seen.
#[must_use]
pub fn steps(seeds: u64) -> Row {
    let runs = runs(more_throttles, seeds);
    let with_factors = |(throttle, seed)| FACTORS.map(|factor| (throttle, seed, factor));
    let steps: Vec<_> = runs.into_iter().flat_map(with_factors).collect();
    let took = in_parallel(&steps, |(throttle, seed, factor)| {
        let before = relay(*throttle, *seed);
        let after = LinkSpec { throttle: throttle.scaled(*factor), ..before.clone() };
        seen_after(before, after, *seed)
    });
    Row::of_each("measure, another rate: seen after s", Asked::AtMost(5.0), &took)
}

/// Every throttle at every rate with so many seeds.
fn runs<T: IntoIterator<Item = Throttle>>(
    throttles: impl Fn(u64) -> T,
    seeds: u64,
) -> Vec<(Throttle, u64)> {
    let with_seeds = |throttle| (0..seeds).map(move |seed| (throttle, seed));
    RATES.into_iter().flat_map(throttles).flat_map(with_seeds).collect()
}

const fn name(throttle: Throttle) -> &'static str {
    match throttle {
        Throttle::Shaper { .. } => "shaper",
        Throttle::Policer { .. } => "policer",
        Throttle::WindowPolicer { .. } => "window policer",
        Throttle::PausingReader { .. } => "pausing reader",
        Throttle::None => "no throttle",
    }
}

fn figure(octets: u64) -> f64 {
    u32::try_from(octets).map_or(f64::NAN, f64::from)
}
