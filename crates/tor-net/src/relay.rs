//! What is between the client's tor and the bridge: our relay, or a plain link of the same shape.

use std::net::SocketAddr;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;
use skype_emu::LinkConfig;

use crate::clock;
use crate::namespaces::Place;
use crate::process::Process;

/// Programs that start in milliseconds; on a crowded machine in seconds.
const START_AT_MOST: Duration = Duration::from_secs(30);

/// The first contact over a slow relay takes a few round trips.
const CONNECT_AT_MOST: Duration = Duration::from_secs(120);

/// Where the client's tor finds `skypeproxy client`.
pub(crate) const SOCKS: &str = "127.0.0.1:1080";

/// Octets that came out of a relay or link, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Octets {
    /// From the client.
    pub(crate) up: u64,
    /// To the client.
    pub(crate) down: u64,
}

impl Octets {
    /// Both directions.
    pub(crate) const fn sum(self) -> u64 {
        self.up.saturating_add(self.down)
    }
}

impl Sub for Octets {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            up: self.up.saturating_sub(earlier.up),
            down: self.down.saturating_sub(earlier.down),
        }
    }
}

/// What is to be run, and over what.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The skypeproxy binary.
    pub(crate) binary: PathBuf,
    /// The relay.
    pub(crate) link: LinkConfig,
    /// So many of them, and as many paths; otherwise a single line that is no relay to the overlay.
    pub(crate) relays: Option<u8>,
    /// Further words for the client's command line, and the bridge's.
    pub(crate) words: Vec<String>,
    /// TCP's congestion control.
    pub(crate) tcp: String,
}

/// An overlay, a bridge and a client. Dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Relay {
    overlay: Process,
    bridge: Process,
    client: Process,
}

impl Relay {
    /// Starts all three: the bridge here, forwarding to `target` only, the client on the island,
    /// the overlay where there is no network at all.
    pub(crate) fn start(
        plan: &Plan,
        island: &Place,
        dir: &Path,
        target: SocketAddr,
    ) -> Result<Self> {
        let path = |name: &str| dir.join(name).display().to_string();
        let carrier = |login: &str| format!("skype:unix:{}", path(&format!("{login}.sock")));
        std::fs::write(dir.join("overlay.toml"), overlay_toml(plan, dir))
            .context("overlay.toml")?;
        let command = |place: &Place, words: &[&str]| {
            let mut command = place.command(&plan.binary);
            command.args(words);
            command
        };
        let config = path("overlay.toml");
        let mut overlay = command(&Place::Nowhere, &["overlay", "--config", &config]);
        let mut overlay = Process::start("overlay", dir, &mut overlay)?;
        overlay.wait_for("login bob", START_AT_MOST)?;

        let key = path("bridge.key");
        let made = command(&Place::Ours, &["keygen", "--out", &key]).output();
        let public = made.context("cannot run skypeproxy")?.stdout;
        let public = String::from_utf8_lossy(&public).trim().to_owned();

        let (carrier_here, target) = (carrier("bob"), target.to_string());
        let words = ["bridge", "--carrier", &carrier_here, "--key", &key, "--forward", &target];
        let mut bridge = command(&Place::Ours, &words);
        let mut bridge = Process::start("skype-bridge", dir, bridge.args(&plan.words))?;
        bridge.wait_for("ready", START_AT_MOST)?;

        let carrier_there = carrier("alice");
        let words = ["client", "--carrier", &carrier_there, "--bridge", "skype:bob"];
        let mut client = command(island, &words);
        client.args(["--bridge-key", &public, "--listen", SOCKS]).args(path_words(plan));
        client.args(&plan.words);
        let mut client = Process::start("skype-client", dir, &mut client)?;
        client.wait_for("connected to the bridge", CONNECT_AT_MOST)?;
        Ok(Self { overlay, bridge, client })
    }

