//! Runs the real binary and real curl, and stops them whatever happens.
#![allow(clippy::allow_attributes, reason = "what is unused differs by test file")]
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod config;
pub(crate) mod inside;
pub(crate) mod place;
pub(crate) mod transfer;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;

/// Nothing that these tests do takes longer unless it hangs.
const HANG_S: &str = "120";

/// A running skypeproxy. It is stopped when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Running {
    /// Starts the binary with the words of a command line.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_with(words, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(words: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_skypeproxy"), words, variables)
    }

    /// Starts a program that becomes the binary.
    pub(crate) fn start_program(program: &str, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("stderr");
        let mut child = command_of(program, words)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, log, _dir: dir }
    }

    /// The rest of the next stdout line that starts with `prefix`.
    pub(crate) fn wait_for(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).unwrap() > 0 {
            if let Some(rest) = line.trim_end().strip_prefix(prefix) {
                return rest.to_owned();
            }
            line.clear();
        }
        panic!("no line {prefix:?} came; stderr:\n{}", self.stderr());
    }

    /// What it said on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until stderr holds `text`.
    pub(crate) fn wait_for_stderr(&self, text: &str) {
        for _ in 0..600 {
            if self.stderr().contains(text) {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("stderr never said {text:?}:\n{}", self.stderr());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> std::process::ExitStatus {
        self.signal();
        self.child.wait().unwrap()
    }

    /// Stops it and gives all that it said on stderr.
    pub(crate) fn stop_and_read(mut self) -> String {
        self.signal();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}; stderr:\n{}", self.stderr());
        self.stderr()
    }

    /// What is logged as an error is a bug of ours, whatever else a test looks at.
    fn assert_no_error_is_logged(&self) {
        let log = self.stderr();
        let is_error =
            |line: &str| line.contains(" ERROR ") || line.contains("\"level\":\"ERROR\"");
        assert!(!log.lines().any(is_error), "an error is logged:\n{log}");
    }

    fn signal(&self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            self.assert_no_error_is_logged();
        }
    }
}

/// The binary with the words of a command line, and nothing of it in the environment.
pub(crate) fn command(words: &[&str]) -> Command {
    command_of(env!("CARGO_BIN_EXE_skypeproxy"), words)
}

fn command_of(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("SKYPEPROXY_") {
            command.env_remove(variable);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn run(words: &[&str]) -> Output {
    command(words).output().unwrap()
}

/// The error line of a run that had to fail.
pub(crate) fn failure(words: &[&str]) -> String {
    let output = run(words);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{words:?} did not fail");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// Runs real curl and gives its exit code, stdout and stderr.
pub(crate) fn curl(words: &[&str]) -> (i32, Vec<u8>, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", HANG_S, "--noproxy", ""])
        .args(words)
        .output()
        .expect("curl is installed: `cargo xtask test` sees to it");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), output.stdout, stderr)
}

/// Asks the client for a target over SOCKS5: a connection that is through to it.
pub(crate) fn ask(socks: &str, target: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(socks).unwrap();
    let SocketAddr::V4(target) = target else { panic!("IPv4 only") };
    let mut request = vec![5, 1, 0, 5, 1, 0, 1];
    request.extend_from_slice(&target.ip().octets());
    request.extend_from_slice(&target.port().to_be_bytes());
    tcp.write_all(&request).unwrap();
    let mut reply = [0; 12];
    tcp.read_exact(&mut reply).unwrap();
    assert_eq!(reply[3], 0, "{reply:?}");
    tcp
}

/// A web server that answers every request with the same body, on a thread of its own.
pub(crate) fn web_server(body: Vec<u8>) -> SocketAddr {
    web_server_at(Ipv4Addr::LOCALHOST.into(), body)
}

/// The same at another address of this machine.
pub(crate) fn web_server_at(ip: IpAddr, body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let body = std::sync::Arc::new(body);
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let body = std::sync::Arc::clone(&body);
            thread::spawn(move || answer(tcp, &body));
        }
    });
    addr
}

fn answer(mut tcp: TcpStream, body: &[u8]) {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") && tcp.read_exact(&mut octet).is_ok() {
        head.push(octet[0]);
    }
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = tcp.write_all(answer.as_bytes()).and_then(|()| tcp.write_all(body));
}

/// Octets with no short period.
pub(crate) fn octets(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// A public key whose secret nobody uses.
pub(crate) fn some_key() -> String {
    ap2ap_stream::SecretKey::from_octets([9; 32]).public().to_string()
}

/// Makes a key file and gives the public key.
pub(crate) fn keygen(path: &Path) -> String {
    let output = run(&["keygen", "--out", path.to_str().unwrap()]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An overlay with the logins `alice` and `bob`, its sockets in `dir`.
pub(crate) fn overlay(dir: &Path, link: &str) -> Running {
    overlay_of(dir, ["alice", "bob"], link, &[])
}

/// An overlay with two logins, and variables in its environment.
pub(crate) fn overlay_of(
    dir: &Path,
    logins: [&str; 2],
    link: &str,
    variables: &[(&str, &str)],
) -> Running {
    let config = dir.join("overlay.toml");
    let login = |name: &str| {
        format!("[[login]]\nname = \"{name}\"\nsocket = \"{}/{name}.sock\"\n", dir.display())
    };
    let text = format!("{}[link]\n{link}\n", logins.map(login).concat());
    std::fs::write(&config, text).unwrap();
    let words = ["overlay", "--config", config.to_str().unwrap()];
    let mut overlay = Running::start_with(&words, variables);
    overlay.wait_for(&format!("login {}", logins[1]));
    overlay
}
