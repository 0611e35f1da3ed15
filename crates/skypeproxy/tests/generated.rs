//! Completions and man pages as the binary writes them: right for those who read them, and the same
//! twice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::run;

/// Every file below the directory, by its name.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in ["completions", "man"] {
        for entry in fs::read_dir(dir.join(part)).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(path).unwrap());
        }
    }
    found
}

fn generate(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let output = run(&["generate", "--out", dir.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    files(dir)
}

#[test]
fn the_same_octets_twice() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = generate(one.path());
    assert!(files == generate(other.path()));
    assert_eq!(files.keys().filter(|name| name.starts_with("completions")).count(), 5);
}

#[test]
fn every_command_has_a_page_that_ends_with_its_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let pages = generate(dir.path());
    let pages: BTreeMap<_, _> =
        pages.into_iter().filter(|(name, _)| name.starts_with("man")).collect();
    for command in [
        "",
        "-client",
        "-bridge",
        "-overlay",
        "-demo",
        "-keygen",
        "-status",
        "-config-check",
        "-completions",
    ] {
        let name = PathBuf::from(format!("man/skypeproxy{command}.1"));
        let page = String::from_utf8(pages.get(&name).expect(command).clone()).unwrap();
        for heading in [".SH NAME", ".SH SYNOPSIS", ".SH \"EXIT STATUS\"", ".SH EXAMPLES"] {
            assert!(page.contains(heading), "{heading} in {}:\n{page}", name.display());
        }
        assert!(page.contains("\n 64  "), "{page}");
    }
    assert!(!pages.keys().any(|name| name.to_string_lossy().contains("generate")));
}

#[test]
fn groff_has_nothing_to_warn_of() {
    let dir = tempfile::tempdir().unwrap();
    for name in generate(dir.path()).into_keys().filter(|name| name.starts_with("man")) {
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(dir.path().join(&name))
            .output();
        let Ok(formatted) = groff else {
            println!("skipped: groff is not installed");
            return;
        };
        let warnings = String::from_utf8_lossy(&formatted.stderr);
        assert!(
            formatted.status.success() && warnings.is_empty(),
            "{}: {warnings}",
            name.display()
        );
    }
}

#[test]
fn bash_reads_its_completions_and_completes() {
    let output = run(&["completions", "bash"]);
    assert!(output.status.success());
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("skypeproxy.bash");
    fs::write(&script, output.stdout).unwrap();
    let complete = "source \"$1\"; COMP_WORDS=(skypeproxy client --sand); COMP_CWORD=2; \
                    _skypeproxy skypeproxy --sand client; echo \"${COMPREPLY[@]}\"";
    let checked = Command::new("bash").arg("-n").arg(&script).output();
    let Ok(checked) = checked else {
        println!("skipped: bash is not installed");
        return;
    };
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let completed = Command::new("bash").args(["-c", complete, "bash"]).arg(&script).output();
    let words = String::from_utf8(completed.unwrap().stdout).unwrap();
    assert!(words.contains("--sandbox"), "{words}");
}

#[test]
fn what_is_there_for_packagers_is_not_in_the_help() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("completions") && !help.contains("generate"), "{help}");
}
