//! A client and a bridge in their sandboxes: they carry what they should, and the kernel confirms
//! that they are inside. What cannot be done there is tested beside the code.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::path::Path;

use common::{Running, curl, keygen, octets, overlay, web_server};

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

/// A bridge and a client with the given flag or variable, and where the client listens.
fn tunnel(dir: &Path, forward: &str, words: &[&str], variables: &[(&str, &str)]) -> [Running; 2] {
    let key_path = dir.join("k");
    let key = keygen(&key_path);
    let socket = |login: &str| format!("skype:unix:{}/{login}.sock", dir.display());
    let (far, key_path) = (socket("bob"), key_path.to_str().unwrap());
    let bridge = ["bridge", "--carrier", &far, "--key", key_path, "--forward", forward];
    let mut bridge = Running::start_with(&[&bridge[..], words].concat(), variables);
    bridge.wait_for("ready");
    let near = socket("alice");
    let client = ["client", "--carrier", &near, "--bridge", "skype:bob", "--bridge-key", &key];
    let client = [&client[..], &["--listen", "127.0.0.1:0"], words].concat();
    [bridge, Running::start_with(&client, variables)]
}

fn fetches(socks: &str, url: &str, file: &[u8]) {
    let (code, body, stderr) = curl(&["--socks5-hostname", socks, url]);
    assert_eq!(code, 0, "{stderr}");
    assert!(body == file, "{} octets, not the ones sent", body.len());
}

#[test]
fn a_megabyte_by_name_goes_through_two_sandboxes() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path(), "rtt_ms = 10");
    let file = octets(1_000_000);
    let web = web_server(file.clone());
    let [bridge, mut client] = tunnel(dir.path(), &web.to_string(), &["--sandbox"], &[]);
    let socks = client.wait_for("listening on ");
    // Resolved at the bridge, long after it has entered.
    fetches(&socks, &format!("http://localhost:{}/", web.port()), &file);
    for process in [&client, &bridge] {
        let log = process.stderr();
        if log.contains(WHOLE) {
            assert_is_inside(process);
        } else {
            println!("skipped in part: this kernel has less than all of it:\n{log}");
        }
    }
    for process in [client, bridge, overlay] {
        assert!(process.stop().success());
    }
}

#[test]
fn nothing_is_given_up_unless_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let _overlay = overlay(dir.path(), "rtt_ms = 1");
    let asked = [("SKYPEPROXY_SANDBOX", "require")];
    let [bridge, mut client] = tunnel(dir.path(), "127.0.0.1:9", &["--no-sandbox"], &asked);
    client.wait_for("listening on ");
    for process in [client, bridge] {
        let log = process.stop_and_read();
        assert!(!log.contains("sandboxed"), "{log}");
    }
}
