//! Carriers over an emulated Skype, with real sockets and the real clock.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Instant;

use carrier::{Carrier, CarrierEvent, CarrierPath, DATAGRAM_MAX, DownReason, OpenError, SendError};
use carrier_skype::{AttachError, PAYLOAD_MAX, SkypeCarrier, app_name};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use skype_api::session::{COMMAND_TIMEOUT, DATAGRAMS_PENDING_MAX};
use skype_emu::{Consent, LoginConfig, OverlayConfig, RelaysConfig, Running, serve};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const KEY: [u8; 32] = [7; 32];

/// An overlay on which everybody is logged in.
struct Overlay {
    dir: TempDir,
    running: Running,
}

impl Overlay {
    async fn start(names: &[&str]) -> Self {
        Self::start_with(names, Consent::Ok).await
    }

    /// With as many relays, none of which ever goes.
    async fn start_with_relays(names: &[&str], count: u64) -> Self {
        let (count, lifetime_s, set_up_ms) = (Some(count), Some(0.0), Some(100));
        let relays = RelaysConfig { count, lifetime_s, set_up_ms, ..RelaysConfig::default() };
        Self::start_as(names, Consent::Ok, Some(relays)).await
    }

    async fn start_with(names: &[&str], consent: Consent) -> Self {
        Self::start_as(names, consent, None).await
    }

    async fn start_as(names: &[&str], consent: Consent, relays: Option<RelaysConfig>) -> Self {
        let dir = TempDir::new().unwrap();
        let login = |name: &&str| LoginConfig {
            name: (*name).to_owned(),
            socket: dir.path().join(name),
            dbus: None,
            x11: None,
            consent,
            consent_ms: 0,
        };
        let logins = names.iter().map(login).collect();
        let config = OverlayConfig { logins, relays, ..OverlayConfig::default() };
        let running = serve(&config).await.unwrap();
        Self { dir, running }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn attach(&self, name: &str) -> End {
        let carrier = SkypeCarrier::attach_unix(&self.socket(name), app_name(&KEY)).await;
        End { carrier: carrier.unwrap(), buf: [0; DATAGRAM_MAX] }
    }
}

/// A carrier and its buffer.
struct End {
    carrier: SkypeCarrier,
    buf: [u8; DATAGRAM_MAX],
}

impl End {
    async fn next(&mut self) -> CarrierEvent {
        poll_fn(|cx| self.carrier.poll(cx, clock(), &mut self.buf)).await
    }

    fn open(&mut self, peer: &str) -> CarrierPath {
        self.carrier.open(clock(), &peer.parse().unwrap()).unwrap()
    }

    async fn connect(&mut self, peer: &str) -> CarrierPath {
        let path = self.open(peer);
        let event = self.next().await;
        assert!(matches!(event, CarrierEvent::Up { path: up, .. } if up == path), "{event:?}");
        path
    }

    /// Takes the next incoming path; says whose it is.
    async fn accept(&mut self) -> (CarrierPath, String) {
        let CarrierEvent::Incoming { path, peer } = self.next().await else { panic!() };
        self.carrier.accept(clock(), path);
        assert!(matches!(self.next().await, CarrierEvent::Up { .. }));
        (path, peer.to_string())
    }

    /// Hands a datagram over as soon as the carrier takes it.
    async fn send(&mut self, path: CarrierPath, datagram: &[u8]) {
        while let Err(error) = self.carrier.try_send(clock(), path, datagram) {
            assert_eq!(error, SendError::Full);
            assert_eq!(self.next().await, CarrierEvent::Writable { path });
        }
    }

