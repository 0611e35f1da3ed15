//! What an onlooker sees of acknowledgements: neither a size nor a period tells them (AP-73).

use std::collections::BTreeMap;
use std::time::Duration;

use benches::{AckAlone, Load, Run};
use relay_sim::scenario;

/// Fewer say nothing about sizes and spacings, so a slow relay is watched for longer.
const ENOUGH: usize = 100;

/// What a censor would measure of one direction.
struct Seen {
    count: usize,
    /// The share of the datagrams that have the most frequent size.
    usual_size: f64,
    /// The standard deviation of the time between two, in means of it.
    variation: f64,
    /// How many left in a second.
    rate: f64,
    /// Octets spent, as a share of those received.
    cost: f64,
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("counts of minutes"))
}

fn look_at(acks: &[AckAlone], received: u64) -> Seen {
    let mut sizes = BTreeMap::<usize, usize>::new();
    for ack in acks {
        *sizes.entry(ack.octets).or_default() += 1;
    }
    let gaps: Vec<f64> = acks
        .iter()
        .zip(acks.iter().skip(1))
        .map(|(one, next)| (next.at - one.at).as_secs_f64())
        .collect();
    let mean = gaps.iter().sum::<f64>() / count(gaps.len());
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count(gaps.len());
    let octets: usize = acks.iter().map(|ack| ack.octets).sum();
    Seen {
        count: acks.len(),
        rate: 1.0 / mean,
        usual_size: count(*sizes.values().max().unwrap_or(&0)) / count(acks.len()),
        variation: variance.sqrt() / mean,
        cost: count(octets) / f64::from(u32::try_from(received).expect("octets of minutes")),
    }
}

/// Each scenario with a load that makes one side acknowledge and nothing else, and the other way
/// round: requests and bulk in the other direction carry acknowledgements, or nothing asks for them.
#[test]
fn acknowledgements_alone_have_no_usual_size_and_no_period() {
    println!("scenario load     from    count  usual size  variation  cost");
    for name in ["S1", "S3", "S9"] {
        let scenario = scenario::by_name(name).expect("a named scenario");
        let mut enough = (0, 0);
        for load in [Load::Bulk, Load::Interactive, Load::Duplex, Load::Download] {
            let mut run = Run::new(scenario.a_to_b.clone(), load);
            run.down = scenario.b_to_a.clone();
            run.time = Duration::from_secs(if name == "S1" { 300 } else { 60 });
            let outcome = run.run();
            assert_eq!(outcome.fault, None);
            let (up, down) = outcome.acks_alone;
            for (who, acks, received, enough) in [
                ("client", up, outcome.stats.0.octets_received, &mut enough.0),
                ("bridge", down, outcome.stats.1.octets_received, &mut enough.1),
            ] {
                let Seen { count, usual_size, variation, rate, cost } = look_at(&acks, received);
                let what = format!("{load:?}");
                println!(
                    "{name:8} {what:11} {who} {count:6} {usual_size:11.2} {variation:10.2} {cost:6.3}"
                );
                if count < ENOUGH {
                    continue;
                }
                *enough += 1;
                assert!(usual_size <= 0.25, "{name} {load:?} {who}: one size in {usual_size}");
                assert!(variation >= 0.5, "{name} {load:?} {who}: a variation of {variation}");
                // AP-72: whatever they cost, there may be one a second. Where much is lost the last copy of
                // each sparse packet asks for one at once (AP-43), and so does the end of a probe.
                let cost_max = if name == "S9" { 0.045 } else { 0.039 };
                assert!(
                    rate <= 1.0 || cost <= cost_max,
                    "{name} {load:?} {who}: acknowledgements cost {cost}"
                );
            }
        }
        assert!(enough.0 > 0 && enough.1 > 0, "{name}: seen too few of one side");
    }
}
