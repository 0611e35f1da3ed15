//! Prints how much of the time something arrives behind censors: `cargo bench --bench availability`.
//!
//! With a directory as its argument (`cargo bench --bench availability -- DIR`) it draws into that, too.
#![expect(clippy::print_stdout, reason = "printing is its job")]

use std::path::PathBuf;
use std::{env, fs, io};

use benches::availability::{by_share, by_sweep, rows, scenes, table};

const SEEDS: u64 = 20;
/// A drawing has eight populations' worth of censors in each of its days.
const SEEDS_DRAWN: u64 = 10;

fn main() -> io::Result<()> {
    println!("{}", table(&rows(&scenes(), SEEDS)));
    // Cargo adds options of its own.
    let Some(directory) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        return Ok(());
    };
    let directory = PathBuf::from(directory);
    fs::write(directory.join("availability-share.svg"), by_share(SEEDS_DRAWN))?;
    fs::write(directory.join("availability-sweep.svg"), by_sweep(SEEDS_DRAWN))
}
