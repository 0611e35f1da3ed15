//! curl on the island, through the client's tor.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::namespaces::Place;
use crate::{clock, stop, web};

/// Where curl finds the client's tor.
const TOR: &str = "127.0.0.1:9050";

/// A fetch that goes on longer hangs.
const AT_MOST: Duration = Duration::from_secs(3600);

/// What curl is to tell, in seconds: until the first octet, and the last.
const TELL: &str = "%{time_starttransfer} %{time_total} %{exitcode}";

/// A fetch that is under way.
pub(crate) struct Fetch {
    curl: Child,
}

/// A finished fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    /// From the request until the first octet of the answer, in seconds.
    pub(crate) ttfb_s: f64,
    /// Until the last, in seconds.
    pub(crate) total_s: f64,
}

impl Fetch {
    /// Starts fetching; the body goes to `file`. tor isolates by `user`: another user's fetch goes
    /// over another circuit of the same connection.
    pub(crate) fn start(place: &Place, user: &str, url: &str, file: &Path) -> Result<Self> {
        Self::start_with(place, user, url, file, &[])
    }

    /// The same, with further words for curl.
    pub(crate) fn start_with(
        place: &Place,
        user: &str,
        url: &str,
        file: &Path,
        words: &[&str],
    ) -> Result<Self> {
        let curl = place
            .command("curl")
            .args(["--silent", "--show-error", "--fail", "--noproxy", "", "--write-out", TELL])
            .args(["--max-time", &AT_MOST.as_secs().to_string()])
            .args(["--proxy", &format!("socks5h://{user}:x@{TOR}")])
            .arg("--output")
            .arg(file)
            .arg(url)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run curl")?;
        Ok(Self { curl })
    }

    /// Whether it is still going on.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.curl.try_wait().context("cannot ask for curl")?.is_none())
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Result<Fetched> {
        clock::wait_until("curl", AT_MOST, || Ok((!self.is_running()?).then_some(())))?;
        let output = self.output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("curl: {} ({told})", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut seconds = told.split(' ').map_while(|word| word.parse().ok());
        let (Some(ttfb_s), Some(total_s)) = (seconds.next(), seconds.next()) else {
            bail!("curl told {told:?}");
        };
        Ok(Fetched { ttfb_s, total_s })
    }

    fn output(&mut self) -> Result<Output> {
        use std::io::Read;
        let status = self.curl.wait().context("cannot wait for curl")?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let (Some(out), Some(err)) = (&mut self.curl.stdout, &mut self.curl.stderr) {
            out.read_to_end(&mut stdout).context("what curl told")?;
            err.read_to_end(&mut stderr).context("what curl told")?;
        }
        Ok(Output { status, stdout, stderr })
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // If it has ended already, there is nothing to kill.
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

/// Fetches `len` octets and compares their hash.
pub(crate) fn fetch(place: &Place, dir: &Path, web: SocketAddr, len: u64) -> Result<Fetched> {
    let file = dir.join("body");
    let fetched = Fetch::start(place, "fetch", &format!("http://{web}/{len}"), &file)?.wait()?;
    if web::hash_of_file(&file)? != web::hash_of_body(len)? {
        bail!("what was fetched is not what was served");
    }
    Ok(fetched)
}

/// Tries to get past tor, as a leak would: to an OR port, to an address outside, to a name.
/// Whether any of it got an answer.
pub(crate) fn leak(place: &Place, or_port: u16) -> Result<bool> {
    let mut answered = false;
    let urls = [
        format!("http://127.0.0.1:{or_port}/"),
        "http://198.51.100.7:9001/".to_owned(),
        "http://[2001:db8::7]:9001/".to_owned(),
        "http://onion-router.example/".to_owned(),
    ];
    for url in urls {
        let tried = place
            .command("curl")
            .args(["--silent", "--noproxy", "*", "--max-time", "1", &url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot run curl")?;
        answered |= tried.success();
        if stop::is_asked_for() {
            bail!("interrupted");
        }
    }
    Ok(answered)
}
