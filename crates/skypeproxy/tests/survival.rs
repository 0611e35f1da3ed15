//! What a transfer outlives: Skype, one of two carriers, a frozen process; and what a client that was killed leaves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::place::{Place, count, free_udp_port, signal};
use common::{Running, ask, curl, octets, web_server};

const GONE: &str = "Skype is gone: waiting for it to come back";
const LOST: &str = "the connection to the bridge is lost";

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
    let (target, ended) = waiting_target();
    let mut place = Place::new("rtt_ms = 40", &[target]);
    let state = place.path("client.state");
    place.set("SKYPEPROXY_STATE", state.to_str().unwrap());
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    let mut tcp = ask(&socks, target);
    tcp.write_all(b"!").unwrap();
    common::place::eventually("the bridge's ticket is kept", || {
        std::fs::metadata(&state).is_ok_and(|file| file.len() > 0)
    });
    // Killed: it says nothing to anybody.
    drop(client);
    let (client, socks) = place.client();
    // Ten minutes are what a bridge keeps a session for otherwise.
    assert!(ended.recv_timeout(Duration::from_secs(60)).unwrap().is_err(), "it looks complete");
    let log = bridge.stderr();
    assert!(log.contains("a client is gone"), "{log}");
    let _tcp: TcpStream = ask(&socks, target);
    assert!(client.stop().success());
}

#[test]
fn a_state_file_that_cannot_be_used_is_told_and_the_client_runs() {
    let web = web_server(octets(1000));
    let mut place = Place::new("rtt_ms = 40", &[web]);
    let _overlay = place.overlay();
    let _bridge = place.bridge();
    let damaged = place.path("damaged");
    std::fs::write(&damaged, vec![b'x'; 5000]).unwrap();
    let nowhere = place.path("no such directory").join("state");
    for (file, said) in
        [(&damaged, "is damaged, or of another version"), (&nowhere, "cannot be used")]
    {
        place.set("SKYPEPROXY_STATE", file.to_str().unwrap());
        let (client, socks) = place.client();
        assert!(client.stderr().contains(said), "{}", client.stderr());
        assert_eq!(curl(&["--socks5", &socks, &format!("http://{web}/")]).0, 0);
        assert!(client.stop().success());
    }
}

/// A target that reads and never ends by itself; how each connection ended.
fn waiting_target() -> (SocketAddr, mpsc::Receiver<std::io::Result<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || {
                let _ = tell.send(tcp.read_to_end(&mut Vec::new()));
            });
        }
    });
    (addr, told)
}
