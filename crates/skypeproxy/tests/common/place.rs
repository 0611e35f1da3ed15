//! An overlay, a bridge and a client as processes that a test can kill and start again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::{Running, keygen, overlay, overlay_of, run};

/// What client and bridge say when their overlay is gone, and when it is there again.
pub(crate) const GONE: &str = "Skype is gone: waiting for it to come back";
pub(crate) const BACK: &str = "Skype is back";

/// What a client says whose session is over.
pub(crate) const LOST: &str = "the connection to the bridge is lost";

/// Where processes meet: sockets and keys in a directory of their own.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    link: String,
    key: String,
    forwards: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    /// For a bridge that forwards to `targets`, over a link as the overlay's configuration has it.
    pub(crate) fn new(link: &str, targets: &[SocketAddr]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = keygen(&dir.path().join("k"));
        let forwards = targets.iter().map(ToString::to_string).collect();
        Self { dir, link: link.to_owned(), key, forwards, variables: Vec::new() }
    }

    /// Sets a variable for bridges and clients that are started from now on.
    pub(crate) fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.push((variable, value.to_owned()));
    }

    pub(crate) fn overlay(&self) -> Running {
        overlay(self.dir.path(), &self.link)
    }

    /// An overlay with the variables that bridges and clients have.
    pub(crate) fn overlay_alike(&self) -> Running {
        overlay_of(self.dir.path(), ["alice", "bob"], &self.link, &self.variables())
    }

    /// An overlay whose users refuse every program.
    pub(crate) fn refusing_overlay(&self) -> Running {
        let config = self.path("refusing.toml");
        let login = |name: &str| {
            let socket = self.path(&format!("{name}.sock"));
            let socket = socket.display();
            format!("[[login]]\nname = \"{name}\"\nsocket = \"{socket}\"\nconsent = \"refuse\"\n")
        };
        std::fs::write(&config, login("alice") + &login("bob")).unwrap();
        let mut overlay = Running::start(&["overlay", "--config", config.to_str().unwrap()]);
        overlay.wait_for("login bob");
        overlay
    }

    /// Bob's bridge.
    pub(crate) fn bridge(&self) -> Running {
        self.bridge_on(&self.carrier("bob"))
    }

    pub(crate) fn bridge_on(&self, carrier: &str) -> Running {
        let key = self.path("k");
        let mut words = vec!["bridge", "--carrier", carrier, "--key", key.to_str().unwrap()];
        words.extend(self.forwards.iter().flat_map(|target| ["--forward", target]));
        let mut bridge = Running::start_with(&words, &self.variables());
        bridge.wait_for("ready");
        bridge
    }

    /// Alice's client, connected to the bridge, and where it listens.
    pub(crate) fn client(&self) -> (Running, String) {
        self.client_of(&self.carrier("alice"), "skype:bob")
    }

    pub(crate) fn client_of(&self, carrier: &str, peer: &str) -> (Running, String) {
        let words = self.client_words(carrier, peer);
        let mut client = Running::start_with(&words, &self.variables());
        let socks = client.wait_for("listening on ");
        client.wait_for_stderr("connected to the bridge");
        (client, socks)
    }

    pub(crate) fn client_words<'a>(&'a self, carrier: &'a str, peer: &'a str) -> Vec<&'a str> {
        let words = ["client", "--carrier", carrier, "--bridge", peer, "--bridge-key", &self.key];
        words.into_iter().chain(["--listen", "127.0.0.1:0"]).collect()
    }

    pub(crate) fn carrier(&self, login: &str) -> String {
        format!("skype:unix:{}", self.path(&format!("{login}.sock")).display())
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// What a client or a bridge answers to `status`.
pub(crate) fn status_of(socket: &Path) -> serde_json::Value {
    let output = run(&["status", "--json", "--socket", socket.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How often a log says something.
pub(crate) fn count(log: &str, text: &str) -> usize {
    log.matches(text).count()
}

/// A UDP port that nobody uses now.
pub(crate) fn free_udp_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Open descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Sends a process a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Waits until a claim is true.
pub(crate) fn eventually(claim: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_true() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("never came true: {claim}");
}
