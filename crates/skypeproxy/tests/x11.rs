//! Overlay, bridge and client as processes, attached on real displays that die and come back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use common::place::{BACK, GONE, LOST, Place, count};
use common::transfer::fetch;
use common::{Running, octets, run, web_server};

/// An X server without a screen, on a number that is free or on this one again.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start(again: Option<&str>) -> Self {
        let mut server = Command::new("Xvfb")
            .args(again)
            .args(["-displayfd", "1", "-screen", "0", "64x64x8", "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is needed: apt-get install xvfb");
        let mut told = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
        let number: u32 = told.trim().parse().expect("the number of a display");
        Self { server, name: format!(":{number}") }
    }

    fn carrier(&self) -> String {
        format!("skype:x11:{}", self.name)
    }

    fn die(&mut self) {
        let _dead_already = self.server.kill();
        let _status = self.server.wait();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.die();
    }
}

/// An overlay whose logins are on these displays.
fn overlay(place: &Place, displays: [&Display; 2]) -> Running {
    let config = place.path("displays.toml");
    let login = |name: &str, display: &Display| {
        let (socket, display) = (place.path(&format!("{name}.sock")), &display.name);
        let socket = socket.display();
        format!("[[login]]\nname = \"{name}\"\nsocket = \"{socket}\"\nx11 = \"{display}\"\n")
    };
    let link = "[link]\nrate = 10000\nrtt_ms = 40\n";
    let [alice, bob] = displays;
    std::fs::write(&config, login("alice", alice) + &login("bob", bob) + link).unwrap();
    let mut overlay = Running::start(&["overlay", "--config", config.to_str().unwrap()]);
    overlay.wait_for("login bob at skype:x11:");
    overlay
}

#[test]
fn a_transfer_goes_on_when_the_display_and_then_the_skype_are_started_again() {
    let body = octets(300_000);
    let web = web_server(body.clone());
    let place = Place::new("", &[web]);
    let (mut alice, bob) = (Display::start(None), Display::start(None));
    let emulated = overlay(&place, [&alice, &bob]);
    let bridge = place.bridge_on(&bob.carrier());
    let (client, socks) = place.client_of(&alice.carrier(), "skype:bob");
    let fetching = thread::spawn({
        let (socks, body) = (socks.clone(), body.clone());
        move || fetch(&socks, web, &body, &[])
    });
    alice.die();
    client.wait_for_stderr(GONE);
    alice = Display::start(Some(&alice.name.clone()));
    client.wait_for_stderr(BACK);
    // Its marks stay behind: only its windows go.
    drop(emulated);
    bridge.wait_for_stderr(GONE);
    let _emulated = overlay(&place, [&alice, &bob]);
    bridge.wait_for_stderr(BACK);
    fetching.join().unwrap();
    let log = client.stop_and_read();
    assert_eq!(count(&log, LOST), 0, "{log}");
    assert!(bridge.stop().success());
}

#[test]
fn the_demo_starts_displays_of_its_own() {
    let words = ["demo", "--listen", "127.0.0.1:0", "--check", "--json", "--attach", "x11"];
    let output = run(&[&words[..], &["--size", "50000", "--rtt", "20"]].concat());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(report["ok"], true);
}

#[test]
fn a_display_without_a_skype_and_no_display_are_named() {
    let place = Place::new("", &[]);
    let empty = Display::start(None);
    for (carrier, told) in
        [(empty.carrier(), "no Skype on the display"), ("skype:x11::4711".to_owned(), "no display")]
    {
        let output = run(&place.client_words(&carrier, "skype:bob"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
    let output = run(&place.client_words("skype:x11:here", "skype:bob"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("by a display"), "{output:?}");
}
