//! The acceptor against clients on real sockets: the slow, the many, the early, the leaving.

use std::net::SocketAddr;
use std::time::Duration;

use socks_front::{AcceptError, Acceptor, Auth, Config, HandshakeError, Reply, Request, accept};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const GREETING: &[u8] = b"\x05\x01\0";
const REQUEST: &[u8] = b"\x05\x01\0\x03\x0cexample.test\0\x50";

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn acceptor(config: Config) -> Acceptor {
    Acceptor::bind(any_port(), config).await.expect("a free port")
}

/// A client and our end of its connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(any_port()).await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (client, server) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (client.expect("connected"), server.expect("accepted").0)
}

async fn requested(payload: &[u8]) -> (TcpStream, Request) {
    let (mut client, server) = pair().await;
    let octets = [GREETING, REQUEST, payload].concat();
    client.write_all(&octets).await.expect("sent");
    let request = accept(server, &Config::default()).await.expect("a request");
    (client, request)
}

async fn read_exactly(client: &mut TcpStream, expected: &[u8]) {
    let mut octets = vec![0; expected.len()];
    client.read_exact(&mut octets).await.expect("octets");
    assert_eq!(octets, expected);
}

async fn read_all(client: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    client.read_to_end(&mut octets).await.expect("a clean end");
    octets
}

/// Long enough for what must not happen to happen, were it so; no claim depends on how long it takes.
async fn happens(what: impl Future<Output = ()>) -> bool {
    timeout(Duration::from_millis(50), what).await.is_ok()
}

#[tokio::test]
async fn a_client_gets_its_reply_and_loses_no_payload() {
    let (mut client, request) = requested(b"sent ahead").await;
    assert_eq!(request.address().to_string(), "example.test:80");
    let bound = "192.0.2.7:49152".parse().ok();
    let (mut stream, ahead) = request.accept(bound).await.unwrap();
    assert_eq!(ahead, b"sent ahead");
    read_exactly(&mut client, &[5, 0, 5, 0, 0, 1, 192, 0, 2, 7, 0xc0, 0]).await;
    client.write_all(b"later").await.unwrap();
    read_exactly(&mut stream, b"later").await;
}