    async fn datagram(&mut self) -> (CarrierPath, &[u8]) {
        loop {
            if let CarrierEvent::Datagram { path, len } = self.next().await {
                return (path, self.buf.get(..len).unwrap());
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests run in real time")]
fn clock() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_datagrams_of_any_size_arrive_as_they_were_sent() {
    const COUNT: usize = 1000;
    let overlay = Overlay::start(&["alice", "bob"]).await;
    let (mut alice, mut bob) = (overlay.attach("alice").await, overlay.attach("bob").await);
    let path = alice.connect("skype:bob").await;
    let (theirs, peer) = bob.accept().await;
    assert_eq!(peer, "skype:alice");

    let mut runner = TestRunner::deterministic();
    let octets = proptest::collection::vec(any::<u8>(), 1..=PAYLOAD_MAX);
    let datagrams = proptest::collection::vec(octets, COUNT).new_tree(&mut runner).unwrap();
    let mut datagrams = datagrams.current();
    datagrams[0] = vec![0; PAYLOAD_MAX];
    let sent = datagrams.clone();
    let sender = tokio::spawn(async move {
        for datagram in sent {
            alice.send(path, &datagram).await;
        }
        // Somebody has to go on polling while lines wait.
        loop {
            alice.next().await;
        }
    });
    // A link without jitter keeps the order, though a carrier need not.
    for expected in datagrams {
        assert_eq!(bob.datagram().await, (theirs, expected.as_slice()));
    }
    sender.abort();
    overlay.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_peers_have_a_path_each_and_hear_only_their_own() {
    let names = ["alice", "carol", "dave", "eve"];
    let overlay = Overlay::start(&["bob", "alice", "carol", "dave", "eve"]).await;
    let mut bob = overlay.attach("bob").await;
    let mut ends = BTreeMap::new();
    for name in names {
        let mut end = overlay.attach(name).await;
        let path = end.connect("skype:BOB").await;
        end.send(path, name.as_bytes()).await;
        ends.insert(name, (end, path));
    }
    let mut peers = BTreeMap::new();
    let mut answered = BTreeSet::new();
    while answered.len() < names.len() {
        let event = bob.next().await;
        if let CarrierEvent::Incoming { path, peer } = event {
            peers.insert(path, peer.address().to_owned());
            bob.carrier.accept(clock(), path);
            continue;
        }
        let CarrierEvent::Datagram { path, len } = event else {
            assert!(matches!(event, CarrierEvent::Up { .. }), "{event:?}");
            continue;
        };
        assert_eq!(peers[&path].as_bytes(), &bob.buf[..len]);
        let answer = format!("hello {}", peers[&path]);
        bob.send(path, answer.as_bytes()).await;
        answered.insert(path);
    }
    for (name, (end, path)) in &mut ends {
        let expected = format!("hello {name}");
        assert_eq!(end.datagram().await, (*path, expected.as_bytes()));
    }
    overlay.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_opened_to_one_peer_at_once_have_streams_and_relays_of_their_own() {
    const COUNT: usize = 8;
    let overlay = Overlay::start_with_relays(&["alice", "bob"], 8).await;
    let (mut alice, mut bob) = (overlay.attach("alice").await, overlay.attach("bob").await);
    let opened: BTreeSet<_> = (0..COUNT).map(|_| alice.open("skype:bob")).collect();
    assert_eq!(opened.len(), COUNT);
    let mut up = BTreeSet::new();
    while up.len() < COUNT {
        let CarrierEvent::Up { path, .. } = alice.next().await else { panic!() };
        up.insert(path);
    }
    assert_eq!(up, opened);
    let relays: BTreeSet<_> = overlay.running.streams().iter().map(|one| one.relay).collect();
    assert!(relays.len() == COUNT && !relays.contains(&None), "{relays:?}");
    for path in &opened {
        alice.send(*path, &path.0.to_be_bytes()).await;
    }
    let mut theirs = BTreeMap::new();
    while theirs.len() < COUNT {
        let event = bob.next().await;
        if let CarrierEvent::Incoming { path, .. } = event {
            bob.carrier.accept(clock(), path);
        } else if let CarrierEvent::Datagram { path, len } = event {
            theirs.insert(path, bob.buf[..len].to_vec());
        }
    }
    // What goes back by a stream comes out where it was opened.
    for (path, number) in &theirs {
        bob.send(*path, number).await;
    }
    for _ in 0..COUNT {
        let (path, number) = alice.datagram().await;
        assert_eq!(path.0.to_be_bytes(), number);
    }
    // One that is closed leaves the others, and what is opened instead is another one.
    let first = up.pop_first().unwrap();
    alice.carrier.close(clock(), first);
    let CarrierEvent::Down { path: gone, .. } = bob.next().await else { panic!() };
    assert_eq!(theirs[&gone], first.0.to_be_bytes());
    assert!(!opened.contains(&alice.connect("skype:bob").await));
    for path in up {
        alice.send(path, b"still here").await;
    }
    overlay.running.shutdown().await;
}

#[tokio::test]
async fn the_other_end_sees_a_close_a_reject_and_a_carrier_that_is_dropped() {
    let overlay = Overlay::start(&["alice", "bob"]).await;
    let (mut alice, mut bob) = (overlay.attach("alice").await, overlay.attach("bob").await);
    let closed_by_peer = |path| CarrierEvent::Down { path, reason: DownReason::ClosedByPeer };

    let path = alice.connect("skype:bob").await;
    let (theirs, _) = bob.accept().await;
    alice.carrier.close(clock(), path);
    assert_eq!(bob.next().await, closed_by_peer(theirs));
    assert_eq!(alice.carrier.try_send(clock(), path, b"x"), Err(SendError::Gone));

    let path = alice.connect("skype:bob").await;
    let CarrierEvent::Incoming { path: theirs, .. } = bob.next().await else { panic!() };
    bob.carrier.reject(clock(), theirs);
    assert_eq!(alice.next().await, closed_by_peer(path));

    let path = alice.connect("skype:bob").await;
    bob.accept().await;
    drop(bob);
    assert_eq!(alice.next().await, closed_by_peer(path));
    overlay.running.shutdown().await;
}

#[tokio::test]
async fn nobody_of_that_name_and_nobody_who_listens_are_unreachable() {
    let overlay = Overlay::start(&["alice", "bob"]).await;
    let mut alice = overlay.attach("alice").await;
    for peer in ["skype:nobody", "skype:bob"] {
        let path = alice.open(peer);
        let expected = CarrierEvent::Down { path, reason: DownReason::Unreachable };
        assert_eq!(alice.next().await, expected);
    }
    overlay.running.shutdown().await;
}

#[tokio::test]
async fn an_overlay_that_stops_takes_the_paths_and_closes_the_carrier() {
    let overlay = Overlay::start(&["alice", "bob"]).await;
    let (mut alice, _bob) = (overlay.attach("alice").await, overlay.attach("bob").await);
    let path = alice.connect("skype:bob").await;
    overlay.running.shutdown().await;
    let reason = DownReason::CarrierLost;
    assert_eq!(alice.next().await, CarrierEvent::Down { path, reason });
    let CarrierEvent::Closed { why } = alice.next().await else { panic!() };
    assert!(why.contains("hung up"), "{why}");
    let refused = alice.carrier.open(clock(), &"skype:bob".parse().unwrap());
    assert_eq!(refused, Err(OpenError::Closed { why }));
}

#[tokio::test]
async fn says_in_one_line_why_there_is_no_carrier_and_what_to_do() {
    let dir = TempDir::new().unwrap();
    let check = async |name: &str, cause: &str, remedy: &str| {
        let error = SkypeCarrier::attach_unix(&dir.path().join(name), app_name(&KEY)).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains(cause) && text.contains(remedy), "{text}");
        assert!(!text.contains('\n'), "{text}");
    };
    check("missing", "no such socket", "start Skype").await;
    drop(UnixListener::bind(dir.path().join("stale")).unwrap());
    check("stale", "nobody listens", "start Skype again").await;
    std::fs::write(dir.path().join("file"), "").unwrap();
    check("file", "nobody listens", "start Skype again").await;

    let overlay = Overlay::start_with(&["alice"], Consent::Refuse).await;
    let refused = SkypeCarrier::attach_unix(&overlay.socket("alice"), app_name(&KEY)).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, AttachError::Refused(_)));
    assert!(refused.to_string().contains("allow it"), "{refused}");
    overlay.running.shutdown().await;
}

#[tokio::test]
async fn a_skype_that_stops_reading_refuses_datagrams_until_it_reads_again() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("slow");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let attach = SkypeCarrier::attach_unix(&path, "a".parse().unwrap());
    let skype = async {
        let (mut io, _) = listener.accept().await.unwrap();
        io.write_all(b"#0 OK\n#1 PROTOCOL 7\n#2 CREATE APPLICATION a\n").await.unwrap();
        io
    };
    let (carrier, mut skype) = tokio::join!(attach, skype);
    let mut end = End { carrier: carrier.unwrap(), buf: [0; DATAGRAM_MAX] };
    let path = end.open("skype:bob");
    skype.write_all(b"APPLICATION a STREAMS bob:1\n").await.unwrap();
    assert!(matches!(end.next().await, CarrierEvent::Up { .. }));

    let mut sent = 0;
    while end.carrier.try_send(clock(), path, &[0; PAYLOAD_MAX]).is_ok() {
        sent += 1;
    }
    let reader = tokio::spawn(async move {
        // Where sockets hold more than a session leaves unanswered, an answer must come first.
        if sent >= DATAGRAMS_PENDING_MAX {
            skype.write_all(b"PONG\n").await.unwrap();
        }
        let mut heard = Vec::new();
        while !heard.ends_with(b" DISCONNECT bob:1\n") {
            assert_ne!(skype.read_buf(&mut heard).await.unwrap(), 0);
        }
        String::from_utf8(heard).unwrap()
    });
    // Reading alone must lead to this, not the session's time-out for replies.
    let writable = tokio::select! {
        biased;
        () = tokio::time::sleep(COMMAND_TIMEOUT / 2) => None,
        event = end.next() => Some(event),
    };
    assert_eq!(writable, Some(CarrierEvent::Writable { path }));
    end.carrier.close(clock(), path);
    // Skype hangs up when it has heard all: until then, polling writes what waits.
    assert!(matches!(end.next().await, CarrierEvent::Closed { .. }));
    let heard = reader.await.unwrap();
    assert_eq!(heard.lines().filter(|line| line.contains(" DATAGRAM bob:1 ")).count(), sent);
}

/// A Skype that says one thing and listens until it is dropped.
fn scripted(dir: &TempDir, says: &'static str) -> (PathBuf, tokio::task::JoinHandle<()>) {
    let path = dir.path().join("scripted");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let task = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        io.write_all(says.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let _until_gone = io.read_to_end(&mut heard).await;
    });
    (path, task)
}

#[tokio::test]
async fn a_skype_that_is_too_old_is_named() {
    let dir = TempDir::new().unwrap();
    let (path, _skype) = scripted(&dir, "#0 OK\n#1 PROTOCOL 4\n");
    let error = SkypeCarrier::attach_unix(&path, app_name(&KEY)).await.unwrap_err();
    assert!(error.to_string().contains("protocol 4"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_never_answers_is_waited_for_only_so_long() {
    let dir = TempDir::new().unwrap();
    let (path, skype) = scripted(&dir, "");
    let error = SkypeCarrier::attach_unix(&path, app_name(&KEY)).await.unwrap_err();
    assert!(matches!(error, AttachError::Timeout { .. }));
    assert!(error.to_string().contains("within 30 s"), "{error}");
    skype.await.unwrap();
}

#[tokio::test]
async fn a_skype_that_hangs_up_while_attaching_is_an_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("brief");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let skype = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        io.write_all(b"nonsense\n").await.unwrap();
        io.read_u8().await.unwrap();
    });
    let error = SkypeCarrier::attach_unix(&path, app_name(&KEY)).await.unwrap_err();
    assert!(matches!(error, AttachError::Lost { .. }));
    assert!(error.to_string().contains("start it again"), "{error}");
    skype.await.unwrap();
}
