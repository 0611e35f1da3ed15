//! A path that swallows everything without a word: requests move to a second connection.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use carrier::{Carrier, CarrierEvent, CarrierPath, MemoryCarrier, OpenError, PeerId, SendError};
use support::{HANG, Tunnel, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// A carrier whose first path leads nowhere while it is told so: a ghost, as AP2AP has them.
struct Haunted {
    inner: MemoryCarrier,
    is_ghost: Arc<AtomicBool>,
}

const FIRST: CarrierPath = CarrierPath(0);

impl Carrier for Haunted {
    fn open(&mut self, now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError> {
        self.inner.open(now, peer)
    }
    fn accept(&mut self, now: Instant, path: CarrierPath) {
        self.inner.accept(now, path);
    }
    fn reject(&mut self, now: Instant, path: CarrierPath) {
        self.inner.reject(now, path);
    }
    fn close(&mut self, now: Instant, path: CarrierPath) {
        self.inner.close(now, path);
    }
    fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        if path == FIRST && self.is_ghost.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.inner.try_send(now, path, datagram)
    }
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        self.inner.poll(cx, now, buf)
    }
}

#[tokio::test]
async fn requests_move_to_a_second_connection_and_streams_of_the_first_go_on_if_it_comes_back() {
    let (listener, addr) = listen().await;
    let (near, far) = MemoryCarrier::pair();
    let is_ghost = Arc::new(AtomicBool::new(false));
    let near = Haunted { inner: near, is_ghost: Arc::clone(&is_ghost) };
    let tunnel = Tunnel::over(near, far, &[addr]).await;
    let mut old_near = tunnel.connect(addr).await;
    let (mut old_far, _) = listener.accept().await.unwrap();

    is_ghost.store(true, Ordering::Relaxed);
    old_near.write_all(b"?").await.unwrap();
    let mut near = tunnel.connect(addr).await;
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"x").await.unwrap();
    assert_eq!(timeout(HANG, far.read_u8()).await.unwrap().unwrap(), b'x');

    is_ghost.store(false, Ordering::Relaxed);
    assert_eq!(timeout(HANG, old_far.read_u8()).await.unwrap().unwrap(), b'?');
    old_far.write_all(b"!").await.unwrap();
    assert_eq!(timeout(HANG, old_near.read_u8()).await.unwrap().unwrap(), b'!');
    tunnel.finish().await;
}
