//! Overlay, bridge and client, each killed and started again: the others carry on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::place::{BACK, GONE, Place, count, descriptors, eventually, free_udp_port};
use common::transfer::{fetch, reading_target};
use common::{Running, ask, curl, octets, web_server};

const LINK: &str = "rtt_ms = 40";
fn fetches(socks: &str, web: SocketAddr, len: usize, logs: &[&Running]) {
    fetch(socks, web, &octets(len), logs);
}

#[test]
fn an_overlay_that_is_killed_is_waited_for_and_found_again() {
    let web = web_server(octets(50_000));
    let place = Place::new(LINK, &[web]);
    let overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    fetches(&socks, web, 50_000, &[&client, &bridge]);
    drop(overlay);
    for one in [&client, &bridge] {
        one.wait_for_stderr(GONE);
        assert!(one.stderr().contains("start it again"), "{}", one.stderr());
    }
    // A request meanwhile waits.
    let waiting = thread::spawn({
        let socks = socks.clone();
        move || curl(&["--socks5", &socks, &format!("http://{web}/")])
    });
    thread::sleep(Duration::from_secs(1));
    let _overlay = place.overlay();
    for one in [&client, &bridge] {
        one.wait_for_stderr(BACK);
    }
    let (code, body, stderr) = waiting.join().unwrap();
    assert_eq!((code, body.len()), (0, 50_000), "{stderr}\n{}", client.stderr());
    fetches(&socks, web, 50_000, &[&client, &bridge]);
    for one in [client, bridge] {
        let log = one.stderr();
        assert_eq!((count(&log, GONE), count(&log, BACK)), (1, 1), "{log}");
        assert!(!log.contains("the carrier is gone"), "said twice: {log}");
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
        assert!(one.stop().success());
    }
}

#[test]
fn a_request_is_refused_when_no_overlay_comes_back_and_a_stop_does_not_wait() {
    let web = web_server(octets(10));
    let place = Place::new(LINK, &[web]);
    let overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    drop(overlay);
    client.wait_for_stderr(GONE);
    let (code, _, stderr) = curl(&["--socks5", &socks, &format!("http://{web}/")]);
    // curl's word for SOCKS reply 3, network unreachable.
    assert_eq!(code, 97, "{stderr}");
    assert!(stderr.contains("(3)"), "{stderr}");
    assert!(client.stop().success());
    assert!(bridge.stop().success());
}

#[test]
fn a_request_is_refused_when_no_bridge_comes_back() {
    let web = web_server(octets(10));
    let place = Place::new(LINK, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (_client, socks) = place.client();
    let ask = || curl(&["--socks5", &socks, "--max-time", "60", &format!("http://{web}/")]);
    assert_eq!(ask().0, 0);
    // Killed: it says nothing to anybody.
    drop(bridge);
    let (code, _, stderr) = ask();
    assert_eq!(code, 97, "{stderr}");
    assert!(stderr.contains("(3)"), "{stderr}");
}

#[test]
fn a_user_who_refuses_after_a_restart_is_not_asked_again() {
    let web = web_server(octets(10));
    let place = Place::new(LINK, &[web]);
    let overlay = place.overlay();
    let bridge = place.bridge();
    let (client, _) = place.client();
    drop(overlay);
    let _overlay = place.refusing_overlay();
    for one in [&client, &bridge] {
        one.wait_for_stderr("is not waited for any longer");
        one.wait_for_stderr("allow it in Skype's settings");
    }
    // EX_NOPERM.
    assert_eq!((client.wait().code(), bridge.wait().code()), (Some(77), Some(77)));
}

#[test]
fn a_bridge_that_is_killed_is_found_again_over_an_overlay() {
    let web = web_server(octets(50_000));
    let place = Place::new(LINK, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    fetches(&socks, web, 50_000, &[&client, &bridge]);
    drop(bridge);
    let bridge = place.bridge();
    fetches(&socks, web, 50_000, &[&client, &bridge]);
}

#[test]
fn a_bridge_that_is_killed_is_found_again_over_udp() {
    let web = web_server(octets(50_000));
    let place = Place::new(LINK, &[web]);
    let carrier = format!("udp:127.0.0.1:{}", free_udp_port());
    let bridge = place.bridge_on(&carrier);
    let (client, socks) = place.client_of("udp:127.0.0.1:0", &carrier);
    fetches(&socks, web, 50_000, &[&client, &bridge]);
    drop(bridge);
    let bridge = place.bridge_on(&carrier);
    fetches(&socks, web, 50_000, &[&client, &bridge]);
}

#[test]
fn a_request_that_was_under_way_when_the_bridge_was_killed_is_asked_again() {
    let web = web_server(octets(50_000));
    let place = Place::new(LINK, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    drop(bridge);
    let waiting = thread::spawn({
        let socks = socks.clone();
        move || curl(&["--socks5", &socks, &format!("http://{web}/")])
    });
    thread::sleep(Duration::from_secs(2));
    let _bridge = place.bridge();
    let (code, body, stderr) = waiting.join().unwrap();
    assert_eq!((code, body.len()), (0, 50_000), "{stderr}\n{}", client.stderr());
}

#[test]
fn a_client_that_is_killed_frees_everything_at_the_bridge_and_resets_its_targets() {
    let (target, told) = reading_target();
    // A bridge that keeps no session for a client that may come back.
    let mut place = Place::new(LINK, &[target]);
    place.set("SKYPEPROXY_KEEP_LOST", "0");
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let before = descriptors(bridge.pid());
    let (client, socks) = place.client();
    let mut uploads: Vec<TcpStream> = (0..20).map(|_| ask(&socks, target)).collect();
    for tcp in &mut uploads {
        tcp.write_all(b"!").unwrap();
        assert_eq!(told.recv().unwrap().unwrap(), 1);
    }
    drop(client);
    // The next run of the same program hangs up what the last one left.
    let (client, socks) = place.client();
    bridge.wait_for_stderr("a client is gone");
    for _ in &uploads {
        let end = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(end.is_err(), "a truncated transfer looks complete: {end:?}");
    }
    eventually("the descriptors are free", || descriptors(bridge.pid()) == before);
    let _tcp = ask(&socks, target);
    drop(client);
}
