//! Both ends of the Unix socket transport.
#![cfg(feature = "unix")]

use std::future::poll_fn;

use skype_api::MESSAGE_OCTETS_MAX;
use skype_api::attach::unix::{TrySendError, UnixAttach, WRITE_OCTETS_MAX, connect};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

#[tokio::test]
async fn carries_messages_both_ways() {
    let (a, b) = UnixStream::pair().unwrap();
    let (mut a, mut b) = (UnixAttach::new(a), UnixAttach::new(b));
    a.try_send("NAME t1").unwrap();
    a.try_send("").unwrap();
    assert_eq!(b.recv().await.unwrap().as_deref(), Some("NAME t1"));
    assert_eq!(b.recv().await.unwrap().as_deref(), Some(""));
    b.try_send("OK").unwrap();
    assert_eq!(a.recv().await.unwrap().as_deref(), Some("OK"));
    drop(a);
    assert_eq!(b.recv().await.unwrap(), None);
}

#[tokio::test]
async fn takes_the_longest_message_and_drops_what_is_none() {
    let (mut raw, b) = UnixStream::pair().unwrap();
    let mut b = UnixAttach::new(b);
    let longest = "a".repeat(MESSAGE_OCTETS_MAX);
    let lines = [
        b"\xff\xfe\n".to_vec(),
        b"a\0b\n".to_vec(),
        vec![b'x'; 5 * MESSAGE_OCTETS_MAX],
        b"\n".to_vec(),
        longest.clone().into_bytes(),
        b"\nPING\nunfinished".to_vec(),
    ]
    .concat();
    let writer = tokio::spawn(async move { raw.write_all(&lines).await });
    assert_eq!(b.recv().await.unwrap(), Some(longest));
    assert_eq!(b.recv().await.unwrap().as_deref(), Some("PING"));
    assert_eq!(b.recv().await.unwrap(), None);
    assert_eq!(b.nonsense(), 3);
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn says_full_to_a_peer_that_does_not_read_and_flushes_when_it_does() {
    let (a, b) = UnixStream::pair().unwrap();
    let (mut a, mut b) = (UnixAttach::new(a), UnixAttach::new(b));
    let line = "a".repeat(1000);
    let mut sent = 0;
    let refused = loop {
        match a.try_send(&line) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, TrySendError::Full);
    assert!(a.waiting() <= WRITE_OCTETS_MAX);
    let reader = async {
        for _ in 0..sent {
            assert_eq!(b.recv().await.unwrap().as_ref(), Some(&line));
        }
    };
    let (flushed, ()) = tokio::join!(poll_fn(|cx| a.poll_flush(cx)), reader);
    flushed.unwrap();
    assert_eq!(a.waiting(), 0);
    a.try_send("PING").unwrap();
}

#[tokio::test]
async fn refuses_lines_that_would_be_two() {
    let (a, b) = UnixStream::pair().unwrap();
    let mut a = UnixAttach::new(a);
    assert_eq!(a.try_send("PING\nPING"), Err(TrySendError::Line));
    drop(b);
    let closed = (0..3).any(|_| a.try_send("PING") == Err(TrySendError::Closed));
    assert!(closed);
}

#[tokio::test]
async fn names_the_path_nobody_listens_at() {
    let error = connect("/nonexistent/alice.sock").await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/alice.sock"), "{error}");
}
