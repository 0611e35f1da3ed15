//! Each exit code, and what goes to stdout and what to stderr.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::{self, File, Permissions};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{Running, command, keygen, overlay, run, some_key};

/// A user who may do nothing in particular.
const NOBODY: u32 = 65534;

/// Runs it to an end with `code`, and gives stderr.
#[track_caller]
fn ends_with(code: i32, words: &[&str]) -> String {
    check(code, words, &run(words))
}

#[track_caller]
fn check(code: i32, words: &[&str], output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {stderr}");
    // Data on stdout, words on stderr: a failure leaves nothing that a pipe might take for data.
    assert_eq!(output.stdout.is_empty(), code != 0, "{words:?}");
    assert_eq!(stderr.is_empty(), code == 0, "{words:?}: {stderr}");
    stderr
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn client<'a>(carrier: &'a str, key: &'a str) -> [&'a str; 9] {
    let peer = "skype:bob";
    [
        "client",
        "--carrier",
        carrier,
        "--bridge",
        peer,
        "--bridge-key",
        key,
        "--listen",
        "127.0.0.1:0",
    ]
}

fn bridge(key: &str) -> [&str; 7] {
    ["bridge", "--carrier", "udp:127.0.0.1:0", "--key", key, "--forward", "127.0.0.1:9"]
}

#[test]
fn help_is_data_and_ends_with_0() {
    for words in [["--help"].as_slice(), &["--version"], &["client", "--help"], &["help", "config"]]
    {
        ends_with(0, words);
    }
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let words: [&[&str]; 9] = [
        &[],
        &["nonsense"],
        &["config"],
        &["client", "--nonsense"],
        &["client", "--listen", "here"],
        &["client"],
        &["bridge"],
        &["overlay"],
        &["demo", "--json"],
    ];
    for words in words {
        ends_with(64, words);
    }
}

#[test]
fn a_slip_on_the_command_line_is_put_right() {
    assert!(ends_with(64, &["cleint"]).contains("'client'"));
    assert!(ends_with(64, &["client", "--carier", "x"]).contains("'--carrier'"));
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "c", "");
    let stderr = ends_with(64, &["config", "check", &file, "--kind", "clinet"]);
    assert!(stderr.contains("'client'"), "{stderr}");
}

#[test]
fn a_damaged_key_file_ends_with_65() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "nonsense", "\0\0\0", &"x".repeat(5000)] {
        let key = write(dir.path(), "k", text);
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        assert!(ends_with(65, &bridge(&key)).contains("no key file"));
    }
    assert!(ends_with(65, &bridge(dir.path().to_str().unwrap())).contains("no key file"));
}

#[test]
fn a_file_that_is_not_there_ends_with_66() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let missing = format!("{dir}/missing");
    assert!(ends_with(66, &bridge(&missing)).contains("keygen"));
    for command in ["client", "bridge", "overlay"] {
        assert!(ends_with(66, &[command, "--config", &missing]).contains(&missing));
        assert!(ends_with(66, &[command, "--config", dir]).contains(dir));
    }
    ends_with(66, &["config", "check", &missing]);
}

#[test]
fn a_skype_that_is_not_running_ends_with_69() {
    let stderr = ends_with(69, &client("skype:unix:/nowhere/s", &some_key()));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_port_in_use_ends_with_71_and_a_check_with_1() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = tcp.local_addr().unwrap().to_string();
    ends_with(1, &["demo", "--check", "--listen", &taken]);
    ends_with(71, &["demo", "--listen", &taken]);
    let key = some_key();
    let words = ["client", "--carrier", "udp:127.0.0.1:0", "--bridge", "udp:127.0.0.1:9"];
    let words: Vec<&str> =
        words.into_iter().chain(["--bridge-key", &key, "--listen", &taken]).collect();
    ends_with(71, &words);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("udp:{}", udp.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    keygen(&dir.path().join("k"));
    let key = dir.path().join("k");
    let mut words = bridge(key.to_str().unwrap());
    words[2] = &taken;
    ends_with(71, &words);
}

#[test]
fn what_cannot_be_made_ends_with_73() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("k");
    keygen(&key);
    assert!(ends_with(73, &["keygen", "--out", key.to_str().unwrap()]).contains("--out"));
    ends_with(73, &["keygen", "--out", "/nowhere/k"]);
    let file = write(dir.path(), "o", "[[login]]\nname = \"a\"\nsocket = \"/nowhere/s\"\n");
    ends_with(73, &["overlay", "--config", &file]);
    let file = write(dir.path(), "o", &format!("[[login]]\nname = \"a\"\nsocket = {key:?}\n"));
    assert!(ends_with(73, &["overlay", "--config", &file]).contains("no socket"));
}

