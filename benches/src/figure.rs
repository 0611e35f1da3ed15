//! The figures of a run, and of many.
#![expect(clippy::as_conversions, reason = "counts as figures")]

use std::time::Duration;

use relay_sim::{LinkPlan, LinkSpec};

use crate::work::PING_OCTETS;
use crate::{Outcome, Run};

/// One figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bulk payload delivered / what the relay carries after random loss and outside outages; of the
    /// worse direction where both are loaded alike.
    Utilisation,
    /// The same of the way back.
    UtilisationDown,
    /// Octets of datagrams sent by the client / octets of bulk and requests.
    Waste,
    /// The median request, in milliseconds.
    P50,
    /// 95 of 100 requests take no longer, in milliseconds.
    P95,
    /// 99 of 100 requests take no longer, in milliseconds.
    P99,
    /// After each change or outage, the longest time until two seconds carry 80 % of the capacity.
    Recovery,
}

impl Figure {
    /// Whether more is better.
    #[must_use]
    pub const fn is_share(self) -> bool {
        matches!(self, Self::Utilisation | Self::UtilisationDown)
    }

    /// As in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utilisation => "utilisation",
            Self::UtilisationDown => "utilisation, way back",
            Self::Waste => "wire / payload",
            Self::P50 => "p50 ms",
            Self::P95 => "p95 ms",
            Self::P99 => "p99 ms",
            Self::Recovery => "recovery s",
        }
    }

    /// Its value in one run.
    #[must_use]
    pub fn of(self, run: &Run, outcome: &Outcome) -> f64 {
        let answered = outcome.pings_ms.len().saturating_sub(outcome.unanswered);
        let payload = outcome.delivered.0 as f64 + PING_OCTETS as f64 * answered as f64;
        match self {
            Self::Utilisation => utilisation(run, outcome),
            Self::UtilisationDown => {
                let capacity = run.down.spec.capacity().unwrap_or(f64::NAN);
                outcome.delivered.1 as f64 / (capacity * run.time.as_secs_f64())
            }
            Self::Waste => outcome.wire.0 as f64 / payload,
            Self::P50 => outcome.ping_ms(0.5),
            Self::P95 => outcome.ping_ms(0.95),
            Self::P99 => outcome.ping_ms(0.99),
            Self::Recovery => recovery(run, outcome),
        }
    }
}

/// From `from` to `to`, so much capacity in octets a second.
struct Stretch {
    from: f64,
    to: f64,
    rate: f64,
}

fn stretches(plan: &LinkPlan, end: f64) -> Vec<Stretch> {
    let changes = plan.changes.iter().map(|(at, spec)| (at.as_secs_f64(), spec));
    let starts: Vec<(f64, &LinkSpec)> = [(0.0, &plan.spec)].into_iter().chain(changes).collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let of = |((from, spec), to): (&(f64, &LinkSpec), f64)| Stretch {
        from: *from,
        to,
        rate: spec.capacity().unwrap_or(f64::NAN),
    };
    starts.iter().zip(ends).map(of).collect()
}

/// When outages of the plan begin and end.
fn outages(plan: &LinkPlan, end: f64) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    for outage in &plan.outages {
        let (mut at, length) = (outage.start.as_secs_f64(), outage.length.as_secs_f64());
        while at + length <= end {
            all.push((at, at + length));
            let Some(every) = outage.every else { break };
            at += every.as_secs_f64();
        }
    }
    all
}

fn delivered(outcome: &Outcome, from: f64, to: f64) -> f64 {
    let within = |at: &Duration| (from..to).contains(&at.as_secs_f64());
    let octets = outcome.deliveries.iter().filter(|(at, _)| within(at)).map(|(_, octets)| octets);
    octets.sum::<u64>() as f64
}

/// The mean over time of what is delivered of what can be.
pub(crate) fn utilisation(run: &Run, outcome: &Outcome) -> f64 {
    let end = run.time.as_secs_f64();
    let outages = outages(&run.up, end);
    let (mut sum, mut time) = (0.0, 0.0);
    for Stretch { from, to, rate } in stretches(&run.up, end) {
        let down = outages.iter().map(|(began, ended)| ended.min(to) - began.max(from));
        let usable = to - from - down.map(|time| time.max(0.0)).sum::<f64>();
        sum += delivered(outcome, from, to) / rate;
        time += usable;
    }
    sum / time
}

