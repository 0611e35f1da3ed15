//! `skypeproxy status` against a client and a bridge that run, and what becomes of their sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Output;

use common::place::{Place, eventually, signal};
use common::{Running, ask, command, curl, octets, run, some_key, web_server};
use serde_json::Value;

/// A client and a bridge with sockets in a directory of their own.
struct Pair {
    place: Place,
    _overlay: Running,
    bridge: Running,
    client: Running,
    socks: String,
    web: std::net::SocketAddr,
}

const BODY: usize = 60_000;

impl Pair {
    fn start(sandbox: &str) -> Self {
        Self::start_over("rtt_ms = 40\nrate = 30000", [("SKYPEPROXY_SANDBOX", sandbox)])
    }

    fn start_over(link: &str, variables: [(&'static str, &str); 1]) -> Self {
        let web = web_server(octets(BODY));
        let mut place = Place::new(link, &[web]);
        variables.iter().for_each(|(variable, value)| place.set(variable, value));
        let overlay = place.overlay();
        let socket = place.path("status-bridge");
        place.set("SKYPEPROXY_STATUS_SOCKET", socket.to_str().unwrap());
        let bridge = place.bridge();
        let socket = place.path("status-client");
        place.set("SKYPEPROXY_STATUS_SOCKET", socket.to_str().unwrap());
        let (client, socks) = place.client();
        Self { place, _overlay: overlay, bridge, client, socks, web }
    }

    fn socket(&self, role: &str) -> PathBuf {
        self.place.path(&format!("status-{role}"))
    }

    fn fetch(&self) {
        let (code, body, stderr) =
            curl(&["--socks5", &self.socks, &format!("http://{}/", self.web)]);
        assert_eq!((code, body.len()), (0, BODY), "{stderr}\n{}", self.client.stderr());
    }

    fn asked(&self, role: &str, json: bool) -> String {
        let socket = self.socket(role);
        let mut words = vec!["status", "--socket", socket.to_str().unwrap()];
        words.extend(json.then_some("--json"));
        let Output { status, stdout, stderr } = run(&words);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn json(&self, role: &str) -> Value {
        serde_json::from_str(&self.asked(role, true)).unwrap()
    }
}

#[track_caller]
fn number(status: &Value, pointer: &str) -> f64 {
    status.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {status}"))
}

#[track_caller]
fn text<'a>(status: &'a Value, pointer: &str) -> &'a str {
    status.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {status}"))
}

#[test]
fn both_ends_tell_of_their_paths_and_of_what_they_carried_also_from_a_sandbox() {
    let pair = Pair::start("best-effort");
    pair.fetch();
    // The stream may end a moment after curl has.
    eventually("the client has carried one stream", || {
        number(&pair.json("client"), "/totals/octets_to_tcp") > 0.0
    });
    let client = pair.json("client");
    assert_eq!((number(&client, "/version"), text(&client, "/role")), (1.0, "client"));
    assert!(number(&client, "/totals/octets_to_tcp") >= 60_000.0);
    assert_eq!(number(&client, "/totals/streams"), 1.0);
    assert_eq!(text(&client, "/sessions/0/state"), "up");
    assert!(number(&client, "/sessions/0/octets_received") >= 60_000.0);
    let path = client.pointer("/sessions/0/paths/0").unwrap();
    assert_eq!((text(path, "/peer"), text(path, "/state")), ("skype:bob", "answering"));
    assert!(number(path, "/rtt_min_ms") >= 40.0 && number(path, "/octets_received") >= 60_000.0);

    let bridge = pair.json("bridge");
    assert_eq!(text(&bridge, "/role"), "bridge");
    let path = bridge.pointer("/sessions/0/paths/0").unwrap();
    assert!(number(path, "/octets_sent") >= 60_000.0 && number(path, "/rate") > 1_000.0);
    assert_eq!(text(path, "/peer"), "skype:alice");

    let table = pair.asked("client", false);
    for word in ["client, up for", "session 0: up", "skype:bob", "answering", "switches"] {
        assert!(table.contains(word), "{table}");
    }
    let sockets = ["client", "bridge"].map(|role| pair.socket(role));
    for socket in &sockets {
        assert_eq!(fs::metadata(socket).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(pair.client.stop().success() && pair.bridge.stop().success());
    assert!(!sockets.iter().any(|socket| socket.exists()));
}

#[test]
fn a_socket_in_use_is_refused_by_name_and_one_of_a_killed_process_is_taken_over() {
    let pair = Pair::start("off");
    let socket = pair.socket("client");
    let carrier = pair.place.carrier("alice");
    let words = pair.place.client_words(&carrier, "skype:bob");
    let words: Vec<&str> =
        words.into_iter().chain(["--status-socket", socket.to_str().unwrap()]).collect();
    let refused = run(&words);
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(73), "{stderr}");
    assert!(stderr.contains("is in use") && stderr.contains("--status-socket"), "{stderr}");
    // Whoever looked was taken for somebody who asks, and the socket is still there.
    assert_eq!(text(&pair.json("client"), "/role"), "client");

    signal(pair.client.pid(), "KILL");
    eventually("nobody listens", || UnixStream::connect(&socket).is_err());
    assert!(socket.exists());
    let (client, _) = pair.place.client();
    assert_eq!(text(&pair.json("client"), "/role"), "client");
    assert!(client.stop().success());
}

#[test]
fn those_who_ask_and_do_not_read_keep_nobody_from_their_answer() {
    let pair = Pair::start("off");
    let socket = pair.socket("bridge");
    let idle: Vec<UnixStream> = (0..64).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    // A short answer fits the socket; who gets none is told nothing and may ask again.
    eventually("there is an answer", || {
        let mut answer = String::new();
        UnixStream::connect(&socket).unwrap().read_to_string(&mut answer).unwrap();
        answer.starts_with("{\"version\":1,")
    });
    drop(idle);
    pair.fetch();
    assert!(pair.bridge.stop().success());
}

#[test]
fn the_usual_socket_is_found_and_who_comes_second_goes_without() {
    let runtime = tempfile::tempdir().unwrap();
    let web = web_server(octets(10));
    let mut place = Place::new("rtt_ms = 10", &[web]);
    place.set("XDG_RUNTIME_DIR", runtime.path().to_str().unwrap());
    let _overlay = place.overlay();
    let bridge = place.bridge();
    let asked =
        |words: &[&str]| command(words).env("XDG_RUNTIME_DIR", runtime.path()).output().unwrap();
    assert!(String::from_utf8(asked(&["status"]).stdout).unwrap().starts_with("bridge, up for"));
    let (client, _) = place.client();
    assert!(String::from_utf8(asked(&["status"]).stdout).unwrap().starts_with("client, up for"));
    // Over UDP, for two programs on one login would be in each other's way.
    let words = place.client_words("udp:127.0.0.1:0", "udp:127.0.0.1:9");
    let runtime_dir = runtime.path().to_str().unwrap();
    let second = Running::start_with(&words, &[("XDG_RUNTIME_DIR", runtime_dir)]);
    second.wait_for_stderr("no status socket");
    assert!(runtime.path().join("skypeproxy/client.sock").exists());
    for process in [second, client, bridge] {
        assert!(process.stop().success());
    }
    let nobody = asked(&["status"]);
    let stderr = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(nobody.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("does a client or a bridge"), "{stderr}");
}

#[test]
fn says_what_is_wrong_with_a_socket_and_with_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let fails = |socket: &str, code: i32, words: &[&str]| {
        let output = run(&["status", "--socket", socket]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
    };
    fails(&path("missing"), 69, &["missing", "does a client or a bridge"]);
    for (name, says, words) in [
        ("silent", "", &["nothing was answered"][..]),
        ("chatty", "220 ready\n", &["no status"]),
        ("newer", "{\"version\": 2}\n", &["version 2", "reads 1"]),
        ("other", "{\"version\": 1}\n", &["not as its version says"]),
    ] {
        let listener = UnixListener::bind(path(name)).unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, says.as_bytes()).unwrap();
        });
        fails(&path(name), 65, words);
        answering.join().unwrap();
    }
    fs::write(path("file"), "").unwrap();
    let key = some_key();
    let words = ["client", "--carrier", "udp:127.0.0.1:0", "--bridge", "udp:127.0.0.1:9"];
    let file = path("file");
    let more = ["--bridge-key", &key, "--listen", "127.0.0.1:0", "--status-socket", &file];
    let output = run(&[&words[..], &more].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{stderr}");
    assert!(stderr.contains("is no socket"), "{stderr}");
}

