//! `cargo xtask report`: what the transport reaches over each relay and over many, and behind censors, measured anew.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

use crate::{Outcome, tree};

/// Writes docs/measurements.md, the figures of docs/measurements-many.md and docs/open-questions.md, the drawings and the
/// record of all that is asked; or, to check, only compares with the record.
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
    let docs = root.join("docs");
    cargo.arg(if check { "--check" } else { "--docs" }).arg(docs);
    if let Some(path) = json {
        cargo.arg("--json").arg(std::path::absolute(path)?);
    }
    let status = cargo.status().context("cannot run cargo")?;
    Ok(if status.success() { Outcome::Clean } else { Outcome::Failed })
}
