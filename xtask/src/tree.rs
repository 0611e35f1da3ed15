//! The project's files: where they are, and a walk over them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The directory of the workspace. cargo says where xtask is when it runs it.
pub(crate) fn root() -> Result<PathBuf> {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&xtask).parent().context("xtask stands in the workspace")?;
    Ok(root.to_path_buf())
}

/// The cargo that runs us, for another may be first in the path.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Where cargo puts what it builds: this program is in `debug` there.
pub(crate) fn target() -> Result<PathBuf> {
    let xtask = std::env::current_exe().context("where is this program?")?;
    let target = xtask.parent().and_then(Path::parent).context("run this as `cargo xtask`")?;
    Ok(target.to_path_buf())
}

/// All files below `dir` with one of these `extensions`, in a fixed order. What is built, fetched or
/// hidden is left out.
pub(crate) fn files(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !is_foreign(&path) {
                    dirs.push(path);
                }
            } else if path.extension().is_some_and(|has| extensions.iter().any(|e| has == *e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A manifest as TOML.
pub(crate) fn manifest(path: &Path) -> Result<toml::Table> {
    read(path)?.parse().with_context(|| format!("{} is not TOML", path.display()))
}

fn is_foreign(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    // Fuzz corpora hold whatever crashed us, under any name.
    name.starts_with('.') || matches!(&*name, "target" | "corpus" | "artifacts")
}
