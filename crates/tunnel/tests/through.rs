//! SOCKS in, TCP out, over carriers in memory: ends, resets and refusals come out as they went in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use ap2ap_stream::{Config, SecretKey};
use ap2ap_tokio::Endpoint;
use carrier::{Carrier, Faults, Faulty, MemoryCarrier};
use socks_front::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tunnel::{Bridge, Client, Ended, ForwardList, Session};

/// Only a hang takes longer.
const HANG: Duration = Duration::from_secs(60);

struct Tunnel {
    socks: SocketAddr,
    stop: CancellationToken,
    tasks: [JoinHandle<Ended>; 2],
}

impl Tunnel {
    async fn start(targets: &[SocketAddr]) -> Self {
        let (near, far) = MemoryCarrier::pair();
        Self::over(near, far, targets).await
    }

    async fn over(
        near: impl Carrier + 'static,
        far: impl Carrier + 'static,
        targets: &[SocketAddr],
    ) -> Self {
        let secret = SecretKey::from_octets([7; 32]);
        let bridge = Endpoint::bridge(far, secret.clone(), Config::default());
        let bridge = Bridge::new(vec![bridge.into()], ForwardList::new(targets.iter().copied()));
        let client = Endpoint::client(near, Config::default());
        let peers = vec!["memory:bridge".parse().unwrap()];
        let endpoints = vec![("memory".to_owned(), client.into())];
        let session = Session::new(endpoints, peers, secret.public()).unwrap();
        let front = Acceptor::bind("127.0.0.1:0".parse().unwrap(), socks_front::Config::default());
        let front = front.await.unwrap();
        let socks = front.local_addr();
        let stop = CancellationToken::new();
        let tasks = [
            tokio::spawn(bridge.run(stop.clone())),
            tokio::spawn(Client::new(session).run(front, stop.clone())),
        ];
        Self { socks, stop, tasks }
    }

    /// Asks for a target; the connection and the reply.
    async fn ask(&self, target: SocketAddr) -> (TcpStream, [u8; 10]) {
        let SocketAddr::V4(target) = target else { panic!("IPv4 targets only") };
        let mut tcp = TcpStream::connect(self.socks).await.unwrap();
        let mut request = vec![5, 1, 0, 5, 1, 0, 1];
        request.extend_from_slice(&target.ip().octets());
        request.extend_from_slice(&target.port().to_be_bytes());
        tcp.write_all(&request).await.unwrap();
        let mut method = [0; 2];
        tcp.read_exact(&mut method).await.unwrap();
        let mut reply = [0; 10];
        timeout(HANG, tcp.read_exact(&mut reply)).await.unwrap().unwrap();
        (tcp, reply)
    }

    async fn connect(&self, target: SocketAddr) -> TcpStream {
        let (tcp, reply) = self.ask(target).await;
        assert_eq!(reply[1], 0, "refused with code {}", reply[1]);
        tcp
    }

    async fn finish(self) {
        self.stop.cancel();
        for task in self.tasks {
            assert!(matches!(timeout(HANG, task).await.unwrap().unwrap(), Ended::Stopped));
        }
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();

    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut question = Vec::new();
    timeout(HANG, far.read_to_end(&mut question)).await.unwrap().unwrap();
    assert_eq!(question, b"question");

    far.write_all(b"answer").await.unwrap();
    drop(far);
    let mut answer = Vec::new();
    timeout(HANG, near.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"answer");
    tunnel.finish().await;
}

#[tokio::test]
async fn the_reply_names_the_address_the_target_sees() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let (_near, reply) = tunnel.ask(addr).await;
    let (_far, seen) = listener.accept().await.unwrap();
    assert_eq!(&reply[..8], [5, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(u16::from_be_bytes([reply[8], reply[9]]), seen.port());
    tunnel.finish().await;
}

#[tokio::test]
async fn a_reset_stays_a_reset_in_both_directions() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    for near_resets in [true, false] {
        let near = tunnel.connect(addr).await;
        let (far, _) = listener.accept().await.unwrap();
        let (resets, mut other) = if near_resets { (near, far) } else { (far, near) };
        resets.set_zero_linger().unwrap();
        drop(resets);
        let read = timeout(HANG, other.read(&mut [0; 10])).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset, "{near_resets}");
    }
    tunnel.finish().await;
}

#[tokio::test]
async fn refusals_are_true() {
    let (listener, closed) = listen().await;
    drop(listener);
    let (_other, not_forwarded) = listen().await;
    let tunnel = Tunnel::start(&[closed]).await;
    assert_eq!(tunnel.ask(closed).await.1[1], 5, "refused");
    assert_eq!(tunnel.ask(not_forwarded).await.1[1], 2, "not allowed");
    tunnel.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_connecting_takes_its_stream_along() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(tunnel.socks).await.unwrap();
        tcp.write_all(&[5, 1, 0]).await.unwrap();
    }
    // The tunnel still serves.
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"x").await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'x');
    tunnel.finish().await;
}

#[tokio::test]
async fn clients_that_do_not_read_stall_nobody_else() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        let near = tunnel.connect(addr).await;
        let (mut far, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let endless = [0; 64 * 1024];
            while far.write_all(&endless).await.is_ok() {}
        });
        unread.push(near);
    }
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    for octet in 0..100 {
        near.write_u8(octet).await.unwrap();
        assert_eq!(timeout(HANG, far.read_u8()).await.unwrap().unwrap(), octet);
        far.write_u8(octet).await.unwrap();
        assert_eq!(timeout(HANG, near.read_u8()).await.unwrap().unwrap(), octet);
    }
    drop(unread);
    tunnel.finish().await;
}

#[tokio::test]
async fn a_megabyte_each_way_survives_a_bad_carrier() {
    let (listener, addr) = listen().await;
    let (near, far) = MemoryCarrier::pair();
    let faults = Faults { lose_every: 19, corrupt_every: 23, refuse_every: 29 };
    let tunnel = Tunnel::over(Faulty::new(near, faults), Faulty::new(far, faults), &[addr]).await;
    let near = tunnel.connect(addr).await;
    let (far, _) = listener.accept().await.unwrap();
    let octets: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let (sent, back) = (octets.clone(), octets.clone());
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = far.into_split();
        let writing = tokio::spawn(async move {
            write.write_all(&back).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.unwrap();
        writing.await.unwrap();
        got
    });
    let (mut read, mut write) = near.into_split();
    let writing = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    timeout(HANG, read.read_to_end(&mut got)).await.unwrap().unwrap();
    writing.await.unwrap();
    assert!(got == octets && timeout(HANG, echo).await.unwrap().unwrap() == octets);
    tunnel.finish().await;
}

#[tokio::test]
async fn a_bridge_or_a_client_that_stops_resets_what_was_under_way() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"half a question").await.unwrap();
    let mut half = [0; 15];
    timeout(HANG, far.read_exact(&mut half)).await.unwrap().unwrap();
    tunnel.finish().await;
    for mut end in [near, far] {
        let read = timeout(HANG, end.read(&mut [0; 10])).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
