//! Unreliable datagrams: to whoever waits for them, at most once.

use std::time::Duration;

use ap2ap_tokio::{ErrorCode, SendDatagramError};
use carrier::Faults;

use crate::support::{Pair, within};

#[tokio::test]
async fn a_datagram_wakes_its_reader_in_either_direction() {
    for pair in [Pair::in_memory(), Pair::over_udp()] {
        let (client, bridge) = pair.connected().await;
        let reader = tokio::spawn({
            let bridge = bridge.clone();
            async move { bridge.recv_datagram().await }
        });
        client.send_datagram(&b"up"[..], None).unwrap();
        assert_eq!(&within(reader).await.unwrap().unwrap()[..], b"up");
        bridge.send_datagram(&b"down"[..], Some(Duration::from_secs(20))).unwrap();
        assert_eq!(&within(client.recv_datagram()).await.unwrap()[..], b"down");
    }
}

#[tokio::test]
async fn of_many_over_a_bad_path_each_comes_once_and_in_one_piece() {
    let faults = Faults { lose_every: 7, corrupt_every: 31, refuse_every: 13 };
    let pair = Pair::in_memory_with(faults, &ap2ap_tokio::Config::default());
    let (client, bridge) = pair.connected().await;
    let len = 50;
    let mut seen = Vec::new();
    for number in 0..100_u8 {
        client.send_datagram(vec![number; len], None).unwrap();
        let arrives = tokio::time::timeout(Duration::from_millis(5), bridge.recv_datagram()).await;
        seen.extend(arrives.into_iter().map(Result::unwrap));
    }
    let last = || tokio::time::timeout(Duration::from_millis(300), bridge.recv_datagram());
    while let Ok(octets) = last().await {
        seen.push(octets.unwrap());
    }
    assert!(
        seen.iter().all(|octets| octets.len() == len && octets.iter().all(|o| *o == octets[0]))
    );
    let mut numbers: Vec<u8> = seen.iter().map(|octets| octets[0]).collect();
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "none twice");
    // How many come is a matter of pace, and of how busy the machine is.
    assert!(count > 0, "none of 100");
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_the_end_is_told() {
    let pair = Pair::in_memory();
    let (client, bridge) = pair.connected().await;
    let max = client.datagram_max();
    let refused = client.send_datagram(vec![0; max + 1], None);
    assert_eq!(refused, Err(SendDatagramError::TooLarge { max }));
    bridge.close(ErrorCode(3), "enough");
    within(client.recv_datagram()).await.unwrap_err();
    assert_eq!(client.send_datagram(&b"x"[..], None), Err(SendDatagramError::Closed));
}
