//! Client and bridge over an overlay whose relays come and go, and which does not always work.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::thread;

use common::place::{BACK, GONE, LOST, Place, count, signal};
use common::transfer::fetch;
use common::{Running, octets, web_server};

/// One of the overlay's figures about relays.
fn relay_figure(overlay: &mut Running, name: &str) -> u64 {
    signal(overlay.pid(), "USR1");
    let stats: serde_json::Value = serde_json::from_str(&overlay.wait_for("stats ")).unwrap();
    stats.pointer(&format!("/relays/{name}")).unwrap().as_u64().unwrap()
}

#[test]
fn what_is_fetched_over_relays_that_go_every_few_seconds_is_what_was_sent() {
    let body = octets(150_000);
    let web = web_server(body.clone());
    let relays = "rtt_ms = 0\n[relays]\ncount = 500\nrate = 30000\nrtt_ms = 40\nlifetime_s = 0.3\n\
                  gap_ms_min = 100\ngap_ms_max = 400\nset_up_ms = 50\n";
    let place = Place::new(relays, &[web]);
    let mut overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    assert!(relay_figure(&mut overlay, "up") > 300);
    let mut switched = 0;
    for _ in 0..10 {
        fetch(&socks, web, &body, &[&client, &bridge]);
        switched = relay_figure(&mut overlay, "switched");
        if switched >= 2 {
            break;
        }
    }
    assert!(switched >= 2, "{switched}");
    let log = client.stop_and_read();
    assert_eq!(count(&log, LOST), 0, "{log}");
}

#[test]
fn a_transfer_goes_on_after_each_outage() {
    let body = octets(100_000);
    let web = web_server(body.clone());
    let link = "rtt_ms = 40\nrate = 20000\n[[event]]\nwhat = \"outage\"\nat_s = 3\nfor_s = 1.5\n\
                every_s = 4\n";
    let place = Place::new(link, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    fetch(&socks, web, &body, &[&client, &bridge]);
    let log = client.stop_and_read();
    assert_eq!(count(&log, LOST), 0, "{log}");
}

#[test]
fn a_transfer_goes_on_when_a_skype_that_died_is_started_again() {
    let body = octets(150_000);
    let web = web_server(body.clone());
    // Late enough for everything to be up on a machine that has other things to do, and in the middle
    // of a transfer of fifteen seconds.
    let link = "rtt_ms = 40\nrate = 10000\n[[event]]\nwhat = \"skype-dies\"\nat_s = 12\nfor_s = 2\n\
                logins = [\"alice\"]\n";
    let place = Place::new(link, &[web]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    let fetching = thread::spawn({
        let (socks, body) = (socks.clone(), body.clone());
        move || fetch(&socks, web, &body, &[])
    });
    client.wait_for_stderr(GONE);
    assert!(!fetching.is_finished());
    assert!(!place.path("alice.sock").exists(), "its socket goes with it");
    client.wait_for_stderr(BACK);
    fetching.join().unwrap();
    assert!(!bridge.stderr().contains(GONE), "{}", bridge.stderr());
    assert!(client.stop().success() && bridge.stop().success());
}

#[test]
fn a_transfer_goes_on_over_other_relays_when_all_that_it_had_are_blocked() {
    // At 20 KB/s over two relays it is not through when they are blocked.
    let body = octets(400_000);
    let web = web_server(body.clone());
    let relays = "rtt_ms = 0\n[relays]\ncount = 20\nrate = 10000\nrtt_ms = 40\nlifetime_s = 0\n\
                  set_up_ms = 50\n[[event]]\nwhat = \"block\"\nat_s = 11\nfor_s = 2\n";
    let mut place = Place::new(relays, &[web]);
    place.set("SKYPEPROXY_PATHS", "2");
    let mut overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    fetch(&socks, web, &body, &[&client, &bridge]);
    // Two at first, and others instead.
    let given = relay_figure(&mut overlay, "given");
    assert!(given >= 3, "{given}\n{}", client.stderr());
    assert!(client.stop().success() && bridge.stop().success());
}
