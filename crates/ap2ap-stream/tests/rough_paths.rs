//! Paths that go away, shrink, refuse and fall silent under a stream.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use ap2ap_stream::{Output, PathEvent, ReadError};
use common::{Duo, MS, PATH, SECOND, arrives, is_lost, patterned};

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
    assert!(duo.upload(&data, 200 * SECOND) == data);
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
