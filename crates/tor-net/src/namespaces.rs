//! Where everything runs: in namespaces of its own, from which no packet and no process gets out.
//!
//! ```text
//!   ours                        no network but loopback, a PID namespace: when its first process
//!   │                           ends, however it ends, the kernel ends all others
//!   ├─ authorities, relay, bridge, web server, `skypeproxy bridge`
//!   ├─ island                   loopback, and a default route on which every packet is an escape
//!   │  └─ client tor, `skypeproxy client`, curl
//!   └─ overlay                  no network at all: its sockets are in the file system
//! ```

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::stop;

/// How often what runs inside is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How to get namespaces: as anybody, or as root where users may not have theirs.
const WAYS: [&[&str]; 2] = [
    &["--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"],
    &["--net", "--pid", "--fork", "--mount-proc", "--kill-child"],
];

/// Directories that a system has and seldom uses; one becomes the place of all our files, in
/// memory and only inside.
const FILES_AT: [&str; 3] = ["/mnt", "/media", "/srv"];

/// Programs that are run, each with the Debian package that has it.
const PROGRAMS: [(&str, &str); 8] = [
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
    ("tor", "tor"),
    ("tor-gencert", "tor"),
    ("curl", "curl"),
];

/// Where an outside resolver is asked: reserved for documentation (RFC 5737), so that asking it
/// is seen as an escape.
const RESOLVER: &str = "198.51.100.53";

/// The first word of a program that runs inside.
pub(crate) const INSIDE: &str = "--inside";

/// Runs this program again inside, with [`INSIDE`] before its arguments, until it ends. When we are
/// killed, the kernel kills `unshare`, and with that everything inside.
///
/// # Errors
/// A program is missing. That namespaces are refused is no error but an answer.
pub(crate) fn enter() -> Result<Entered> {
    for (program, package) in PROGRAMS {
        if !is_there(program) {
            bail!("{program} is missing: install the package {package}");
        }
    }
    if let Err(why) = can_tun() {
        return Ok(Entered::Refused(Refused::Tun(why)));
    }
    let exe = std::env::current_exe().context("where is this program?")?;
    let mut why = String::new();
    for way in WAYS {
        let tried = Command::new("unshare").args(way).arg("true").stdin(Stdio::null()).output();
        let tried = tried.context("cannot run unshare")?;
        if tried.status.success() {
            let mut inside = Command::new("setpriv");
            inside.args(["--pdeathsig", "KILL", "unshare"]).args(way).arg(&exe).arg(INSIDE);
            let inside = inside.args(std::env::args_os().skip(1)).spawn();
            return guard(inside.context("cannot run setpriv")?).map(Entered::Ended);
        }
        why = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
    }
    Ok(Entered::Refused(Refused::Namespaces(why)))
}

/// What came of entering.
pub(crate) enum Entered {
    /// What ran inside has ended.
    Ended(ExitStatus),
    /// There is no inside.
    Refused(Refused),
}

/// Waits for the end of `unshare`. It takes no notice of SIGINT and SIGTERM, so the first process
/// inside is told by us.
fn guard(mut unshare: Child) -> Result<ExitStatus> {
    stop::listen()?;
    let mut is_told = false;
    loop {
        if let Some(status) = unshare.try_wait().context("cannot ask for unshare")? {
            return Ok(status);
        }
        if stop::is_asked_for() && !is_told {
            for child in children(unshare.id()) {
                // If it has ended by now, so will unshare.
                let _ = kill_process(child, Signal::TERM);
                is_told = true;
            }
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn children(pid: u32) -> Vec<Pid> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let listed = std::fs::read_to_string(file).unwrap_or_default();
    listed.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)).collect()
}

/// What the network needs is not to be had here.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The kernel gives no namespaces; what it said.
    Namespaces(String),
    /// No TUN device; what the kernel said.
    Tun(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaces(why) => write!(
                f,
                "this kernel gives us no namespaces ({why}). Enable them with `sysctl \
                 kernel.unprivileged_userns_clone=1` (Debian) or `sysctl \
                 kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), or run this as root"
            ),
            Self::Tun(why) => write!(
                f,
                "no TUN device ({why}). Load it with `modprobe tun` and let us open /dev/net/tun"
            ),
        }
    }
}

fn is_there(program: &str) -> bool {
    let dirs =
        std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/sbin:/usr/bin:/bin"));
    std::env::split_paths(&dirs).any(|dir| dir.join(program).is_file())
        || ["/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join(program).is_file())
}

/// Brings loopback up, makes a directory in memory for all files, and points the resolver at an
/// address where asking is an escape. Gives the directory.
///
/// # Errors
/// What the system refuses.
pub(crate) fn furnish(tcp: &str) -> Result<PathBuf> {
    let exe = std::env::current_exe().context("where is this program?")?;
    let here = std::env::current_dir().context("where are we?")?;
    let is_free =
        |dir: &&&str| Path::new(dir).is_dir() && !exe.starts_with(dir) && !here.starts_with(dir);
    let dir = FILES_AT.iter().find(is_free).context("none of /mnt, /media, /srv is there")?;
    run("mount", &["-t", "tmpfs", "-o", "mode=0700", "tor-net", dir])?;
    run("ip", &["link", "set", "lo", "up"])?;
    congestion_control(tcp)?;
    let resolv = Path::new(dir).join("resolv.conf");
    std::fs::write(&resolv, format!("nameserver {RESOLVER}\n")).context("writing resolv.conf")?;
    let resolv = resolv.to_str().context("a path that is text")?;
    run("mount", &["--bind", resolv, "/etc/resolv.conf"])?;
    Ok(PathBuf::from(dir))
}

/// Runs a program to its end.
///
/// # Errors
/// It is missing or fails; the error has what it said.
pub(crate) fn run(program: &str, words: &[&str]) -> Result<()> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{program} {}: {}", words.join(" "), said.trim())
}

/// A network namespace to run programs in.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Where we are: the tors, the bridge.
    Ours,
    /// The namespace of another process, as the file that stands for it.
    Of(PathBuf),
    /// A new one without any network.
    Nowhere,
}

impl Place {
    /// The namespace of a running process.
    pub(crate) fn of(pid: u32) -> Self {
        Self::Of(PathBuf::from(format!("/proc/{pid}/ns/net")))
    }

    /// A command that will run there. Its process is the program itself, so that stopping it by
    /// its process id stops the program.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        match self {
            Self::Ours => Command::new(program.into()),
            Self::Of(file) => {
                let mut command = Command::new("nsenter");
                let mut net = OsString::from("--net=");
                net.push(file);
                command.arg(net).arg("--").arg(program.into());
                command
            }
            Self::Nowhere => {
                let mut command = Command::new("unshare");
                command.arg("--net").arg("--").arg(program.into());
                command
            }
        }
    }
}

/// Whether packets can be read from a TUN device here.
fn can_tun() -> io::Result<()> {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").map(|_| ())
}

/// Chooses TCP's congestion control for the sockets of this namespace. tor's scheduler goes by the
/// congestion window, and what a machine happens to have would decide what is measured.
pub(crate) fn congestion_control(name: &str) -> Result<()> {
    let file = "/proc/sys/net/ipv4/tcp_congestion_control";
    std::fs::write(file, name).with_context(|| {
        format!("cannot choose TCP's congestion control {name}; /proc/sys/net/ipv4/tcp_allowed_congestion_control has what may be chosen")
    })
}
