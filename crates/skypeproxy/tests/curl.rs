//! Real curl through the demo: every way of asking, and many at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Running, curl};

struct Demo {
    _running: Running,
    socks: String,
    url: String,
}

fn demo() -> Demo {
    let words = ["demo", "--listen", "127.0.0.1:0", "--relay-rate", "1000000", "--rtt", "20"];
    let mut running = Running::start(&words);
    let socks = running.wait_for("listening on ");
    let line = running.wait_for("curl ");
    let url = line.split_whitespace().last().unwrap().to_owned();
    Demo { _running: running, socks, url }
}

#[test]
fn every_kind_of_socks_fetches_the_same_octets() {
    let demo = demo();
    let url = format!("{}body/100000", demo.url);
    let (_, direct, _) = curl(&[&url]);
    assert_eq!(direct.len(), 100_000);
    for kind in ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"] {
        let (code, body, stderr) = curl(&[kind, &demo.socks, &url]);
        assert_eq!(code, 0, "{kind}: {stderr}");
        assert!(body == direct, "{kind}: other octets");
    }
}

#[test]
fn names_are_resolved_at_the_bridge() {
    let demo = demo();
    let url = demo.url.replace("127.0.0.1", "localhost");
    for kind in ["--socks4a", "--socks5-hostname"] {
        let (code, body, stderr) = curl(&[kind, &demo.socks, &url]);
        assert_eq!(code, 0, "{kind}: {stderr}");
        assert!(String::from_utf8(body).unwrap().contains("It works"));
    }
}

#[test]
fn user_and_password_are_taken() {
    let demo = demo();
    let proxy = format!("socks5h://user:password@{}", demo.socks);
    let (code, _, stderr) = curl(&["--proxy", &proxy, &demo.url]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_target_that_is_not_forwarded_is_refused_as_such() {
    let demo = demo();
    let (code, _, stderr) = curl(&["--socks5", &demo.socks, "http://127.0.0.1:1/"]);
    // 97 is curl's code for a proxy handshake error; SOCKS code 2 is "not allowed by ruleset".
    assert_eq!(code, 97, "{stderr}");
    assert!(stderr.contains("(2)"), "{stderr}");
}

#[test]
fn twenty_at_once_all_get_theirs() {
    let demo = demo();
    let url = format!("{}body/20000", demo.url);
    let (_, direct, _) = curl(&[&url]);
    std::thread::scope(|scope| {
        let fetch = || scope.spawn(|| curl(&["--socks5-hostname", &demo.socks, &url]));
        let fetches: Vec<_> = (0..20).map(|_| fetch()).collect();
        for fetched in fetches {
            let (code, body, stderr) = fetched.join().unwrap();
            assert_eq!(code, 0, "{stderr}");
            assert!(body == direct);
        }
    });
}
