//! All stacks over the same named relays in the same run, and what it costs each to begin, as tables.

use std::fmt::Write as _;

use relay_sim::{Scenario, scenario};

use super::page::{row, table};
use super::shown;
use crate::figure::Figure;
use crate::handshake::Beginning;
use crate::lines::{self, Bound, Line, Measured};
use crate::{Load, Run, Stack};

/// Named relays that all stacks run over.
const RELAYS: [&str; 10] = ["S1", "S2", "S3", "S4", "S5", "S7", "S8", "S9", "S10", "window"];

/// What is told of each.
const FIGURES: [Figure; 5] =
    [Figure::Utilisation, Figure::Waste, Figure::P50, Figure::P95, Figure::P99];

/// Bulk beside requests, a minute of it over each relay, by every stack.
#[derive(Debug)]
pub struct SideBySide {
    pub(super) lines: Vec<Line>,
    pub(super) stacks: Vec<(Stack, Vec<Measured>)>,
}

impl SideBySide {
    /// Runs all stacks with seeds 1 to `seeds`.
    #[must_use]
    pub fn measure(seeds: u64) -> Self {
        let told = FIGURES.map(|figure| Bound { figure, asked: None, worst: None });
        let line = |name| {
            let Scenario { a_to_b, b_to_a, .. } = scenario::by_name(name).expect("a named relay");
            let run = Run { down: b_to_a, ..Run::new(a_to_b, Load::Interactive) };
            Line { name, run, bounds: told.to_vec() }
        };
        let lines: Vec<Line> = RELAYS.map(line).into();
        let measured = |stack| (stack, lines::measure(&lines, stack, seeds));
        let stacks = Stack::ALL.map(measured).into();
        Self { lines, stacks }
    }

    /// A table of medians for each figure, in Markdown.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut out = String::new();
        for (index, figure) in FIGURES.into_iter().enumerate() {
            let relays: Vec<&str> = self.lines.iter().map(|line| line.name).collect();
            let _ = write!(out, "**{}**\n\n", figure.name());
            out += &table(&[&["stack"], &relays[..]].concat());
            for (stack, measured) in &self.stacks {
                let medians = self.lines.iter().zip(measured).map(|(line, measured)| {
                    let bound = line.bounds.get(index).copied();
                    bound.map_or(f64::NAN, |bound| measured.median_and_worst(bound, index).0)
                });
                let mark = if *stack == Stack::Ours { "**" } else { "" };
                let name = format!("{mark}{}{mark}", stack.name());
                row(&mut out, [name].into_iter().chain(medians.map(shown)));
            }
            out.push('\n');
        }
        out.trim_end().to_owned()
    }
}

/// Octets and time until the first request is answered, in Markdown.
#[must_use]
pub fn beginnings(all: &[Beginning]) -> String {
    let mut out = table(&["over", "stack", "octets up", "octets down", "first echo, ms"]);
    for of in all {
        let relay = if of.relay == "clean" { "200 ms and nothing else" } else { of.relay };
        let took = of.took.map_or(f64::INFINITY, |took| took.as_secs_f64() * 1000.0);
        let (up, down) = of.octets;
        let cells = [relay.to_owned(), of.name.to_owned(), up.to_string(), down.to_string()];
        row(&mut out, cells.into_iter().chain([shown(took)]));
    }
    out
}
