//! Sessions drawn at random: paths that join and leave, relays that die, come back, change and are shared.

use std::fmt::Write as _;
use std::time::Duration;

use relay_sim::{LinkPlan, LinkSpec, Loss, Outage, Throttle};

use super::{ManyRun, Relay};
use crate::figure::quantile;
use crate::jobs::in_parallel;
use crate::luck::Luck;
use crate::{Load, Outcome};

/// How long each is looked at.
pub const TIME: Duration = Duration::from_secs(240);

/// A session and the relays that it is given. The first relay and the first path are always there.
#[derive(Clone, Debug)]
pub struct World {
    /// What happens.
    pub run: ManyRun,
}

/// What a session made of its world.
#[derive(Clone, Debug)]
pub struct Made {
    /// Bulk octets delivered / what the first relay delivers alone.
    pub of_first: f64,
    /// The longest time without bulk octets in order, after the first ten seconds, in seconds.
    pub longest_gap: f64,
    /// Octets that entered the relays / bulk octets that were delivered.
    pub cost: f64,
    /// The run itself.
    pub outcome: Outcome,
}

impl World {
    /// The world of this seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut luck = Luck::new(seed);
        let relays = 1 + below(&mut luck, 6);
        let mut relays: Vec<Relay> = (0..relays).map(|index| relay(&mut luck, index > 0)).collect();
        let mut leaves = Vec::new();
        if let Some(first) = relays.first_mut() {
            // Perhaps some more through the same relay.
            let more = below(&mut luck, 5).saturating_sub(2);
            first.joins.push(Duration::ZERO);
            first.joins.extend((0..more).map(|index| Duration::from_secs(2 * index)));
        }
        let first = relays.first().map_or(0, |relay| relay.joins.len());
        let mut paths = u64::try_from(first).unwrap_or(1);
        for relay in relays.iter_mut().skip(1) {
            for _ in 0..=below(&mut luck, 2) {
                let joins = luck.draw() * 60.0 * if luck.draw() < 0.5 { 0.0 } else { 1.0 };
                relay.joins.push(Duration::from_secs_f64(joins));
                if luck.draw() < 0.3 {
                    let stays = 1.0 + 100.0 * luck.draw();
                    leaves.push((Duration::from_secs_f64(joins + stays), paths));
                }
                paths += 1;
            }
        }
        let load = if luck.draw() < 0.5 { Load::Bulk } else { Load::Interactive };
        let run = ManyRun { load, leaves, time: TIME, seed, ..ManyRun::new(relays) };
        Self { run }
    }

    /// What comes of it.
    #[must_use]
    pub fn make(&self) -> Made {
        let outcome = self.run.run();
        let mut first = self.run.clone();
        first.relays.truncate(1);
        first.relays.iter_mut().for_each(|relay| relay.joins.truncate(1));
        first.leaves.clear();
        let alone = octets(&first.run());
        let from = Duration::from_secs(10);
        let times = outcome.deliveries.iter().map(|(at, _)| *at).filter(|at| *at >= from);
        let times: Vec<Duration> =
            std::iter::once(from).chain(times).chain([self.run.time]).collect();
        let gaps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| *next - *one);
        let wire = u32::try_from(outcome.wire.0).map_or(f64::NAN, f64::from);
        Made {
            of_first: octets(&outcome) / alone,
            longest_gap: gaps.max().unwrap_or_default().as_secs_f64(),
            cost: wire / octets(&outcome),
            outcome,
        }
    }
}

fn octets(outcome: &Outcome) -> f64 {
    u32::try_from(outcome.delivered.0).map_or(f64::NAN, f64::from)
}

/// A relay of 1 to 30 KB/s, 20 to 600 ms, up to 10 % loss, of any throttle; a frail one has outages.
fn relay(luck: &mut Luck, is_frail: bool) -> Relay {
    let rate = 1000 + below(luck, 2 + 29_000);
    let rate = if luck.draw() < 0.5 { 1000 + rate / 8 } else { rate };
    let throttle = match below(luck, 8) {
        0 => Throttle::Policer { rate, burst: 1500 + below(luck, 6500) },
        1 => Throttle::PausingReader { rate },
        2 => Throttle::Shaper { rate, burst: 1 },
        _ => Throttle::Shaper { rate, burst: 1500 + below(luck, 2) * below(luck, 10_000) },
    };
    let is_lossy = luck.draw() < 0.3;
    let loss =
        if is_lossy { Loss::Bernoulli { probability: 0.1 * luck.draw() } } else { Loss::None };
    let jitter = if luck.draw() < 0.3 { below(luck, 30) } else { 0 };
    let spec = LinkSpec {
        throttle,
        delay: Duration::from_millis(10 + below(luck, 290)),
        jitter: Duration::from_millis(jitter),
        loss,
        queue_octets: 3000 + 5 * rate,
        ..LinkSpec::default()
    };
    let mut plan = LinkPlan::from(spec.clone());
    if is_frail && luck.draw() < 0.4 {
        let start = Duration::from_secs_f64(200.0 * luck.draw());
        let length = Duration::from_secs_f64(0.3 + 60.0 * luck.draw() * luck.draw());
        plan.outages.push(Outage::once(start, length));
    }
    if is_frail && luck.draw() < 0.2 {
        let delay = Duration::from_millis(10 + below(luck, 290));
        plan.changes.push((Duration::from_secs(60), LinkSpec { delay, ..spec }));
    }
    Relay { joins: Vec::new(), ..Relay::new(plan) }
}

/// From 0 to below this.
fn below(luck: &mut Luck, end: u64) -> u64 {
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small positive figures"
    )]
    let drawn = (luck.draw() * end as f64) as u64;
    drawn
}

/// So many worlds, and what was made of them.
#[must_use]
pub fn make(count: u64) -> Vec<Made> {
    let seeds: Vec<u64> = (1..=count).collect();
    in_parallel(&seeds, |seed| {
        let made = World::draw(*seed).make();
        assert_eq!(made.outcome.fault, None, "world {seed}");
        made
    })
}

/// A table for people.
#[must_use]
pub fn table(made: &[Made]) -> String {
    let mut text =
        String::from("| | best tenth | median | worst tenth | worst |\n|---|---|---|---|---|\n");
    let mut row = |name: &str, seen: Vec<f64>, more_is_better: bool| {
        let of = |share: f64| quantile(&seen, if more_is_better { 1.0 - share } else { share });
        let [best, median, tenth, worst] = [0.1, 0.5, 0.9, 1.0].map(of);
        let _ = writeln!(text, "| {name} | {best:.2} | {median:.2} | {tenth:.2} | {worst:.2} |");
    };
    let of = |figure: fn(&Made) -> f64| made.iter().map(figure).collect();
    row("bulk / what the first path carries alone", of(|made| made.of_first), true);
    row("longest time without bulk in order, s", of(|made| made.longest_gap), false);
    row("octets that entered the relays / delivered", of(|made| made.cost), false);
    text
}
