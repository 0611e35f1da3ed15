//! What a transfer outlives: Skype, one of two carriers, a frozen process; and what a client that was killed leaves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::inside::say;
use common::place::{GONE, LOST, Place, count, eventually, free_udp_port, signal, status_of};
use common::transfer::{Transfer, now, reading_target};
use common::{Running, ask, curl, octets, web_server};
use serde_json::Value;

/// Some ten seconds' worth at the rate of these links.
const LEN: usize = 200_000;
const LINK: &str = "rtt_ms = 40\nrate = 25000";

fn fetching(socks: &str, web: SocketAddr) -> JoinHandle<(i32, Vec<u8>, String)> {
    let socks = socks.to_owned();
    thread::spawn(move || curl(&["--socks5", &socks, &format!("http://{web}/")]))
}

fn assert_whole(fetching: JoinHandle<(i32, Vec<u8>, String)>, logs: &[&Running]) {
    let (code, body, stderr) = fetching.join().unwrap();
    let said: String = logs.iter().map(|one| one.stderr() + "\n").collect();
    assert_eq!(code, 0, "{stderr}\n{said}");
    assert!(body == octets(LEN), "{} of {LEN} octets, or others\n{said}", body.len());
}

#[test]
fn a_transfer_outlives_an_overlay_that_is_killed_and_started_again() {
    let web = web_server(octets(LEN));
    let place = Place::new(LINK, &[web]);
    let overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    let fetching = fetching(&socks, web);
    thread::sleep(Duration::from_secs(3));
    drop(overlay);
    client.wait_for_stderr(GONE);
    thread::sleep(Duration::from_secs(3));
    let _overlay = place.overlay();
    assert_whole(fetching, &[&client, &bridge]);
    assert_eq!(count(&client.stderr(), LOST), 0, "{}", client.stderr());
}

#[test]
fn a_transfer_outlives_a_skype_that_dies_on_either_side() {
    let web = web_server(octets(LEN));
    let dies = |login: &str, at: u32| {
        format!(
            "\n[[event]]\nwhat = \"skype-dies\"\nat_s = {at}\nfor_s = 1.5\nevery_s = 10\n\
             logins = [\"{login}\"]\n"
        )
    };
    let link = LINK.to_owned() + &dies("alice", 12) + &dies("bob", 17);
    let place = Place::new(&link, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    for _ in 0..5 {
        assert_whole(fetching(&socks, web), &[&client, &bridge]);
        if [&client, &bridge].iter().all(|one| one.stderr().contains(GONE)) {
            break;
        }
    }
    assert!(bridge.stderr().contains(GONE), "{}", bridge.stderr());
    assert_eq!(count(&client.stderr(), LOST), 0, "{}", client.stderr());
}

#[test]
fn a_transfer_goes_on_over_udp_when_skype_is_gone_for_good() {
    let web = web_server(octets(LEN));
    let place = Place::new(LINK, &[web]);
    let overlay = place.overlay();
    let udp = format!("udp:127.0.0.1:{}", free_udp_port());
    let key = place.path("k");
    let forward = web.to_string();
    let mut bridge = Running::start_with(
        &["bridge", "--key", key.to_str().unwrap(), "--forward", &forward],
        &[("SKYPEPROXY_CARRIER", &format!("{} {udp}", place.carrier("bob")))],
    );
    bridge.wait_for("ready");
    // Skype first, so that the session begins there.
    let carrier = place.carrier("alice");
    let mut words = place.client_words(&carrier, "skype:bob");
    words.extend(["--carrier", "udp:127.0.0.1:0", "--bridge", &udp, "--paths", "2"]);
    let mut client = Running::start(&words);
    let socks = client.wait_for("listening on ");
    client.wait_for_stderr("connected to the bridge");
    let fetching = fetching(&socks, web);
    thread::sleep(Duration::from_secs(3));
    drop(overlay);
    assert_whole(fetching, &[&client, &bridge]);
    assert_eq!(count(&client.stderr(), LOST), 0, "{}", client.stderr());
}

#[test]
fn a_transfer_outlives_a_client_that_is_frozen_for_a_while() {
    let web = web_server(octets(LEN));
    let place = Place::new(LINK, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    let fetching = fetching(&socks, web);
    thread::sleep(Duration::from_secs(2));
    signal(client.pid(), "STOP");
    thread::sleep(Duration::from_secs(6));
    signal(client.pid(), "CONT");
    assert_whole(fetching, &[&client, &bridge]);
}

#[test]
fn a_client_that_is_killed_and_started_again_frees_its_old_session_at_once() {
    let (target, told) = reading_target();
    let page = octets(1000);
    let web = web_server(page.clone());
    let mut place = Place::new("rtt_ms = 40", &[target, web]);
    let state = place.path("client.state");
    place.set("SKYPEPROXY_STATE", state.to_str().unwrap());
    let _overlay = place.overlay();
    let socket = place.path("bridge.status");
    place.set("SKYPEPROXY_STATUS_SOCKET", socket.to_str().unwrap());
    let bridge = place.bridge();
    place.set("SKYPEPROXY_STATUS_SOCKET", place.path("client.status").to_str().unwrap());
    let (client, socks) = place.client();
    let mut tcp = ask(&socks, target);
    tcp.write_all(b"!").unwrap();
    assert_eq!(told.recv().unwrap().unwrap(), 1);
    eventually("the bridge's ticket is kept", || {
        std::fs::metadata(&state).is_ok_and(|file| file.len() > 0)
    });
    let [old] = sessions(&socket)[..] else { panic!("{:?}", sessions(&socket)) };
    // Killed: it says nothing to anybody.
    drop(client);
    let (client, socks) = place.client();
    let begun = now();
    let first = Transfer::begin(&socks, web).assert_whole(&page, begun, &[&client, &bridge]);
    say(&format!(
        "a client that was killed, 40 ms: first octet {:.2} s after its next run was connected",
        first.as_secs_f64()
    ));
    // Ten minutes are what a bridge keeps a session for otherwise.
    let end = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(end.is_err(), "a truncated transfer looks complete: {end:?}");
    eventually("the bridge has the new session only", || {
        sessions(&socket).len() == 1 && !sessions(&socket).contains(&old)
    });
    eventually("nothing of the old one is open", || {
        status_of(&socket).pointer("/totals/streams_open").and_then(Value::as_u64) == Some(0)
    });
    let log = bridge.stderr();
    assert!(log.contains("a client is gone"), "{log}");
    assert!(client.stop().success());
}

/// The numbers of a bridge's sessions that are not over.
fn sessions(socket: &std::path::Path) -> Vec<u64> {
    let status = status_of(socket);
    let sessions = status.pointer("/sessions").and_then(Value::as_array).unwrap();
    sessions.iter().map(|session| session["id"].as_u64().unwrap()).collect()
}
