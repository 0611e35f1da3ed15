//! What systemd is told, and what it makes of the units.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::VecDeque;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::place::Place;
use common::{curl, web_server};

const UNITS: [&str; 2] = ["skypeproxy-client.service", "skypeproxy-bridge.service"];

/// A notification that has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// What systemd's end of `NOTIFY_SOCKET` hears.
struct Manager {
    socket: UnixDatagram,
    heard: VecDeque<String>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, heard: VecDeque::new() }
    }

    /// Waits for a line; those before it are forgotten.
    fn wait_for(&mut self, wanted: &str) {
        loop {
            while let Some(line) = self.heard.pop_front() {
                if line == wanted {
                    return;
                }
            }
            let mut buf = [0; 4096];
            let len = self.socket.recv(&mut buf).expect(wanted);
            let text = std::str::from_utf8(buf.get(..len).unwrap()).unwrap();
            self.heard.extend(text.lines().map(str::to_owned));
        }
    }
}

#[test]
fn systemd_hears_of_start_loss_return_and_end() {
    let mut place = Place::new("rtt_ms = 10", &[web_server(Vec::new())]);
    let overlay = place.overlay();
    let _bridge = place.bridge();
    let path = place.path("notify");
    let mut manager = Manager::at(&path);
    place.set("NOTIFY_SOCKET", path.to_str().unwrap());
    place.set("WATCHDOG_USEC", "200000");
    place.set("SKYPEPROXY_SANDBOX", "best-effort");
    let (client, _) = place.client();
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=attached");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    drop(overlay);
    manager.wait_for("STATUS=waiting for Skype");
    let _overlay = place.overlay();
    manager.wait_for("STATUS=attached");
    assert!(client.stop().success());
    manager.wait_for("STOPPING=1");
}

#[test]
fn a_bridge_says_when_it_is_ready() {
    let mut place = Place::new("rtt_ms = 10", &[web_server(Vec::new())]);
    let _overlay = place.overlay();
    let path = place.path("notify");
    let mut manager = Manager::at(&path);
    place.set("NOTIFY_SOCKET", path.to_str().unwrap());
    let bridge = place.bridge();
    manager.wait_for("READY=1");
    assert!(bridge.stop().success());
    manager.wait_for("STOPPING=1");
}

#[test]
fn a_manager_that_does_not_read_holds_up_nobody() {
    let web = web_server(b"x".to_vec());
    let mut place = Place::new("rtt_ms = 10", &[web]);
    let _overlay = place.overlay();
    let _bridge = place.bridge();
    let path = place.path("notify");
    let _never_read = Manager::at(&path);
    place.set("NOTIFY_SOCKET", path.to_str().unwrap());
    // Its queue is full at once.
    place.set("WATCHDOG_USEC", "2000");
    let (client, socks) = place.client();
    let (code, body, stderr) = curl(&["--socks5", &socks, &format!("http://{web}/")]);
    assert_eq!((code, body.as_slice()), (0, b"x".as_slice()), "{stderr}");
    assert!(client.stop().success());
}

#[test]
fn a_manager_that_has_gone_stops_nobody() {
    let mut place = Place::new("rtt_ms = 10", &[web_server(Vec::new())]);
    let _overlay = place.overlay();
    place.set("NOTIFY_SOCKET", "/nowhere/notify");
    assert!(place.bridge().stop().success());
}

/// Runs `systemd-analyze` on copies of the units that start the binary under test.
fn analyze(dir: &Path, words: &[&str]) -> Option<Output> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let copies: Vec<PathBuf> = UNITS.iter().map(|unit| dir.join(unit)).collect();
    for (unit, copy) in UNITS.iter().zip(&copies) {
        let text = fs::read_to_string(source.join(unit)).unwrap();
        assert!(text.contains("ExecStart=/usr/bin/skypeproxy "), "{text}");
        let binary = env!("CARGO_BIN_EXE_skypeproxy");
        fs::write(copy, text.replace("/usr/bin/skypeproxy", binary)).unwrap();
    }
    Command::new("systemd-analyze").args(words).args(copies).output().ok()
}

#[test]
fn the_units_are_right() {
    let dir = tempfile::tempdir().unwrap();
    let Some(verified) = analyze(dir.path(), &["verify", "--man=no"]) else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let complaints = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<_> = complaints.lines().filter(|line| line.contains("skypeproxy")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{complaints}");
}

#[test]
fn the_units_expose_little() {
    let dir = tempfile::tempdir().unwrap();
    // In tenths, of 100.
    let words = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    let Some(judged) = analyze(dir.path(), &words) else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let report = String::from_utf8_lossy(&judged.stdout);
    for line in report.lines().filter(|line| line.contains("exposure level")) {
        println!("{line}");
    }
    let complaint = String::from_utf8_lossy(&judged.stderr);
    if complaint.contains("unrecognized option") {
        println!("skipped: this systemd-analyze does not judge units that are not installed");
        return;
    }
    assert!(judged.status.success(), "{report}{complaint}");
}
