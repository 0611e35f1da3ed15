//! A program that runs until it is stopped, by its process id, whatever happens.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 12;

/// A running program whose output goes to a file. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it prints goes to `NAME.log` in `dir`.
    pub(crate) fn start(name: &str, dir: &Path, command: &mut Command) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {name}.log"))?;
        let copy = file.try_clone().context("a second handle")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has said.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log)
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .unwrap_or_default()
    }

    /// Waits until it has said a line that contains `text`, and gives the first such line.
    pub(crate) fn wait_for(&mut self, text: &str, at_most: Duration) -> Result<String> {
        let what = format!("{} to say {text:?}", self.name);
        let waited = clock::wait_until(&what, at_most, || {
            let log = self.log();
            // Not the last line if its end has not come yet.
            let whole = log.get(..log.rfind('\n').map_or(0, |at| at + 1)).unwrap_or_default();
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return Ok(Some(line.to_owned()));
            }
            self.check().map(|()| None)
        });
        waited.with_context(|| format!("the last that {} said:\n{}", self.name, self.tail()))
    }

    /// An error if it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().with_context(|| format!("cannot ask for {}", self.name))? {
            Some(status) => {
                bail!("{} ended with {status}; it said last:\n{}", self.name, self.tail())
            }
            None => Ok(()),
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // If it has ended already, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
