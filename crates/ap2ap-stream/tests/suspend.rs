//! A laptop that sleeps: one end is not polled for a while, and its clock went on meanwhile or not.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::{Duration, Instant};

use ap2ap_stream::{CloseReason, Config, Connection, StreamId};
use common::{Duo, End, MS, PATH, SECOND, WALL, patterned};

const TEN_MINUTES: Duration = Duration::from_secs(600);
const STEP: Duration = Duration::from_millis(10);

/// A client that sends for ever over one stream, asleep from now on.
fn falls_asleep() -> (Duo, StreamId) {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    duo.client.write(id, &patterned(1, 0, 10_000)).unwrap();
    duo.run_for(SECOND);
    assert_eq!(duo.bridge().read(id).0.len(), 10_000);
    (duo, id)
}

/// Lets time pass at the bridge alone; nobody hears what it says.
fn bridge_alone(duo: &mut Duo, time: Duration) {
    let end = duo.now + time;
    let mut at = duo.now;
    while at < end {
        duo.bridge().poll(at);
        at = duo.bridge().wait.map_or(end, |next| next.min(end));
    }
}

/// Both ends run for a while on a wire without delay, the client's clock behind by `lag`.
fn run_behind(client: &mut End, bridge: &mut End, from: Instant, lag: Duration, time: Duration) {
    let mut now = from;
    while now < from + time {
        now += STEP;
        for datagram in client.poll(now) {
            bridge.connection.handle_datagram(now + lag, PATH, &datagram);
        }
        for datagram in bridge.poll(now + lag) {
            client.connection.handle_datagram(now, PATH, &datagram);
        }
    }
}

#[test]
fn a_clock_that_went_on_ends_the_connection_on_waking_and_a_new_one_comes_up() {
    let (mut duo, id) = falls_asleep();
    duo.client.write(id, b"the last words before the lid is shut").unwrap();
    bridge_alone(&mut duo, TEN_MINUTES);
    assert_eq!(duo.bridge().closed(), Some(&CloseReason::TimedOut));
    duo.now += TEN_MINUTES;
    duo.client.poll(duo.now);
    assert_eq!(duo.client.closed(), Some(&CloseReason::TimedOut));

    // The wall clock went on as well: the bridge takes the new first message with its early data.
    let key = ap2ap_stream::SecretKey::from_octets([42; 32]).public();
    duo.wall = WALL + TEN_MINUTES;
    let core = Connection::connect(key, Config::default(), [9; 32], duo.wall, duo.now);
    (duo.client, duo.bridge) = (End::new(core), None);
    duo.client.wait = Some(duo.now);
    let id = duo.client.open();
    duo.client.write(id, b"awake").unwrap();
    duo.add_path();
    duo.run_for(SECOND);
    assert_eq!(duo.bridge().read(id).0, b"awake");
}

#[test]
fn a_wall_clock_that_stopped_costs_the_new_connection_a_round_trip_and_no_more() {
    let mut duo = Duo::new();
    // The bridge is ten minutes ahead: early data is refused and sent again after the answer.
    duo.wall = WALL + TEN_MINUTES;
    let id = duo.client.open();
    duo.client.write(id, b"awake").unwrap();
    duo.add_path();
    duo.run_for(60 * MS);
    assert_eq!(duo.bridge().read(id).0, b"");
    duo.run_for(100 * MS);
    assert!(duo.client.is_connected());
    assert_eq!(duo.bridge().read(id).0, b"awake");
}

#[test]
fn a_clock_that_stopped_finds_a_silent_bridge_in_a_few_round_trips() {
    let (mut duo, id) = falls_asleep();
    bridge_alone(&mut duo, TEN_MINUTES);
    assert_eq!(duo.bridge().closed(), Some(&CloseReason::TimedOut));
    // The client thinks that no time has passed, and asks for something.
    duo.client.write(id, b"?").unwrap();
    duo.run_for(3 * SECOND);
    assert_eq!(duo.client.closed(), None);
    assert!(duo.client.connection.probes_unanswered() >= 4);
    duo.run_for(Config::default().answer_timeout);
    assert_eq!(duo.client.closed(), Some(&CloseReason::TimedOut));
}

#[test]
fn a_short_sleep_ends_nothing_whichever_clock_stopped() {
    let nap = 20 * SECOND;
    for lag in [Duration::ZERO, nap] {
        let (mut duo, id) = falls_asleep();
        bridge_alone(&mut duo, nap);
        let from = if lag.is_zero() { duo.now + nap } else { duo.now };
        duo.client.write(id, &patterned(1, 10_000, 10_000)).unwrap();
        let mut bridge = duo.bridge.take().unwrap();
        run_behind(&mut duo.client, &mut bridge, from, lag, 5 * SECOND);
        assert_eq!((duo.client.closed(), bridge.closed()), (None, None), "behind by {lag:?}");
        assert!(bridge.read(id).0 == patterned(1, 10_000, 10_000), "behind by {lag:?}");
    }
}
