//! The handshake, with every datagram of it lost, repeated, late or answered by somebody else.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{CloseReason, Connection, Event, PathEvent, REPLAY_WINDOW, SecretKey};
use common::{Duo, End, MS, PATH, SECOND, WALL, Wire, arrives, is_lost};

const REQUEST: &[u8] = b"who is there?";

/// A client that wrote a request before there was a path.
fn with_early_data() -> (Duo, ap2ap_stream::StreamId) {
    let mut duo = Duo::new();
    let id = duo.client.open();
    assert_eq!(duo.client.write(id, REQUEST), Ok(REQUEST.len()));
    duo.client.finish(id);
    duo.add_path();
    (duo, id)
}

fn assert_request_arrives(mut duo: Duo, id: ap2ap_stream::StreamId) -> Duo {
    let end = duo.now + 15 * SECOND;
    assert!(duo.run_until(end, |duo| duo.bridge.as_ref().is_some_and(|bridge| {
        bridge.connection.is_confirmed() && bridge.events.contains(&Event::Readable(id))
    })));
    assert_eq!(duo.bridge().read(id), (REQUEST.to_vec(), Ok(())));
    duo.bridge().finish(id);
    let end = duo.now + 15 * SECOND;
    duo.run_until(end, |duo| duo.client.events.contains(&Event::Readable(id)));
    assert_eq!(duo.client.read(id), (Vec::new(), Ok(())));
    duo.run_for(5 * SECOND);
    assert!(duo.is_drained_of_streams());
    assert_eq!(duo.client.events.iter().filter(|it| **it == Event::Connected).count(), 1);
    duo
}

#[test]
fn early_data_is_there_after_one_way() {
    let (mut duo, id) = with_early_data();
    duo.run_for(50 * MS);
    assert_eq!(duo.bridge().read(id), (REQUEST.to_vec(), Ok(())));
    assert_request_arrives(with_early_data().0, id);
}

#[test]
fn goes_through_when_any_one_of_the_first_datagrams_is_lost() {
    for victim in 0..6 {
        for is_up in [true, false] {
            let (mut duo, id) = with_early_data();
            let wire = if is_up { &mut duo.up } else { &mut duo.down };
            wire.become_(
                move |n, octets| if n == victim { is_lost(octets) } else { arrives(octets) },
            );
            assert_request_arrives(duo, id);
        }
    }
}

#[test]
fn goes_through_when_every_datagram_comes_twice_and_the_copy_late() {
    let (mut duo, id) = with_early_data();
    let twice = |_: usize, octets: &[u8]| {
        vec![(Duration::ZERO, octets.to_vec()), (70 * MS, octets.to_vec())]
    };
    duo.up.become_(twice);
    duo.down.become_(twice);
    assert_request_arrives(duo, id);
}

#[test]
fn packets_that_overtake_the_answer_are_kept_for_it() {
    let (mut duo, id) = with_early_data();
    duo.down.become_(|n, octets| {
        vec![(if n == 0 { 300 * MS } else { Duration::ZERO }, octets.to_vec())]
    });
    let mut duo = {
        duo.run_for(60 * MS);
        duo.bridge().write(id, b"an answer that goes out at once").unwrap();
        duo
    };
    duo.run_for(2 * SECOND);
    assert_eq!(duo.client.read(id).0, b"an answer that goes out at once");
    assert_eq!(duo.client.connection.stats().packets_lost, 0);
}

#[test]
fn a_refused_early_request_is_sent_again() {
    let (mut duo, id) = with_early_data();
    duo.wall = WALL + REPLAY_WINDOW + SECOND;
    duo.run_for(60 * MS);
    assert_eq!(duo.bridge().connection.streams_open(), 0, "nothing took effect");
    assert_request_arrives(duo, id);
}

