//! Stages of a run: each is timed and told in one line, and a failed one does not stop the next.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::tally::Tally;
use crate::Outcome;

/// What came of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) passed: bool,
    pub(crate) tally: Tally,
}

impl Run {
    pub(crate) const fn passed() -> Self {
        Self { passed: true, tally: Tally::NONE }
    }

    pub(crate) const fn failed() -> Self {
        Self { passed: false, tally: Tally::NONE }
    }

    /// One check that went well.
    pub(crate) const fn passed_one() -> Self {
        Self { passed: true, tally: Tally { passed: 1, ..Tally::NONE } }
    }

    /// One check that the system does not allow: said, and not counted as passed.
    pub(crate) const fn skipped() -> Self {
        Self { passed: true, tally: Tally { ignored: 1, ..Tally::NONE } }
    }

    /// Takes another run as part of this one.
    pub(crate) const fn add(&mut self, other: Self) {
        self.passed &= other.passed;
        self.tally = self.tally.plus(other.tally);
    }
}

impl From<Outcome> for Run {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::passed(),
            Outcome::Failed => Self::failed(),
        }
    }
}

impl From<ExitStatus> for Run {
    fn from(status: ExitStatus) -> Self {
        if status.success() { Self::passed() } else { Self::failed() }
    }
}

/// The stages so far.
pub(crate) struct Stages {
    started: Instant,
    tally: Tally,
    lines: Vec<String>,
}

impl Stages {
    pub(crate) fn start() -> Self {
        Self { started: now(), tally: Tally::NONE, lines: Vec::new() }
    }

    /// Runs a stage. A failed one that counted no failed test counts as one itself.
    pub(crate) fn run(&mut self, name: &str, stage: impl FnOnce() -> Result<Run>) -> Result<()> {
        println!("==> {name}");
        let started = now();
        let run = stage().with_context(|| format!("stage `{name}`"))?;
        let word = if run.passed { "ok" } else { "FAILED" };
        let line = format!("{word:6} {:>8}  {name}", seconds(started));
        println!("{line}");
        self.lines.push(line);
        self.tally = self.tally.plus(run.tally);
        if !run.passed && run.tally.failed == 0 {
            self.tally.failed += 1;
        }
        Ok(())
    }

    /// Prints all lines once more, together, and the sums last.
    pub(crate) fn close(self) -> Outcome {
        println!();
        for line in &self.lines {
            println!("{line}");
        }
        let Tally { passed, failed, .. } = self.tally;
        println!(
            "{passed} passed, {failed} failed{} in {}",
            self.tally.ignored_note(),
            seconds(self.started)
        );
        if failed == 0 { Outcome::Clean } else { Outcome::Failed }
    }
}

/// Runs a command; its output goes where ours goes.
pub(crate) fn command(command: &mut Command) -> Result<Run> {
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    tell(command, status);
    Ok(status.into())
}

/// Runs a command that prints `test result:` lines and adds these up, passing all lines on as they come.
pub(crate) fn counted(command: &mut Command) -> Result<Run> {
    command.stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", shown(command)))?;
    let stdout = child.stdout.take().context("the child's output was asked for")?;
    let mut tally = Tally::NONE;
    for line in BufReader::new(stdout).split(b'\n') {
        // A test may print anything, text or not.
        let line = line.context("reading test output")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally = tally.plus(Tally::from_line(&line));
    }
    let status = child.wait().context("waiting for the tests")?;
    tell(command, status);
    Ok(Run { tally, ..status.into() })
}

fn tell(command: &Command, status: ExitStatus) {
    if !status.success() {
        println!("error: {} ended with {status}", shown(command));
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn seconds(since: Instant) -> String {
    let elapsed: Duration = now().duration_since(since);
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "how long a stage takes is all it is asked for")]
fn now() -> Instant {
    Instant::now()
}