#[test]
fn a_stream_that_is_open_counts_as_open() {
    let pair = Pair::start("off");
    let stream = ask(&pair.socks, pair.web);
    let open = |role: &str| number(&pair.json(role), "/totals/streams_open");
    eventually("both ends have one", || open("client") == 1.0 && open("bridge") == 1.0);
    drop(stream);
    eventually("both ends have none", || open("client") == 0.0 && open("bridge") == 0.0);
}

#[test]
fn each_path_of_a_session_is_told_at_both_ends() {
    let relays = "rtt_ms = 0\n[relays]\ncount = 3\nrate = 30000\nlifetime_s = 0\nset_up_ms = 50\n";
    let pair = Pair::start_over(relays, [("SKYPEPROXY_PATHS", "3")]);
    for (role, peer) in [("client", "skype:bob"), ("bridge", "skype:alice")] {
        eventually("three paths answer", || {
            let status = pair.json(role);
            let paths = status.pointer("/sessions/0/paths").and_then(Value::as_array);
            let answers =
                |path: &&Value| text(path, "/state") == "answering" && text(path, "/peer") == peer;
            paths.is_some_and(|paths| paths.iter().filter(answers).count() == 3)
        });
    }
    let rows = pair.asked("client", false);
    // And once as the way to the bridge.
    assert_eq!(rows.matches("skype:bob").count(), 4, "{rows}");
    let status = pair.json("client");
    assert_eq!(text(&status, "/routes/0/peer"), "skype:bob");
    assert_eq!(text(&status, "/routes/0/verdict"), "healthy");
    assert_eq!(number(&status, "/routes/0/paths"), 3.0);
}
