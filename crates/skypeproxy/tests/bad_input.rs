//! Whatever is wrong: one clear line with cause and remedy, no panic, and the others live on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::thread;

use common::{Running, curl, failure, keygen, octets, overlay, some_key, web_server};

fn client_words<'a>(carrier: &'a str, peer: &'a str, key: &'a str) -> Vec<&'a str> {
    let words = ["client", "--carrier", carrier, "--bridge", peer, "--bridge-key", key];
    words.into_iter().chain(["--listen", "127.0.0.1:0"]).collect()
}

/// A client, a bridge and a web server over UDP that work.
struct Working {
    client: Running,
    bridge: Running,
    bridge_addr: String,
    socks: String,
    url: String,
    key: String,
    _dir: tempfile::TempDir,
}

fn working() -> Working {
    let dir = tempfile::tempdir().unwrap();
    let web = web_server(octets(50_000)).to_string();
    let key_path = dir.path().join("k");
    let key = keygen(&key_path);
    let key_path = key_path.to_str().unwrap();
    let words = ["bridge", "--carrier", "udp:127.0.0.1:0", "--key", key_path, "--forward", &web];
    let mut bridge = Running::start(&words);
    let bridge_addr = bridge.wait_for("carrier udp:");
    bridge.wait_for("ready");
    let peer = format!("udp:{bridge_addr}");
    let mut client = Running::start(&client_words("udp:127.0.0.1:0", &peer, &key));
    let socks = client.wait_for("listening on ");
    Working { client, bridge, bridge_addr, socks, url: format!("http://{web}/"), key, _dir: dir }
}

impl Working {
    fn still_works(&mut self) {
        let (code, body, stderr) = curl(&["--socks5", &self.socks, &self.url]);
        assert_eq!(code, 0, "{stderr}\n{}\n{}", self.client.stderr(), self.bridge.stderr());
        assert_eq!(body.len(), 50_000);
        assert!(self.client.is_running() && self.bridge.is_running());
        for stderr in [self.client.stderr(), self.bridge.stderr()] {
            assert!(!stderr.contains("panicked") && !stderr.contains("ERROR"), "{stderr}");
        }
    }
}

