//! `cargo xtask test`: everything that tells whether the project works, stage by stage.

mod packages;
pub(crate) mod stage;
pub(crate) mod tally;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::tor_net::{self, Profile};
use crate::{Outcome, layers, report, spec, tidy, tree};
use stage::{Run, Stages};

/// How much to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What a change must pass.
    Usual,
    /// What a night has time for.
    All,
}

/// The usual 256 cases per property, eight times.
const PROPTEST_CASES_ALL: &str = "2048";

/// A real tor bootstraps and fetches a megabyte over an emulated relay of 256 KB/s, and nothing
/// else leaves it.
const TOR_ONCE: &[&str] = &["check"];
const TOR_OFTEN: &[&str] = &["check", "--runs", "20", "--at-most", "60"];

/// Runs all stages, the failed ones notwithstanding, and closes with one line of numbers.
pub(crate) fn run(root: &Path, extent: Extent) -> Result<Outcome> {
    let mut stages = Stages::start();
    stages.run("system packages", packages::ensure)?;
    stages.run("tidy", || tidy::run(root).map(Run::from))?;
    stages.run("rules of the wire", || spec::run(root).map(Run::from))?;
    stages.run("tests", || stage::counted(&mut tests(root, extent)))?;
    stages.run("pure crates alone", || pure_crates(root))?;
    for example in examples(root)? {
        let name = example.strip_prefix(root).unwrap_or(&example).display().to_string();
        stages.run(&name, || stage::command(&mut run_example(root, &example)))?;
    }
    stages.run("what cargo run runs", || stage::command(&mut cargo_run(root)))?;
    stages.run("figures", || report::run(root, None, true).map(Run::from))?;
    let (profile, words) = match extent {
        Extent::Usual => (Profile::Dev, TOR_ONCE),
        Extent::All => (Profile::Release, TOR_OFTEN),
    };
    stages.run("real tors", || tor_net::stage(root, profile, words))?;
    if extent == Extent::All {
        stages.run("benches, each once", || stage::command(&mut benches(root)))?;
    }
    Ok(stages.close())
}

/// Unit, integration and documentation tests; fuzz corpora are replayed by tests among them.
fn tests(root: &Path, extent: Extent) -> Command {
    let mut command = tree::cargo(root);
    command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if extent == Extent::All {
        command.env("PROPTEST_CASES", PROPTEST_CASES_ALL).args(["--", "--include-ignored"]);
    }
    command
}

/// A pure crate that builds only because another asks for its features would fail its first user.
fn pure_crates(root: &Path) -> Result<Run> {
    let mut all = Run::passed();
    for package in layers::pure() {
        let mut check = tree::cargo(root);
        check.args(["check", "--quiet", "--no-default-features", "--lib", "--package", package]);
        all.add(stage::command(&mut check)?);
    }
    Ok(all)
}

/// The packages that use ours as a stranger would, from outside of the workspace.
fn examples(root: &Path) -> Result<Vec<std::path::PathBuf>> {
    let dir = root.join("docs/examples");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut manifests = tree::files(&dir, &["toml"]).context("looking for examples")?;
    manifests.retain(|path| path.ends_with("Cargo.toml"));
    Ok(manifests)
}

fn run_example(root: &Path, manifest: &Path) -> Command {
    let mut command = tree::cargo(root);
    command
        .args(["run", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(root.join("target/examples"));
    command
}

/// README's `cargo run` finds one program: a second one anywhere in the workspace would stop it.
fn cargo_run(root: &Path) -> Command {
    let mut command = tree::cargo(root);
    command.args(["run", "--quiet", "--", "--version"]);
    command
}

fn benches(root: &Path) -> Command {
    let mut command = tree::cargo(root);
    command.args(["bench", "--package", "benches", "--", "--test"]);
    command
}
