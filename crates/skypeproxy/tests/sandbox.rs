//! A client and a bridge in their sandboxes: they carry what they should, and the kernel confirms
//! that they are inside. What cannot be done there is tested beside the code.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;

use common::place::Place;
use common::{Running, curl, octets, web_server};

/// What is logged where the kernel has all of it.
const WHOLE: &str = "sandboxed: landlock ABI 6 fully enforced, seccomp on";

/// What the kernel says of every thread of a process.
fn threads(process: &Running) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap();
    tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect()
}

fn assert_is_inside(process: &Running) {
    let threads = threads(process);
    assert!(threads.len() > 1);
    for status in threads {
        let says = |line: &str| status.lines().any(|one| one == line);
        assert!(says("Seccomp:\t2") && says("NoNewPrivs:\t1"), "{status}");
    }
}

fn fetches(socks: &str, url: &str, file: &[u8]) {
    let (code, body, stderr) = curl(&["--socks5-hostname", socks, url]);
    assert_eq!(code, 0, "{stderr}");
    assert!(body == file, "{} octets, not the ones sent", body.len());
}

#[test]
fn a_megabyte_by_name_goes_through_two_sandboxes_and_again_when_the_overlay_is_back() {
    let file = octets(1_000_000);
    let web = web_server(file.clone());
    let mut place = Place::new("rtt_ms = 10", &[web]);
    place.set("SKYPEPROXY_SANDBOX", "best-effort");
    let overlay = place.overlay();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    // Resolved at the bridge, long after it has entered.
    let url = format!("http://localhost:{}/", web.port());
    fetches(&socks, &url, &file);
    for process in [&client, &bridge] {
        let log = process.stderr();
        if log.contains(WHOLE) {
            assert_is_inside(process);
        } else {
            println!("skipped in part: this kernel has less than all of it:\n{log}");
        }
    }
    drop(overlay);
    let _overlay = place.overlay();
    for process in [&client, &bridge] {
        process.wait_for_stderr("Skype is back");
    }
    fetches(&socks, &url, &file);
    for process in [client, bridge] {
        assert!(process.stop().success());
    }
}

#[test]
fn nothing_is_given_up_unless_it_is_asked_for() {
    let place = Place::new("rtt_ms = 10", &[web_server(Vec::new())]);
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let (client, _) = place.client();
    for process in [client, bridge] {
        let log = process.stop_and_read();
        assert!(!log.contains("sandboxed"), "{log}");
    }
}
