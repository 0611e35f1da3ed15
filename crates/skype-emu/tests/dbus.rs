//! Logins on real buses: a private dbus-daemon for each, our own client, and foreign ones.
#![cfg(feature = "dbus")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use skype_api::attach::TrySendError;
use skype_api::attach::dbus::{ConnectError, DbusAttach, connect};
use skype_emu::{Consent, LoginConfig, OverlayConfig, Running, SkypeConfig, serve};

const SOON: Duration = Duration::from_secs(20);

/// A bus of one's own, at a path that can be used again.
struct Bus {
    daemon: Child,
    path: PathBuf,
}

impl Bus {
    fn start(path: PathBuf) -> Self {
        let _left_by_the_one_before = std::fs::remove_file(&path);
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--address=unix:path={}", path.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is needed: apt-get install dbus");
        let mut address = String::new();
        BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:path="), "{address}");
        Self { daemon, path }
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.path.display())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _dead_already = self.daemon.kill();
        let _status = self.daemon.wait();
    }
}

/// Alice and Bob, each on a bus.
struct World {
    running: Option<Running>,
    alice: Bus,
    bob: Bus,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(change: impl FnOnce(&mut OverlayConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bus = |name: &str| Bus::start(dir.path().join(format!("{name}.bus")));
        let (alice, bob) = (bus("alice"), bus("bob"));
        let login = |name: &str, bus: &Bus| LoginConfig {
            name: name.to_owned(),
            socket: dir.path().join(name),
            dbus: Some(bus.address()),
            x11: None,
            consent: Consent::Ok,
            consent_ms: 0,
        };
        let logins = vec![login("alice", &alice), login("bob", &bob)];
        let mut config = OverlayConfig { logins, ..OverlayConfig::default() };
        change(&mut config);
        let running = Some(serve(&config).await.unwrap());
        Self { running, alice, bob, dir }
    }

    async fn attached(bus: &Bus) -> DbusAttach {
        let mut program = connect(Some(&bus.address())).await.unwrap();
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
async fn until(program: &mut DbusAttach, line: &str) -> Vec<String> {
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

async fn is_gone(program: &mut DbusAttach) {
    let end = async { while program.recv().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("the end of the connection");
}

/// Attaches as soon as a Skype is there.
async fn again(bus: &Bus) -> DbusAttach {
    let attached = async {
        loop {
            if let Ok(program) = connect(Some(&bus.address())).await {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, attached).await.expect("a Skype on the bus")
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_and_writes_go_from_bus_to_bus_in_order() {
    let world = World::new(|_| {}).await;
    let (mut alice, mut bob) =
        (World::attached(&world.alice).await, World::attached(&world.bob).await);
    alice.try_send("#3 ALTER APPLICATION a CONNECT bob").unwrap();
    until(&mut alice, "APPLICATION a STREAMS bob:1").await;
    until(&mut bob, "APPLICATION a STREAMS alice:1").await;
    // Everything a bus can carry, NUL excepted.
    let payload = "\u{1}\r\n\u{fffe}\u{10ffff} two  blanks ";
    for number in 0..100 {
        alice.try_send(&format!("ALTER APPLICATION a DATAGRAM bob:1 {number}{payload}")).unwrap();
        until(&mut alice, "ALTER APPLICATION a DATAGRAM bob:1").await;
    }
    for number in 0..100 {
        let line = format!("APPLICATION a DATAGRAM alice:1 {number}{payload}");
        let before = until(&mut bob, &line).await;
        assert!(!before.iter().any(|line| line.contains("DATAGRAM")), "{before:?}");
    }
    let text = "x".repeat(60_000);
    alice.try_send(&format!("#4 ALTER APPLICATION a WRITE bob:1 {text}")).unwrap();
    until(&mut alice, "APPLICATION a SENDING ").await;
    until(&mut bob, "APPLICATION a RECEIVED alice:1=60000").await;
    bob.try_send("#5 ALTER APPLICATION a READ alice:1").unwrap();
    until(&mut bob, &format!("#5 ALTER APPLICATION a READ alice:1 {text}")).await;
    assert_eq!((alice.nonsense(), bob.nonsense()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_to_the_user_holds_up_its_own_call_only() {
    let world = World::new(|config| config.logins[0].consent = Consent::Pending).await;
    let mut alice = connect(Some(&world.alice.address())).await.unwrap();
    alice.try_send("#0 NAME test").unwrap();
    alice.try_send("#1 PING").unwrap();
    assert_eq!(alice.recv().await.as_deref(), Some("#1 PONG"));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_may_come_as_notifications_do() {
    let skype = SkypeConfig { empty_returns: true, ..SkypeConfig::default() };
    let world = World::new(|config| config.skype = skype).await;
    World::attached(&world.alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bus_cannot_carry_is_refused_and_nothing_is_lost() {
    let world = World::new(|_| {}).await;
    let mut alice = connect(Some(&world.alice.address())).await.unwrap();
    assert_eq!(alice.try_send("PING\0"), Err(TrySendError::Line));
    assert_eq!(alice.try_send(&"x".repeat(100_000)), Err(TrySendError::Line));
    let mut sent = 0;
    while alice.try_send(&format!("#{sent} PING")).is_ok() {
        sent += 1;
        assert!(sent < 1_000_000, "a queue without an end");
    }
    for number in 0..sent {
        assert_eq!(alice.recv().await, Some(format!("#{number} PONG")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bus_no_skype_and_two_skypes_are_told_apart() {
    let mut world = World::new(|_| {}).await;
    let nowhere = format!("unix:path={}", world.dir.path().join("nowhere").display());
    assert!(matches!(connect(Some(&nowhere)).await, Err(ConnectError::Bus { .. })));
    let login = LoginConfig {
        name: "carol".to_owned(),
        socket: world.dir.path().join("carol"),
        dbus: Some(world.alice.address()),
        x11: None,
        consent: Consent::Ok,
        consent_ms: 0,
    };
    let config = OverlayConfig { logins: vec![login], ..OverlayConfig::default() };
    let error = serve(&config).await.unwrap_err().to_string();
    assert!(error.contains("has a Skype already"), "{error}");
    let mut alice = World::attached(&world.alice).await;
    world.running.take().unwrap().shutdown().await;
    is_gone(&mut alice).await;
    assert!(matches!(alice.try_send("PING"), Err(TrySendError::Closed)));
    let gone = connect(Some(&world.alice.address())).await;
    assert!(matches!(gone, Err(ConnectError::NoSkype { .. })), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_started_anew_has_its_skype_again() {
    let mut world = World::new(|_| {}).await;
    let mut alice = World::attached(&world.alice).await;
    let path = world.alice.path.clone();
    world.alice.daemon.kill().unwrap();
    world.alice.daemon.wait().unwrap();
    is_gone(&mut alice).await;
    world.alice = Bus::start(path);
    let mut alice = again(&world.alice).await;
    // The application outlived the bus: it lives in Skype.
    for (said, answer) in [
        ("#0 NAME test", "#0 OK"),
        ("#1 CREATE APPLICATION a", "#1 ERROR 541 APPLICATION: operation failed"),
    ] {
        alice.try_send(said).unwrap();
        until(&mut alice, answer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_is_detached_and_its_application_stays() {
    let world = World::new(|_| {}).await;
    for _ in 0..100 {
        // More than may be attached at a time.
        drop(connect(Some(&world.alice.address())).await.unwrap());
    }
    let alice = World::attached(&world.alice).await;
    drop(alice);
    let mut alice = again(&world.alice).await;
    alice.try_send("#0 NAME test").unwrap();
    until(&mut alice, "#0 OK").await;
    alice.try_send("#1 CREATE APPLICATION a").unwrap();
    until(&mut alice, "#1 ERROR 541 APPLICATION: operation failed").await;
}

fn run(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    command.output().unwrap_or_else(|error| panic!("{shown}: {error}: is its package installed?"))
}

#[tokio::test(flavor = "multi_thread")]
async fn gdbus_calls_and_introspects_it() {
    let world = World::new(|_| {}).await;
    let address = world.alice.address();
    let call = |rest: &[&str]| {
        let mut gdbus = Command::new("gdbus");
        gdbus.args(["call", "--address", &address, "--dest", "com.Skype.API"]);
        run(gdbus.args(["--object-path", "/com/Skype", "--method"]).args(rest))
    };
    let named = call(&["com.Skype.API.Invoke", "#1 NAME gdbus"]);
    assert_eq!(String::from_utf8_lossy(&named.stdout).trim(), "('#1 OK',)");
    let seen = call(&["org.freedesktop.DBus.Introspectable.Introspect"]);
    assert!(String::from_utf8_lossy(&seen.stdout).contains("Invoke"), "{seen:?}");
    let wrong = call(&["com.Skype.API.Sing", "la"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("nothing else"), "{wrong:?}");
    let wrong = call(&["com.Skype.API.Invoke", "7", "8"]);
    assert!(!wrong.status.success());
}

/// A client of the time, in little: what Skype4Py does on a bus.
const PYTHON_CLIENT: &str = include_str!("clients/skype4py_like.py");

#[tokio::test(flavor = "multi_thread")]
async fn a_program_like_skype4py_talks_to_another_login() {
    let world = World::new(|_| {}).await;
    let mut bob = World::attached(&world.bob).await;
    let mut python = Command::new("/usr/bin/python3")
        .args(["-", &world.alice.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is needed");
    python.stdin.take().unwrap().write_all(PYTHON_CLIENT.as_bytes()).unwrap();
    until(&mut bob, "APPLICATION a STREAMS alice:1").await;
    until(&mut bob, "APPLICATION a DATAGRAM alice:1 hello over a bus").await;
    bob.try_send("#3 ALTER APPLICATION a WRITE alice:1 and back").unwrap();
    let output = tokio::task::spawn_blocking(|| python.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().last(), Some("read: and back"), "{said}");
}
