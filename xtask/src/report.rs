//! `cargo xtask report`: what the transport reaches over each relay, measured anew.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

use crate::{Outcome, tree};

/// Writes docs/measurements.md; or, to check, only compares with what was reached before.
pub(crate) fn run(root: &Path, json: Option<PathBuf>, check: bool) -> Result<Outcome> {
    let mut cargo = tree::cargo(root);
    cargo.args([
        "run",
        "--release",
        "--quiet",
        "--package",
        "benches",
        "--example",
        "report",
        "--",
    ]);
    if check {
        cargo.arg("--check");
    } else {
        cargo.arg("--markdown").arg(root.join("docs/measurements.md"));
    }
    if let Some(path) = json {
        cargo.arg("--json").arg(std::path::absolute(path)?);
    }
    let status = cargo.status().context("cannot run cargo")?;
    Ok(if status.success() { Outcome::Clean } else { Outcome::Failed })
}
