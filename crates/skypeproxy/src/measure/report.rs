//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write;

use anyhow::Context;
use relay_probe::{Change, Estimate};
use serde_json::{Value, json};
use tunnel::Measured;

/// Of the JSON object. It changes when a field changes its meaning or goes; a new one does not count.
const VERSION: u32 = 1;

/// The table of each path.
pub(super) fn table(all: &[Measured]) -> String {
    let mut text = String::new();
    for (number, measured) in (1..).zip(all) {
        let took = measured.took.as_secs();
        let round_trip = measured.round_trip.map(|it| it.as_secs_f64());
        let _ = writeln!(text, "path {number}: measured for {took} s");
        let _ = writeln!(text, "  least round trip   {}", or_dash(round_trip, milliseconds));
        let _ = writeln!(
            text,
            "                     {:>16} {:>16}",
            "to the bridge", "from the bridge"
        );
        let (up, down) = (&measured.up, &measured.down);
        let mut row = |name: &str, of: &dyn Fn(&Estimate) -> String| {
            let _ = writeln!(text, "  {name:<18} {:>16} {:>16}", of(up), of(down));
        };
        row("throttle", &|it| it.kind.name().to_owned());
        row("rate, octets/s", &|it| or_dash(it.rate, whole));
        row("burst, octets", &|it| or_dash(it.burst, whole));
        row("queue, octets", &queue);
        row("window", &|it| or_dash(it.window, milliseconds));
        row("jitter", &|it| or_dash(it.jitter, milliseconds));
        row("loss", &|it| or_dash(it.loss, |share| format!("{:.1} %", share * 100.0)));
        row("cost, octets", &|it| it.cost.to_string());
        for (way, estimate) in [("to", up), ("from", down)] {
            for change in &estimate.changes {
                let _ = writeln!(text, "  {}", sentence(way, change));
            }
        }
    }
    text.trim_end().to_owned()
}

fn queue(estimate: &Estimate) -> String {
    or_dash(estimate.queue, |queue| {
        let more = if queue.is_full { "" } else { "at least " };
        format!("{more}{:.0}", queue.octets)
    })
}

fn sentence(way: &str, change: &Change) -> String {
    let mut text = format!("after {:.1} s, {way} the bridge: another relay", change.seen_at);
    if let Some(step) = change.delay_step {
        let _ = write!(text, ", {:+.0} ms", step * 1_000.0);
    }
    if let Some((before, after)) = change.rate {
        let _ = write!(text, ", {before:.0} to {after:.0} octets/s");
    }
    text
}

fn or_dash<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1_000.0)
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

/// One object.
pub(super) fn json(all: &[Measured]) -> anyhow::Result<String> {
    let paths: Vec<Value> = all.iter().map(path).collect();
    let object = json!({ "version": VERSION, "paths": paths });
    serde_json::to_string(&object).context("a figure cannot be written")
}

fn path(measured: &Measured) -> Value {
    json!({
        "seconds": measured.took.as_secs_f64(),
        "round_trip_s": measured.round_trip.map(|it| it.as_secs_f64()),
        "to_bridge": direction(&measured.up),
        "from_bridge": direction(&measured.down),
    })
}

fn direction(it: &Estimate) -> Value {
    let changes = it.changes.iter().map(|change| {
        json!({
            "seen_at_s": change.seen_at,
            "delay_step_s": change.delay_step,
            "rate_before": change.rate.map(|(before, _)| before),
            "rate_after": change.rate.map(|(_, after)| after),
        })
    });
    json!({
        "throttle": it.kind.name(),
        "rate": it.rate,
        "burst_octets": it.burst,
        "queue_octets": it.queue.map(|queue| queue.octets),
        "queue_full": it.queue.map(|queue| queue.is_full),
        "window_s": it.window,
        "jitter_s": it.jitter,
        "loss": it.loss,
        "changes": changes.collect::<Vec<_>>(),
        "cost_octets": it.cost,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_probe::Kind;

    use super::*;

    fn measured() -> Measured {
        let change =
            Change { seen_at: 61.0, delay_step: Some(0.06), rate: Some((3_000.0, 1_500.0)) };
        let up = Estimate {
            kind: Kind::Shaper,
            rate: Some(3_000.4),
            changes: vec![change],
            ..Estimate::default()
        };
        let took = Duration::from_secs(90);
        Measured { up, down: Estimate::default(), round_trip: None, took }
    }

    #[test]
    fn the_table_says_what_is_known_and_no_more() {
        let table = table(&[measured()]);
        for text in ["shaper           untold", "3000                -"] {
            assert!(table.contains(text), "{table}");
        }
        let change = "after 61.0 s, to the bridge: another relay, +60 ms, 3000 to 1500 octets/s";
        assert!(table.contains(change), "{table}");
    }

    #[test]
    fn json_has_its_version_and_both_directions() {
        let value: Value = serde_json::from_str(&json(&[measured()]).unwrap()).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["paths"][0]["to_bridge"]["changes"][0]["rate_after"], 1_500.0);
        assert_eq!(value["paths"][0]["from_bridge"]["rate"], Value::Null);
    }
}
