//! Configuration: which of several places counts, and what is printed of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use common::config::{Dir, LOGINS, line, printed, run_with};
use common::{command, run, some_key};

#[test]
fn a_variable_that_is_no_setting_is_told_and_its_value_is_not() {
    let variables = [("SKYPEPROXY_LISTN", "very-private")];
    let output = run_with(&["client", "--print-config"], &variables);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("SKYPEPROXY_LISTN") && stderr.contains("`SKYPEPROXY_LISTEN`"),
        "{stderr}"
    );
    assert!(!stderr.contains("very-private"), "{stderr}");
}

#[test]
fn the_command_line_counts_before_the_environment_before_the_file_before_the_default() {
    let dir = Dir::new();
    let file = dir.file("c.toml", "\nlisten = \"127.0.0.1:3\"\n");
    let variable = [("SKYPEPROXY_LISTEN", "127.0.0.1:2")];
    let words = ["client", "--config", &file, "--listen", "127.0.0.1:1"];
    for (words, variables, value, origin) in [
        (&words[..], &variable[..], "127.0.0.1:1", "command line, --listen"),
        (&words[..3], &variable, "127.0.0.1:2", "environment, SKYPEPROXY_LISTEN"),
        (&words[..3], &[], "127.0.0.1:3", "c.toml, line 2, column 10"),
        (&words[..1], &[], "127.0.0.1:1080", "default"),
    ] {
        let printed = printed(words, variables);
        let line = line(&printed, "listen");
        assert!(line.starts_with(&format!("listen = \"{value}\"  # ")), "{line}");
        assert!(line.ends_with(origin), "{line}");
    }
}

#[test]
fn one_place_says_all_of_a_list() {
    let dir = Dir::new();
    let file = dir.file("b.toml", "forward = [\"192.0.2.1:1\", \"192.0.2.1:2\"]\n");
    let words = ["bridge", "--config", &file];
    let variable = [("SKYPEPROXY_FORWARD", " 192.0.2.1:3\t192.0.2.1:4 ")];
    assert!(
        line(&printed(&words, &variable), "forward").contains("[\"192.0.2.1:3\", \"192.0.2.1:4\"]")
    );
    let words = [&words[..], &["--forward", "192.0.2.1:5"]].concat();
    assert!(line(&printed(&words, &variable), "forward").contains("[\"192.0.2.1:5\"]"));
}

#[test]
fn a_variable_names_the_file_and_the_command_line_another() {
    let dir = Dir::new();
    let one = dir.file("one", "key = \"/one\"\n");
    let other = dir.file("other", "key = \"/other\"\n");
    let variable = [("SKYPEPROXY_CONFIG", one.as_str())];
    assert!(line(&printed(&["bridge"], &variable), "key").contains("\"/one\""));
    let words = ["bridge", "--config", &other];
    assert!(line(&printed(&words, &variable), "key").contains("\"/other\""));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    for value in ["", " "] {
        let variables = ["CARRIER", "BRIDGE", "BRIDGE_KEY", "LISTEN"];
        let variables = variables.map(|name| format!("SKYPEPROXY_{name}"));
        let variables: Vec<_> = variables.iter().map(|name| (name.as_str(), value)).collect();
        assert_eq!(printed(&["client"], &variables), printed(&["client"], &[]));
    }
    assert!(run_with(&["client", "--print-config"], &[("SKYPEPROXY_CONFIG", "")]).status.success());
}

#[test]
fn a_wrong_variable_is_named_and_the_command_line_gets_past_it() {
    let variable = [("SKYPEPROXY_LISTEN", "here")];
    let output = run_with(&["client", "--print-config"], &variable);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr.contains("SKYPEPROXY_LISTEN: expected \"IP:PORT\""), "{stderr}");
    printed(&["client", "--listen", "127.0.0.1:1"], &variable);

    let mut command = command(&["bridge", "--print-config"]);
    let output = command.env("SKYPEPROXY_FORWARD", OsStr::from_bytes(b"\xff")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("SKYPEPROXY_FORWARD: expected UTF-8"), "{stderr}");
}

#[test]
fn the_format_of_the_log_is_a_setting_like_others() {
    let run = |value: &str, words: &[&str]| {
        let output = run_with(words, &[("SKYPEPROXY_LOG_FORMAT", value)]);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("", &["client", "--print-config"]).0, 0);
    let (code, stderr) = run("jsno", &["client", "--print-config"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("SKYPEPROXY_LOG_FORMAT: ") && stderr.contains("`json`"), "{stderr}");
    let (code, stderr) = run("jsno", &["client", "--log-format", "json"]);
    assert_eq!(code, 64);
    assert!(stderr.starts_with('{'), "{stderr}");
}

#[test]
fn what_is_printed_says_the_same_when_it_is_read() {
    let dir = Dir::new();
    let overlay = format!(
        "{LOGINS}consent = \"refuse\"\n[link]\nrate = 0x10\nloss = 1\nthrottle = \"policer\"\n\
         [[link_between]]\nlogins = [\"alice\", \"bob\"]\nqueue = 5_000\n"
    );
    let overlay = dir.file("overlay.toml", overlay);
    let key = some_key();
    let (odd, name) = ("skype:unix:/a \"b\"\\\n\u{1f600}", dir.path("k # \"k\""));
    let client = ["client", "--carrier", odd, "--bridge", "skype:b", "--bridge-key", &key];
    let with_key = [&client[..], &["--client-key", &name]].concat();
    let allow = ["--allow", &key, "--allow", &key];
    let bridge = ["bridge", "--key", &name, "--forward", "[::1]:1", "--carrier", "udp:0.0.0.0:0"];
    let lines: [&[&str]; 7] = [
        &client,
        &with_key,
        &["client"],
        &bridge,
        &[&bridge[..], &allow].concat(),
        &["overlay", "--config", &overlay],
        &["overlay", "--config", &overlay, "--seed", "9"],
    ];
    for words in lines {
        let first = printed(words, &[]);
        let second = printed(&[words[0], "--config", &dir.file("fed\nback", &first)], &[]);
        let value = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(value(&first), value(&second));
        for line in first.lines().filter(|line| !line.is_empty()) {
            assert!(line.contains("# "), "{line}");
        }
    }
}

#[test]
fn a_path_that_toml_cannot_say_is_said_so() {
    let words = ["bridge", "--print-config", "--key"];
    let output = command(&words).arg(OsStr::from_bytes(b"/\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`key`"));
}

#[test]
fn the_help_names_every_variable_and_every_key() {
    for kind in ["client", "bridge", "overlay"] {
        let help = String::from_utf8(run(&[kind, "--help"]).stdout).unwrap();
        let printed = match kind {
            "overlay" => String::new(),
            _ => printed(&[kind], &[]),
        };
        let variables = printed.split_whitespace().filter(|word| word.starts_with("SKYPEPROXY_"));
        for variable in variables.map(|word| word.trim_end_matches(',')) {
            assert!(help.contains(variable), "{kind} --help lacks {variable}");
        }
        assert!(help.contains("SKYPEPROXY_CONFIG") && help.contains("NO_COLOR"), "{help}");
    }
}
