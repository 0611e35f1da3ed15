//! Unreliable datagrams (AP-54): at most once, never late on purpose, within bounds, and fair to streams.
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test data"
)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ap2ap_stream::{Event, PathEvent, SendDatagramError};
use common::{
    Chances, Duo, End, Fate, Luck, MS, PATH, PAYLOAD_MAX, SECOND, arrives, is_lost, patterned,
    unruly,
};
use proptest::prelude::*;

fn received(end: &mut End) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| end.connection.recv_datagram()).map(|octets| octets.to_vec()).collect()
}

fn send(duo: &mut Duo, octets: &[u8], expires: Option<Instant>) -> Result<(), SendDatagramError> {
    let now = duo.now;
    duo.client.connection.send_datagram(now, octets.to_vec(), expires)
}

/// The client's path takes nothing until [`open`].
fn block(duo: &mut Duo) {
    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Refused);
}

fn open(duo: &mut Duo) {
    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Writable);
}

#[test]
fn they_arrive_both_ways_and_the_reader_is_told_once() {
    let mut duo = Duo::connected();
    for text in [&b"one"[..], b"", b"three"] {
        send(&mut duo, text, None).unwrap();
    }
    let now = duo.now;
    duo.bridge().connection.send_datagram(now, &b"down"[..], None).unwrap();
    duo.run_for(SECOND);
    let told = |events: &[Event]| events.iter().filter(|event| **event == Event::Datagram).count();
    assert_eq!((told(&duo.bridge().events), told(&duo.client.events)), (1, 1));
    assert_eq!(received(duo.bridge()), [&b"one"[..], b"", b"three"]);
    assert_eq!(received(&mut duo.client), [b"down"]);
    send(&mut duo, b"four", None).unwrap();
    duo.run_for(SECOND);
    assert_eq!(told(&duo.bridge().events), 2, "the reader had found none");
    duo.assert_nobody_closed();
}

#[test]
fn the_longest_fills_a_packet_and_a_longer_one_is_refused() {
    let mut duo = Duo::connected();
    let max = duo.client.connection.datagram_max();
    assert!(max >= PAYLOAD_MAX - 24, "{max} of {PAYLOAD_MAX}");
    let refused = send(&mut duo, &vec![7; max + 1], None);
    assert_eq!(refused, Err(SendDatagramError::TooLarge { max }));
    for len in [max, max - 1, max - 2, max - 3, 64, 63] {
        send(&mut duo, &vec![7; len], None).unwrap();
        duo.run_for(SECOND);
        assert_eq!(received(duo.bridge()), [vec![7; len]]);
    }
    assert!(duo.up.sent.iter().any(|(_, datagram)| datagram.len() > PAYLOAD_MAX - 8));
    duo.client.connection.close(duo.now, ap2ap_stream::ErrorCode(0), "");
    assert_eq!(send(&mut duo, b"x", None), Err(SendDatagramError::Closed));
}

#[test]
fn what_has_expired_is_dropped_and_what_has_not_goes() {
    let mut duo = Duo::connected();
    block(&mut duo);
    let in_ms = |duo: &Duo, ms: u32| Some(duo.now + ms * MS);
    let (soon, later) = (in_ms(&duo, 100), in_ms(&duo, 300));
    send(&mut duo, b"soon", soon).unwrap();
    send(&mut duo, b"later", later).unwrap();
    send(&mut duo, b"never", None).unwrap();
    duo.run_for(100 * MS);
    open(&mut duo);
    duo.run_for(SECOND);
    assert_eq!(received(duo.bridge()), [&b"later"[..], b"never"]);
    assert_eq!(duo.client.connection.stats().unreliable_dropped, 1);
}

#[test]
fn what_is_too_long_for_a_path_that_shrank_is_dropped() {
    let mut duo = Duo::connected();
    block(&mut duo);
    for len in [1100, 500, 1000, 400] {
        send(&mut duo, &vec![len as u8; len], None).unwrap();
    }
    let shrunk = PathEvent::Changed { payload_max: 600 };
    duo.client.connection.handle_path(duo.now, PATH, shrunk);
    assert!(duo.client.connection.datagram_max() < 600);
    open(&mut duo);
    duo.run_for(SECOND);
    let lens: Vec<usize> = received(duo.bridge()).iter().map(Vec::len).collect();
    assert_eq!(lens, [500, 400]);
    assert_eq!(duo.client.connection.stats().unreliable_dropped, 2);
    duo.assert_nobody_closed();
}

#[test]
fn full_queues_lose_the_oldest_at_either_end() {
    let mut duo = Duo::connected();
    block(&mut duo);
    for number in 0..100_u8 {
        send(&mut duo, &[number], None).unwrap();
    }
    open(&mut duo);
    duo.run_for(SECOND);
    let newest: Vec<Vec<u8>> = (36..100).map(|number| vec![number]).collect();
    assert_eq!(received(duo.bridge()), newest);
    // Nobody reads: 66 of 1,000 octets are more than 64 KiB.
    for number in 0..80_u8 {
        send(&mut duo, &[number; 1000], None).unwrap();
        duo.run_for(SECOND);
    }
    let kept = received(duo.bridge());
    assert_eq!((kept.len(), kept.first().unwrap()[0]), (64, 16));
    assert_eq!(duo.bridge().connection.stats().unreliable_dropped, 16);
}

