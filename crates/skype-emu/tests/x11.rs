//! Logins on real displays: an X server without a screen for each, our own client, and a foreign one.
#![cfg(feature = "x11")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skype_api::attach::TrySendError;
use skype_api::attach::x11::screen::Screen;
use skype_api::attach::x11::{ConnectError, X11Attach, connect};
use skype_emu::{LoginConfig, OverlayConfig, Running, SkypeConfig, serve};

const SOON: Duration = Duration::from_secs(20);

/// A display of one's own.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// On a number that is free, or on this one again.
    fn start(again: Option<&str>) -> Self {
        let mut server = Command::new("Xvfb")
            .args(again)
            .args(["-displayfd", "1", "-screen", "0", "64x64x8", "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is needed: apt-get install xvfb");
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        let number: u32 = number.trim().parse().expect("the number of a display");
        Self { server, name: format!(":{number}") }
    }

    fn die(&mut self) {
        let _dead_already = self.server.kill();
        let _status = self.server.wait();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.die();
    }
}

/// Alice and Bob, each on a display.
struct World {
    running: Option<Running>,
    alice: Display,
    bob: Display,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(skype: SkypeConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (alice, bob) = (Display::start(None), Display::start(None));
        let login = |name: &str, display: &Display| LoginConfig {
            x11: Some(display.name.clone()),
            ..LoginConfig::new(name, dir.path().join(name))
        };
        let logins = vec![login("alice", &alice), login("bob", &bob)];
        let config = OverlayConfig { logins, skype, ..OverlayConfig::default() };
        let running = Some(serve(&config).await.unwrap());
        Self { running, alice, bob, dir }
    }

    async fn attached(display: &Display) -> X11Attach {
        let mut program = connect(Some(&display.name)).unwrap();
        for (said, answer) in [
            ("#0 NAME test", "#0 OK"),
            ("#1 PROTOCOL 7", "#1 PROTOCOL 7"),
            ("#2 CREATE APPLICATION a", "#2 CREATE APPLICATION a"),
        ] {
            program.try_send(said).unwrap();
            until(&mut program, answer).await;
        }
        program
    }
}

/// Hears until this line comes; says what came before.
async fn until(program: &mut X11Attach, line: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let all = async {
        while let Some(came) = program.recv().await {
            if came == line {
                return;
            }
            heard.push(came);
        }
        panic!("Skype is gone");
    };
    let come = tokio::time::timeout(SOON, all).await;
    assert!(come.is_ok(), "expected {line:?}, came {heard:?}");
    heard
}