#[test]
fn data_that_nobody_gets_ends_with_74() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("k");
    let words: [&[&str]; 2] =
        [&["keygen", "--out", key.to_str().unwrap()], &["client", "--print-config"]];
    for words in words {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(words).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{stderr}");
    }
}

#[test]
fn a_refusal_by_skype_s_user_ends_with_77() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let text = format!("[[login]]\nname = \"a\"\nsocket = {socket:?}\nconsent = \"refuse\"\n");
    let file = write(dir.path(), "o", &text);
    let mut overlay = Running::start(&["overlay", "--config", &file]);
    overlay.wait_for("login a");
    let carrier = format!("skype:unix:{}", socket.display());
    assert!(ends_with(77, &client(&carrier, &some_key())).contains("refused"));
    assert_eq!(overlay.stop().code(), Some(0));
}

#[test]
fn a_key_file_that_others_can_read_ends_with_77() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("k");
    keygen(&key);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    assert!(ends_with(77, &bridge(key.to_str().unwrap())).contains("chmod 600"));
}

#[test]
fn a_file_that_may_not_be_read_ends_with_77() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "c", "");
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    // Root may read everything, so somebody else runs a copy of the binary then.
    let is_root = File::open(&file).is_ok();
    let binary = dir.path().join("skypeproxy");
    // By another process: a child that another test starts at this moment would hold our descriptor,
    // and a file that is open for writing cannot be run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_skypeproxy")).arg(&binary).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    for words in
        [["config", "check", &file].as_slice(), &["client", "--config", &file], &bridge(&file)]
    {
        let mut command = Command::new(&binary);
        command.args(words);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        assert!(check(77, words, &command.output().unwrap()).contains(&file));
    }
}

#[test]
fn a_wrong_configuration_ends_with_78() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "c", "nonsense = 1\n");
    ends_with(78, &["config", "check", &file]);
    for command in ["client", "bridge", "overlay"] {
        ends_with(78, &[command, "--config", &file]);
        ends_with(78, &[command, "--config", &file, "--print-config"]);
    }
    // Nothing is wrong in it, but something is missing: the file is where it would be mended.
    let file = write(dir.path(), "c", "");
    ends_with(78, &["client", "--config", &file]);
}

#[test]
fn the_first_signal_ends_with_0() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(overlay(dir.path(), "").stop().code(), Some(0));
}

#[test]
fn the_help_of_each_command_has_the_table() {
    for words in [["--help"].as_slice(), &["client", "--help"], &["config", "check", "--help"]] {
        let help = String::from_utf8(run(words).stdout).unwrap();
        for code in [0, 1, 64, 65, 66, 69, 70, 71, 73, 74, 75, 77, 78] {
            let row = format!("{code:>5}  ");
            assert!(help.lines().any(|line| line.starts_with(&row)), "{words:?} lacks {code}");
        }
    }
}

#[test]
fn no_color_is_heeded() {
    let coloured = |no_color: &str| {
        let mut command = command(&["--nonsense"]);
        command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", no_color);
        command.output().unwrap().stderr.contains(&0x1b)
    };
    assert!(coloured("") && !coloured("1"));
}
