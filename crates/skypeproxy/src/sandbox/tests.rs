//! What cannot be done from inside. A sandbox holds for a thread and what it starts, so each test
//! enters one in a thread of its own.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

use super::{Error, Mode, Reach, enter};

/// What the kernel sends a process that makes a deadly call.
const SIGSYS: i32 = 31;

/// Runs `inside` in a sandbox, unless the kernel has none.
fn sandboxed(reach: Reach, inside: impl FnOnce() + Send + 'static) {
    let entering = thread::spawn(move || {
        if let Err(error @ (Error::Reach(_) | Error::Partly(_))) = enter(Mode::Require, &reach) {
            println!("skipped: {error}");
            return;
        }
        inside();
    });
    entering.join().unwrap();
}

fn is_denied<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn no_file_is_read_or_made() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, new) = (dir.path().join("secret"), dir.path().join("new"));
    fs::write(&secret, "x").unwrap();
    sandboxed(Reach::of_bridge([80]), move || {
        assert!(is_denied(File::open(&secret)));
        assert!(is_denied(fs::read_dir("/etc")));
        assert!(is_denied(File::create(&new)));
        assert!(is_denied(fs::remove_file(&secret)));
        assert!(File::open("/etc/hosts").is_ok());
    });
    sandboxed(Reach::of_client(0), || assert!(is_denied(File::open("/etc/hosts"))));
}

#[test]
fn files_are_removed_where_our_socket_is_and_nowhere_else() {
    let (ours, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [mine, not_mine] = [&ours, &others].map(|dir| dir.path().join("f"));
    fs::write(&mine, "x").unwrap();
    fs::write(&not_mine, "x").unwrap();
    let reach = Reach::of_client(0).and_removing_in(Some(ours.path()));
    let remove = |path: &Path| rustix::fs::unlinkat(CWD, path, AtFlags::empty());
    sandboxed(reach, move || {
        assert_eq!(remove(&not_mine), Err(Errno::ACCESS));
        assert_eq!(remove(&mine), Ok(()));
        // Nothing is made there, nor read.
        assert!(is_denied(File::create(&mine)));
    });
}

#[test]
fn no_port_is_bound_but_the_one_to_listen_on() {
    let (taken, port) = listener();
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    sandboxed(Reach::of_client(0), move || {
        assert!(bind(0).is_ok());
        assert!(is_denied(bind(port)));
    });
    sandboxed(Reach::of_client(port), move || {
        // It may be bound, as far as the sandbox goes.
        assert_eq!(bind(port).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(is_denied(bind(0)));
        assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).is_ok());
    });
    sandboxed(Reach::of_bridge([port]), move || assert!(is_denied(bind(0))));
    drop(taken);
}

#[test]
fn what_landlock_does_not_see_is_not_to_be_had() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap();
    sandboxed(Reach::of_bridge([1]), move || {
        let (domain, stream) = (socket2::Domain::IPV4, socket2::Type::STREAM);
        assert!(is_denied(socket2::Socket::new(domain, stream, Some(socket2::Protocol::MPTCP))));
        let tcp = socket2::Socket::new(domain, stream, Some(socket2::Protocol::TCP)).unwrap();
        assert!(is_denied(tcp.send_to_with_flags(b"x", &target.into(), libc::MSG_FASTOPEN)));
    });
}

#[test]
fn a_bridge_connects_to_its_targets_ports_and_a_client_to_none() {
    let ((one, target), (other, forbidden)) = (listener(), listener());
    let connect = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    sandboxed(Reach::of_bridge([target]), move || {
        assert!(connect(target).is_ok());
        assert!(is_denied(connect(forbidden)));
    });
    sandboxed(Reach::of_client(0), move || assert!(is_denied(connect(target))));
    drop((one, other));
}

#[test]
fn a_socket_that_did_not_exist_yet_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (made, is_made) = std::sync::mpsc::channel();
    let socket = path.clone();
    let maker = thread::spawn(move || {
        // Also when nobody enters, because the kernel has no sandbox.
        let _ = has_entered.recv();
        let listener = UnixListener::bind(&socket).unwrap();
        let _ = made.send(());
        listener
    });
    sandboxed(Reach::of_client(0), move || {
        entered.send(()).unwrap();
        is_made.recv().unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    });
    maker.join().unwrap();
}

#[test]
fn a_bridge_resolves_names() {
    sandboxed(Reach::of_bridge([80]), || {
        let found: Vec<_> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        assert!(found.iter().any(|addr| addr.ip().is_loopback()), "{found:?}");
    });
}

#[test]
fn threads_are_started_and_processes_are_not() {
    sandboxed(Reach::of_client(0), || {
        assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
        assert!(is_denied(Command::new("true").status()));
    });
}

#[test]
fn exec_is_death() {
    /// Set in the process that is to die.
    const INSIDE: &str = "SKYPEPROXY_TEST_EXEC";
    if std::env::var_os(INSIDE).is_some() {
        enter(Mode::BestEffort, &Reach::of_client(0)).unwrap();
        let error = Command::new("true").exec();
        panic!("exec failed and did not kill: {error}");
    }
    let name = "sandbox::tests::exec_is_death";
    let mut again = Command::new(std::env::current_exe().unwrap());
    let ended = again.args(["--exact", name]).env(INSIDE, "1").output().unwrap();
    assert_eq!(ended.status.signal(), Some(SIGSYS), "{ended:?}");
}

#[test]
fn off_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let entering = thread::spawn(move || {
        enter(Mode::Off, &Reach::of_client(0)).unwrap();
        File::create(path).is_ok()
    });
    assert!(entering.join().unwrap());
}
