//! SOCKS in, TCP out, over carriers in memory: ends, resets and refusals come out as they went in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use carrier::{Faults, Faulty, MemoryCarrier};
use support::{HANG, Tunnel, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

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
        let mut tcp = TcpStream::connect(tunnel.socks()).await.unwrap();
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

/// Many times: whether the stream or its connection's end is seen first is for the threads to decide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stream_carried_counts_when_its_client_goes_in_the_middle() {
    for _ in 0..30 {
        let (listener, addr) = listen().await;
        let tunnel = Tunnel::start(&[addr]).await;
        let mut near = tunnel.connect(addr).await;
        let (mut far, _) = listener.accept().await.unwrap();
        near.write_all(b"half a question").await.unwrap();
        timeout(HANG, far.read_exact(&mut [0; 15])).await.unwrap().unwrap();
        assert_eq!(tunnel.bridge().totals.streams_open, 1);
        tunnel.stop_client();
        tunnel.bridge_has_no_stream().await;
        assert_eq!(tunnel.bridge().totals.octets_to_tcp, 15);
        tunnel.finish().await;
    }
}

/// A task that waits for its target hears of nothing else: it is dropped where it stands.
#[tokio::test]
async fn what_a_stream_carried_counts_when_its_target_does_not_read() {
    let (listener, addr) = listen().await;
    let tunnel = Tunnel::start(&[addr]).await;
    let mut near = tunnel.connect(addr).await;
    let (far, _) = listener.accept().await.unwrap();
    let sent = async {
        // Once the target's buffers and all on the way are full, nothing more is taken.
        while timeout(Duration::from_secs(1), near.write_all(&[7; 65_536])).await.is_ok() {}
    };
    timeout(HANG, sent).await.unwrap();
    tunnel.stop_client();
    tunnel.bridge_has_no_stream().await;
    assert!(tunnel.bridge().totals.octets_to_tcp > 0);
    drop(far);
    tunnel.finish().await;
}