fn recovery(run: &Run, outcome: &Outcome) -> f64 {
    const STEP: f64 = 0.1;
    let end = run.time.as_secs_f64();
    let stretches = stretches(&run.up, end);
    let switches = stretches.iter().skip(1).map(|stretch| (stretch.from, stretch.rate));
    let first = stretches.first().map_or(f64::NAN, |stretch| stretch.rate);
    let ends = outages(&run.up, end).into_iter().map(|(_, ended)| (ended, first));
    let mut longest = 0.0_f64;
    for (at, rate) in switches.chain(ends) {
        let mut from = at;
        while from + 2.0 <= end && delivered(outcome, from, from + 2.0) < 0.8 * rate * 2.0 {
            from += STEP;
        }
        let took = if from + 2.0 <= end { from - at } else { f64::INFINITY };
        longest = longest.max(took);
    }
    // In whole steps, whatever their sum is in binary.
    (longest * 10.0).round() / 10.0
}

/// The value that this share of the values does not exceed; between two of them, a part of both.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * sorted.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and the last"
    )]
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    // Two that are infinite have nothing between them.
    if at(below).total_cmp(&at(above)).is_eq() {
        return at(below);
    }
    at(below) + (at(above) - at(below)) * (place - place.floor())
}

/// Half of the values are below it.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use relay_sim::{Outage, Throttle};

    use super::*;
    use crate::Load;

    const RATE: u64 = 1_000;

    fn run(plan: LinkPlan, seconds: u64) -> Run {
        Run { time: Duration::from_secs(seconds), ..Run::new(plan, Load::Interactive) }
    }

    fn relay() -> LinkPlan {
        let throttle = Throttle::Shaper { rate: RATE, burst: 1 };
        LinkSpec { throttle, ..LinkSpec::default() }.into()
    }

    /// So many octets in each tenth of a second.
    fn carried(tenths: impl IntoIterator<Item = u64>) -> Outcome {
        let at = |index: usize| Duration::from_millis(100 * index as u64);
        let deliveries: Vec<(Duration, u64)> =
            tenths.into_iter().enumerate().map(|(index, octets)| (at(index), octets)).collect();
        let up = deliveries.iter().map(|(_, octets)| octets).sum();
        Outcome { delivered: (up, 0), deliveries, ..Outcome::default() }
    }

    #[test]
    fn utilisation_leaves_outages_out_and_weighs_each_second_alike() {
        let mut plan = relay();
        plan.outages.push(Outage::once(Duration::from_secs(5), Duration::from_secs(5)));
        let outcome = carried([100; 50]);
        assert!((Figure::Utilisation.of(&run(plan, 10), &outcome) - 1.0).abs() < 1e-9);

        // Ten times as fast for half of the time: one half full, the other half half full.
        let mut plan = relay();
        let throttle = Throttle::Shaper { rate: 10 * RATE, burst: 1 };
        let fast = LinkSpec { throttle, ..LinkSpec::default() };
        plan.changes.push((Duration::from_secs(5), fast));
        let outcome = carried([100; 50].into_iter().chain([500; 50]));
        assert!((Figure::Utilisation.of(&run(plan, 10), &outcome) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn recovery_is_when_the_first_two_good_seconds_begin() {
        let mut plan = relay();
        plan.outages.push(Outage::once(Duration::from_secs(5), Duration::from_secs(1)));
        // Down for a second, then nothing for half of one.
        let outcome = carried([100; 50].into_iter().chain([0; 15]).chain([100; 35]));
        // Two seconds of which 0.4 s are empty carry 80 %.
        assert!((Figure::Recovery.of(&run(plan.clone(), 10), &outcome) - 0.1).abs() < 1e-9);
        let never = carried([100; 50].into_iter().chain([0; 50]));
        assert!(Figure::Recovery.of(&run(plan, 10), &never).is_infinite());
    }

    #[test]
    fn waste_counts_requests_that_were_answered_only() {
        let mut outcome = carried([90; 10]);
        (outcome.wire, outcome.pings_ms, outcome.unanswered) = ((2_000, 0), vec![1.0, 9_000.0], 1);
        assert!((Figure::Waste.of(&run(relay(), 1), &outcome) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((quantile(&[0.0, 10.0], 0.1) - 1.0).abs() < 1e-9);
        assert!((quantile(&[5.0], 0.9) - 5.0).abs() < 1e-9);
        assert!(median(&[1.0, f64::INFINITY, f64::INFINITY, f64::INFINITY]).is_infinite());
        assert!(median(&[]).is_nan());
    }
}
