//! One client: its island, what carries it off, its tor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock;
use crate::island::{LEAK, READY};
use crate::keys::own_directory;
use crate::namespaces::{INSIDE, Place};
use crate::network::{BRIDGE_PORT, Network};
use crate::process::Process;
use crate::relay::{self, Octets, Plan, Relay};
use crate::tcp_link::{self, TcpLink};
use crate::tor::Tor;

/// A namespace is made in milliseconds; on a crowded machine in seconds.
const START_AT_MOST: Duration = Duration::from_secs(30);

/// tor has no limit of its own for as long as something moves; at 3 KB/s it takes a minute.
const BOOTSTRAP_AT_MOST: Duration = Duration::from_secs(900);

/// What a client goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Over {
    /// `skypeproxy` and an emulated relay.
    Skypeproxy,
    /// A plain TCP link of the same rate and round trip, without us.
    Tcp,
}

/// A client that has bootstrapped. Dropped, everything of it is stopped.
#[derive(Debug)]
pub(crate) struct Client {
    // In the order in which they stop.
    _tor: Tor,
    carried: Carried,
    island: Process,
    /// From tor's start until it could be used, in seconds.
    pub(crate) bootstrap_s: f64,
}

#[derive(Debug)]
enum Carried {
    Relay(Box<Relay>),
    Link(TcpLink),
}

impl Client {
    /// Starts an island and everything on it, and waits until tor has bootstrapped. All files go
    /// below `dir`, which is made.
    pub(crate) fn start(network: &Network, over: Over, plan: &Plan, dir: &Path) -> Result<Self> {
        own_directory(dir)?;
        let sockets = [dir.join("link.island"), dir.join("link.core")];
        let (link, sockets) = match over {
            Over::Skypeproxy => (None, None),
            Over::Tcp => {
                let [islands, cores] = &sockets;
                let link = TcpLink::open(&plan.link.spec(), cores, islands)?;
                (Some(link), Some(&sockets))
            }
        };
        let island = island(dir, &plan.tcp, sockets)?;
        let place = Place::of(island.pid());
        let (carried, bridge_at, torrc) = match link {
            Some(link) => (Carried::Link(link), tcp_link::CORE, String::new()),
            None => {
                let target = SocketAddr::from(([127, 0, 0, 1], BRIDGE_PORT));
                let relay = Relay::start(plan, &place, dir, target)?;
                let torrc = format!("Socks5Proxy {}\n", relay::SOCKS);
                (Carried::Relay(Box::new(relay)), "127.0.0.1", torrc)
            }
        };
        let torrc = format!("SocksPort 9050\n{}{torrc}", network.client_torrc(bridge_at));
        let begun = clock::now();
        let mut tor = Tor::start(&place, dir, "client", &torrc)?;
        tor.wait_ready(BOOTSTRAP_AT_MOST)?;
        let bootstrap_s = begun.elapsed().as_secs_f64();
        Ok(Self { _tor: tor, carried, island, bootstrap_s })
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        Place::of(self.island.pid())
    }

    /// What was carried so far.
    pub(crate) fn octets(&self) -> Result<Octets> {
        match &self.carried {
            Carried::Relay(relay) => relay.octets(),
            Carried::Link(link) => Ok(link.octets()),
        }
    }

    /// Everything that escaped so far, a line each.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let log = self.island.log();
        log.lines().filter_map(|line| line.strip_prefix(LEAK)).map(str::to_owned).collect()
    }

    /// An error if something that must run has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.island.check()?;
        match &mut self.carried {
            Carried::Relay(relay) => relay.check(),
            Carried::Link(_) => Ok(()),
        }
    }
}

fn island(dir: &Path, tcp: &str, link: Option<&[PathBuf; 2]>) -> Result<Process> {
    let exe = std::env::current_exe().context("where is this program?")?;
    let mut command: Command = Place::Nowhere.command(exe);
    command.args([INSIDE, "island", "--tcp", tcp]);
    for port in Network::ports() {
        command.arg("--tripwire").arg(port.to_string());
    }
    if let Some(sockets) = link {
        command.arg("--link").args(sockets);
    }
    let mut island = Process::start("island", dir, &mut command)?;
    island.wait_for(READY, START_AT_MOST)?;
    Ok(island)
}