/// AP-14
#[test]
fn a_replayed_first_message_is_not_even_answered() {
    let (mut duo, id) = with_early_data();
    duo.run_for(SECOND);
    assert_eq!(duo.bridge().read(id).0, REQUEST);
    let first = duo.up.sent[0].1.clone();
    let path = (ap2ap_stream::PathId(7), 1200);
    let replay = duo.acceptor.handle_first(duo.now, duo.wall, path, &first);
    assert_eq!(replay.map(|_| ()), Err(ap2ap_stream::Silence::Recorded));
}

#[test]
fn an_answer_from_nowhere_before_the_first_message_does_no_harm() {
    let (mut duo, id) = with_early_data();
    let forged = [7; 60];
    let now = duo.now;
    duo.client.connection.handle_datagram(now, PATH, &forged);
    assert_eq!(duo.client.connection.stats().discarded_unauthentic, 1);
    assert_request_arrives(duo, id);
}

#[test]
fn forged_answers_do_no_harm() {
    let (mut duo, id) = with_early_data();
    duo.down.become_(|n, octets| {
        let mut forged = octets.to_vec();
        let place = (7 * n + 1) % forged.len();
        forged[place] ^= 0x10;
        vec![(Duration::ZERO, forged), (10 * MS, octets.to_vec())]
    });
    let duo = assert_request_arrives(duo, id);
    assert!(duo.client.connection.stats().discarded_unauthentic > 0);
}

/// AP-19
#[test]
fn the_bridge_sends_little_before_the_client_showed_that_it_is_there() {
    let (mut duo, id) = with_early_data();
    duo.down.become_(|_, octets| is_lost(octets));
    duo.run_for(60 * MS);
    let bulk = vec![1; 16_000];
    let _ = duo.bridge().write(id, &bulk);
    duo.up.become_(|_, octets| is_lost(octets));
    duo.run_for(15 * SECOND);
    let octets: usize = duo.down.sent.iter().map(|(_, datagram)| datagram.len()).sum();
    let first = duo.up.sent[0].1.len();
    assert!(octets <= 1500.max(3 * first) + 256, "{octets} octets for {first}");
}

#[test]
fn bulk_that_was_held_back_flows_once_the_client_is_there() {
    let (mut duo, id) = with_early_data();
    duo.run_for(50 * MS);
    let bulk = common::patterned(1, 0, 16_000);
    assert_eq!(duo.bridge().write(id, &bulk), Ok(bulk.len()));
    duo.run_for(5 * SECOND);
    assert_eq!(duo.client.read(id).0, bulk);
}

/// AP-14, AP-112
#[test]
fn without_a_bridge_the_client_gives_up_and_says_so() {
    let (mut duo, _) = with_early_data();
    duo.up.become_(|_, octets| is_lost(octets));
    duo.run_for(60 * SECOND);
    assert_eq!(duo.client.closed(), Some(&CloseReason::HandshakeTimeout));
    assert!(duo.client.connection.is_drained() && duo.client.wait.is_none());
    let after = |(at, _): &(std::time::Instant, Vec<u8>)| (*at - duo.start).as_millis();
    let times: Vec<u128> = duo.up.sent.iter().map(after).collect();
    assert_eq!(
        times,
        [
            0, 300, 600, 900, 1200, 1500, 1950, 2625, 3637, 5156, 7434, 10_434, 13_434, 16_434,
            19_434
        ]
    );
    assert!(duo.up.sent.windows(2).all(|two| two[0].1 == two[1].1), "octet for octet");
}

#[test]
fn the_wrong_key_gets_silence() {
    let now = Duo::new().now;
    let other = SecretKey::from_octets([43; 32]).public();
    let mut client =
        End::new(Connection::connect(other, ap2ap_stream::Config::default(), [1; 32], WALL, now));
    client.connection.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
    let first = client.poll(now).remove(0);
    let answer = Duo::new().acceptor.handle_first(now, WALL, (PATH, 1200), &first);
    assert_eq!(answer.err(), Some(ap2ap_stream::Silence::WrongMac));
}