#[test]
fn a_lost_one_is_not_sent_again_and_its_packet_is_known_to_be_lost() {
    let mut duo = Duo::connected();
    send(&mut duo, b"lost", None).unwrap();
    duo.up.become_(|_, datagram| is_lost(datagram));
    duo.settle();
    duo.up.become_(|_, datagram| arrives(datagram));
    duo.run_for(10 * MS);
    send(&mut duo, b"comes", None).unwrap();
    duo.run_for(5 * SECOND);
    assert_eq!(received(duo.bridge()), [b"comes"]);
    assert_eq!(duo.client.connection.stats().packets_lost, 1);
    assert_eq!(duo.client.connection.stats().in_flight, 0);
}

/// A relay of 3,000 octets a second: each datagram waits until those before it are through.
fn throttled(start: Instant) -> impl FnMut(usize, &[u8], Instant) -> Fate {
    let mut free_at = start;
    move |_, datagram, now| {
        free_at = free_at.max(now) + Duration::from_secs_f64(datagram.len() as f64 / 3000.0);
        vec![(free_at - now, datagram.to_vec())]
    }
}

/// Beside a bulk transfer over 3,000 octets a second: 20 small ones a second find their way within
/// the reserve; a flood of large ones takes no more than that, and no queue grows.
#[test]
fn they_go_before_bulk_and_neither_starves_the_other() {
    for (len, every_ms, least_share) in [(20, 50, 0.4), (900, 20, 0.45)] {
        let mut duo = Duo::connected();
        let mut relay = throttled(duo.now);
        let id = duo.client.open();
        let source = patterned(0, 0, 400_000);
        let (mut written, mut read, mut taken) = (0, 0, 0);
        let (begin, mut worst) = (duo.now, Duration::ZERO);
        let mut sent_at = Vec::new();
        duo.up.timed(move |count, datagram, now| relay(count, datagram, now));
        while duo.now < begin + 60 * SECOND {
            let stamp = (sent_at.len() as u32).to_be_bytes();
            let mut octets = vec![0; len];
            octets[..4].copy_from_slice(&stamp);
            send(&mut duo, &octets, None).unwrap();
            sent_at.push(duo.now);
            written += duo.client.write(id, &source[written..]).unwrap_or(0);
            duo.run_for(every_ms * MS);
            read += duo.bridge().read(id).0.len();
            for octets in received(duo.bridge()) {
                let number = u32::from_be_bytes(octets[..4].try_into().unwrap()) as usize;
                worst = worst.max(duo.now - sent_at[number]);
                taken += octets.len();
            }
        }
        let share = |octets: usize| octets as f64 / (60.0 * 3000.0);
        let (of_stream, of_datagrams) = (share(read), share(taken));
        println!("{len:4} octets: stream {of_stream:.2}, datagrams {of_datagrams:.2}, {worst:?}");
        assert!(of_stream >= least_share, "{len} octets: the stream has {of_stream}");
        assert!(of_datagrams >= 0.1, "{len} octets: datagrams have {of_datagrams}");
        let rtt = duo.client.connection.stats().rtt.unwrap();
        assert!(rtt < 3 * SECOND, "{len} octets: a queue grew to {rtt:?}");
        duo.assert_nobody_closed();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// AP-54: over any link, each arrives as it was sent, and none twice; streams beside them lose nothing.
    #[test]
    fn each_arrives_unchanged_and_at_most_once(
        seed in any::<u64>(), lost in 0..30_u64, late in 0..50_u64, twice in 0..30_u64,
        lens in prop::collection::vec(4..1170_usize, 1..60),
    ) {
        let mut duo = Duo::connected();
        let chances = Chances { lost, late, twice, mangled: 5 };
        duo.up.become_(unruly(Luck(seed), chances));
        duo.down.become_(unruly(Luck(seed ^ 1), chances));
        let id = duo.client.open();
        let text = patterned(seed % 99, 0, 8_000);
        let mut written = 0;
        let mut seen = BTreeSet::new();
        for (number, len) in lens.iter().enumerate() {
            let mut octets = patterned(number as u64, 0, *len);
            octets[..4].copy_from_slice(&(number as u32).to_be_bytes());
            send(&mut duo, &octets, None).unwrap();
            written += duo.client.write(id, &text[written..]).unwrap_or(0);
            duo.run_for(20 * MS);
            for octets in received(duo.bridge()) {
                let number = u32::from_be_bytes(octets[..4].try_into().unwrap());
                prop_assert!(seen.insert(number), "{} came twice", number);
                let mut expected = patterned(u64::from(number), 0, lens[number as usize]);
                expected[..4].copy_from_slice(&number.to_be_bytes());
                prop_assert_eq!(&octets[..], &expected[..]);
            }
        }
        let mut read = Vec::new();
        let end = duo.now + 120 * SECOND;
        duo.run_until(end, |duo| {
            written += duo.client.write(id, &text[written..]).unwrap_or(0);
            read.extend(duo.bridge().read(id).0);
            read.len() == text.len()
        });
        prop_assert_eq!(read, text);
        prop_assert_eq!(duo.client.connection.stats().unreliable_dropped, 0);
        duo.assert_nobody_closed();
    }
}
