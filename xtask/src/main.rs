//! The chores of the project: `cargo xtask tidy`, `spec`, `test`, `report`, `tor-net`, `dist`.
#![expect(clippy::print_stdout, reason = "telling the developer is what chores are for")]

mod dist;
mod layers;
mod report;
mod spec;
mod test;
mod tidy;
mod tor_net;
mod tree;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check what no compiler checks: the layers, each file's purpose, white space; report sizes
    Tidy,
    /// Check that every rule of docs/wire.md is cited in code and in a test, and nothing else is
    Spec,
    /// Run a private network of real tors: `up`, `check`, `priorities`, each with `--help`
    #[command(disable_help_flag = true)]
    TorNet {
        /// What the network is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Build what a packager takes: binary, man pages, completions, units, examples, as a tree and an
    /// archive
    Dist {
        /// Where it goes [default: dist, where cargo puts what it builds]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Measure in virtual time: write docs/measurements.md and the figures of the other pages of docs/
    Report {
        /// Every figure, and for each one that something is asked of whether it is met
        #[arg(long, value_name = "FILE", conflicts_with = "check")]
        json: Option<PathBuf>,
        /// Write nothing; fail where a figure is worse than it was, with few seeds
        #[arg(long)]
        check: bool,
    },
    /// Run everything that tells whether the project works
    Test {
        /// Also what takes long: ignored tests, eight times the cases per property, every bench once
        #[arg(long)]
        all: bool,
    },
}

/// How a chore ended; what went wrong is printed by then.
enum Outcome {
    Clean,
    Failed,
}

fn main() -> Result<ExitCode> {
    let root = tree::root()?;
    let outcome = match Args::parse().chore {
        Chore::Tidy => tidy::run(&root)?,
        Chore::Spec => spec::run(&root)?,
        Chore::TorNet { words } => return tor_net::pass_on(&root, &words),
        Chore::Dist { out } => dist::run(&root, out)?,
        Chore::Report { json, check } => report::run(&root, json, check)?,
        Chore::Test { all } => {
            test::run(&root, if all { test::Extent::All } else { test::Extent::Usual })?
        }
    };
    Ok(match outcome {
        Outcome::Clean => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
    })
}
