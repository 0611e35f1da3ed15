//! `demo --check`: the figures that scripts read.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::run;

const NAMES: [&str; 11] = [
    "ok",
    "bytes",
    "seconds",
    "goodput_bytes_per_s",
    "relay_rate_bytes_per_s",
    "share_of_relay",
    "ping_ms",
    "base_rtt_ms",
    "datagrams_lost",
    "datagrams_per_s",
    "seed",
];

fn check(words: &[&str]) -> serde_json::Value {
    let base = ["demo", "--listen", "127.0.0.1:0", "--check", "--json"];
    let words: Vec<&str> = base.iter().chain(words).copied().collect();
    let output = run(&words);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn the_last_line_is_an_object_with_every_name() {
    let report = check(&["--size", "50000", "--rtt", "20"]);
    for name in NAMES {
        assert!(!report[name].is_null(), "{name} is missing in {report}");
    }
    assert_eq!(report["ok"], true);
    assert_eq!(report["bytes"], 50_000);
    for percentile in ["p50", "p95", "p99"] {
        assert!(report["ping_ms"][percentile].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[test]
fn a_lossy_relay_loses_datagrams_and_no_octets() {
    let report = check(&["--size", "200000", "--loss", "0.05", "--rtt", "20", "--seed", "3"]);
    assert_eq!(report["ok"], true);
    assert!(report["datagrams_lost"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn the_share_never_passes_what_the_armour_leaves() {
    // 7 octets of payload are 8 of AP2AP text, and a token bucket adds its burst once.
    let report = check(&["--relay-rate", "20000", "--rtt", "100", "--size", "100000"]);
    let share = report["share_of_relay"].as_f64().unwrap();
    assert!(share > 0.0 && share < 0.875 + 0.05, "{report}");
}

#[test]
fn without_json_a_table_is_printed() {
    let words = ["demo", "--listen", "127.0.0.1:0", "--check", "--size", "1000", "--rtt", "0"];
    let stdout = String::from_utf8(run(&words).stdout).unwrap();
    assert!(stdout.contains("ok, hash equal") && stdout.contains("goodput"), "{stdout}");
}

#[test]
fn a_demo_over_relays_carries_the_same() {
    let report = check(&["--size", "50000", "--relays", "3", "--rtt", "20"]);
    assert_eq!((report["ok"].as_bool(), report["bytes"].as_u64()), (Some(true), Some(50_000)));
}
