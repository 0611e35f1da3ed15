//! Whether today's figures are as good as those that were written down.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Stack;
use crate::lines::{self, Line, Measured};
use crate::report::{many, shown};

/// Where figures are kept, in the folder of the page.
pub const FILE: &str = "measurements-check.json";
/// Seeds that a check can afford, of the named relays and of many at once.
const SEEDS: usize = 5;
const SEEDS_OF_MANY: u64 = 2;
/// Figures are the same on every machine but for how its library rounds powers and logarithms.
const TOLERANCE: f64 = 0.02;

/// What a check found.
#[derive(Debug, Default)]
pub struct Found {
    /// Figures that are worse than they were.
    pub worse: Vec<String>,
    /// Figures that are better than they were: worth writing down.
    pub better: Vec<String>,
}

/// The medians over the first seeds, as JSON.
pub(super) fn record(lines: &[Line], ours: &[Measured]) -> String {
    let figures: serde_json::Map<String, Value> = medians(lines, ours)
        .into_iter()
        .chain(many::few(SEEDS_OF_MANY))
        .map(|(name, (value, _))| {
            (name, if value.is_finite() { json!(value) } else { json!(null) })
        })
        .collect();
    format!("{:#}\n", json!({ "seeds": SEEDS, "figures": figures }))
}

/// Measures with few seeds what is asked, and compares with what a whole report wrote.
///
/// # Errors
///
/// `recorded` is not what it should be.
pub fn check(recorded: &str) -> Result<Found, serde_json::Error> {
    let recorded: Value = serde_json::from_str(recorded)?;
    let lines = lines::lines();
    let seeds = u64::try_from(SEEDS).unwrap_or(1);
    let ours = lines::measure(&lines, Stack::Ours, seeds);
    let mut found = Found::default();
    for (name, (now, is_share)) in
        medians(&lines, &ours).into_iter().chain(many::few(SEEDS_OF_MANY))
    {
        let then = recorded.get("figures").and_then(|figures| figures.get(&name));
        let then = then.map(|then| then.as_f64().unwrap_or(f64::INFINITY));
        match then.map(|then| compare(now, then, is_share)) {
            Some(0) => {}
            Some(1..) => found.better.push(told(&name, now, then)),
            Some(_) | None => found.worse.push(told(&name, now, then)),
        }
    }
    Ok(found)
}

fn told(name: &str, now: f64, then: Option<f64>) -> String {
    let then = then.map_or_else(|| "not written down".to_owned(), shown);
    format!("{name}: {}, was {then}", shown(now))
}

/// Above 0 if better, below 0 if worse.
fn compare(now: f64, then: f64, is_share: bool) -> i32 {
    let is_close = then.is_finite() && (now - then).abs() <= TOLERANCE * then.abs();
    let near = is_close || now.total_cmp(&then).is_eq();
    match (near, (now > then) == is_share) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => -1,
    }
}

/// By name: the median, and whether more is better.
fn medians(lines: &[Line], ours: &[Measured]) -> BTreeMap<String, (f64, bool)> {
    let mut all = BTreeMap::new();
    for (line, measured) in lines.iter().zip(ours) {
        for (index, bound) in line.bounds.iter().enumerate() {
            let name = format!("{} {}", line.name, bound.figure.name());
            let value = measured.median_of_first(index, SEEDS);
            all.insert(name, (value, bound.figure.is_share()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_told_from_better_and_from_the_same() {
        assert_eq!(compare(0.90, 0.91, true), 0);
        assert_eq!(compare(0.80, 0.91, true), -1);
        assert_eq!(compare(0.99, 0.91, true), 1);
        assert_eq!(compare(300.0, 200.0, false), -1);
        assert_eq!(compare(100.0, 200.0, false), 1);
        assert_eq!(compare(f64::INFINITY, f64::INFINITY, false), 0);
        assert_eq!(compare(f64::INFINITY, 5.0, false), -1);
        assert_eq!(compare(5.0, f64::INFINITY, false), 1);
    }
}
