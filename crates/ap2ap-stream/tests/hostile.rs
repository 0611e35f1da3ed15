//! Datagrams that nobody should have sent: no panic, no answer, counted, and life goes on.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{Acceptor, BridgeIdentity, Config, PathId, SecretKey, Silence, Stats};
use common::{Duo, Luck, PATH, SECOND, WALL, patterned};
use proptest::prelude::*;

/// Connected ends after some traffic, and every datagram that went up.
fn after_traffic() -> (Duo, Vec<Vec<u8>>) {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    duo.client.write(id, &patterned(1, 0, 8_000)).unwrap();
    duo.run_for(5 * SECOND);
    assert_eq!(duo.bridge().read(id).0.len(), 8_000);
    duo.run_for(SECOND);
    let datagrams = duo.up.sent.iter().map(|(_, datagram)| datagram.clone()).collect();
    (duo, datagrams)
}

/// Feeds a datagram to the bridge, which must not answer; what its counters then say.
fn feed(duo: &mut Duo, datagram: &[u8]) -> Stats {
    let now = duo.now;
    duo.bridge().connection.handle_datagram(now, PATH, datagram);
    assert!(duo.bridge().poll(now).is_empty(), "an answer to {} octets", datagram.len());
    duo.bridge().connection.stats()
}

fn assert_alive(duo: &mut Duo) {
    let id = duo.client.open();
    duo.client.write(id, b"still there?").unwrap();
    duo.client.finish(id);
    duo.run_for(3 * SECOND);
    assert_eq!(duo.bridge().read(id), (b"still there?".to_vec(), Ok(())));
}

#[test]
fn a_datagram_cut_anywhere_is_counted_and_nothing_else() {
    let (mut duo, datagrams) = after_traffic();
    let mut expected = duo.bridge().connection.stats().discarded_unauthentic;
    for datagram in &datagrams {
        for cut in 0..datagram.len() {
            expected += 1;
            assert_eq!(feed(&mut duo, &datagram[..cut]).discarded_unauthentic, expected);
        }
    }
    assert_alive(&mut duo);
}

#[test]
fn a_datagram_with_any_bit_flipped_is_counted_and_nothing_else() {
    let (mut duo, datagrams) = after_traffic();
    let before = duo.bridge().connection.stats();
    let mut fed = 0;
    for datagram in datagrams.iter().filter(|datagram| datagram.len() < 350).take(12) {
        for bit in 0..8 * datagram.len() {
            let mut flipped = datagram.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            feed(&mut duo, &flipped);
            fed += 1;
        }
    }
    let after = duo.bridge().connection.stats();
    assert_eq!(after.discarded_unauthentic - before.discarded_unauthentic, fed);
    assert_eq!(after.datagrams_received, before.datagrams_received);
    assert_alive(&mut duo);
}

#[test]
fn a_replay_is_counted_and_nothing_else() {
    let (mut duo, datagrams) = after_traffic();
    let before = duo.bridge().connection.stats();
    for datagram in &datagrams {
        feed(&mut duo, datagram);
    }
    let after = duo.bridge().connection.stats();
    let (first, packets) = (1, datagrams.len() as u64 - 1);
    assert_eq!(after.discarded_repeated - before.discarded_repeated, packets);
    assert_eq!(after.discarded_unauthentic - before.discarded_unauthentic, first);
    assert_alive(&mut duo);
}

#[test]
fn what_one_end_sent_means_nothing_to_itself() {
    let (mut duo, datagrams) = after_traffic();
    let now = duo.now;
    for datagram in &datagrams {
        duo.client.connection.handle_datagram(now, PATH, datagram);
    }
    assert_eq!(duo.client.connection.stats().discarded_unauthentic, datagrams.len() as u64);
    assert_alive(&mut duo);
}

#[test]
fn another_path_is_not_listened_to() {
    let (mut duo, datagrams) = after_traffic();
    let now = duo.now;
    let before = duo.bridge().connection.stats().discarded_unauthentic;
    duo.bridge().connection.handle_datagram(now, PathId(9), &datagrams[1]);
    assert_eq!(duo.bridge().connection.stats().discarded_unauthentic, before + 1);
}

#[test]
fn a_first_message_cut_or_changed_anywhere_gets_silence() {
    let (mut duo, datagrams) = after_traffic();
    let first = &datagrams[0];
    let now = duo.now;
    for cut in 0..first.len() {
        let answer = duo.acceptor.handle_first(now, WALL, (PATH, 1200), &first[..cut]);
        assert!(matches!(answer, Err(Silence::NotFirst | Silence::WrongMac)), "cut at {cut}");
    }
    for bit in 0..8 * first.len() {
        let mut flipped = first.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let answer = duo.acceptor.handle_first(now, WALL, (PATH, 1200), &flipped);
        assert!(matches!(answer, Err(Silence::NotFirst | Silence::WrongMac)), "bit {bit}");
    }
    let whole = duo.acceptor.handle_first(now, WALL, (PATH, 1200), first);
    assert_eq!(whole.map(|_| ()), Err(Silence::Recorded), "it was here before");
}

#[test]
fn a_flood_of_garbage_leaves_nothing_behind() {
    let (mut duo, _) = after_traffic();
    let before = duo.bridge().connection.stats();
    let mut luck = Luck(5);
    for len in (0..2100).chain(0..2100) {
        let mut garbage: Vec<u8> = (0..len).map(|_| luck.next() as u8).collect();
        if let Some(first) = garbage.first_mut() {
            *first %= 4;
        }
        feed(&mut duo, &garbage);
    }
    let after = duo.bridge().connection.stats();
    assert_eq!(after.discarded_unauthentic - before.discarded_unauthentic, 4200);
    assert_alive(&mut duo);
}

#[test]
fn garbage_while_shaking_hands_fills_no_memory_and_stops_nobody() {
    let mut duo = Duo::new();
    duo.add_path();
    let now = duo.now;
    let first = duo.client.poll(now);
    for number in 0..1000_u32 {
        let mut garbage = vec![(number % 4) as u8; 600];
        garbage[1..5].copy_from_slice(&number.to_be_bytes());
        duo.client.connection.handle_datagram(now, PATH, &garbage);
        duo.client.connection.handle_datagram(now, PATH, &garbage[..100]);
    }
    first.into_iter().for_each(|datagram| duo.up.push(now, datagram));
    duo.run_for(2 * SECOND);
    assert!(duo.client.is_connected());
    assert_alive(&mut duo);
}

proptest! {
    #[test]
    fn arbitrary_octets_never_make_an_acceptor_answer(
        octets in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let now = Duo::new().now;
        let key = SecretKey::from_octets([1; 32]);
        let identity = BridgeIdentity::new(key, Duration::ZERO);
        let mut acceptor = Acceptor::new(identity, Config::default(), [2; 32]);
        prop_assert!(acceptor.handle_first(now, WALL, (PATH, 1200), &octets).is_err());
    }
}
