//! What the real binary writes on stderr: whole lines, with their ids, and nobody's secrets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Running, curl, keygen, overlay_of, web_server_at};
use serde_json::Value;

/// An address of this machine that stands in no log by chance.
const TARGET: Ipv4Addr = Ipv4Addr::new(127, 83, 71, 59);
const LOGINS: [&str; 2] = ["nightingale.client", "nightingale.bridge"];
const PAYLOAD: &str = "the-quick-brown-payload";

/// Overlay, bridge and client that have carried one request.
struct Tunnel {
    overlay: Running,
    bridge: Running,
    client: Running,
    target: SocketAddr,
}

fn carry_one_request(dir: &Path, log: &[(&str, &str)]) -> Tunnel {
    let target = web_server_at(TARGET.into(), PAYLOAD.repeat(1000).into_bytes());
    let overlay = overlay_of(dir, LOGINS, "rtt_ms = 2", log);
    let socket = |login: &str| format!("skype:unix:{}/{login}.sock", dir.display());
    let key_path = dir.join("k");
    let key = keygen(&key_path);
    let (key_path, forward) = (key_path.to_str().unwrap(), target.to_string());
    let [near, far] = LOGINS.map(socket);
    let words = ["bridge", "--carrier", &far, "--key", key_path, "--forward", &forward];
    let mut bridge = Running::start_with(&words, log);
    bridge.wait_for("ready");
    let peer = format!("skype:{}", LOGINS[1]);
    let words = ["client", "--carrier", &near, "--bridge", &peer, "--bridge-key", &key];
    let mut client = Running::start_with(&[&words[..], &["--listen", "127.0.0.1:0"]].concat(), log);
    let socks = client.wait_for("listening on ");
    let (code, body, stderr) =
        curl(&["--socks5", &socks, &format!("http://{forward}/{PAYLOAD}?{PAYLOAD}")]);
    assert_eq!(code, 0, "{stderr}\n{}\n{}", client.stderr(), bridge.stderr());
    assert_eq!(body.len(), PAYLOAD.len() * 1000);
    Tunnel { overlay, bridge, client, target }
}

/// Stops all and gives what each wrote on stderr.
fn logs(tunnel: Tunnel) -> [String; 3] {
    [tunnel.client, tunnel.bridge, tunnel.overlay].map(Running::stop_and_read)
}

#[test]
fn nobody_is_named_at_info() {
    let dir = tempfile::tempdir().unwrap();
    let tunnel = carry_one_request(dir.path(), &[("RUST_LOG", "info")]);
    let target = tunnel.target;
    let logs = logs(tunnel);
    assert!(logs[0].contains("connected to the bridge"), "{}", logs[0]);
    assert!(logs[1].contains("a client connected"), "{}", logs[1]);
    let port = format!(":{}", target.port());
    let secrets = [&TARGET.to_string(), &port, LOGINS[0], LOGINS[1], "nightingale", PAYLOAD];
    for (log, secret) in logs.iter().flat_map(|log| secrets.map(|secret| (log, secret))) {
        assert!(!log.contains(secret), "{secret:?} in:\n{log}");
    }
}

#[test]
fn each_json_line_says_which_connection_and_stream_it_is_about() {
    let dir = tempfile::tempdir().unwrap();
    let json = [("SKYPEPROXY_LOG_FORMAT", "json"), ("RUST_LOG", "debug")];
    let tunnel = carry_one_request(dir.path(), &json);
    tunnel.client.wait_for_stderr("request ended");
    tunnel.bridge.wait_for_stderr("stream ended");
    let [client, bridge, overlay] = logs(tunnel);
    let lines = |log: &str| -> Vec<Value> {
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    assert!(!lines(&overlay).is_empty());
    for (log, message) in [(&client, "request ended"), (&bridge, "stream ended")] {
        let lines = lines(log);
        let line = lines.iter().find(|line| line["message"] == message).expect(log);
        let spans = line["spans"].as_array().unwrap();
        let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["conn", "stream"], "{line}");
        assert_eq!(spans[0]["id"], 0, "{line}");
        assert_eq!(spans[1]["id"], "c0", "{line}");
    }
    let about_path = lines(&bridge).into_iter().find(|line| {
        line["spans"].as_array().is_some_and(|spans| spans.iter().any(|one| one["name"] == "path"))
    });
    assert!(about_path.is_some(), "{bridge}");
}

#[test]
fn ids_are_there_however_the_levels_are_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let json = [("SKYPEPROXY_LOG_FORMAT", "json"), ("RUST_LOG", "tunnel=debug")];
    let tunnel = carry_one_request(dir.path(), &json);
    tunnel.client.wait_for_stderr("request ended");
    let [client, ..] = logs(tunnel);
    let line = client.lines().find(|line| line.contains("request ended")).expect(&client);
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["spans"].as_array().map(Vec::len), Some(2), "{line}");
}

#[test]
fn no_colour_where_nobody_sees_it() {
    let dir = tempfile::tempdir().unwrap();
    for log in logs(carry_one_request(dir.path(), &[("RUST_LOG", "info")])) {
        assert!(!log.contains('\x1b'), "{log}");
    }
}

#[test]
fn no_color_is_obeyed_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let shown = |no_color: &str| on_a_terminal(dir.path(), no_color);
    let Some(coloured) = shown("") else {
        println!("skipped: `script` is not installed, so there is no terminal to write to");
        return;
    };
    assert!(coloured.contains("\x1b["), "{coloured}");
    let plain = shown("1").unwrap();
    assert!(plain.contains("RUST_LOG") && !plain.contains('\x1b'), "{plain}");
}

/// What a command that warns and fails shows on a terminal.
fn on_a_terminal(dir: &Path, no_color: &str) -> Option<String> {
    let command = format!("{} overlay --config /nowhere", env!("CARGO_BIN_EXE_skypeproxy"));
    let typescript = dir.join("typescript");
    Command::new("script")
        .args(["--quiet", "--command", &command])
        .arg(&typescript)
        .env("NO_COLOR", no_color)
        .env("RUST_LOG", "inof")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .ok()?;
    Some(fs::read_to_string(typescript).unwrap())
}

#[test]
fn a_filter_that_is_none_is_told_and_left_aside() {
    let mut demo =
        Running::start_with(&["demo", "--listen", "127.0.0.1:0"], &[("RUST_LOG", "inof")]);
    demo.wait_for("curl ");
    demo.wait_for_stderr("connected to the bridge");
    let log = demo.stop_and_read();
    assert!(log.contains("RUST_LOG") && log.contains("did you mean"), "{log}");
}

#[test]
fn nothing_breaks_when_stderr_is_full_or_gone() {
    let full: fn() -> Stdio =
        || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let gone: fn() -> Stdio = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let run = |words: &[&str], stderr: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skypeproxy"));
        command.args(words).stdout(File::create("/dev/null").unwrap()).stderr(stderr);
        command.status().unwrap().code()
    };
    for stderr in [full, gone] {
        for format in ["text", "json"] {
            let words = ["demo", "--check", "--listen", "127.0.0.1:0", "--size", "1000", "-vvv"];
            let words = [&words[..], &["--log-format", format]].concat();
            assert_eq!(run(&words, stderr()), Some(0), "{format}");
            let words = ["overlay", "--config", "/nowhere", "--log-format", format];
            // 101 is a panic's.
            assert!(run(&words, stderr()).is_some_and(|code| code != 0 && code != 101));
        }
        assert!(run(&["no-such-command"], stderr()).is_some_and(|code| code != 101));
    }
}
