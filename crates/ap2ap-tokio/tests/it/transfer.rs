//! Data arrives whole, in order, as early as it can, and one stream does not stall another.

use std::io::ErrorKind;

use ap2ap_tokio::{Config, ErrorCode, StreamError};
use carrier::Faults;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Pair, echo_all, exchange, hash, pattern, stream, within};

const MIB: usize = 1024 * 1024;
const STREAMS: u64 = 8;

/// Sends `len` octets each way at once over eight streams.
async fn transfer(pair: &Pair, len: usize) {
    let (client, bridge) = pair.connected().await;
    let share = len / 8;
    let mut there = Vec::new();
    for number in 0..STREAMS {
        let stream = within(client.open_stream()).await.unwrap();
        let mine = tokio::spawn(exchange(stream, pattern(share, number)));
        let stream = within(bridge.accept_stream()).await.unwrap();
        // Streams arrive in any order: the bridge sends what names the stream.
        let number = stream.id().index();
        let theirs = tokio::spawn(exchange(stream, pattern(share, 100 + number)));
        there.push((mine, theirs, number));
    }
    for (mine, theirs, number) in there {
        let (mine, theirs) = (within(mine).await.unwrap(), within(theirs).await.unwrap());
        assert_eq!(hash(&theirs), hash(&pattern(share, number)));
        assert_eq!(hash(&mine), hash(&pattern(share, 100 + number)));
    }
}

#[tokio::test]
async fn a_mebibyte_each_way_survives_loss_corruption_and_refusal() {
    let faults = Faults { lose_every: 20, corrupt_every: 101, refuse_every: 53 };
    let pair = Pair::in_memory_with(faults, &Config::default());
    transfer(&pair, MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mebibyte_each_way_over_udp() {
    transfer(&Pair::over_udp(), MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_data_reaches_the_bridge_before_the_client_is_confirmed() {
    for pair in [Pair::in_memory(), Pair::over_udp()] {
        let client = pair.connect();
        let mut here = within(client.open_stream()).await.unwrap();
        within(here.write_all(b"first")).await.unwrap();
        let bridge = within(pair.bridge.accept()).await.unwrap();
        let mut there = within(bridge.accept_stream()).await.unwrap();
        // One datagram was enough to carry it: nothing else has been authenticated yet, or the
        // client's next packet came just now.
        let mut early = [0; 5];
        within(there.read_exact(&mut early)).await.unwrap();
        assert_eq!(&early, b"first");
        within(there.write_all(b"answer")).await.unwrap();
        let mut answer = [0; 6];
        within(here.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"answer");
    }
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    let mut rest = Vec::new();

    here.write_all(b"done").await.unwrap();
    here.shutdown().await.unwrap();
    within(there.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"done");
    let error = here.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);

    within(there.write_all(b"not yet")).await.unwrap();
    within(there.shutdown()).await.unwrap();
    rest.clear();
    within(here.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"not yet");
    assert_eq!(within(here.read(&mut [0; 9])).await.unwrap(), 0, "the end stays the end");
}

#[tokio::test]
async fn a_reset_and_a_stop_pass_with_their_codes() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;

    here.reset(ErrorCode(41));
    let error = within(there.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(ErrorCode(41))));

    here.stop(ErrorCode(42));
    let octets = vec![0; 64 * 1024];
    let error = within(async {
        loop {
            if let Err(error) = there.write_all(&octets).await {
                break error;
            }
        }
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(StreamError::of(&error), Some(&StreamError::Stopped(ErrorCode(42))));
}

#[tokio::test]
async fn writing_to_a_peer_that_left_in_order_fails_and_does_not_hang() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    there.shutdown().await.unwrap();
    drop(there);
    assert_eq!(within(here.read(&mut [0; 9])).await.unwrap(), 0);
    let octets = vec![0; 64 * 1024];
    let error = within(async {
        loop {
            if let Err(error) = here.write_all(&octets).await {
                break error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    drop(here);
    within(async {
        while client.streams_open() + bridge.streams_open() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_stream_is_reset_and_a_finished_one_arrives() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let (here, mut there) = stream(&client, &bridge).await;
    drop(here);
    let error = within(there.read_u8()).await.unwrap_err();
    assert_eq!(StreamError::of(&error), Some(&StreamError::Reset(ErrorCode(0))));

    let (mut here, mut there) = stream(&client, &bridge).await;
    here.write_all(b"kept").await.unwrap();
    here.shutdown().await.unwrap();
    drop(here);
    let mut rest = Vec::new();
    within(there.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"kept");
}

#[tokio::test]
async fn a_peer_that_never_reads_stalls_its_stream_only() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let (mut stuck, _unread) = stream(&client, &bridge).await;
    let writer = tokio::spawn(async move {
        let octets = vec![0; 64 * 1024];
        while stuck.write_all(&octets).await.is_ok() {}
    });
    let (here, there) = stream(&client, &bridge).await;
    let octets = pattern(MIB / 4, 1);
    let back = tokio::spawn(exchange(there, Vec::new()));
    within(exchange(here, octets.clone())).await;
    assert_eq!(hash(&within(back).await.unwrap()), hash(&octets));
    assert!(!writer.is_finished());
    writer.abort();
}

#[tokio::test]
async fn a_peer_that_never_reads_stalls_no_other_connection() {
    let pair = Pair::over_udp();
    let (stuck, unread) = pair.connected().await;
    let (mut stream_stuck, _held) = stream(&stuck, &unread).await;
    let writer = tokio::spawn(async move {
        let octets = vec![0; 64 * 1024];
        while stream_stuck.write_all(&octets).await.is_ok() {}
    });
    echo_all(pair.bridge.clone());
    let other = Pair {
        client: ap2ap_tokio::Endpoint::client(crate::support::udp(0), Config::default()),
        ..pair
    };
    let live = other.connect();
    let octets = pattern(MIB / 4, 2);
    let stream = within(live.open_stream()).await.unwrap();
    assert_eq!(hash(&within(exchange(stream, octets.clone())).await), hash(&octets));
    writer.abort();
}

#[tokio::test]
async fn more_streams_than_allowed_at_once_wait_for_their_turn() {
    let mut config = Config::default();
    config.streams_max = 16;
    let pair = Pair::in_memory_with(Faults::default(), &config);
    echo_all(pair.bridge.clone());
    let client = pair.connect();
    let mut tasks = Vec::new();
    for number in 0..200 {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            let octets = pattern(2000, number);
            let stream = client.open_stream().await.unwrap();
            assert_eq!(exchange(stream, octets.clone()).await, octets);
        }));
    }
    for task in tasks {
        within(task).await.unwrap();
    }
}
