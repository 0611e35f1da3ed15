//! A first message that somebody recorded, sent again: its early data never takes effect twice.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that is wrong may panic")]
#![expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
#![allow(
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, CLOCK_TOLERANCE, Config, Connection, Event, PathEvent, PathId,
    REPLAY_WINDOW, SecretKey, Silence,
};
use common::{Duo, End, MS, PATH, SECOND, WALL};

const REQUEST: &[u8] = b"once, and never twice";
const HOUR: Duration = Duration::from_secs(3600);

fn secret() -> SecretKey {
    SecretKey::from_octets([42; 32])
}

/// A bridge's identity in a process that began at `started`.
fn started(started: Duration) -> BridgeIdentity {
    BridgeIdentity::new(secret(), started)
}

/// One that has been up for hours.
fn running() -> BridgeIdentity {
    started(WALL - 10 * HOUR)
}

/// A client's first message with a request in it, by a clock that says `wall`.
fn first_message(wall: Duration) -> Vec<u8> {
    let now = Instant::now();
    let connection = Connection::connect(secret().public(), Config::default(), [9; 32], wall, now);
    let mut client = End::new(connection);
    let id = client.open();
    client.write(id, REQUEST).unwrap();
    client.connection.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
    client.poll(now).remove(0)
}

/// What a bridge does about a first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// It answers, and does what is asked in it.
    Takes,
    /// It answers, and does nothing.
    Refuses,
    Nothing,
}
use Does::{Nothing, Refuses, Takes};

/// What a bridge does that gets the message at `wall` on the path.
fn does(identity: &BridgeIdentity, wall: Duration, path: u64, first: &[u8]) -> Does {
    let now = Instant::now();
    let mut acceptor = Acceptor::new(identity.clone(), Config::default(), [7; 32]);
    let bridge = match acceptor.handle_first(now, wall, (PathId(path), 1200), first) {
        Ok(bridge) => bridge,
        Err(silence) => {
            assert_eq!(silence, Silence::Recorded);
            return Nothing;
        }
    };
    let mut bridge = End::new(bridge);
    assert_eq!(bridge.poll(now).len(), 1, "an answer");
    let is_taken = bridge.events.iter().any(|event| matches!(event, Event::Readable(_)));
    if is_taken { Takes } else { Refuses }
}

/// AP-14: what is sent again is what was sent.
#[test]
fn on_the_same_path_it_gets_the_same_answer_and_nothing_happens() {
    let mut duo = Duo::new();
    let id = duo.client.open();
    duo.client.write(id, REQUEST).unwrap();
    duo.add_path();
    duo.run_for(60 * MS);
    assert_eq!(duo.bridge().read(id).0, REQUEST);
    let first = duo.up.sent[0].1.clone();
    let now = duo.now;
    let answer = duo.down.sent[0].1.clone();
    for _ in 0..3 {
        duo.bridge().connection.handle_datagram(now, PATH, &first);
        assert_eq!(duo.bridge().poll(now), std::slice::from_ref(&answer));
    }
    assert_eq!(duo.bridge().read(id).0, b"");
    assert_eq!(duo.bridge().connection.streams_open(), 1);
    // Once the client has shown itself, its first message is nothing any more.
    duo.run_for(SECOND);
    let now = duo.now;
    duo.bridge().connection.handle_datagram(now, PATH, &first);
    assert_eq!(duo.bridge().poll(now), Vec::<Vec<u8>>::new());
    assert_eq!(duo.bridge().read(id).0, b"");
}

/// AP-15
#[test]
fn on_another_path_it_has_no_effect() {
    let (identity, first) = (running(), first_message(WALL));
    assert_eq!(does(&identity, WALL, 1, &first), Takes);
    // AP-14: nor does it tell whoever recorded it that there is a bridge.
    for (path, later) in [(1, 0), (2, 1), (3, 60), (4, 119), (5, 121), (6, 7201), (7, 90_000)] {
        assert_eq!(
            does(&identity, WALL + SECOND * later, path, &first),
            Nothing,
            "{later} s later"
        );
    }
}

/// AP-17
#[test]
fn at_another_endpoint_of_the_key_it_has_no_effect() {
    let (identity, first) = (running(), first_message(WALL));
    let other = identity.clone();
    assert_eq!(does(&identity, WALL, 1, &first), Takes);
    drop(identity);
    assert_eq!(does(&other, WALL, 1, &first), Nothing, "not even when the first one is gone");
}

/// AP-16
#[test]
fn after_a_restart_it_has_no_effect_at_any_time() {
    let first = first_message(WALL);
    assert_eq!(does(&running(), WALL, 1, &first), Takes);
    for restarted in [0, 1, 60, 119, 120, 121, 3600] {
        let identity = started(WALL + SECOND * restarted);
        for later in [0, 1, 60, 119, 120, 121, 240] {
            let wall = WALL + SECOND * (restarted + later);
            assert_ne!(does(&identity, wall, 1, &first), Takes, "{restarted} s, then {later} s");
        }
    }
    // And early data is not refused for ever.
    let wall = WALL + REPLAY_WINDOW + SECOND;
    assert_eq!(does(&started(WALL), wall, 1, &first_message(wall)), Takes);
}

