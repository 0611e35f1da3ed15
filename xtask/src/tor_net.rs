//! `cargo xtask tor-net`: the network of real tors, built and run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::test::stage::{self, Run};
use crate::tree;

/// How `tor-net` ends where the system refuses what it needs.
const SKIPPED: i32 = 77;

/// Which build of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Built already, by the tests.
    Dev,
    /// For what is measured.
    Release,
}

/// Builds for measuring, then runs with these words; the exit code is passed on.
pub(crate) fn pass_on(root: &Path, words: &[OsString]) -> Result<ExitCode> {
    let program = build(root, Profile::Release)?;
    let status = Command::new(program).args(words).status().context("cannot run tor-net")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds and runs as a stage of the tests. Where namespaces are refused it counts as skipped.
pub(crate) fn stage(root: &Path, profile: Profile, words: &[&str]) -> Result<Run> {
    let program = build(root, profile)?;
    let status = Command::new(program).args(words).status().context("cannot run tor-net")?;
    if status.code() == Some(SKIPPED) {
        return Ok(Run::skipped());
    }
    Ok(if status.success() { Run::passed_one() } else { Run::failed() })
}

/// Builds both programs, for the one runs the other, and says where tor-net is.
fn build(root: &Path, profile: Profile) -> Result<PathBuf> {
    let mut build = tree::cargo(root);
    build.args(["build", "--quiet", "--package", "tor-net", "--package", "skypeproxy"]);
    let dir = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    if !stage::command(&mut build)?.passed {
        bail!("tor-net was not built");
    }
    Ok(tree::target()?.join(dir).join("tor-net"))
}
