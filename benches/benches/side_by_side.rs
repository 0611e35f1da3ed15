//! Prints goodput, waste and latency of ours, its peers and the oracle, and what each costs to begin, in virtual
//! time: `cargo bench --bench side_by_side [-- SEEDS]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "telling is its job")]

use std::process::ExitCode;

use benches::handshake;
use benches::report::side_by_side::{self, SideBySide};

/// As many as the report has of the peers: without an argument, the figures are the report's.
const SEEDS: u64 = 5;

fn main() -> ExitCode {
    // Cargo adds options of its own.
    let told = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let seeds = match told.as_deref().map(str::parse) {
        None => SEEDS,
        Some(Ok(seeds @ 1..)) => seeds,
        Some(_) => {
            eprintln!("side_by_side: skipped, for its argument is no number of seeds above 0");
            return ExitCode::SUCCESS;
        }
    };
    println!("{}\n", SideBySide::measure(seeds).tables());
    println!("{}", side_by_side::beginnings(&handshake::beginnings()));
    ExitCode::SUCCESS
}
