//! The report for programs.

use serde_json::{Value, json};

use super::Report;
use crate::lines::{Line, Measured};

pub(super) fn of(report: &Report) -> String {
    let acceptance: Vec<Value> = report
        .acceptance()
        .iter()
        .map(|line| {
            json!({
                "name": line.name, "value": number(line.value), "bound": line.bound, "met": line.met,
                "worst": line.worst.map(number), "oracle": line.oracle.map(number),
            })
        })
        .collect();
    let mut figures = figures_of("ap2ap-stream", &report.lines, &report.ours);
    figures.extend(figures_of("oracle", &report.lines, &report.oracle));
    for (stack, measured) in &report.stacks.stacks {
        let of_stack =
            figures_of(&format!("side by side, {}", stack.name()), &report.stacks.lines, measured);
        figures.extend(of_stack);
    }
    let links = report.links.iter().map(|link| {
        json!({
            "rate": link.rate, "round_trip_ms": link.round_trip_ms, "loss": link.loss, "policed": link.is_policed,
            "utilisation": link.utilisation, "oracle": link.oracle, "p95_round_trips": number(link.p95),
        })
    });
    let costs = report.costs.iter().flat_map(|(relay, costs)| {
        costs.iter().map(move |cost| {
            json!({
                "relay": relay, "choice": format!("{:?}", cost.adversary.choice),
                "deed": format!("{:?}", cost.adversary.deed), "share": cost.adversary.share,
                "cost": cost.cost, "p99_ms": cost.p99_ms,
            })
        })
    });
    let beginnings = report.beginnings.iter().map(|row| {
        json!({
            "relay": row.relay, "name": row.name, "octets_up": row.octets.0, "octets_down": row.octets.1,
            "first_echo_ms": row.took.map(|took| took.as_secs_f64() * 1000.0),
        })
    });
    let shares = |all: &[crate::shared::Shares]| -> Vec<Value> {
        all.iter().map(|both| json!([both.first, both.second])).collect()
    };
    let points = report.points.iter().map(|point| {
        json!({
            "stack": point.stack.name(), "rate": point.rate, "utilisation": point.utilisation,
            "p95_ms": number(point.p95_ms),
        })
    });
    let whole = json!({
        "acceptance": acceptance,
        "figures": figures,
        "links": links.collect::<Vec<_>>(),
        "adversary": costs.collect::<Vec<_>>(),
        "beginnings": beginnings.collect::<Vec<_>>(),
        "shares": {
            "two_of_ours": shares(&report.twins),
            "two_of_ours_one_later": shares(&report.latecomers),
            "beside_tcp": shares(&report.beside_tcp),
        },
        "rates": points.collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn figures_of(stack: &str, lines: &[Line], measured: &[Measured]) -> Vec<Value> {
    let mut all = Vec::new();
    for (line, measured) in lines.iter().zip(measured) {
        for (index, bound) in line.bounds.iter().enumerate() {
            let (median, worst) = measured.median_and_worst(*bound, index);
            all.push(json!({
                "stack": stack, "line": line.name, "figure": bound.figure.name(),
                "median": number(median), "worst": number(worst),
            }));
        }
    }
    all
}

/// JSON has no infinity.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}
