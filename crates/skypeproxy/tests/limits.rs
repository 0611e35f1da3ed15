//! Open files: the real binary raises its limit, and says when that is not enough.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;

use common::Running;

/// The soft limit of a demo that is started with these limits, and its stderr.
fn demo_within(ulimit: &str) -> (u64, String) {
    let script = format!("{ulimit}; exec \"$0\" \"$@\"");
    let binary = env!("CARGO_BIN_EXE_skypeproxy");
    let words = ["-c", &script, binary, "demo", "--listen", "127.0.0.1:0"];
    let mut demo = Running::start_program("sh", &words, &[]);
    demo.wait_for("curl ");
    let limits = fs::read_to_string(format!("/proc/{}/limits", demo.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    (soft, demo.stop_and_read())
}

#[test]
fn a_low_limit_is_raised() {
    let (soft, log) = demo_within("ulimit -Sn 256");
    assert!(soft > 2048, "{soft}");
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn a_limit_that_cannot_be_raised_is_told_with_the_remedy() {
    let (soft, log) = demo_within("ulimit -Sn 256; ulimit -Hn 512");
    assert_eq!(soft, 512);
    assert!(log.contains("limit=512") && log.contains("LimitNOFILE"), "{log}");
}
