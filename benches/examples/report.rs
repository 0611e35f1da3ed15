//! Measures, and writes what came of it: `cargo xtask report`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "telling is its job")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use benches::Stack;
use benches::report::check::{self, Found};
use benches::report::{Acceptance, Report, of_lines, of_links};
use benches::{lines, random};

fn main() -> io::Result<ExitCode> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let words: Vec<Option<&str>> = words.iter().map(|word| word.to_str()).collect();
    match words[..] {
        [Some("--docs"), Some(docs)] => measure(Path::new(docs), None),
        [Some("--docs"), Some(docs), Some("--json"), Some(json)] => {
            measure(Path::new(docs), Some(json.into()))
        }
        [Some("--check"), Some(docs)] => compare(Path::new(docs)),
        [Some("--lines"), Some(seeds), ref names @ ..] => Ok(print_lines(seeds, names)),
        [Some("--links"), Some(count)] => Ok(print_links(count)),
        _ => {
            eprintln!(
                "error: expected --docs FOLDER [--json FILE], --check FOLDER, --lines SEEDS [NAME ...] or --links COUNT"
            );
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Everything: the pages, their drawings, the record.
fn measure(docs: &Path, json: Option<PathBuf>) -> io::Result<ExitCode> {
    let report = Report::measure(docs)?;
    report.write(docs)?;
    if let Some(path) = json {
        fs::write(path, report.json())?;
    }
    print(&report.acceptance());
    Ok(ExitCode::SUCCESS)
}

/// Only the named relays, with few seeds, against the record.
fn compare(docs: &Path) -> io::Result<ExitCode> {
    let recorded = fs::read_to_string(docs.join(check::FILE))?;
    let Found { worse, better } = check::check(&recorded)?;
    better.iter().for_each(|what| println!("better than it was: {what}"));
    worse.iter().for_each(|what| println!("worse than it was: {what}"));
    if !better.is_empty() {
        println!("write it down: cargo xtask report");
    }
    Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Only some of the named relays, for who works on the sender: those whose names begin so, or all.
fn print_lines(seeds: &str, names: &[Option<&str>]) -> ExitCode {
    let Ok(seeds) = seeds.parse() else { return ExitCode::FAILURE };
    let mut lines = lines::lines();
    let is_wanted = |line: &str| names.iter().flatten().any(|name| line.starts_with(name));
    lines.retain(|line| names.is_empty() || is_wanted(line.name));
    print(&of_lines(&lines, &lines::measure(&lines, Stack::Ours, seeds), None));
    ExitCode::SUCCESS
}

/// Only so many random links, for who works on the sender.
fn print_links(count: &str) -> ExitCode {
    let Ok(count) = count.parse() else { return ExitCode::FAILURE };
    print(&of_links(&random::draw(count, count)));
    ExitCode::SUCCESS
}

fn print(acceptance: &[Acceptance]) {
    for Acceptance { name, value, bound, met, worst, .. } in acceptance {
        let met = if *met { "" } else { "  NOT MET" };
        let worst = worst.map(|worst| format!(" (worst {worst:.3})")).unwrap_or_default();
        println!("{name}: {value:.3}{worst}, asked {bound:.3}{met}");
    }
}
