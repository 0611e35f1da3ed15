//! `skypeproxy measure` between processes: figures over an overlay, a picture, a bridge that refuses.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Running, keygen, overlay, run};
use serde_json::Value;

/// A bridge on an emulated Skype, and the words of a measurement through it.
fn bridge(dir: &std::path::Path, link: &str, extra: &[&str]) -> (Running, Running, Vec<String>) {
    let overlay = overlay(dir, link);
    let key_path = dir.join("k");
    let key = keygen(&key_path);
    let carrier = |name: &str| format!("skype:unix:{}/{name}.sock", dir.display());
    let (bob, key_path) = (carrier("bob"), key_path.to_str().unwrap());
    let words = ["bridge", "--carrier", &bob, "--key", key_path, "--forward", "127.0.0.1:9"];
    let mut bridge = Running::start(&[&words, extra].concat());
    bridge.wait_for("ready");
    let alice = carrier("alice");
    let words = ["measure", "--carrier", &alice, "--bridge", "skype:bob", "--bridge-key", &key];
    (overlay, bridge, words.map(str::to_owned).to_vec())
}

fn measure(words: &[String], more: &[&str]) -> std::process::Output {
    let words: Vec<&str> = words.iter().map(String::as_str).chain(more.iter().copied()).collect();
    run(&words)
}

#[test]
fn tells_a_relay_of_another_from_what_it_grants() {
    let dir = tempfile::tempdir().unwrap();
    let link = "rate = 16000\nrtt_ms = 60\nthrottle = \"policer\"";
    let (overlay, bridge, words) = bridge(dir.path(), link, &[]);
    let svg = dir.path().join("relay.svg");
    let output = measure(&words, &["--for", "50", "--json", "--svg", svg.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{}", bridge.stderr());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["version"], 1);
    let up = &value["paths"][0]["to_bridge"];
    // A loaded machine delays probes, so that neither throttle nor rate is asserted: they are in virtual time.
    assert!(up["rate"].as_f64().unwrap() > 0.0, "{value}");
    assert!(up["cost_octets"].as_u64().unwrap() > 16_000, "{value}");
    assert!(value["paths"][0]["from_bridge"]["cost_octets"].as_u64().unwrap() > 0, "{value}");
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg "));
    assert!(bridge.stop().success());
    assert!(overlay.stop().success());
}

#[test]
fn a_bridge_that_does_not_measure_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (_overlay, _bridge, words) = bridge(dir.path(), "rtt_ms = 20", &["--measure", "false"]);
    let output = measure(&words, &["--for", "5"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{stderr}");
    assert!(stderr.contains("the bridge does not measure"), "{stderr}");
}