#[test]
fn a_missing_attach_socket_is_named() {
    let stderr = failure(&client_words("skype:unix:/nowhere/s", "skype:bob", &some_key()));
    assert!(stderr.contains("/nowhere/s"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn an_overlay_that_is_not_running_is_told_from_one_that_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    let carrier = format!("skype:unix:{}", path.display());
    let stderr = failure(&client_words(&carrier, "skype:bob", &some_key()));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("nobody listens") && stderr.contains("start"), "{stderr}");
}

#[test]
fn an_api_peer_that_talks_nonsense_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(socket.try_clone().unwrap());
        let mut line = String::new();
        let _ = lines.read_line(&mut line);
        // Nonsense of every kind, then a refusal to end it.
        let mut nonsense = b"\n#\n# \nAPPLICATION\n\xff\xfe\nUSER\n#999 OK\nPROTOCOL x\n".to_vec();
        nonsense.extend_from_slice(&vec![b'x'; 300_000]);
        nonsense.extend_from_slice(b"\nERROR 68\n");
        let id = line.split_whitespace().next().unwrap_or_default().to_owned();
        nonsense.extend_from_slice(format!("{id} ERROR 68\n").as_bytes());
        let _ = socket.write_all(&nonsense);
        let _ = lines.read_to_end(&mut Vec::new());
    });
    let carrier = format!("skype:unix:{}", path.display());
    let stderr = failure(&client_words(&carrier, "skype:bob", &some_key()));
    assert!(stderr.contains("refused"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn an_unknown_login_is_said_and_requests_fail_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let _overlay = overlay(dir.path(), "rtt_ms = 10");
    let carrier = format!("skype:unix:{}/alice.sock", dir.path().display());
    let mut client = Running::start(&client_words(&carrier, "skype:nobody", &some_key()));
    let socks = client.wait_for("listening on ");
    client.wait_for_stderr("cannot be reached");
    let (code, _, _) = curl(&["--socks5", &socks, "http://127.0.0.1:9/"]);
    assert_eq!(code, 97);
    assert!(client.stop().success());
}

#[test]
fn a_wrong_bridge_key_is_said() {
    let mut working = working();
    let peer = format!("udp:{}", working.bridge_addr);
    let mut client = Running::start(&client_words("udp:127.0.0.1:0", &peer, &some_key()));
    client.wait_for("listening on ");
    client.wait_for_stderr("key is wrong");
    working.still_works();
}

#[test]
fn a_bridge_that_stops_is_said_and_one_that_returns_is_found() {
    let mut working = working();
    working.still_works();
    let Working { client, bridge, bridge_addr, socks, url, _dir, .. } = working;
    assert!(bridge.stop().success());
    client.wait_for_stderr("connection to the bridge is lost");
    let key_path = _dir.path().join("k");
    let forward = url.trim_start_matches("http://").trim_end_matches('/');
    let carrier = format!("udp:{bridge_addr}");
    let key_path = key_path.to_str().unwrap();
    let words = ["bridge", "--carrier", &carrier, "--key", key_path, "--forward", forward];
    let mut bridge = Running::start(&words);
    bridge.wait_for("ready");
    let (code, body, stderr) = curl(&["--socks5", &socks, &url]);
    assert_eq!(code, 0, "{stderr}\n{}", client.stderr());
    assert_eq!(body.len(), 50_000);
}

#[test]
fn a_port_in_use_is_said_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let stderr = failure(&["demo", "--listen", &listen, "--check"]);
    assert!(stderr.contains(&listen) && stderr.contains("in use"), "{stderr}");
    let words = ["client", "--carrier", "udp:127.0.0.1:0", "--bridge", "udp:127.0.0.1:9"];
    let key = some_key();
    let words: Vec<&str> =
        words.into_iter().chain(["--bridge-key", &key, "--listen", &listen]).collect();
    assert!(failure(&words).contains("in use"));
}

#[test]
fn a_command_line_that_lacks_something_says_what() {
    let key = some_key();
    assert!(failure(&["client"]).contains("--bridge-key"));
    assert!(failure(&["client", "--bridge-key", &key]).contains("--carrier"));
    assert!(failure(&["bridge"]).contains("keygen"));
    assert!(failure(&["client", "--bridge-key", "abc"]).contains("58 characters"));
    assert!(failure(&["overlay", "--config", "/nowhere"]).contains("/nowhere"));
    let words =
        ["client", "--carrier", "udp:127.0.0.1:0", "--bridge", "skype:x", "--bridge-key", &key];
    assert!(failure(&words).contains("--carrier skype:"));
}

#[test]
fn garbage_on_the_socks_port_disturbs_nobody() {
    let mut working = working();
    let garbage: [&[u8]; 5] =
        [b"", b"\xff\xff\xff", b"GET / HTTP/1.0\r\n\r\n", b"\x05", b"\x05\x01\x80"];
    let mut held = Vec::new();
    for octets in garbage.into_iter().cycle().take(300) {
        let mut tcp = TcpStream::connect(&working.socks).unwrap();
        tcp.write_all(octets).unwrap();
        held.push(tcp);
    }
    working.still_works();
    drop(held);
    working.still_works();
}

#[test]
fn garbage_datagrams_get_no_answer_and_disturb_nobody() {
    let mut working = working();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (seed, len) in (0..2000).zip([0, 1, 16, 80, 81, 100, 400, 1200].into_iter().cycle()) {
        let mut datagram = octets(len + seed)[seed..].to_vec();
        if let Some(first) = datagram.first_mut() {
            *first = [0, 3, 0x80, 0x81, 0xff][seed % 5];
        }
        let _ = socket.send_to(&datagram, &working.bridge_addr);
    }
    working.still_works();
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 2048]).is_err(), "a stranger was answered");
}

