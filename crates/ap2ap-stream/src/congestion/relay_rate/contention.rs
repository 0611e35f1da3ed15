//! Beside somebody who keeps the relay's queue full: take a share as they do, and look now and then whether they
//! have gone.
//!
//! A queue of one's own is gone once it was waited out. One that stays although this sender holds back is somebody
//! else's, and whoever goes on yielding to it is left with what they leave over. While it stays, the rate grows by a
//! datagram each round trip, and falls where the queue overflows: what TCP does (RFC 5681), paced.
//!
//! ```text
//!   queue │  ╱╲  ╱╲  ╱╲  ╱╲             held back for as long as the queue is:
//!         │ ╱  ╲╱  ╲╱  ╲╱  ╲  ╱╲        gone: nobody else is there, cruise again
//!         │╱                ╲╱          still there: contend on
//!         └─────────────────▲──── time
//! ```

use super::{Phase, RATE_MIN, RelayRate};
use crate::congestion::queue_sensor::Reading;
use crate::congestion::train::DATAGRAM_MAX_OCTETS;
use crate::congestion::{Outcome, Seconds};

/// A queue that stays for so long, in seconds, and for so many times its longest, is somebody else's.
const STAYS_S: f64 = 3.0;
const STAYS_TIMES: f64 = 2.0;
/// What is lost lowers the rate by this factor, once in a round trip.
const DECREASE: f64 = 0.7;
/// Until something is lost the rate grows by this factor each round trip.
const GROWTH: f64 = 1.15;
/// So often it is looked whether the queue is one's own, in seconds.
const LOOK_EVERY_S: f64 = 10.0;
/// A queue shorter than this, in seconds, after holding back is none.
const GONE_S: f64 = 0.05;

/// A queue that has not been empty since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    since: Seconds,
    longest: f64,
}

/// What is known of those who contend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contention {
    raised_at: Seconds,
    lowered_at: Seconds,
    /// Something was lost: growth is by the datagram from then on.
    has_lost: bool,
    look_at: Seconds,
    /// Bulk waits until then, to look.
    pub(super) quiet_until: Option<Seconds>,
    /// There was less to send than the rate lets, since it was raised last: nothing is proved.
    is_application_limited: bool,
}

impl Contention {
    pub(super) const fn application_limited(&mut self) {
        self.is_application_limited = true;
    }
}

impl RelayRate {
    /// Follows how long there has been a queue longer than a datagram of one's own takes; whether it is somebody
    /// else's.
    pub(super) fn is_contended(&mut self, now: Seconds, reading: &Reading) -> bool {
        let own = DATAGRAM_MAX_OCTETS / self.rate.max(RATE_MIN);
        if reading.queue <= own {
            self.standing = None;
            return false;
        }
        let standing = self.standing.get_or_insert(Standing { since: now, longest: 0.0 });
        standing.longest = standing.longest.max(reading.queue);
        let waited_out = STAYS_TIMES * standing.longest + 4.0 * self.round_trip.least;
        let patience = STAYS_S + waited_out + 2.0 * own;
        now - standing.since > patience
    }

    pub(super) fn contend(&mut self, now: Seconds) {
        self.standing = None;
        self.drain = None;
        self.sensor.hold_base(true);
        self.pacer.leak(now, self.rate);
        self.pacer.set(0.0);
        self.phase = Phase::Contend(Contention {
            raised_at: now,
            lowered_at: now,
            has_lost: false,
            look_at: now + LOOK_EVERY_S,
            quiet_until: None,
            is_application_limited: false,
        });
    }

    /// A packet waited so long while others contend.
    pub(super) fn contended_queue(&mut self, now: Seconds, packet: &Outcome, reading: &Reading) {
        let Phase::Contend(contention) = &mut self.phase else { return };
        match contention.quiet_until {
            Some(until) if packet.sent_at >= until => {
                if reading.queue <= GONE_S + reading.threshold {
                    self.enter_cruise(now, self.rate);
                    return;
                }
                contention.quiet_until = None;
                contention.look_at = now + LOOK_EVERY_S;
            }
            Some(_) => return,
            None if now >= contention.look_at => {
                contention.quiet_until = Some(now + reading.queue);
                return;
            }
            None => {}
        }
        if now - contention.raised_at < self.round_trip.smoothed {
            return;
        }
        contention.raised_at = now;
        if std::mem::take(&mut contention.is_application_limited) {
            return;
        }
        let has_lost = contention.has_lost;
        self.rate = if has_lost {
            self.rate + DATAGRAM_MAX_OCTETS / self.round_trip.smoothed
        } else {
            self.rate * GROWTH
        };
    }