/// AP-16: a client's clock may be ahead of the bridge's.
#[test]
fn after_a_restart_one_from_the_future_has_no_effect_either() {
    let first = first_message(WALL + REPLAY_WINDOW);
    assert_eq!(does(&running(), WALL, 1, &first), Takes);
    let identity = started(WALL);
    for later in [0, 60, 120, 121, 239, 240, 241] {
        assert_ne!(does(&identity, WALL + SECOND * later, 1, &first), Takes, "{later} s later");
    }
}

/// AP-15
#[test]
fn a_client_whose_clock_is_off_by_an_hour_never_has_early_data_taken() {
    for wall in [WALL - HOUR, WALL + HOUR] {
        let (identity, first) = (running(), first_message(wall));
        assert_eq!(does(&identity, WALL, 1, &first), Refuses);
        assert_eq!(does(&identity, WALL, 1, &first), Nothing);
    }
    // Of a client that is an hour ahead: when its time comes, its request has long been sent again.
    let (identity, first) = (running(), first_message(WALL + HOUR));
    assert_eq!(does(&identity, WALL, 1, &first), Refuses);
    assert_eq!(does(&identity, WALL + HOUR, 2, &first), Nothing);
}

/// AP-14
#[test]
fn a_message_whose_time_is_hours_off_gets_no_answer() {
    for wall in [WALL - CLOCK_TOLERANCE - SECOND, WALL + CLOCK_TOLERANCE + SECOND] {
        assert_eq!(does(&running(), WALL, 1, &first_message(wall)), Nothing);
    }
}

/// AP-16
#[test]
fn where_the_bridges_clock_was_set_back_over_the_restart_the_mark_refuses_it() {
    let ahead = WALL + Duration::from_secs(180);
    let before = running().resuming_from(Duration::ZERO);
    before.promise_until(ahead);
    let first = first_message(WALL);
    assert_eq!(does(&before, WALL, 1, &first), Takes);
    let after = started(WALL - HOUR).resuming_from(ahead);
    after.promise_until(ahead + 2 * HOUR);
    for minutes in 0..=120 {
        let wall = WALL - HOUR + 60 * SECOND * minutes;
        assert_ne!(does(&after, wall, 1, &first), Takes, "{minutes} min");
    }
    let wall = WALL + HOUR;
    assert_eq!(does(&after, wall, 1, &first_message(wall)), Takes, "the clock passed the mark");
}

/// AP-16
#[test]
fn what_no_mark_covers_is_not_taken() {
    let identity = running().resuming_from(Duration::ZERO);
    assert_eq!(does(&identity, WALL, 1, &first_message(WALL)), Refuses, "no mark is on the disk");
    identity.promise_until(WALL);
    assert_eq!(does(&identity, WALL, 1, &first_message(WALL - SECOND)), Takes);
    let later = WALL + SECOND;
    assert_eq!(does(&identity, later, 1, &first_message(later)), Refuses, "it was not renewed");
}

/// AP-14: the other way round, a client's repeats are the first message again, and a bridge that got
/// them all does once what is asked.
#[test]
fn a_clients_own_repeats_have_one_effect() {
    let mut duo = Duo::new();
    let id = duo.client.open();
    duo.client.write(id, REQUEST).unwrap();
    duo.add_path();
    duo.down
        .become_(|n, octets| if n < 4 { common::is_lost(octets) } else { common::arrives(octets) });
    duo.run_for(15 * SECOND);
    assert_eq!(duo.bridge().read(id).0, REQUEST);
    let firsts = duo.up.sent.iter().filter(|(_, it)| *it == duo.up.sent[0].1).count();
    assert!(firsts >= 4, "{firsts}");
    assert_eq!(duo.bridge().connection.streams_open(), 1);
}

/// AP-14: on another path it would be silence, so the client makes a new first message there.
#[test]
fn a_client_whose_path_is_exchanged_while_it_shakes_hands_gets_through() {
    let mut duo = Duo::new();
    let id = duo.client.open();
    duo.client.write(id, REQUEST).unwrap();
    duo.add_path();
    duo.down.become_(|_, octets| common::is_lost(octets));
    duo.run_for(60 * MS);
    assert!(duo.bridge.take().is_some(), "it came, and the answer was lost");
    let now = duo.now;
    duo.client.connection.handle_path(now, PATH, PathEvent::Removed);
    duo.down.become_(|_, octets| common::arrives(octets));
    duo.add_path();
    duo.run_for(SECOND);
    let firsts = [&duo.up.sent[0].1, &duo.up.sent[1].1];
    assert_ne!(firsts[0][..32], firsts[1][..32], "with other keys");
    assert!(duo.client.is_connected());
    assert_eq!(duo.bridge().read(id).0, REQUEST);
}
