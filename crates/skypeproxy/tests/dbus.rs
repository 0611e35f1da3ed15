//! Overlay, bridge and client as processes, attached by real buses that die and come back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use common::place::{BACK, GONE, LOST, Place, count};
use common::transfer::fetch;
use common::{Running, octets, run, web_server};

/// A private bus, at a path that its successor has too.
struct Bus(Child);

impl Bus {
    fn start(path: &Path) -> Self {
        let _left_by_the_one_before = std::fs::remove_file(path);
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--address=unix:path={}", path.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is needed: apt-get install dbus");
        let mut told = String::new();
        BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
        assert!(told.starts_with("unix:path="), "{told}");
        Self(daemon)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _dead_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn carrier(bus: &Path) -> String {
    format!("skype:dbus:unix:path={}", bus.display())
}

/// An overlay whose logins are on these buses.
fn overlay(place: &Place, buses: &[PathBuf; 2]) -> Running {
    let config = place.path("buses.toml");
    let login = |name: &str, bus: &Path| {
        let socket = place.path(&format!("{name}.sock"));
        let (socket, bus) = (socket.display(), bus.display());
        format!("[[login]]\nname = \"{name}\"\nsocket = \"{socket}\"\ndbus = \"unix:path={bus}\"\n")
    };
    let link = "[link]\nrate = 10000\nrtt_ms = 40\n";
    std::fs::write(&config, login("alice", &buses[0]) + &login("bob", &buses[1]) + link).unwrap();
    let mut overlay = Running::start(&["overlay", "--config", config.to_str().unwrap()]);
    overlay.wait_for("login bob at skype:dbus:");
    overlay
}

#[test]
fn a_transfer_goes_on_when_the_bus_and_then_the_skype_are_started_again() {
    let body = octets(300_000);
    let web = web_server(body.clone());
    let place = Place::new("", &[web]);
    let paths = ["alice", "bob"].map(|name| place.path(&format!("{name}.bus")));
    let (mut alice, _bob) = (Bus::start(&paths[0]), Bus::start(&paths[1]));
    let emulated = overlay(&place, &paths);
    let bridge = place.bridge_on(&carrier(&paths[1]));
    let (client, socks) = place.client_of(&carrier(&paths[0]), "skype:bob");
    let fetching = thread::spawn({
        let (socks, body) = (socks.clone(), body.clone());
        move || fetch(&socks, web, &body, &[])
    });
    alice.0.kill().unwrap();
    client.wait_for_stderr(GONE);
    alice = Bus::start(&paths[0]);
    client.wait_for_stderr(BACK);
    drop(emulated);
    bridge.wait_for_stderr(GONE);
    let _emulated = overlay(&place, &paths);
    bridge.wait_for_stderr(BACK);
    fetching.join().unwrap();
    drop(alice);
    let log = client.stop_and_read();
    assert_eq!(count(&log, LOST), 0, "{log}");
    assert!(bridge.stop().success());
}

#[test]
fn the_demo_starts_buses_of_its_own() {
    let words = ["demo", "--listen", "127.0.0.1:0", "--check", "--json", "--attach", "dbus"];
    let output = run(&[&words[..], &["--size", "50000", "--rtt", "20"]].concat());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(report["ok"], true);
}

#[test]
fn a_bus_without_a_skype_and_no_bus_are_named() {
    let place = Place::new("", &[]);
    let path = place.path("empty.bus");
    let _bus = Bus::start(&path);
    let (empty, nowhere) = (carrier(&path), carrier(&place.path("nowhere.bus")));
    for (carrier, told) in [(&empty, "no Skype on the bus"), (&nowhere, "no bus at")] {
        let output = run(&place.client_words(carrier, "skype:bob"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
    let output = run(&place.client_words("skype:dbus:here", "skype:bob"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a bus's address"), "{output:?}");
}
