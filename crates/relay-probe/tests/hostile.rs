//! Whatever the other end says came, and when, a prober asks for no flood and waits for nothing for ever.
#![expect(clippy::disallowed_methods, reason = "the origin of virtual time is any")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use relay_probe::{Arrival, Prober, Sizes, Step, wire};

/// The longest that a prober may wait: for a train of a minute, and what comes behind it.
const WAIT_MAX: Duration = Duration::from_secs(63);

fn lies() -> impl Strategy<Value = Vec<(u32, f64)>> {
    let time = prop_oneof![-1.0..1_000.0_f64, any::<f64>(), Just(0.0), Just(f64::MAX)];
    prop::collection::vec((0_u32..400, time), 0..120)
}

proptest! {
    #[test]
    fn lies_make_no_flood(rounds in prop::collection::vec(lies(), 1..30)) {
        let start = Instant::now();
        let mut now = start;
        let mut prober = Prober::new(now, Sizes { min: 42, max: 1_000 });
        for lies in rounds {
            match prober.poll(now) {
                Step::Send(train) => {
                    let mut ask = Vec::new();
                    wire::encode_ask(&train, &mut ask);
                    prop_assert!(wire::decode_ask(ask.first_chunk().unwrap()).is_ok(), "{train:?}");
                    for (number, at) in lies {
                        let sent = train.interval.as_secs_f64() * f64::from(number);
                        prober.on_arrival(now, Arrival { train: train.id, number, sent, at });
                    }
                    now += Duration::from_millis(1);
                }
                Step::Wait(at) => {
                    prop_assert!(at - now <= WAIT_MAX, "{:?}", at - now);
                    now = at;
                }
            }
            let _ = prober.estimate();
        }
    }
}
