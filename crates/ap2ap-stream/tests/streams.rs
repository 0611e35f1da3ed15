//! Streams from their beginning to their end: order, limits, and who is told.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{ErrorCode, Event, OpenError, WriteError};
use common::{Duo, MS, SECOND, arrives, is_lost, patterned};

const CODE: ErrorCode = ErrorCode(7);
const HOUR: Duration = Duration::from_secs(3600);

/// What an end does to its sides of a stream, in any order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Finish,
    Reset,
    Stop,
    Read,
}

#[test]
fn both_ends_forget_a_stream_in_whatever_order_it_ends() {
    let acts = [Act::Finish, Act::Reset, Act::Stop, Act::Read];
    let mut count = 0;
    for order in 0..4_usize.pow(4) {
        for together in [true, false] {
            let mut duo = Duo::connected();
            let id = duo.client.open();
            duo.client.write(id, b"question").unwrap();
            duo.run_for(200 * MS);
            duo.bridge().write(id, b"answer").unwrap();
            for place in 0..4 {
                let act = acts[order / 4_usize.pow(place) % 4];
                let end = if place % 2 == 0 { &mut duo.client } else { duo.bridge() };
                if let Some(mut stream) = end.connection.stream(id) {
                    match act {
                        Act::Finish => drop(stream.finish()),
                        Act::Reset => stream.reset(CODE),
                        Act::Stop => stream.stop(CODE),
                        Act::Read => drop(end.read(id)),
                    }
                }
                if !together {
                    duo.run_for(150 * MS);
                }
            }
            // Whoever has not ended its sides does so now.
            for _ in 0..2 {
                duo.run_for(SECOND);
                for end in [&mut duo.client, duo.bridge.as_mut().unwrap()] {
                    let _ = end.read(id);
                    end.connection.stream(id).map(|mut stream| stream.finish());
                }
            }
            duo.run_for(3 * SECOND);
            assert!(duo.is_drained_of_streams(), "order {order}, together {together}");
            count += 1;
        }
    }
    assert_eq!(count, 512);
}

#[test]
fn ten_thousand_short_streams_renew_the_limit() {
    let mut duo = Duo::connected();
    let (mut opened, mut ended, mut openable) = (0, 0, 0);
    let end = duo.now + HOUR;
    let all = duo.run_until(end, |duo| {
        while opened < 10_000 {
            match duo.client.connection.open() {
                Ok(id) => {
                    duo.client.write(id, b"x").unwrap();
                    duo.client.finish(id);
                    opened += 1;
                }
                Err(error) => {
                    assert_eq!(error, OpenError::Blocked);
                    break;
                }
            }
        }
        for event in std::mem::take(&mut duo.bridge().events) {
            if let Event::Readable(id) = event {
                assert_eq!(duo.bridge().read(id), (b"x".to_vec(), Ok(())));
                duo.bridge().finish(id);
            }
        }
        for event in std::mem::take(&mut duo.client.events) {
            match event {
                Event::Readable(id) => {
                    assert_eq!(duo.client.read(id), (vec![], Ok(())));
                    ended += 1;
                }
                Event::Openable => openable += 1,
                _ => {}
            }
        }
        ended == 10_000
    });
    assert!(all, "{opened} opened, {ended} ended");
    assert!(openable > 0);
    duo.run_for(5 * SECOND);
    assert!(duo.is_drained_of_streams());
}

#[test]
fn a_late_piece_of_a_forgotten_stream_is_no_violation() {
    let mut duo = Duo::connected();
    let data = patterned(3, 0, 600_000);
    let id = duo.client.open();
    let (mut offset, mut read) = (0, 0);
    let end = duo.now + 600 * SECOND;
    duo.run_until(end, |duo| {
        while offset < data.len() {
            let Ok(taken) = duo.client.write(id, &data[offset..]) else { break };
            offset += taken;
        }
        read += duo.bridge().read(id).0.len();
        read == data.len()
    });
    duo.bridge().finish(id);
    duo.run_for(SECOND);
    duo.client.finish(id);
    // The end arrives, and what acknowledges it does not.
    duo.down.become_(|_, octets| is_lost(octets));
    duo.run_for(55 * MS);
    assert_eq!(duo.bridge().read(id).1, Ok(()));
    assert_eq!(duo.bridge().connection.streams_open(), 0);
    duo.run_for(5 * SECOND);
    duo.down.become_(|_, octets| arrives(octets));
    duo.run_for(10 * SECOND);
    duo.assert_nobody_closed();
    assert!(duo.client.read(id).1 == Ok(()) && duo.is_drained_of_streams());
}

#[test]
fn a_writer_learns_of_a_stop_and_a_reset_one_is_finished() {
    let mut duo = Duo::connected();
    let (stopped, reset) = (duo.client.open(), duo.client.open());
    duo.client.write(stopped, b"x").unwrap();
    duo.run_for(100 * MS);
    duo.bridge().connection.stream(stopped).unwrap().stop(CODE);
    duo.bridge().finish(stopped);
    duo.run_for(SECOND);
    assert!(duo.client.events.contains(&Event::Writable(stopped)));
    let _ = duo.client.read(stopped);
    assert_eq!(duo.client.write(stopped, b"y"), Err(WriteError::Stopped(CODE)));
    duo.client.connection.stream(reset).unwrap().reset(CODE);
    assert_eq!(duo.client.write(reset, b"y"), Err(WriteError::Finished));
}

#[test]
fn a_peer_that_never_reads_gets_a_window_and_no_more() {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    let data = [1; 4096];
    let mut written = 0;
    let end = duo.now + 300 * SECOND;
    duo.run_until(end, |duo| {
        while let Ok(taken) = duo.client.write(id, &data) {
            written += taken;
        }
        false
    });
    duo.assert_nobody_closed();
    // What it may send unasked, and what waits for that on this side.
    assert!(written <= 64 * 1024 + 1024 * 1024, "{written}");
    assert_eq!(duo.bridge().read(id).0.len(), 64 * 1024);
}

/// AP-93
#[test]
fn limits_hold_when_every_frame_that_raises_them_is_lost_at_first() {
    let mut duo = Duo::connected();
    let mut luck = common::Luck(3);
    duo.down.become_(
        move |_, octets| {
            if luck.happens(60) { is_lost(octets) } else { arrives(octets) }
        },
    );
    let data = patterned(4, 0, 1_500_000);
    assert!(duo.upload(&data, HOUR) == data);
}

#[test]
fn many_requests_at_once_do_not_all_pass_the_pacer() {
    let mut duo = Duo::connected();
    let before = duo.up.sent.len();
    for _ in 0..64 {
        let id = duo.client.open();
        duo.client.write(id, &[1; 600]).unwrap();
    }
    duo.settle();
    let octets: usize = duo.up.sent[before..].iter().map(|(_, datagram)| datagram.len()).sum();
    assert!(octets < 6_000, "{octets} octets at one instant into an unknown relay");
    duo.run_for(10 * SECOND);
    let mut ids = duo.bridge().events.clone();
    ids.retain(|event| matches!(event, Event::Opened(_)));
    assert_eq!(ids.len(), 64);
}
