//! What two ends of a measurement say to each other, and what a prober makes of it.

use std::time::Duration;

use relay_probe::wire::{self, ASK_LEN, Clocks, HEARD_LEN};
use relay_probe::{Prober, Sender, Sizes, Step};

use crate::input::{Input, origin};

/// The longest that a prober waits: for a train of a minute, and what comes behind it.
const WAIT_MAX: Duration = Duration::from_secs(63);

/// Messages that are read are written as the same, within the limits; a prober that is told whatever the octets
/// say asks for nothing that a bridge refuses, and waits for nothing for ever.
pub fn probe(data: &[u8]) {
    codec(data);
    let mut input = Input(data);
    let mut now = origin();
    let mut prober = Prober::new(now, Sizes { min: 42, max: 1_000 });
    let mut clocks = Clocks::default();
    while !input.0.is_empty() {
        match prober.poll(now) {
            Step::Wait(at) => {
                assert!(at - now <= WAIT_MAX);
                now = at;
            }
            Step::Send(train) => {
                let mut ask = Vec::new();
                wire::encode_ask(&train, &mut ask);
                let asked =
                    wire::decode_ask(ask.first_chunk().unwrap()).expect("no flood is asked for");
                assert_eq!(
                    (asked.id, asked.octets, asked.count),
                    (train.id, train.octets, train.count)
                );
                let (count, step) = (u32::from(input.u8()), u32::from(input.u16()));
                let (from, skip) =
                    (u32::from(input.u16()) << (input.u8() % 17), 1 + u32::from(input.u8() % 8));
                for number in 0..count {
                    let sent = number.wrapping_mul(1_000);
                    let at = from.wrapping_add(number.wrapping_mul(step));
                    prober.on_arrival(now, clocks.arrival((train.id, number * skip, sent), at));
                }
                now += Duration::from_millis(1);
            }
        }
        let _estimate = prober.estimate();
    }
}

fn codec(data: &[u8]) {
    let mut again = Vec::new();
    if let Some((train, number, sent)) = wire::decode_probe(data) {
        wire::encode_probe(train, number, sent, data.len(), &mut again);
        assert_eq!(
            (wire::decode_probe(&again), again.len()),
            (wire::decode_probe(data), data.len())
        );
    }
    if let Some(heard) = data.first_chunk::<HEARD_LEN>() {
        let (probe, at) = wire::decode_heard(heard);
        again.clear();
        wire::encode_heard(probe, at, &mut again);
        assert_eq!(again, heard);
    }
    let Some(ask) = data.first_chunk::<ASK_LEN>() else { return };
    let Ok(train) = wire::decode_ask(ask) else { return };
    assert!(train.cost() <= wire::TRAIN_OCTETS_MAX && train.count > 0);
    again.clear();
    wire::encode_ask(&train, &mut again);
    assert_eq!(again, ask);
    let mut sender = Sender::default();
    sender.start(origin(), train);
    assert_eq!(sender.poll(origin()), Some((train, 0)));
}
