//! `cargo xtask report`: what the transport reaches over each relay, measured anew.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

use crate::{Outcome, tree};

/// Writes docs/measurements.md, its drawings and the record of its figures; or, to check, only compares with the
/// record.
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
