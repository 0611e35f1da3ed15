//! Names that are never resolved and disks that are full, in namespaces of their own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::inside::{is_inside, run_inside};
use common::place::{Place, free_udp_port};
use common::{curl, octets, web_server};

#[test]
fn names_that_nobody_resolves_hold_nobody_else_up() {
    if !is_inside() {
        let dir = tempfile::tempdir().unwrap();
        let resolv = dir.path().join("resolv.conf");
        fs::write(&resolv, "nameserver 127.0.0.1\n").unwrap();
        let setup =
            format!("ip link set lo up; mount --bind {} /etc/resolv.conf", resolv.display());
        run_inside("names_that_nobody_resolves_hold_nobody_else_up", &setup);
        return;
    }
    let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
    let web = web_server(octets(2000));
    let place = Place::new("", &[web]);
    let carrier = format!("udp:127.0.0.1:{}", free_udp_port());
    let bridge = place.bridge_on(&carrier);
    let (client, socks) = place.client_of("udp:127.0.0.1:0", &carrier);
    let asked: Vec<_> = (0..100)
        .map(|number| {
            let socks = socks.clone();
            thread::spawn(move || reply_for_name(&socks, &format!("n{number}.example"), web.port()))
        })
        .collect();
    // The resolver is asked, and says nothing.
    silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    silent.recv(&mut [0; 512]).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/", web.port());
        let (code, page, stderr) = curl(&["--max-time", "9", "--socks5-hostname", &socks, &url]);
        assert_eq!((code, page.len()), (0, 2000), "{host}: {stderr}\n{}", client.stderr());
    }
    assert!(asked.iter().all(|one| !one.is_finished()), "the look-ups did not hang");
    for one in asked {
        // A name that gives nothing that is forwarded to is not allowed, whether it exists or not.
        assert_eq!(one.join().unwrap(), 2, "{}", bridge.stderr());
    }
}

/// The code of the SOCKS reply to a request for a name.
fn reply_for_name(socks: &str, name: &str, port: u16) -> u8 {
    let mut tcp = TcpStream::connect(socks).unwrap();
    let mut request = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(name.len()).unwrap()];
    request.extend_from_slice(name.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    tcp.write_all(&request).unwrap();
    let mut reply = [0; 4];
    tcp.read_exact(&mut reply).unwrap();
    reply[3]
}

#[test]
fn a_key_that_a_full_disk_cuts_short_does_not_stay() {
    if !is_inside() {
        let dir = tempfile::tempdir().unwrap();
        // One page for the directory's own use and none for a file's octets.
        let setup = format!("cd {}; mount -t tmpfs -o size=4k none .; cd .", dir.path().display());
        run_inside("a_key_that_a_full_disk_cuts_short_does_not_stay", &setup);
        return;
    }
    let mut filler = File::create("filler").unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let output = common::run(&["keygen", "--out", "k"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{stderr}");
    assert!(stderr.contains("cannot write k") && stderr.contains("No space left"), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(!fs::exists("k").unwrap(), "a half-written key stays");
    drop(filler);
    fs::remove_file("filler").unwrap();
    assert!(common::run(&["keygen", "--out", "k"]).status.success());
}

#[test]
fn a_public_key_that_cannot_be_printed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_skypeproxy"))
        .args(["keygen", "--out"])
        .arg(dir.path().join("k"))
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(74));
}

#[test]
fn full_standard_streams_stop_no_client_and_no_bridge() {
    let web = web_server(octets(2000));
    let place = Place::new("", &[web]);
    let carrier = format!("udp:127.0.0.1:{}", free_udp_port());
    let socks_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socks = socks_port.to_string();
    let key = place.path("k");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let start = |words: &[&str]| {
        let child = Command::new(env!("CARGO_BIN_EXE_skypeproxy"))
            .args(words)
            .stdout(full())
            .stderr(full())
            .spawn();
        Stopped(child.unwrap())
    };
    let target = web.to_string();
    let words = ["bridge", "-vv", "--carrier", &carrier, "--key", key.to_str().unwrap()];
    let words: Vec<&str> = words.into_iter().chain(["--forward", &target]).collect();
    let _bridge = start(&words);
    let mut words = place.client_words("udp:127.0.0.1:0", &carrier);
    *words.last_mut().unwrap() = &socks;
    let _client = start(&words);
    let url = format!("http://{web}/");
    let retry = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1"];
    let words: Vec<&str> = retry.into_iter().chain(["--socks5", &socks, &url]).collect();
    let (code, page, stderr) = curl(&words);
    assert_eq!((code, page.len()), (0, 2000), "{stderr}");
}

/// A process that is killed when the test is over.
struct Stopped(std::process::Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
