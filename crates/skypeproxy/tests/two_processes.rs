//! Bridge and client as processes of their own, over an overlay and over UDP: 10 MB, hash equal.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::{Running, curl, keygen, octets, overlay, web_server};

const FILE_OCTETS: usize = 10_000_000;

fn fetches_the_file(dir: &Path, bridge_carrier: &str, client: impl Fn(&str) -> [String; 2]) {
    let file = octets(FILE_OCTETS);
    let web = web_server(file.clone()).to_string();
    let key_path = dir.join("k");
    let key = keygen(&key_path);
    let key_path = key_path.to_str().unwrap();
    let words = ["bridge", "--carrier", bridge_carrier, "--key", key_path, "--forward", &web];
    let mut bridge = Running::start(&words);
    let bound = if bridge_carrier.starts_with("udp:") {
        bridge.wait_for("carrier ")
    } else {
        String::new()
    };
    bridge.wait_for("ready");
    let [carrier, peer] = client(&bound);
    let words = [
        "client",
        "--carrier",
        &carrier,
        "--bridge",
        &peer,
        "--bridge-key",
        &key,
        "--listen",
        "127.0.0.1:0",
    ];
    let mut client = Running::start(&words);
    let socks = client.wait_for("listening on ");
    let url = format!("http://{web}/");
    let (code, body, stderr) = curl(&["--socks5-hostname", &socks, &url]);
    assert_eq!(code, 0, "{stderr}\n{}\n{}", client.stderr(), bridge.stderr());
    assert!(body == file, "{} octets, not the ones sent", body.len());
    assert!(client.stop().success());
    assert!(bridge.stop().success());
}

#[test]
fn ten_megabytes_over_udp() {
    let dir = tempfile::tempdir().unwrap();
    fetches_the_file(dir.path(), "udp:127.0.0.1:0", |bound| {
        ["udp:127.0.0.1:0".to_owned(), bound.to_owned()]
    });
}

#[test]
fn ten_megabytes_over_an_overlay() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path(), "rtt_ms = 20");
    let socket = |name: &str| format!("skype:unix:{}/{name}.sock", dir.path().display());
    fetches_the_file(dir.path(), &socket("bob"), |_| [socket("alice"), "skype:bob".to_owned()]);
    assert!(overlay.stop().success());
}
