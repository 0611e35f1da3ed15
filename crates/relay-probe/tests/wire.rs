//! The messages of a measurement: vectors, round trips, refusals.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;
use relay_probe::wire::{self, ASK_LEN, HEARD_LEN, PROBE_LEN, Unwrap, WireError};
use relay_probe::{Sender, Train};

fn ask(train: Train) -> Result<Train, WireError> {
    let mut octets = Vec::new();
    wire::encode_ask(&train, &mut octets);
    wire::decode_ask(octets.first_chunk::<ASK_LEN>().unwrap())
}

fn train(octets: u16, interval_us: u64, count: u32) -> Train {
    Train { id: 258, interval: Duration::from_micros(interval_us), octets, count }
}

#[test]
fn messages_are_these_octets() {
    let mut probe = Vec::new();
    wire::encode_probe(1, 2, 3, 12, &mut probe);
    assert_eq!(probe, [0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0]);
    let mut ask = Vec::new();
    wire::encode_ask(&train(100, 1_000, 5), &mut ask);
    assert_eq!(ask, [1, 2, 0, 100, 0, 0, 3, 232, 0, 0, 0, 5]);
    let mut heard = Vec::new();
    wire::encode_heard((1, 2, 3), 4, &mut heard);
    assert_eq!(heard, [0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
}

#[test]
fn refuses_a_train_that_is_a_flood() {
    assert_eq!(ask(train(1_000, 1_000, 12_101)), Err(WireError::TooMuch(12_101_000)));
    assert_eq!(ask(train(1_000, 10, 5)), Err(WireError::TooFast));
    assert_eq!(ask(train(1_000, 0, 5)), Err(WireError::TooFast));
    assert_eq!(ask(train(9, 1_000, 5)), Err(WireError::Empty));
    assert_eq!(ask(train(1_000, 1_000, 0)), Err(WireError::Empty));
}

#[test]
fn a_clock_turns_over_and_goes_on() {
    let mut clock = Unwrap::default();
    assert_eq!(clock.seconds(u32::MAX - 99_999).to_bits(), 0.0_f64.to_bits());
    assert!((clock.seconds(50_000) - 1.5).abs() < 1e-9);
    assert!((clock.seconds(u32::MAX - 49_999) - 0.5).abs() < 1e-9);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time is any")]
fn a_sender_that_comes_late_makes_no_burst_of_it() {
    let start = std::time::Instant::now();
    let mut sender = Sender::default();
    sender.start(start, train(100, 1_000, 10_000));
    let late = start + Duration::from_secs(5);
    let sent = std::iter::from_fn(|| sender.poll(late)).count();
    assert!((1..=66).contains(&sent), "{sent}");
}

proptest! {
    #[test]
    fn what_is_written_is_read(id: u16, number: u32, sent: u32, at: u32, octets in 0_usize..2_000) {
        let mut probe = Vec::new();
        wire::encode_probe(id, number, sent, octets, &mut probe);
        prop_assert_eq!(probe.len(), octets.max(PROBE_LEN));
        prop_assert_eq!(wire::decode_probe(&probe), Some((id, number, sent)));
        for cut in 0..PROBE_LEN {
            prop_assert_eq!(wire::decode_probe(&probe[..cut]), None);
        }
        let mut heard = Vec::new();
        wire::encode_heard((id, number, sent), at, &mut heard);
        let heard = heard.first_chunk::<HEARD_LEN>().unwrap();
        prop_assert_eq!(wire::decode_heard(heard), ((id, number, sent), at));
    }

    #[test]
    fn a_train_that_may_be_asked_for_comes_as_it_was(octets in 10_u16..1_200, interval in 100_u64..1_000_000, count in 1_u32..10_000) {
        let asked = train(octets, interval, count);
        prop_assert_eq!(ask(asked), Ok(asked));
    }

    #[test]
    fn no_octets_make_a_train_beyond_the_limits(octets: [u8; ASK_LEN]) {
        if let Ok(train) = wire::decode_ask(&octets) {
            prop_assert!(train.cost() <= wire::TRAIN_OCTETS_MAX && train.count > 0);
        }
    }
}
