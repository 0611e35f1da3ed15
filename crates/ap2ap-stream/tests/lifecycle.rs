//! Streams and connections from their beginning to their end, on good paths and bad ones.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{
    CloseReason, Config, ErrorCode, Event, OpenError, Output, PathEvent, ReadError, Side,
    WriteError,
};
use common::{Duo, MS, PATH, SECOND, arrives, is_lost, patterned};

const CODE: ErrorCode = ErrorCode(7);
const HOUR: Duration = Duration::from_secs(3600);

/// Writes all of `data` as the buffer takes it while the bridge reads; what it read.
fn upload(duo: &mut Duo, data: &[u8], time_max: Duration) -> Vec<u8> {
    let id = duo.client.open();
    let (mut offset, mut read) = (0, Vec::new());
    let end = duo.now + time_max;
    let all_read = duo.run_until(end, |duo| {
        while offset < data.len() {
            let Ok(taken) = duo.client.write(id, &data[offset..]) else { break };
            offset += taken;
            if offset == data.len() {
                duo.client.finish(id);
            }
        }
        let Some(bridge) = &mut duo.bridge else { return false };
        let (octets, outcome) = bridge.read(id);
        read.extend_from_slice(&octets);
        outcome == Ok(())
    });
    assert!(all_read, "read {} of {} after {time_max:?}", read.len(), data.len());
    duo.bridge().finish(id);
    read
}

// ---- streams

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
    assert!(upload(&mut duo, &data, HOUR) == data);
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

// ---- time

/// AP-115
#[test]
fn a_connection_that_is_kept_alive_outlives_a_day_of_silence() {
    let mut duo = Duo::connected();
    duo.run_for(24 * HOUR);
    duo.assert_nobody_closed();
    assert!((1400..4500).contains(&duo.up.sent.len()), "{} datagrams", duo.up.sent.len());
    let data = patterned(5, 0, 200_000);
    assert!(upload(&mut duo, &data, 60 * SECOND) == data, "and paces as on the first day");
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
    assert!(upload(&mut duo, b"x", 10 * SECOND) == b"x");
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

// ---- paths

#[test]
fn a_path_may_be_removed_and_added_again_in_the_middle_of_a_stream() {
    let mut duo = Duo::connected();
    let data = patterned(6, 0, 300_000);
    let id = duo.client.open();
    let (mut offset, mut read, mut removed) = (0, Vec::new(), 0);
    let mut back_at = None;
    let end = duo.now + 600 * SECOND;
    let arrived = duo.run_until(end, |duo| {
        while let Ok(taken) = duo.client.write(id, &data[offset..]) {
            offset += taken;
            if taken == 0 {
                break;
            }
        }
        let now = duo.now;
        read.extend_from_slice(&duo.bridge().read(id).0);
        if read.len() > 60_000 * (removed + 1) && back_at.is_none() {
            duo.client.connection.handle_path(now, PATH, PathEvent::Removed);
            removed += 1;
            // Shorter than the answer time-out: the other end may be waiting for an acknowledgement.
            back_at = Some(now + 20 * SECOND);
            duo.alarm = back_at;
        }
        if back_at.is_some_and(|at| now >= at) {
            back_at = None;
            duo.alarm = None;
            duo.add_path();
            duo.settle();
        }
        read.len() == data.len()
    });
    assert!(
        arrived && removed > 2,
        "{} read, {removed} removed, {:?}",
        read.len(),
        duo.client.closed()
    );
    assert!(read == data);
}

/// AP-3
#[test]
fn payload_that_shrinks_in_mid_flight_loses_nothing() {
    let mut duo = Duo::connected();
    let data = patterned(7, 0, 200_000);
    let id = duo.client.open();
    duo.client.write(id, &data[..16_000]).unwrap();
    duo.run_for(30 * MS);
    // From now on longer ones do not pass.
    duo.up.become_(|_, octets| if octets.len() > 300 { is_lost(octets) } else { arrives(octets) });
    let now = duo.now;
    duo.client.connection.handle_path(now, PATH, PathEvent::Changed { payload_max: 300 });
    duo.run_for(20 * SECOND);
    assert!(duo.bridge().read(id).0 == data[..16_000]);
    assert!(upload(&mut duo, &data, 200 * SECOND) == data);
}

#[test]
fn a_carrier_that_refuses_for_a_minute_costs_nothing_but_the_minute() {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    duo.client.write(id, b"please").unwrap();
    let mut buf = [0; 2048];
    let output = duo.client.connection.poll_output(duo.now, &mut buf);
    assert!(matches!(output, Output::Transmit { .. }));
    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Refused);
    let before = duo.up.sent.len();
    duo.run_for(45 * SECOND);
    assert_eq!((duo.client.closed(), duo.up.sent.len()), (None, before));
    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Writable);
    duo.run_for(51 * MS);
    assert_eq!(duo.bridge().read(id).0, b"please");
    assert_eq!(duo.client.connection.stats().packets_lost, 0);
}

#[test]
fn every_third_datagram_may_be_refused() {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    let data = patterned(8, 0, 16_000);
    duo.client.write(id, &data).unwrap();
    duo.client.finish(id);
    let mut buf = [0; 2048];
    let mut count = 0;
    let end = duo.now + 60 * SECOND;
    let mut read = Vec::new();
    while duo.now < end && read.len() < data.len() {
        loop {
            match duo.client.connection.poll_output(duo.now, &mut buf) {
                Output::Transmit { len, .. } if count % 3 != 0 => {
                    count += 1;
                    duo.up.push(duo.now, buf[..len].to_vec());
                }
                Output::Transmit { .. } => {
                    count += 1;
                    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Refused);
                    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Writable);
                }
                Output::Event(_) => {}
                Output::Wait(_) => break,
            }
        }
        duo.run_for(10 * MS);
        read.extend_from_slice(&duo.bridge().read(id).0);
    }
    assert!(read == data, "{} of {}", read.len(), data.len());
}

#[test]
fn a_buffer_too_small_for_any_datagram_gets_none_and_waits() {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    duo.client.write(id, &[1; 5000]).unwrap();
    for len in [0, 1, 64, 255] {
        let output = duo.client.connection.poll_output(duo.now, &mut vec![0; len]);
        let Output::Wait(Some(at)) = output else { panic!("{output:?} into {len} octets") };
        assert!(at > duo.now);
    }
    assert!(matches!(
        duo.client.connection.poll_output(duo.now, &mut [0; 256]),
        Output::Transmit { len: 1..=256, .. }
    ));
}

#[test]
fn outages_cost_little_more_than_they_last() {
    let mut duo = Duo::connected();
    let start = duo.now;
    // Down for 2 of each 15 s, both ways.
    let data = patterned(9, 0, 16_000);
    let mut read = 0;
    for _ in 0..6 {
        let id = duo.client.open();
        duo.up.become_(|_, octets| is_lost(octets));
        duo.down.become_(|_, octets| is_lost(octets));
        duo.client.write(id, &data).unwrap();
        let before = duo.up.sent.len();
        duo.run_for(2 * SECOND);
        let probes = duo.up.sent.len() - before;
        assert!(probes < 30, "{probes} datagrams into a silence");
        duo.up.become_(|_, octets| arrives(octets));
        duo.down.become_(|_, octets| arrives(octets));
        duo.run_for(13 * SECOND);
        let (octets, outcome) = duo.bridge().read(id);
        assert!(octets == data && outcome == Err(ReadError::Blocked));
        read += octets.len();
    }
    assert_eq!((read, duo.now - start), (96_000, 90 * SECOND));
}
