//! Targets and SOCKS clients that misbehave: what the other side gets to see of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use support::{HANG, Tunnel, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// SOCKS reply 4, host unreachable: what a time-out is called there.
const TIMED_OUT: u8 = 4;

/// A listener that never accepts, its queue full: further connections hang as behind a firewall
/// that drops them. Gives what must be kept for it to stay so.
async fn black_hole() -> (SocketAddr, (Socket, Vec<TcpStream>)) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(connected) = timeout(Duration::from_secs(1), TcpStream::connect(addr)).await {
        queue.push(connected.unwrap());
    }
    (addr, (socket, queue))
}

#[tokio::test]
async fn a_target_that_never_accepts_is_a_time_out_and_stalls_nobody() {
    let (hole, _kept) = black_hole().await;
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[hole, addr]).await;
    let (hanging, working) = tokio::join!(tunnel.ask(hole), async {
        let mut near = tunnel.connect(addr).await;
        let (mut far, _) = listener.accept().await.unwrap();
        near.write_all(b"x").await.unwrap();
        far.read_u8().await.unwrap()
    });
    assert_eq!((hanging.1[1], working), (TIMED_OUT, b'x'));
    tunnel.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_its_target_is_dialled_ends_the_dialling() {
    let (hole, (_socket, queue)) = black_hole().await;
    let tunnel = Tunnel::start(&[hole]).await;
    let syn_sent = || {
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let remote = format!("0100007F:{:04X} 02", hole.port());
        table.lines().filter(|line| line.contains(&remote)).count()
    };
    let before = syn_sent();
    let mut near = TcpStream::connect(tunnel.socks()).await.unwrap();
    near.write_all(&support::request(hole)).await.unwrap();
    until("the target is being dialled", || syn_sent() > before).await;
    drop(near);
    until("the dialling has ended", || syn_sent() == before).await;
    drop(queue);
    tunnel.finish().await;
}

#[tokio::test]
async fn a_target_that_never_answers_waits_and_learns_when_the_client_leaves() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"hello?").await.unwrap();
    let mut question = [0; 6];
    timeout(HANG, far.read_exact(&mut question)).await.unwrap().unwrap();
    assert!(timeout(Duration::from_secs(1), near.read_u8()).await.is_err());
    drop(near);
    // It left in order, so the target sees an end.
    assert_eq!(timeout(HANG, far.read(&mut [0])).await.unwrap().unwrap(), 0);
    tunnel.finish().await;
}

#[tokio::test]
async fn a_target_may_end_first_and_still_be_told_something() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    far.write_all(b"all I say").await.unwrap();
    far.shutdown().await.unwrap();
    let mut said = Vec::new();
    timeout(HANG, near.read_to_end(&mut said)).await.unwrap().unwrap();
    assert_eq!(said, b"all I say");
    let reply = vec![7; 100_000];
    near.write_all(&reply).await.unwrap();
    near.shutdown().await.unwrap();
    let mut told = Vec::new();
    timeout(HANG, far.read_to_end(&mut told)).await.unwrap().unwrap();
    assert!(told == reply);
    tunnel.finish().await;
}

#[tokio::test]
async fn a_target_that_resets_in_the_middle_of_an_answer_resets_the_client() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    far.write_all(&[1; 1000]).await.unwrap();
    let mut half = [0; 1000];
    timeout(HANG, near.read_exact(&mut half)).await.unwrap().unwrap();
    far.set_zero_linger().unwrap();
    drop(far);
    let error = timeout(HANG, near.read(&mut [0])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    tunnel.finish().await;
}

#[tokio::test]
async fn a_target_of_one_octet_a_second_is_passed_on_octet_by_octet() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    for octet in 0..4 {
        far.write_u8(octet).await.unwrap();
        // The next one is only sent when this one has come.
        assert_eq!(timeout(HANG, near.read_u8()).await.unwrap().unwrap(), octet);
        sleep(Duration::from_secs(1)).await;
    }
    tunnel.finish().await;
}

async fn until(claim: &str, is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    // Less than it takes to give up dialling.
    assert!(timeout(tunnel::DIAL_TIMEOUT / 2, waiting).await.is_ok(), "never came true: {claim}");
}
