//! Which files may be read and which TCP ports used, enforced by landlock.
//!
//! A kernel enforces what it knows: files since Linux 5.13, TCP ports since 6.7, signals and abstract
//! sockets since 6.12. UDP ports and the paths of Unix sockets are not its business, so Skype's
//! socket is found again after a restart without a rule.

use std::fmt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};

/// What is asked of the kernel: the newest version that this was tried with. A newer one may
/// restrict what we need.
const WANTED: ABI = ABI::V6;

/// What glibc reads to resolve a name: its configuration, where that points to, and its modules.
/// What does not exist is left out. A `resolv.conf` that is replaced while we run is found again
/// only in one of these directories.
const RESOLVER_FILES: [&str; 13] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
];

/// How much of the processor we may use: the runtime starts as many threads.
const QUOTA_FILES: [&str; 2] = ["/proc/self/cgroup", "/sys/fs/cgroup"];

/// Where long answers of a name server come from.
const DNS_PORT: u16 = 53;

/// What a command still does with files and TCP ports once it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    listen_ports: Vec<u16>,
    connect_ports: Vec<u16>,
    resolver_files: &'static [&'static str],
    /// Where files may be removed.
    removing_in: Option<PathBuf>,
}

/// What landlock enforces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    abi: ABI,
    status: RulesetStatus,
}

/// Landlock enforces nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("this kernel has no landlock: Linux 5.13 or later has, if it is configured")]
    Missing,
    #[error("landlock is turned off: add it to the kernel's lsm= parameter")]
    TurnedOff,
    #[error("landlock refuses the rules")]
    Refused(#[from] RulesetError),
}

impl Reach {
    /// A client listens on one port; 0 is any free one.
    pub(crate) fn of_client(listen_port: u16) -> Self {
        Self { listen_ports: vec![listen_port], ..Self::default() }
    }

    /// A bridge connects to its targets' ports and resolves names.
    pub(crate) fn of_bridge(target_ports: impl IntoIterator<Item = u16>) -> Self {
        let connect_ports = target_ports.into_iter().chain([DNS_PORT]).collect();
        Self { connect_ports, resolver_files: &RESOLVER_FILES, ..Self::default() }
    }

    /// The same, and files may be removed that are in this directory: a socket of our own.
    pub(crate) fn and_removing_in(self, dir: Option<&Path>) -> Self {
        Self { removing_in: dir.map(Path::to_owned), ..self }
    }

    /// Restricts this thread, and all that it starts, to this.
    ///
    /// # Errors
    /// [`Error`] if nothing at all is enforced.
    pub(crate) fn restrict(&self) -> Result<Held, Error> {
        let status = self.apply()?;
        let abi = match status.landlock {
            LandlockStatus::NotEnabled => return Err(Error::TurnedOff),
            LandlockStatus::NotImplemented => return Err(Error::Missing),
            LandlockStatus::Available { effective_abi, .. } => effective_abi.min(WANTED),
        };
        Ok(Held { abi, status: status.ruleset })
    }

    fn apply(&self) -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(WANTED))?
            .handle_access(AccessNet::from_all(WANTED))?
            .scope(Scope::from_all(WANTED))?
            .create()?
            .add_rules(path_beneath_rules(QUOTA_FILES, AccessFs::ReadFile))?
            .add_rules(path_beneath_rules(self.resolver_files, AccessFs::ReadFile))?
            .add_rules(path_beneath_rules(&self.removing_in, AccessFs::RemoveFile))?
            .add_rules(ports(&self.listen_ports, AccessNet::BindTcp))?
            .add_rules(ports(&self.connect_ports, AccessNet::ConnectTcp))?
            .restrict_self()
    }
}

fn ports(ports: &[u16], access: AccessNet) -> impl Iterator<Item = Result<NetPort, RulesetError>> {
    ports.iter().map(move |port| Ok(NetPort::new(*port, access)))
}

impl Held {
    /// Whether all that was asked for is enforced.
    pub(crate) fn is_whole(&self) -> bool {
        self.status == RulesetStatus::FullyEnforced
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.status {
            RulesetStatus::FullyEnforced => "fully",
            RulesetStatus::PartiallyEnforced => "partly",
            RulesetStatus::NotEnforced => "not",
        };
        // `V6`, as the crate calls it.
        let abi = format!("{:?}", self.abi);
        write!(f, "landlock ABI {} {how} enforced", abi.trim_start_matches('V'))
    }
}