/// AP-2
#[test]
fn handshake_messages_fit_every_path_even_one_that_shrinks() {
    let mut duo = Duo::new();
    let id = duo.client.open();
    duo.client.write(id, &[1; 4000]).unwrap();
    duo.add_path();
    duo.up.become_(|n, octets| if n == 0 { is_lost(octets) } else { arrives(octets) });
    duo.run_for(60 * MS);
    let now = duo.now;
    duo.client.connection.handle_path(now, PATH, PathEvent::Changed { payload_max: 256 });
    duo.run_for(10 * SECOND);
    assert_eq!(duo.bridge().read(id).0.len(), 4000);
    assert!(duo.up.sent.iter().all(|(_, datagram)| datagram.len() <= 256));
}

#[test]
fn a_refused_first_message_goes_as_soon_as_the_carrier_takes_more() {
    let (mut duo, id) = with_early_data();
    let now = duo.now;
    assert_eq!(duo.client.poll(now).len(), 1);
    duo.client.connection.handle_path(now, PATH, PathEvent::Refused);
    duo.run_for(2 * SECOND);
    assert!(duo.up.sent.is_empty());
    let now = duo.now;
    duo.client.connection.handle_path(now, PATH, PathEvent::Writable);
    duo.run_for(50 * MS);
    assert_eq!(duo.bridge().read(id).0, REQUEST);
}

#[test]
fn a_path_that_is_exchanged_during_the_handshake_costs_no_data() {
    let (mut duo, id) = with_early_data();
    duo.run_for(20 * MS);
    let now = duo.now;
    duo.client.connection.handle_path(now, PATH, PathEvent::Removed);
    duo.up = Wire::good(50 * MS);
    duo.run_for(2 * SECOND);
    assert!(duo.bridge.is_none());
    duo.add_path();
    assert_request_arrives(duo, id);
}

#[test]
fn closing_while_shaking_hands_ends_at_once() {
    let (mut duo, _) = with_early_data();
    duo.run_for(20 * MS);
    let now = duo.now;
    duo.client.connection.close(now, ap2ap_stream::ErrorCode(3), "enough");
    assert!(duo.client.poll(now).is_empty());
    assert!(duo.client.connection.is_drained());
    duo.run_for(60 * SECOND);
    assert_eq!(duo.bridge().closed(), Some(&CloseReason::HandshakeTimeout));
    assert!(duo.down.sent.len() <= 4, "{}", duo.down.sent.len());
}

/// AP-111
#[test]
fn a_bridge_that_closes_before_it_answers_tells_the_client() {
    let (mut duo, _) = with_early_data();
    duo.up.become_(|_, octets| arrives(octets));
    duo.settle();
    duo.now += 50 * MS;
    let first = duo.up.sent[0].1.clone();
    let mut bridge = End::new(
        duo.acceptor.handle_first(duo.now, duo.wall, (PATH, 1200), &first).expect("a good first"),
    );
    bridge.connection.close(duo.now, ap2ap_stream::ErrorCode(3), "full");
    for datagram in bridge.poll(duo.now) {
        duo.client.connection.handle_datagram(duo.now, PATH, &datagram);
    }
    let now = duo.now;
    duo.client.poll(now);
    let told = CloseReason::Peer { code: ap2ap_stream::ErrorCode(3), reason: "full".to_owned() };
    assert_eq!(duo.client.closed(), Some(&told));
}

/// AP-112
#[test]
fn a_bridge_forgets_a_client_that_never_comes_back() {
    let (mut duo, _) = with_early_data();
    duo.down.become_(|_, octets| is_lost(octets));
    duo.up.become_(|n, octets| if n == 0 { arrives(octets) } else { is_lost(octets) });
    duo.run_for(Duration::from_secs(21));
    assert_eq!(duo.bridge().closed(), Some(&CloseReason::HandshakeTimeout));
    assert!(duo.bridge().connection.is_drained());
}