    /// The queue overflowed, if it was that.
    pub(super) fn contended_loss(&mut self, now: Seconds) {
        let Phase::Contend(contention) = &mut self.phase else { return };
        if now - contention.lowered_at < self.round_trip.smoothed {
            return;
        }
        contention.lowered_at = now;
        contention.has_lost = true;
        self.rate = (self.rate * DECREASE).max(RATE_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::{Controller, Permission};

    /// A path that cruises at 20 KB/s, and what its sensor reads.
    struct Path {
        rate: RelayRate,
        now: Seconds,
    }

    impl Path {
        fn new() -> Self {
            let mut rate = RelayRate::new();
            rate.enter_cruise(0.0, 20_000.0);
            Self { rate, now: 0.0 }
        }

        /// For so long whatever may be sent waits in a queue of so many seconds.
        fn wait_in(&mut self, queue: f64, for_s: f64) {
            let until = self.now + for_s;
            while self.now < until {
                self.now += 0.05;
                if self.rate.permission(self.now, 300.0, 0.0) == Permission::Now {
                    let packet = outcome(self.now);
                    let (delay, threshold) = (queue + 0.1, 0.002);
                    let reading = Reading { queue, sooner: 0.0, delay, slope: None, threshold };
                    self.rate.on_reading(self.now + delay, &packet, &reading);
                }
            }
        }
    }

    fn outcome(sent_at: Seconds) -> Outcome {
        Outcome { number: 0, sent_at, octets: 300.0, position: 300.0, arrived_at: None }
    }

    #[test]
    fn a_queue_that_stays_is_contended_for_until_it_goes() {
        let mut path = Path::new();
        path.wait_in(0.0, 2.0);
        assert_ne!(path.rate.state(), "contend");
        path.wait_in(0.3, 8.0);
        assert_eq!(path.rate.state(), "contend");
        let before = path.rate.rate;
        path.wait_in(0.3, 2.0);
        assert!(path.rate.rate > before, "nothing was lost");
        let before = path.rate.rate;
        path.rate.on_lost(path.now, &[outcome(path.now - 0.3)]);
        path.rate.on_lost(path.now, &[outcome(path.now - 0.3)]);
        assert_eq!(path.rate.rate, before * DECREASE, "once for each round trip");
        let before = path.rate.rate;
        for _ in 0..100 {
            path.rate.on_application_limited();
            path.wait_in(0.3, 0.1);
        }
        assert!(path.rate.rate <= before * GROWTH, "what is not used is not raised");
        path.wait_in(0.3, 2.0 * LOOK_EVERY_S);
        assert_eq!(path.rate.state(), "contend", "it looked, and it was still there");
        path.wait_in(0.0, 2.0 * LOOK_EVERY_S);
        assert_ne!(path.rate.state(), "contend", "nobody else is there");
    }

    /// Less delay than ever lately is another relay, unless other paths' packets may have stood before it.
    #[test]
    fn a_delay_that_falls_for_good_is_a_switch() {
        for has_company in [false, true] {
            let mut path = Path::new();
            if has_company {
                path.rate.on_company();
            }
            let (queue, sooner, threshold) = (0.0, 0.1, 0.002);
            let reading = Reading { queue, sooner, delay: 0.1, slope: None, threshold };
            path.rate.on_reading(1.0, &outcome(0.9), &reading);
            assert_eq!(path.rate.switches(), u64::from(!has_company));
        }
    }

    #[test]
    fn a_queue_that_is_waited_out_is_nobody_else_s() {
        let mut path = Path::new();
        for _ in 0..10 {
            path.wait_in(0.3, 2.0);
            path.wait_in(0.0, 0.2);
        }
        assert_ne!(path.rate.state(), "contend");
    }
}