/// A first message that the bridge takes for a client's.
fn first_message(key: ap2ap_stream::PublicKey, number: u64) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "a real client's clock")]
    let (now, wall) = (std::time::Instant::now(), std::time::SystemTime::now());
    let wall = wall.duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let mut connection =
        ap2ap_stream::Connection::connect(key, ap2ap_stream::Config::default(), seed, wall, now);
    let added = ap2ap_stream::PathEvent::Added { payload_max: 1200 };
    connection.handle_path(now, ap2ap_stream::PathId(0), added);
    let mut buf = [0; 2048];
    let output = connection.poll_output(now, &mut buf);
    let ap2ap_stream::Output::Transmit { len, .. } = output else { panic!("{output:?}") };
    buf.into_iter().take(len).collect()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Fifty connections of one process to the bridge, each with a stream that echoes.
async fn live_clients(
    key: ap2ap_stream::PublicKey,
    bridge: &str,
    target: std::net::SocketAddr,
    count: usize,
) -> Vec<(ap2ap_tokio::Endpoint, ap2ap_tokio::Connection, ap2ap_tokio::Stream)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut clients = Vec::new();
    for _ in 0..count {
        let carrier = carrier_udp::UdpCarrier::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = ap2ap_stream::Config::default();
        let endpoint = ap2ap_tokio::Endpoint::client(carrier, config);
        let peer = format!("udp:{bridge}").parse().unwrap();
        let connection = endpoint.connect(peer, key).unwrap();
        let mut stream = connection.open_stream().await.unwrap();
        // tunnel-proto's opening message: version 1 and kind IPv4, port, address.
        let std::net::SocketAddr::V4(target) = target else { unreachable!() };
        let mut open = vec![0x15];
        open.extend_from_slice(&target.port().to_be_bytes());
        open.extend_from_slice(&target.ip().octets());
        stream.write_all(&open).await.unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await.unwrap();
        clients.push((endpoint, connection, stream));
    }
    clients
}

async fn echo_once(stream: &mut ap2ap_tokio::Stream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(b"are you there?").await.unwrap();
    let mut echo = [0; 14];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"are you there?");
}

#[tokio::test]
async fn a_thousand_half_open_handshakes_beside_fifty_live_clients() {
    let echo = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = echo.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = tcp.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let key_path = dir.path().join("k");
    let key = keygen(&key_path).parse().unwrap();
    let (key_path, forward) = (key_path.to_str().unwrap(), target.to_string());
    let words =
        ["bridge", "--carrier", "udp:127.0.0.1:0", "--key", key_path, "--forward", &forward];
    let mut bridge = Running::start(&words);
    let bridge_addr = bridge.wait_for("carrier udp:");
    bridge.wait_for("ready");

    let mut clients = live_clients(key, &bridge_addr, target, 50).await;
    let mut sockets = Vec::new();
    for number in 0..1000 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&first_message(key, number), &bridge_addr).unwrap();
        sockets.push(socket);
    }
    for (_, _, stream) in &mut clients {
        echo_once(stream).await;
    }
    let resident = resident_kib(bridge.pid());
    assert!(resident < 64 * 1024, "the bridge has {resident} KiB resident");
    println!("resident with 1,000 half-open and 50 live: {resident} KiB");
    assert!(bridge.is_running());
    let _ = live_clients(key, &bridge_addr, target, 1).await;
}

#[test]
fn keys_are_not_logged_and_targets_neither() {
    let mut working = working();
    working.still_works();
    let port = working.url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let log = working.client.stderr();
    assert!(!log.contains(&working.key) && !log.contains(&port), "{log}");
    assert!(!working.bridge.stderr().contains(&port), "{}", working.bridge.stderr());
}
