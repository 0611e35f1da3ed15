//! Too much at once, and processes that stand still: what is held is bounded and comes back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::place::{Place, descriptors, eventually, free_udp_port, signal};
use common::{Running, curl, octets, web_server};

const SOCKS_OK: [u8; 4] = [5, 0, 5, 0];

/// A web server, and a client and a bridge over UDP that reach it.
struct Site {
    web: SocketAddr,
    client: Running,
    bridge: Running,
    socks: String,
    place: Place,
    carrier: String,
}

fn site(body: usize) -> Site {
    let web = web_server(octets(body));
    let place = Place::new("rtt_ms = 10", &[web]);
    let carrier = format!("udp:127.0.0.1:{}", free_udp_port());
    let bridge = place.bridge_on(&carrier);
    let (client, socks) = place.client_of("udp:127.0.0.1:0", &carrier);
    Site { web, client, bridge, socks, place, carrier }
}

/// A client whose SOCKS connection is asked for and not yet answered.
fn ask(socks: &str, target: SocketAddr) -> std::io::Result<TcpStream> {
    let mut tcp = TcpStream::connect(socks)?;
    tcp.set_read_timeout(Some(Duration::from_secs(60)))?;
    let SocketAddr::V4(target) = target else { panic!("IPv4 only") };
    let mut request = vec![5, 1, 0, 5, 1, 0, 1];
    request.extend_from_slice(&target.ip().octets());
    request.extend_from_slice(&target.port().to_be_bytes());
    tcp.write_all(&request)?;
    Ok(tcp)
}

/// Reads the answer to the greeting and the request.
fn is_connected(tcp: &mut TcpStream) -> bool {
    let mut answer = [0; 12];
    tcp.read_exact(&mut answer).is_ok() && answer.starts_with(&SOCKS_OK)
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Five hundred connections at once, each with a page.
fn five_hundred(site: &Site) {
    let mut all: Vec<TcpStream> = (0..500).map(|_| ask(&site.socks, site.web).unwrap()).collect();
    for tcp in &mut all {
        assert!(is_connected(tcp), "{}\n{}", site.client.stderr(), site.bridge.stderr());
        tcp.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    }
    for tcp in &mut all {
        let mut page = Vec::new();
        tcp.read_to_end(&mut page).unwrap();
        assert!(page.ends_with(&octets(2000)), "{} octets", page.len());
    }
}

#[test]
fn five_hundred_connections_at_once_are_served_and_leave_nothing_behind() {
    let site = site(2000);
    let pids = [site.client.pid(), site.bridge.pid()];
    let before = pids.map(descriptors);
    five_hundred(&site);
    eventually("all descriptors are back", || pids.map(descriptors) == before);
    let once = pids.map(resident_kib);
    for _ in 0..3 {
        five_hundred(&site);
    }
    eventually("all descriptors are back", || pids.map(descriptors) == before);
    let often = pids.map(resident_kib);
    println!("resident KiB of client and bridge after 500: {once:?}, after 2,000: {often:?}");
    for (once, often) in once.into_iter().zip(often) {
        assert!(often < once + 16 * 1024, "memory grows: {once} KiB, then {often} KiB");
    }
}

/// Starts the binary with few descriptors, which it cannot raise.
fn with_few_descriptors(words: &[&str]) -> Running {
    let binary = env!("CARGO_BIN_EXE_skypeproxy");
    let script = ["-c", "ulimit -n 48; exec \"$0\" \"$@\"", binary];
    let words: Vec<&str> = script.iter().chain(words).copied().collect();
    Running::start_program("sh", &words, &[])
}

#[test]
fn a_client_without_descriptors_says_so_and_takes_connections_again() {
    let site = site(2000);
    let mut client =
        with_few_descriptors(&site.place.client_words("udp:127.0.0.1:0", &site.carrier));
    let socks = client.wait_for("listening on ");
    client.wait_for_stderr("connected to the bridge");
    let mut held: Vec<TcpStream> = (0..100).filter_map(|_| ask(&socks, site.web).ok()).collect();
    client.wait_for_stderr("raise the limit of open files");
    // Every one is told something: connected, or closed.
    let connected = held.iter_mut().filter_map(|tcp| is_connected(tcp).then_some(())).count();
    assert!((1..100).contains(&connected), "{connected}");
    drop(held);
    let (code, page, stderr) = curl(&[
        "--retry",
        "5",
        "--retry-all-errors",
        "--socks5",
        &socks,
        &format!("http://{}/", site.web),
    ]);
    assert_eq!((code, page.len()), (0, 2000), "{stderr}\n{}", client.stderr());
}

#[test]
fn a_bridge_without_descriptors_says_so_and_dials_again() {
    let site = site(2000);
    drop(site.bridge);
    let key = site.place.path("k");
    let target = site.web.to_string();
    let words = ["bridge", "--carrier", &site.carrier, "--key", key.to_str().unwrap()];
    let words: Vec<&str> = words.into_iter().chain(["--forward", &target]).collect();
    let mut bridge = with_few_descriptors(&words);
    bridge.wait_for("ready");
    let mut held: Vec<TcpStream> =
        (0..100).filter_map(|_| ask(&site.socks, site.web).ok()).collect();
    let connected = held.iter_mut().filter_map(|tcp| is_connected(tcp).then_some(())).count();
    assert!((1..100).contains(&connected), "{connected}");
    bridge.wait_for_stderr("raise the limit of open files");
    drop(held);
    let (code, page, stderr) = curl(&[
        "--retry",
        "5",
        "--retry-all-errors",
        "--socks5",
        &site.socks,
        &format!("http://{}/", site.web),
    ]);
    assert_eq!((code, page.len()), (0, 2000), "{stderr}\n{}", bridge.stderr());
}

#[test]
fn a_client_that_stands_still_for_a_while_goes_on_with_its_transfer() {
    let body = octets(5_000_000);
    let web = web_server(body.clone());
    let place = Place::new("rtt_ms = 40\nrate = 1000000", &[web]);
    let _overlay = place.overlay();
    let _bridge = place.bridge();
    let (client, socks) = place.client();
    let transfer = thread::spawn({
        let socks = socks.clone();
        move || curl(&["--socks5", &socks, &format!("http://{web}/")])
    });
    thread::sleep(Duration::from_secs(2));
    signal(client.pid(), "STOP");
    thread::sleep(Duration::from_secs(4));
    assert!(!transfer.is_finished());
    signal(client.pid(), "CONT");
    let (code, page, stderr) = transfer.join().unwrap();
    assert_eq!(code, 0, "{stderr}\n{}", client.stderr());
    assert!(page == body);
}

#[test]
fn a_client_that_wakes_to_a_bridge_that_forgot_it_is_served() {
    let mut site = site(2000);
    signal(site.client.pid(), "STOP");
    // As after ten minutes: the bridge knows nothing of the client's connection.
    drop(site.bridge);
    site.bridge = site.place.bridge_on(&site.carrier);
    signal(site.client.pid(), "CONT");
    let (code, page, stderr) = curl(&["--socks5", &site.socks, &format!("http://{}/", site.web)]);
    assert_eq!((code, page.len()), (0, 2000), "{stderr}\n{}", site.client.stderr());
}
