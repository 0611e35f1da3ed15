//! Connections from their beginning to their end: silence, time, and how they are closed.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{CloseReason, Config, ErrorCode, Event, OpenError, Side};
use common::{Duo, SECOND, arrives, is_lost, patterned};

const CODE: ErrorCode = ErrorCode(7);
const HOUR: Duration = Duration::from_secs(3600);

// ---- time

/// AP-115
#[test]
fn a_connection_that_is_kept_alive_outlives_a_day_of_silence() {
    let mut duo = Duo::connected();
    duo.run_for(24 * HOUR);
    duo.assert_nobody_closed();
    assert!((1400..4500).contains(&duo.up.sent.len()), "{} datagrams", duo.up.sent.len());
    let data = patterned(5, 0, 200_000);
    assert!(duo.upload(&data, 60 * SECOND) == data, "and paces as on the first day");
}

/// AP-114
#[test]
fn without_keep_alive_an_idle_connection_ends() {
    let config = |keep_alive| {
        let mut config = Config::default();
        config.keep_alive = keep_alive;
        config
    };
    let mut duo = Duo::with(config(None), config(None), [1; 32]);
    duo.add_path();
    duo.run_for(182 * SECOND);
    assert_eq!(duo.client.closed(), Some(&CloseReason::TimedOut));
    assert_eq!(duo.bridge().closed(), Some(&CloseReason::TimedOut));
}

/// AP-113
#[test]
fn a_peer_that_never_answers_ends_the_connection_after_the_answer_timeout() {
    let mut duo = Duo::connected();
    duo.down.become_(|_, octets| is_lost(octets));
    let id = duo.client.open();
    duo.client.write(id, b"anybody?").unwrap();
    let (began, before) = (duo.now, duo.up.sent.len());
    duo.run_until(began + HOUR, |duo| duo.client.closed().is_some());
    assert_eq!(duo.now - began, 30 * SECOND);
    assert_eq!(duo.client.closed(), Some(&CloseReason::TimedOut));
    assert!((duo.up.sent.len() - before) < 40, "few probes");
}

#[test]
fn a_clock_that_jumps_ten_minutes_ends_a_connection_and_panics_nowhere() {
    for answer_first in [true, false] {
        let mut duo = Duo::connected();
        let id = duo.client.open();
        duo.client.write(id, &[1; 9000]).unwrap();
        duo.settle();
        duo.now += 600 * SECOND;
        if answer_first {
            // The datagrams of before the jump are still there: the peer was heard.
            duo.run_for(10 * SECOND);
            assert!(duo.client.closed().is_some() || duo.bridge().read(id).0.len() == 9000);
        } else {
            let now = duo.now;
            duo.client.poll(now);
            assert_eq!(duo.client.closed(), Some(&CloseReason::TimedOut));
        }
    }
}

#[test]
fn time_outs_of_a_lifetime_overflow_nothing() {
    let mut config = Config::default();
    config.idle_timeout = Some(Duration::MAX);
    config.answer_timeout = Duration::MAX;
    config.keep_alive = Some(Duration::MAX);
    config.handshake_timeout = Duration::MAX;
    let mut duo = Duo::with(config.clone(), config, [1; 32]);
    duo.add_path();
    assert!(duo.upload(b"x", 10 * SECOND) == b"x");
}

// ---- ends

/// AP-110
#[test]
fn a_close_is_told_even_if_it_is_lost_once() {
    for lost in 0..2 {
        let mut duo = Duo::connected();
        let now = duo.now;
        let before = duo.up.sent.len();
        duo.up.become_(
            move |n, octets| {
                if n < before + lost { is_lost(octets) } else { arrives(octets) }
            },
        );
        duo.client.connection.close(now, CODE, "going\nhome");
        duo.run_for(5 * SECOND);
        let told = CloseReason::Peer { code: CODE, reason: "going?home".to_owned() };
        assert_eq!(duo.bridge().closed(), Some(&told));
        assert_eq!(duo.client.events, [Event::Closed(CloseReason::Local)]);
        assert!(duo.client.connection.is_drained() && duo.client.wait.is_none());
    }
}

#[test]
fn a_close_to_a_peer_that_is_gone_ends_by_itself() {
    let mut duo = Duo::connected();
    duo.up.become_(|_, octets| is_lost(octets));
    let (now, before) = (duo.now, duo.up.sent.len());
    duo.client.connection.close(now, CODE, "");
    assert!(duo.run_until(now + 6 * SECOND, |duo| duo.client.connection.is_drained()));
    assert!((2..=4).contains(&(duo.up.sent.len() - before)));
}

/// AP-110
#[test]
fn two_ends_that_close_at_once_do_not_answer_each_other_for_long() {
    let mut duo = Duo::connected();
    let now = duo.now;
    duo.client.connection.close(now, CODE, "");
    duo.bridge().connection.close(now, CODE, "");
    duo.up.sent.clear();
    duo.run_for(10 * SECOND);
    assert_eq!(duo.up.sent.len(), 1);
    assert!(duo.client.connection.is_drained() && duo.bridge().connection.is_drained());
}

#[test]
fn nothing_follows_the_close() {
    let mut duo = Duo::connected();
    let id = duo.bridge().connection.open().unwrap();
    duo.bridge().write(id, b"late").unwrap();
    let now = duo.now;
    duo.client.connection.close(now, CODE, "");
    duo.client.connection.close(now, CODE, "twice");
    duo.run_for(10 * SECOND);
    assert_eq!(duo.client.events, [Event::Closed(CloseReason::Local)]);
    assert_eq!(duo.client.connection.open(), Err(OpenError::Closed));
    assert!(duo.client.connection.stream(id).is_none());
    assert_eq!(duo.client.connection.side(), Side::Client);
}
