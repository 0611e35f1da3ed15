//! Prints the figures of the named scenarios: `cargo run --release --example scenarios [NAME ...]`.
#![expect(clippy::print_stdout, reason = "printing is its job")]
#![expect(clippy::as_conversions, reason = "counts as figures")]

use std::time::Duration;

use benches::{Load, Run};
use relay_sim::scenario;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!("name  load         share   wire/payload  lost   p50    p95    p99 ms  rate");
    for name in scenario::NAMES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        let Some(scenario) = scenario::by_name(name) else { continue };
        for load in [Load::Bulk, Load::Interactive, Load::Duplex, Load::Download] {
            let mut run = Run::new(scenario.a_to_b.clone(), load);
            run.down = scenario.b_to_a.clone();
            if name == "S4" || name == "S5" {
                run.time = Duration::from_secs(30);
            }
            let outcome = run.run();
            let capacity = run.up.spec.capacity().unwrap_or(f64::NAN) * run.time.as_secs_f64();
            let delivered = outcome.delivered.0.max(outcome.delivered.1);
            let wire = if load == Load::Download { outcome.wire.1 } else { outcome.wire.0 };
            let payload = delivered + outcome.pings_ms.len() as u64 * 100;
            println!(
                "{name:5} {:12} {:.3} {:>9.3} {:>10} {:>8.0} {:>6.0} {:>6.0} {:>10} {}",
                format!("{load:?}"),
                delivered as f64 / capacity,
                wire as f64 / payload as f64,
                outcome.dropped.0 + outcome.dropped.1,
                outcome.ping_ms(0.5),
                outcome.ping_ms(0.95),
                outcome.ping_ms(0.99),
                outcome.stats.0.rate.max(outcome.stats.1.rate),
                outcome.fault.unwrap_or_default(),
            );
        }
    }
}
