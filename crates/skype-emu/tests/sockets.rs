//! The overlay behind its sockets, with sessions of skype-api on the other side.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use skype_api::attach::unix::{UnixAttach, connect};
use skype_api::session::SendError;
use skype_api::{Event, Output, Session, SessionConfig, StreamRef};
use skype_emu::{LoginConfig, OverlayConfig, ServeError, serve};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A client program: a session over a socket.
struct Program {
    session: Session,
    io: UnixAttach,
}

impl Program {
    async fn attach(socket: &Path) -> Self {
        let config = SessionConfig::new("test".parse().unwrap(), "a".parse().unwrap());
        let mut program =
            Self { session: Session::new(config), io: connect(socket).await.unwrap() };
        assert_eq!(program.event().await, Event::Attached);
        program
    }

    async fn event(&mut self) -> Event {
        loop {
            match self.session.poll_output(clock()) {
                Output::Send(line) => self.io.try_send(&line).unwrap(),
                Output::Event(event) => return event,
                Output::Wait(_) => self.hear().await,
            }
        }
    }

    async fn hear(&mut self) {
        let line = self.io.recv().await.unwrap().expect("the overlay is up");
        self.session.handle_message(clock(), &line);
    }

    async fn send(&mut self, stream: StreamRef, text: &str) {
        while let Err(error) = self.session.send_datagram(clock(), stream, text) {
            assert_eq!(error, SendError::Full);
            self.hear().await;
        }
        while let Output::Send(line) = self.session.poll_output(clock()) {
            self.io.try_send(&line).unwrap();
        }
        poll_fn(|cx| self.io.poll_flush(cx)).await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "this test runs in real time")]
fn clock() -> Instant {
    Instant::now()
}

fn config(dir: &TempDir) -> (OverlayConfig, PathBuf, PathBuf) {
    let socket = |name: &str| dir.path().join(format!("{name}.sock"));
    let login = |name: &str| LoginConfig {
        name: name.to_owned(),
        socket: socket(name),
        dbus: None,
        x11: None,
        consent: skype_emu::Consent::Ok,
        consent_ms: 0,
    };
    let logins = vec![login("alice"), login("bob")];
    let (alice, bob) = (socket("alice"), socket("bob"));
    (OverlayConfig { logins, ..OverlayConfig::default() }, alice, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_exchange_a_thousand_datagrams() {
    const COUNT: usize = 1000;
    let dir = TempDir::new().unwrap();
    let (config, alice, bob) = config(&dir);
    let running = serve(&config).await.unwrap();
    let (mut alice, mut bob) = (Program::attach(&alice).await, Program::attach(&bob).await);
    alice.session.connect(clock(), "bob".parse().unwrap()).unwrap();
    assert_eq!(alice.event().await, Event::StreamUp("bob:1".parse().unwrap()));
    assert_eq!(bob.event().await, Event::StreamUp("alice:1".parse().unwrap()));

    let sender = tokio::spawn(async move {
        let padding = "x".repeat(1390);
        for number in 0..COUNT {
            alice.send("bob:1".parse().unwrap(), &format!("{number:06}{padding}")).await;
        }
        alice
    });
    let mut numbers = BTreeSet::new();
    while numbers.len() < COUNT {
        let Event::Datagram { text, .. } = bob.event().await else { continue };
        numbers.insert(text[..6].parse::<usize>().unwrap());
    }
    assert_eq!(numbers.into_iter().max(), Some(COUNT - 1));
    let stats = running.stats();
    let route = stats.iter().find(|route| route.from.as_str() == "alice").unwrap();
    assert_eq!((route.datagrams_in, route.datagrams_lost), (1000, 0));

    let mut alice = sender.await.unwrap();
    alice.session.disconnect(clock(), "bob:1".parse().unwrap()).unwrap();
    assert_eq!(alice.event().await, Event::StreamDown("bob:1".parse().unwrap()));
    assert_eq!(bob.event().await, Event::StreamDown("alice:1".parse().unwrap()));
    running.shutdown().await;
}

#[tokio::test]
async fn survives_garbage_and_answers_what_follows_it() {
    let dir = TempDir::new().unwrap();
    let (config, alice, _) = config(&dir);
    let running = serve(&config).await.unwrap();
    let mut raw = UnixStream::connect(&alice).await.unwrap();
    let mut garbage: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    garbage.extend_from_slice(b"\n#1 NAME test\n#2 PING\n");
    raw.write_all(&garbage).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"#2 PONG\n") {
        assert_ne!(raw.read_buf(&mut heard).await.unwrap(), 0);
    }
    assert!(String::from_utf8(heard).unwrap().ends_with("#1 OK\n#2 PONG\n"));
    running.shutdown().await;
}

#[tokio::test]
async fn answers_a_program_that_says_all_and_hangs_up() {
    let dir = TempDir::new().unwrap();
    let (config, alice, _) = config(&dir);
    let running = serve(&config).await.unwrap();
    let mut raw = UnixStream::connect(&alice).await.unwrap();
    raw.write_all(b"NAME test\nGET CURRENTUSERHANDLE\n").await.unwrap();
    raw.shutdown().await.unwrap();
    let mut heard = String::new();
    raw.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "OK\nCURRENTUSERHANDLE alice\n");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drops_a_program_that_never_reads_and_serves_the_others() {
    let dir = TempDir::new().unwrap();
    let (config, alice, bob) = config(&dir);
    let running = serve(&config).await.unwrap();
    let mut deaf = UnixStream::connect(&alice).await.unwrap();
    deaf.write_all(b"NAME deaf\n").await.unwrap();
    // Its answers fill the socket and a mebibyte; then the overlay hangs up and writing fails.
    let flood = b"GET APPLICATION nosuch STREAMS\n".repeat(1000);
    let dropped = async { while deaf.write_all(&flood).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), dropped).await.expect("it is dropped");
    Program::attach(&bob).await;
    Program::attach(&alice).await;
    running.shutdown().await;
}

#[tokio::test]
async fn replaces_a_stale_socket_and_no_other() {
    let dir = TempDir::new().unwrap();
    let (config, alice, bob) = config(&dir);
    drop(std::os::unix::net::UnixListener::bind(&alice).unwrap());
    let running = serve(&config).await.unwrap();
    let mode = std::fs::metadata(&alice).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let error = serve(&config).await.unwrap_err();
    assert!(matches!(error, ServeError::Bind(_)));
    assert!(error.to_string().contains("in use"), "{error}");
    Program::attach(&alice).await;
    running.shutdown().await;
    assert!(!alice.exists() && !bob.exists());

    std::fs::write(&alice, "precious").unwrap();
    let error = serve(&config).await.unwrap_err();
    assert!(error.to_string().contains("no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&alice).unwrap(), "precious");
    assert!(!bob.exists());
}

#[tokio::test]
async fn says_where_it_cannot_listen() {
    let dir = TempDir::new().unwrap();
    let (mut config, ..) = config(&dir);
    config.logins[0].socket = dir.path().join("missing/alice.sock");
    let error = serve(&config).await.unwrap_err();
    assert!(error.to_string().contains("missing/alice.sock"), "{error}");
}
