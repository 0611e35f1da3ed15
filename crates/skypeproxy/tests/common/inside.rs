//! Tests that run again in namespaces of their own, where disks are full and nobody resolves names.

use std::io::Write;
use std::process::{Command, Stdio};

/// Set in the process that runs in namespaces of its own.
const INSIDE: &str = "SKYPEPROXY_TEST_INSIDE";

/// Runs a test of this file again in private user, mount and network namespaces, after `setup`,
/// which is a line of shell. Skipped, said aloud, where the kernel refuses namespaces.
pub(crate) fn run_inside(test: &str, setup: &str) {
    let refused = Command::new("unshare").args(["-Urnm", "true"]).stderr(Stdio::null()).status();
    if !refused.is_ok_and(|status| status.success()) {
        let remedy = "enable unprivileged user namespaces (kernel.unprivileged_userns_clone=1)";
        say(&format!("SKIPPED {test}: {remedy}"));
        return;
    }
    let script = format!("set -e; {setup}; exec \"$0\" --exact {test} --nocapture");
    let output = Command::new("unshare")
        .args(["-Urnm", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Prints a line that the test harness does not keep to itself, as it does with `println!`.
pub(crate) fn say(line: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
}
