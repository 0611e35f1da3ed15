//! One tor: its torrc, its process, its control socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::keys;
use crate::namespaces::Place;
use crate::process::Process;

/// An answer on a control socket takes milliseconds; on a crowded machine seconds.
const CONTROL_AT_MOST: Duration = Duration::from_secs(30);

/// Every tor's torrc: nothing of the outside, a control socket, no pause at the end.
const COMMON: &str = "\
TestingTorNetwork 1
RunAsDaemon 0
Log notice stdout
SafeLogging 0
NumCPUs 1
CookieAuthentication 0
ShutdownWaitLength 0
PathsNeededToBuildCircuits 0.67
";

/// A running tor.
#[derive(Debug)]
pub(crate) struct Tor {
    pub(crate) process: Process,
    data: PathBuf,
}

impl Tor {
    /// Starts a tor with [`COMMON`] and what `torrc` adds, its data below `dir`.
    pub(crate) fn start(place: &Place, dir: &Path, nickname: &str, torrc: &str) -> Result<Self> {
        let data = dir.join(nickname);
        keys::own_directory(&data)?;
        let nothing = keys::nothing(&data)?;
        let file = data.join("torrc");
        let text = format!(
            "{COMMON}DataDirectory {data}\nControlSocket {data}/control\n{torrc}",
            data = data.display()
        );
        fs::write(&file, text).context("cannot write a torrc")?;
        let mut command: Command = place.command("tor");
        command.arg("--defaults-torrc").arg(&nothing).arg("-f").arg(&file);
        let process = Process::start(nickname, dir, &mut command)?;
        Ok(Self { process, data })
    }

    /// Waits until it is bootstrapped.
    pub(crate) fn wait_ready(&mut self, at_most: Duration) -> Result<()> {
        self.process.wait_for("Bootstrapped 100%", at_most).map(|_| ())
    }

    /// Whether its directory cache knows this relay.
    pub(crate) fn knows(&self, nickname: &str) -> bool {
        let line = format!("router {nickname} ");
        ["cached-descriptors", "cached-descriptors.new"].iter().any(|name| {
            let cache = fs::read(self.data.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&cache).lines().any(|have| have.starts_with(&line))
        })
    }

    /// Gives a command on its control socket (control-spec) and wants `250`.
    pub(crate) fn control(&self, command: &str) -> Result<()> {
        let socket = UnixStream::connect(self.data.join("control")).context("no control socket")?;
        socket.set_read_timeout(Some(CONTROL_AT_MOST)).context("a timeout")?;
        let mut lines = BufReader::new(&socket).lines();
        for line in ["AUTHENTICATE", command] {
            (&socket).write_all(format!("{line}\r\n").as_bytes()).context("the control socket")?;
            let answer = lines.next().context("the control socket closed")??;
            if !answer.starts_with("250") {
                bail!("{line}: tor answered {answer}");
            }
        }
        Ok(())
    }
}