    /// What the relay carried so far, in octets of AP2AP text.
    pub(crate) fn octets(&self) -> Result<Octets> {
        let before = reports(&self.overlay.log()).len();
        self.overlay.signal(Signal::USR1)?;
        let report = clock::wait_until("the overlay's figures", START_AT_MOST, || {
            Ok(reports(&self.overlay.log()).get(before).cloned())
        })?;
        let report: Value = serde_json::from_str(&report).context("the overlay's figures")?;
        let from = |login: &str| {
            let routes = report.get("routes").and_then(Value::as_array).into_iter().flatten();
            let theirs = routes.filter(|route| route.get("from").is_some_and(|name| name == login));
            theirs.filter_map(|route| route.get("octets_out").and_then(Value::as_u64)).sum()
        };
        Ok(Octets { up: from("alice"), down: from("bob") })
    }

    /// An error if one of the three has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.overlay.check()?;
        self.bridge.check()?;
        self.client.check()
    }
}

/// The figures an overlay has given, whole lines only.
fn reports(log: &str) -> Vec<String> {
    let whole = log.get(..log.rfind('\n').unwrap_or_default()).unwrap_or_default();
    whole.lines().filter_map(|line| line.strip_prefix("stats ")).map(str::to_owned).collect()
}

/// What tells a client to use as many paths as there are relays.
fn path_words(plan: &Plan) -> Vec<String> {
    plan.relays.map_or_else(Vec::new, |relays| vec!["--paths".to_owned(), relays.to_string()])
}

fn overlay_toml(plan: &Plan, dir: &Path) -> String {
    let login = |name: &str| {
        format!("[[login]]\nname = \"{name}\"\nsocket = \"{}/{name}.sock\"\n\n", dir.display())
    };
    let logins = ["alice", "bob"].map(login).concat();
    let shape = shape(&plan.link);
    let way = match plan.relays {
        None => format!("[link]\n{shape}"),
        // Relays that stay, so that a figure is about so many of them and not about what becomes of them;
        // a stream takes one round trip to come up.
        Some(count) => format!(
            "[link]\nrtt_ms = 0\n\n[relays]\ncount = {count}\nlifetime_s = 0\n\
             set_up_ms = {}\n{shape}",
            plan.link.rtt_ms.unwrap_or_default()
        ),
    };
    format!("seed = 1\n\n{logins}{way}")
}

/// What a line and a relay are told alike.
fn shape(link: &LinkConfig) -> String {
    let LinkConfig { rate, rtt_ms, loss, .. } = link;
    let key = |name: &str, value: Option<String>| {
        value.map(|value| format!("{name} = {value}\n")).unwrap_or_default()
    };
    let rate = key("rate", rate.map(|rate| rate.to_string()));
    let rtt_ms = key("rtt_ms", rtt_ms.map(|ms| ms.to_string()));
    rate + &rtt_ms + &key("loss", loss.map(|loss| loss.to_string()))
}

#[cfg(test)]
mod tests {
    use skype_emu::OverlayConfig;

    use super::*;

    fn plan(relays: Option<u8>) -> Plan {
        let link = LinkConfig { rate: Some(3000), rtt_ms: Some(200), ..LinkConfig::default() };
        let (binary, tcp) = (PathBuf::from("skypeproxy"), "reno".to_owned());
        Plan { binary, link, relays, words: Vec::new(), tcp }
    }

    fn overlay(plan: &Plan) -> OverlayConfig {
        let config: OverlayConfig = toml::from_str(&overlay_toml(plan, Path::new("/dir"))).unwrap();
        config.check().unwrap();
        config
    }

    #[test]
    fn without_relays_the_rate_is_that_of_the_line() {
        let plan = plan(None);
        let config = overlay(&plan);
        assert_eq!((config.link.rate, config.link.rtt_ms), (Some(3000), Some(200)));
        assert!(config.relays.is_none());
        assert!(path_words(&plan).is_empty());
    }

    #[test]
    fn with_relays_each_has_the_rate_and_there_is_a_path_for_each() {
        let plan = plan(Some(4));
        let config = overlay(&plan);
        assert_eq!((config.link.rate, config.link.rtt_ms), (None, Some(0)));
        let relays = config.relays.unwrap();
        assert_eq!((relays.count, relays.rate, relays.rtt_ms), (Some(4), Some(3000), Some(200)));
        assert_eq!(relays.lifetime_s, Some(0.0));
        assert_eq!(path_words(&plan), ["--paths", "4"]);
    }
}
