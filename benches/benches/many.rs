//! Prints what one session makes of many relays, in virtual time, and what other schedulers would:
//! `cargo bench --bench many [-- SEEDS]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "telling is its job")]

use std::process::ExitCode;

use benches::many::table;
use benches::row;

fn main() -> ExitCode {
    // Cargo adds options of its own.
    let told = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let seeds = match told.as_deref().map(str::parse) {
        None => table::SEEDS,
        Some(Ok(seeds @ 1..)) => seeds,
        Some(_) => {
            eprintln!("many: skipped, for its argument is no number of seeds above 0");
            return ExitCode::SUCCESS;
        }
    };
    println!("{}", row::table(&table::rows(seeds)));
    println!("{}", table::schedulers(seeds));
    ExitCode::SUCCESS
}