#[tokio::test]
async fn a_refused_client_hears_why_and_sees_a_clean_end() {
    let (mut client, request) = requested(b"never read").await;
    let (refused, heard) = tokio::join!(request.refuse(Reply::Refused), async {
        let heard = read_all(&mut client).await;
        drop(client);
        heard
    });
    refused.unwrap();
    assert_eq!(heard, [5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_dropped_request_closes_the_client() {
    let (mut client, request) = requested(b"").await;
    drop(request);
    assert_eq!(read_all(&mut client).await, [5, 0]);
}

#[tokio::test]
async fn http_with_a_long_header_hears_501_and_no_reset() {
    let (mut client, server) = pair().await;
    let header = [b"GET http://a/ HTTP/1.1\r\nX: ", &[b'x'; 8000][..]].concat();
    client.write_all(&header).await.unwrap();
    let config = Config::default();
    let (result, heard) = tokio::join!(accept(server, &config), async {
        let heard = read_all(&mut client).await;
        drop(client);
        heard
    });
    assert!(matches!(result, Err(AcceptError::Handshake(HandshakeError::Http))));
    assert!(heard.starts_with(b"HTTP/1.0 501 "));
}

#[tokio::test]
async fn a_client_that_leaves_early_is_no_failure_of_ours() {
    let (client, server) = pair().await;
    drop(client);
    assert!(matches!(accept(server, &Config::default()).await, Err(AcceptError::Left)));
}

/// Time is paused, and jumps whenever there is nothing else to do.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_dropped_at_the_deadline() {
    let (mut client, server) = pair().await;
    let started = tokio::time::Instant::now();
    client.write_all(b"\x05").await.unwrap();
    let config = Config { handshake_timeout: Duration::from_secs(7), ..Config::default() };
    assert!(matches!(accept(server, &config).await, Err(AcceptError::TimedOut)));
    // Timers tick in whole milliseconds and fire at the next one.
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_for_the_whole_handshake_and_not_for_each_octet() {
    let (mut client, server) = pair().await;
    let dribble = async {
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            // A user id that never ends; once we are gone it may fail.
            let _ = client.write_all(b"\x04").await;
        }
    };
    let config = Config::default();
    tokio::select! {
        result = accept(server, &config) => assert!(matches!(result, Err(AcceptError::TimedOut))),
        () = dribble => {}
    }
}

#[tokio::test]
async fn the_acceptor_yields_completed_requests_only() {
    let mut acceptor = acceptor(Config::default()).await;
    let addr = acceptor.local_addr();
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    let mut garbage = TcpStream::connect(addr).await.unwrap();
    garbage.write_all(b"\xff\xff\xff").await.unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(&[GREETING, REQUEST].concat()).await.unwrap();
    let request = acceptor.accept().await;
    assert_eq!(request.address().to_string(), "example.test:80");
    assert!(acceptor.half_open() >= silent.len());
}

#[tokio::test]
async fn half_open_clients_are_capped_and_the_newest_get_through() {
    let config = Config { half_open_max: 8, ..Config::default() };
    let mut acceptor = acceptor(config).await;
    let addr = acceptor.local_addr();
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(&[GREETING, REQUEST].concat()).await.unwrap();
    let request = acceptor.accept().await;
    assert!(acceptor.half_open() <= 8);
    drop(request);
    // The first has been disconnected, long before its deadline.
    assert_eq!(read_all(&mut silent[0]).await, b"");
}

#[tokio::test]
async fn a_burst_beyond_the_cap_gets_through_to_the_last_client() {
    let config = Config { half_open_max: 8, ..Config::default() };
    let mut acceptor = acceptor(config).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = TcpStream::connect(acceptor.local_addr()).await.unwrap();
        client.write_all(&[GREETING, REQUEST].concat()).await.unwrap();
        clients.push(client);
    }
    for _ in &clients {
        let accepted = timeout(Duration::from_secs(30), acceptor.accept()).await;
        assert_eq!(accepted.expect("nobody is dropped").address().to_string(), "example.test:80");
    }
}

#[tokio::test]
async fn accept_may_be_dropped_while_it_waits() {
    let mut acceptor = acceptor(Config::default()).await;
    let mut client = TcpStream::connect(acceptor.local_addr()).await.unwrap();
    client.write_all(GREETING).await.unwrap();
    while acceptor.half_open() == 0 {
        let _ = timeout(Duration::from_millis(1), acceptor.accept()).await;
    }
    read_exactly(&mut client, b"\x05\0").await;
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(acceptor.accept().await.address().to_string(), "example.test:80");
}

#[tokio::test]
async fn a_port_in_use_is_explained() {
    let first = acceptor(Config::default()).await;
    let error = Acceptor::bind(first.local_addr(), Config::default()).await.unwrap_err();
    assert!(error.to_string().contains("the port is in use"), "{error}");
}

#[tokio::test]
async fn notices_a_client_that_closes() {
    let (client, mut request) = requested(b"").await;
    assert!(!happens(request.client_gone()).await);
    drop(client);
    request.client_gone().await;
}

#[tokio::test]
async fn notices_a_reset_behind_payload() {
    let (mut client, mut request) = requested(b"sent ahead").await;
    client.write_all(b", and more").await.unwrap();
    assert!(!happens(request.client_gone()).await);
    client.set_zero_linger().unwrap();
    drop(client);
    request.client_gone().await;
}

#[tokio::test]
async fn notices_a_reset_behind_more_than_it_reads() {
    let (mut client, mut request) = requested(&[7; 40_000]).await;
    assert!(!happens(request.client_gone()).await);
    client.write_all(b"more").await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    request.client_gone().await;
}

#[tokio::test]
async fn a_half_close_behind_payload_is_no_leave() {
    let (mut client, mut request) = requested(b"GET / HTTP/1.0\r\n").await;
    client.write_all(b"\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    assert!(!happens(request.client_gone()).await);
    let (mut stream, ahead) = request.accept(None).await.unwrap();
    assert_eq!(ahead, b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(
        read_all(&mut stream).await,
        b"",
        "the end of the client's data is still there to see"
    );
}

#[tokio::test]
async fn watching_a_client_loses_none_of_its_payload() {
    let sent: Vec<u8> = (0..=250).cycle().take(100_000).collect();
    let (client, mut request) = requested(&sent[..10]).await;
    let (mut back, mut client) = client.into_split();
    let rest = sent[10..].to_vec();
    let writer = tokio::spawn(async move { client.write_all(&rest).await });
    assert!(!happens(request.client_gone()).await);
    let (mut stream, mut received) = request.accept(None).await.unwrap();
    assert!(received.len() <= 16 * 1024 + 2048);
    received.resize(sent.len(), 0);
    let ahead = received.iter().zip(&sent).take_while(|(a, b)| a == b).count();
    stream.read_exact(&mut received[ahead..]).await.unwrap();
    assert_eq!(received, sent);
    writer.await.unwrap().unwrap();
    let mut reply = [0; 12];
    back.read_exact(&mut reply).await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_end_the_session() {
    let (mut client, server) = pair().await;
    let pair = socks_front::Credentials::new(b"u", b"p").unwrap();
    let config = Config { auth: Auth::Exactly(pair), ..Config::default() };
    client.write_all(b"\x05\x01\x02\x01\x01u\x01q").await.unwrap();
    let (result, heard) = tokio::join!(accept(server, &config), async {
        let heard = read_all(&mut client).await;
        drop(client);
        heard
    });
    assert!(matches!(result, Err(AcceptError::Handshake(HandshakeError::WrongCredentials))));
    assert_eq!(heard, [5, 2, 1, 1]);
}
