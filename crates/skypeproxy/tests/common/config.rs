//! Configuration files of a test, and what the binary makes of them.

use std::fs;
use std::process::Output;

use super::command;

/// A directory and files in it.
pub(crate) struct Dir(pub(crate) tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self, name: &str, octets: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, octets).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

pub(crate) fn run_with(words: &[&str], variables: &[(&str, &str)]) -> Output {
    command(words).envs(variables.iter().copied()).output().unwrap()
}

/// What `--print-config` prints.
#[track_caller]
pub(crate) fn printed(words: &[&str], variables: &[(&str, &str)]) -> String {
    let words: Vec<&str> = words.iter().copied().chain(["--print-config"]).collect();
    let output = run_with(&words, variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line of one key.
#[track_caller]
pub(crate) fn line<'a>(printed: &'a str, key: &str) -> &'a str {
    let start = format!("{key} = ");
    printed.lines().find(|line| line.starts_with(&start)).expect(key)
}

pub(crate) const LOGINS: &str = "[[login]]\nname = \"alice\"\nsocket = \"/a\"\n\
                      [[login]]\nname = \"bob\"\nsocket = \"/b\"\n";
