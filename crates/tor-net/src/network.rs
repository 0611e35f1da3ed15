//! Three authorities that are relays and exits, one more relay, and a bridge.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock;
use crate::keys::{self, Authority};
use crate::namespaces::Place;
use crate::stop;
use crate::tor::Tor;

/// Steps that take seconds take no longer on a crowded machine.
const STEP_AT_MOST: Duration = Duration::from_secs(60);

/// Authorities that vote in the second in which a crowded machine has no time for them agree on
/// nothing, and the next vote may be an hour away.
const ATTEMPTS: u32 = 3;

/// `OR port, directory port` of each authority.
const AUTHORITIES: [(u16, u16); 3] = [(5001, 7001), (5002, 7002), (5003, 7003)];

/// The OR port of the relay that is nothing else.
const RELAY_PORT: u16 = 5004;

/// The OR port of the bridge.
pub(crate) const BRIDGE_PORT: u16 = 5005;

/// Seconds between the votes that make the first consensus, once it is asked for.
const VOTE_EVERY_S: u64 = 10;

/// So long before a vote its preparation may begin.
const VOTE_LEAD_S: u64 = 6;

/// Of everything that has an OR port. The resolver is never asked: there is none.
const RELAY: &str = "\
SocksPort 0
Address 127.0.0.1
AssumeReachable 1
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
ServerDNSDetectHijacking 0
ServerDNSTestAddresses localhost
ContactInfo none@invalid
";

/// Of the authorities and the relay: exits to everywhere, which is nowhere beyond loopback.
const EXIT: &str = "ExitRelay 1\nExitPolicy accept *:*\n";

/// Of the authorities. The first vote is far away until it is asked for; the consensus that comes
/// of it is fresh for an hour, so that nothing is fetched again in the middle of a measurement.
const AUTHORITY: &str = "\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
TestingV3AuthInitialVotingInterval 900
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 1 hours
V3AuthVoteDelay 2
V3AuthDistDelay 2
V3AuthNIntervalsValid 3
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
TestingMinFastFlagThreshold 0
";

/// Of the bridge.
const BRIDGE: &str = "BridgeRelay 1\nPublishServerDescriptor 0\nExitRelay 0\nDirCache 1\n";

/// A running network. Dropped, it is stopped.
#[derive(Debug)]
pub(crate) struct Network {
    /// Only kept: they stop when they are dropped.
    _core: Vec<Tor>,
    _bridge: Tor,
    authorities: Vec<Authority>,
    bridge_fingerprint: String,
    /// Lines for the torrc of the bridge and its clients.
    further: String,
}

impl Network {
    /// Makes keys, starts everything, waits for a consensus that lists everybody and for a bridge
    /// that has it.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        Self::start_with(dir, "")
    }

    /// The same, with further lines for the torrc of the bridge and its clients.
    pub(crate) fn start_with(dir: &Path, torrc: &str) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::attempt(&dir.join(format!("net{attempt}")), torrc) {
                Ok(network) => return Ok(network),
                Err(error) if attempt < ATTEMPTS && !stop::is_asked_for() => {
                    eprintln!("no network at attempt {attempt}, once more: {error:#}");
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn attempt(dir: &Path, torrc: &str) -> Result<Self> {
        keys::own_directory(dir)?;
        let further = torrc.to_owned();
        let authorities = authorities(dir)?;
        let named: String = authorities.iter().map(Authority::line).collect();
        let certificates = certificates(dir, &authorities)?;
        let start = |nickname: &str, torrc: String| -> Result<Tor> {
            let data = dir.join(nickname);
            keys::own_directory(&data)?;
            fs::write(data.join("cached-certs"), &certificates).context("seeding certificates")?;
            Tor::start(&Place::Ours, dir, nickname, &torrc)
        };
        let mut core = Vec::new();
        for Authority { nickname, or_port, dir_port, .. } in &authorities {
            let ports = format!("ORPort 127.0.0.1:{or_port}\nDirPort 127.0.0.1:{dir_port}\n");
            let torrc = format!("Nickname {nickname}\n{ports}{named}{RELAY}{EXIT}{AUTHORITY}");
            core.push(start(nickname, torrc)?);
        }
        let torrc = format!("Nickname relay\nORPort 127.0.0.1:{RELAY_PORT}\n{named}{RELAY}{EXIT}");
        core.push(start("relay", torrc)?);
        vote(&mut core, &authorities).context("no consensus")?;
        for tor in &mut core {
            tor.wait_ready(STEP_AT_MOST)?;
        }
        let bridge_fingerprint = keys::fingerprint(&dir.join("bridge"), "bridge")?;
        // On every address, for the link that measures tor without us ends at another.
        let torrc = format!(
            "Nickname bridge\nORPort {BRIDGE_PORT} IPv4Only\n{named}{RELAY}{BRIDGE}{further}"
        );
        let mut bridge = start("bridge", torrc)?;
        bridge.wait_ready(STEP_AT_MOST)?;
        Ok(Self { _core: core, _bridge: bridge, authorities, bridge_fingerprint, further })
    }

    /// What a client's torrc needs to know: the authorities, and the bridge at this address.
    pub(crate) fn client_torrc(&self, bridge_at: &str) -> String {
        let named: String = self.authorities.iter().map(Authority::line).collect();
        let Self { bridge_fingerprint, further, .. } = self;
        format!(
            "{named}{further}UseBridges 1\nBridge {bridge_at}:{BRIDGE_PORT} {bridge_fingerprint}\n"
        )
    }

    /// Every port on which a tor of this network listens.
    pub(crate) fn ports() -> impl Iterator<Item = u16> {
        let authorities =
            AUTHORITIES.into_iter().flat_map(|(or_port, dir_port)| [or_port, dir_port]);
        authorities.chain([RELAY_PORT, BRIDGE_PORT])
    }
}

fn authorities(dir: &Path) -> Result<Vec<Authority>> {
    let mut making = Vec::new();
    for (number, ports) in (1..).zip(AUTHORITIES) {
        let nickname = format!("auth{number}");
        let data = dir.join(&nickname);
        let child = keys::start_signing_keys(&data, ports.1)?;
        making.push((child, data, nickname, ports));
    }
    let finish = |(child, data, nickname, ports): (_, PathBuf, String, _)| {
        keys::finish(child, &data, &nickname, ports)
    };
    making.into_iter().map(finish).collect()
}

/// All authorities' certificates, so that no relay has to fetch them.
fn certificates(dir: &Path, authorities: &[Authority]) -> Result<String> {
    authorities.iter().map(|authority| keys::certificate(&dir.join(&authority.nickname))).collect()
}

/// Waits until every authority knows every relay, then asks all for a vote soon: tor plans its
/// votes again when these options change.
fn vote(core: &mut [Tor], authorities: &[Authority]) -> Result<()> {
    let named = authorities.iter().map(|authority| authority.nickname.as_str());
    let nicknames: Vec<&str> = named.chain(["relay"]).collect();
    clock::wait_until("every authority to know every relay", STEP_AT_MOST, || {
        core.iter_mut().try_for_each(|tor| tor.process.check())?;
        let mut voters = core.iter().take(authorities.len());
        Ok(voters.all(|tor| nicknames.iter().all(|nickname| tor.knows(nickname))).then_some(()))
    })?;
    let offset = (clock::unix_seconds() + VOTE_LEAD_S) % VOTE_EVERY_S;
    let command = format!(
        "SETCONF TestingV3AuthInitialVotingInterval={VOTE_EVERY_S} TestingV3AuthVotingStartOffset={offset}"
    );
    core.iter().take(authorities.len()).try_for_each(|tor| tor.control(&command))
}