async fn is_gone(program: &mut X11Attach) {
    let end = async { while program.recv().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("the end of the connection");
}

/// Attaches as soon as a Skype is there.
async fn again(display: &Display) -> X11Attach {
    let attached = async {
        loop {
            if let Ok(program) = connect(Some(&display.name)) {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, attached).await.expect("a Skype on the display")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_lengths_go_from_display_to_display() {
    let world = World::new(SkypeConfig::default()).await;
    let (mut alice, mut bob) =
        (World::attached(&world.alice).await, World::attached(&world.bob).await);
    alice.try_send("#3 ALTER APPLICATION a CONNECT bob").unwrap();
    until(&mut alice, "APPLICATION a STREAMS bob:1").await;
    until(&mut bob, "APPLICATION a STREAMS alice:1").await;
    for len in 1..60 {
        // Two octets each: characters straddle pieces.
        let text = "ä".repeat(len);
        alice.try_send(&format!("ALTER APPLICATION a DATAGRAM bob:1 {text}")).unwrap();
        until(&mut bob, &format!("APPLICATION a DATAGRAM alice:1 {text}")).await;
    }
    let text = "x".repeat(60_000);
    alice.try_send(&format!("#4 ALTER APPLICATION a WRITE bob:1 {text}")).unwrap();
    until(&mut bob, "APPLICATION a RECEIVED alice:1=60000").await;
    bob.try_send("#5 ALTER APPLICATION a READ alice:1").unwrap();
    until(&mut bob, &format!("#5 ALTER APPLICATION a READ alice:1 {text}")).await;
    assert_eq!((alice.nonsense(), bob.nonsense()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_on_a_display_are_told_apart() {
    let world = World::new(SkypeConfig::default()).await;
    let mut one = World::attached(&world.alice).await;
    let mut other = connect(Some(&world.alice.name)).unwrap();
    for number in 0..200 {
        one.try_send(&format!("#one{number} GET CURRENTUSERHANDLE")).unwrap();
        other
            .try_send(&format!("#other{number} PING with many words that need several pieces"))
            .unwrap();
        until(&mut one, &format!("#one{number} CURRENTUSERHANDLE alice")).await;
        until(&mut other, &format!("#other{number} PONG")).await;
    }
    assert_eq!((one.nonsense(), other.nonsense()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_that_are_lost_or_swapped_cost_their_message_only() {
    let skype = SkypeConfig { pieces_lost: 0.2, pieces_swapped: 0.2, ..SkypeConfig::default() };
    let world = World::new(skype).await;
    let mut alice = connect(Some(&world.alice.name)).unwrap();
    alice.try_send("#0 NAME test").unwrap();
    let mut named = 0;
    for number in 0..200 {
        alice.try_send(&format!("#{number:030} GET CURRENTUSERHANDLE")).unwrap();
    }
    alice.try_send("#end-of-them-all-in-two-pieces PING").unwrap();
    let all = async {
        for _ in 0..10_000 {
            let line = alice.recv().await.expect("Skype is there");
            // Each is whole, or not at all.
            named += usize::from(line.ends_with(" CURRENTUSERHANDLE alice") && line.len() == 55);
            if line.contains("end-of-them-all") {
                break;
            }
            assert!(line.starts_with('#') || line == "OK", "{line}");
        }
    };
    // The last one may be lost, too.
    let _end = tokio::time::timeout(Duration::from_secs(5), all).await;
    assert!((60..190).contains(&named), "{named}");
    assert!(alice.nonsense() > 10, "{}", alice.nonsense());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named_and_a_mark_alone_proves_nothing() {
    assert!(matches!(connect(Some(":4711")), Err(ConnectError::Screen(_))));
    let display = Display::start(None);
    assert!(matches!(connect(Some(&display.name)), Err(ConnectError::NoSkype { .. })));
    let screen = Screen::open(Some(&display.name)).unwrap();
    screen.set_instance().unwrap();
    let dead = screen.window();
    drop(screen);
    let left = Screen::open(Some(&display.name)).unwrap().instance().unwrap();
    assert_eq!(left, Some(dead), "the mark outlives its owner");
    let found = connect(Some(&display.name));
    assert!(matches!(found, Err(ConnectError::Dead { .. })), "{found:?}");
    // A Skype takes the place of the dead one.
    let dir = tempfile::tempdir().unwrap();
    let login = |name: &str| LoginConfig {
        x11: Some(display.name.clone()),
        ..LoginConfig::new(name, dir.path().join(name))
    };
    let config = |name| OverlayConfig { logins: vec![login(name)], ..OverlayConfig::default() };
    let running = serve(&config("alice")).await.unwrap();
    let error = serve(&config("bob")).await.unwrap_err().to_string();
    assert!(error.contains("has a Skype already"), "{error}");
    let mut alice = World::attached(&display).await;
    assert_eq!(alice.try_send("PING\0"), Err(TrySendError::Line));
    running.shutdown().await;
    is_gone(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_is_detached_and_its_application_stays() {
    let world = World::new(SkypeConfig::default()).await;
    for _ in 0..40 {
        // More than may be attached at a time.
        let mut program = connect(Some(&world.alice.name)).unwrap();
        program.try_send("#0 NAME test").unwrap();
        until(&mut program, "#0 OK").await;
    }
    drop(World::attached(&world.alice).await);
    let mut alice = again(&world.alice).await;
    alice.try_send("#0 NAME test").unwrap();
    until(&mut alice, "#0 OK").await;
    alice.try_send("#1 CREATE APPLICATION a").unwrap();
    until(&mut alice, "#1 ERROR 541 APPLICATION: operation failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_display_that_is_started_anew_has_its_skype_again() {
    let mut world = World::new(SkypeConfig::default()).await;
    let mut alice = World::attached(&world.alice).await;
    let name = world.alice.name.clone();
    world.alice.die();
    is_gone(&mut alice).await;
    world.alice = Display::start(Some(&name));
    let mut alice = again(&world.alice).await;
    alice.try_send("#0 NAME test").unwrap();
    until(&mut alice, "#0 OK").await;
    world.running.take().unwrap().shutdown().await;
    assert!(world.dir.path().exists());
}

/// A client of the time, in little: what Skype4Py does on a display.
const PYTHON_CLIENT: &str = include_str!("clients/xlib.py");

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_python_xlib_talks_to_another_login() {
    let world = World::new(SkypeConfig::default()).await;
    let mut bob = World::attached(&world.bob).await;
    let mut python = Command::new("/usr/bin/python3")
        .args(["-", &world.alice.name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is needed");
    python.stdin.take().unwrap().write_all(PYTHON_CLIENT.as_bytes()).unwrap();
    until(&mut bob, "APPLICATION a STREAMS alice:1").await;
    until(&mut bob, "APPLICATION a DATAGRAM alice:1 hello over a display").await;
    bob.try_send("#3 ALTER APPLICATION a WRITE alice:1 and back").unwrap();
    let output = tokio::task::spawn_blocking(|| python.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().last(), Some("read: and back"), "{said}");
}
