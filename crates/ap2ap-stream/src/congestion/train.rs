//! Datagrams sent back to back to learn a path's rate, each train as large as the last one earned.

use super::{Outcome, Seconds, Sent};

/// The first train, in octets, sent as small datagrams: one full datagram's worth.
const FIRST_TRAIN_OCTETS: f64 = 1200.0;
/// A train overshoots a queue by no more than about this much time, in seconds.
const OVERSHOOT_S: f64 = 0.15;
/// Below this rate a train that is twice too long fills a relay's queue for seconds, and a token bucket of
/// a few KB hides the rate until then: trains grow by less.
const SLOW_OCTETS_PER_S: f64 = 10_000.0;
const FACTOR_SLOW: f64 = 1.5;
/// The rate is looked at over at least this long, in seconds: a bucket is spent in time, not in round trips.
const SLOW_TIME_S: f64 = 0.2;
/// What is late by this much beyond half a round trip is lost, in seconds.
const PATIENCE_S: f64 = 0.02;
/// Where a short train does not pass, what did was gathered over about this long, in seconds.
const GATHERED_S: f64 = 0.3;
/// A timer may fire this much early, in seconds: instants are told in whole nanoseconds.
const ROUNDING_S: f64 = 1e-6;
/// A train this short, in octets, is made of small datagrams: few large ones would not add up to it.
const SMALL_DATAGRAMS_BELOW: f64 = 4800.0;
/// A train longer than this, in octets, of whose end so many datagrams are lost tells of a deep bucket.
const LONG_OCTETS: f64 = 20_000.0;
const TAIL_MIN: u64 = 4;
/// Datagrams are no smaller, while there is more to send: below, headers eat the relay.
pub(super) const DATAGRAM_MIN_OCTETS: f64 = 300.0;
/// Datagrams are no larger: what fits an AP2AP text of 1,400 octets.
pub(super) const DATAGRAM_MAX_OCTETS: f64 = 1200.0;

/// A train under way: what was planned and sent, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Train {
    planned: f64,
    sent: f64,
    arrived: f64,
    lost: f64,
    /// The packets of the train have this number or a higher one.
    first: Option<u64>,
    last_sent_at: Seconds,
    last_number: u64,
    /// The highest number of those that arrived.
    heard: u64,
    /// When one of the last two arrived.
    tail_heard_at: Option<Seconds>,
    /// Half of the one before was lost.
    is_second_try: bool,
    /// The next datagram did not fit any more.
    full: bool,
    /// There was nothing more to send.
    application_limited: bool,
}

/// What a train has told.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Not all is known yet.
    Open,
    /// The next train.
    Next(Train),
    /// Half of it was lost: a policer or a short queue. From here on the rate is paced.
    TooMuch {
        /// The rate to go on with, in octets a second.
        rate: f64,
        /// What of the train did not arrive, in octets.
        lost: f64,
    },
}

impl Train {
    pub(super) fn first() -> Self {
        Self::of(FIRST_TRAIN_OCTETS)
    }

    /// The first one where so many octets in a round trip are known to be too few.
    pub(super) fn twice(octets: f64) -> Self {
        Self::of((2.0 * octets).max(FIRST_TRAIN_OCTETS))
    }

    /// The train to try after a silence: what is known of the path may not hold any more.
    pub(super) fn after_silence(&self) -> Self {
        let is_second_try = self.is_second_try || self.sent > 0.0;
        Self { is_second_try, ..Self::of(FIRST_TRAIN_OCTETS.max(self.planned / 2.0)) }
    }

    pub(super) fn sent(&mut self, packet: Sent) {
        if self.first.is_none() {
            self.first = Some(packet.number);
        }
        if !self.full {
            self.last_sent_at = packet.now;
            self.last_number = packet.number;
        }
        self.sent += packet.octets;
    }

    /// Whether a datagram of `octets` still belongs to the train.
    pub(super) fn takes(&mut self, octets: f64, in_flight: f64) -> bool {
        self.application_limited = false;
        self.full = self.sent + 0.5 * octets > self.planned.max(octets);
        if in_flight <= 0.0 && self.full {
            // All of it was swallowed by a silence: the next one begins, now and not when asked again.
            *self = Self { is_second_try: true, ..Self::of(self.planned) };
        }
        !self.full
    }

    pub(super) fn application_limited(&mut self) {
        self.application_limited = self.sent > 0.0;
    }

    /// Whether a datagram of `octets` is one of the last two of the train, so that it should be
    /// acknowledged at once: one of them or its acknowledgement may be lost.
    pub(super) fn is_tail(&self, octets: f64) -> bool {
        self.sent + 3.0 * octets > self.planned || self.application_limited
    }

    /// When what has not arrived yet is not waited for any longer, if anything arrived at all.
    pub(super) fn over_at(&self, round_trip: f64) -> Option<Seconds> {
        let is_out = self.full || self.application_limited;
        let at_worst = self.last_sent_at + 1.5 * round_trip + PATIENCE_S;
        let tail = self.tail_heard_at.map_or(at_worst, |at| at.min(at_worst) + PATIENCE_S);
        (is_out && self.arrived > 0.0).then_some(tail.min(at_worst))
    }

    /// How long the whole train may be, in octets.
    pub(super) const fn octets(&self) -> f64 {
        self.planned
    }

    pub(super) fn datagram_octets(&self, round_trip: f64) -> f64 {
        if self.planned < SMALL_DATAGRAMS_BELOW {
            return DATAGRAM_MIN_OCTETS;
        }
        datagram_octets(self.planned / round_trip.max(0.001), 0.04)
    }

    /// Takes what became of packets, and says what follows.
    pub(super) fn advance(
        &mut self,
        now: Seconds,
        acked: &[Outcome],
        lost: &[Outcome],
        round_trip: f64,
    ) -> Verdict {
        let Some(first) = self.first else { return Verdict::Open };
        self.arrived += octets_from(first, acked);
        let newest = acked.iter().map(|packet| packet.number).max();
        self.heard = self.heard.max(newest.unwrap_or(0));
        if self.full && acked.iter().any(|packet| packet.number + 1 >= self.last_number) {
            self.tail_heard_at.get_or_insert(now);
        }
        self.lost += octets_from(first, lost);
        let is_out = self.full || self.application_limited;
        let is_known = self.arrived + self.lost >= self.sent - 1.0;
        let is_late = self.over_at(round_trip).is_some_and(|at| now + ROUNDING_S >= at);
        if !is_out || !(is_known || is_late) || self.arrived <= 0.0 {
            return Verdict::Open;
        }
        let round_trip = round_trip.max(0.001);
        let factor = if self.sent < SLOW_OCTETS_PER_S * round_trip.max(SLOW_TIME_S) {
            FACTOR_SLOW
        } else {
            (1.0 + OVERSHOOT_S / round_trip).clamp(2.0, 4.0)
        };
        // Who sends little learns little: a few small packets that are late are no train.
        let is_half_lost =
            self.full && (self.arrived < self.sent / 2.0 || self.has_lost_its_tail(first));
        if is_half_lost && (self.sent > 3000.0 || self.is_second_try) {
            let octets = self.arrived.max(self.sent / (2.0 * factor));
            // A short train says what a bucket had gathered, and that takes its time.
            let time = if self.sent > 3000.0 { round_trip } else { round_trip.max(GATHERED_S) };
            return Verdict::TooMuch { rate: octets / time, lost: self.sent - self.arrived };
        }
        let earned = factor * self.sent.min(1.35 * self.arrived);
        let next = Self::of(earned.max(self.planned));
        Verdict::Next(Self { is_second_try: is_half_lost, ..next })
    }

    /// Whether nothing arrived of the last quarter of a long train: a deep bucket was spent by then. Chance takes
    /// here and there.
    fn has_lost_its_tail(&self, first: u64) -> bool {
        let datagrams = self.last_number + 1 - first;
        let unheard = self.last_number.saturating_sub(self.heard.max(first));
        self.sent > LONG_OCTETS && unheard >= TAIL_MIN && 4 * unheard >= datagrams
    }

    fn of(planned: f64) -> Self {
        Self { planned, ..Self::default() }
    }
}

/// The datagram that takes `seconds` of the rate.
pub(super) fn datagram_octets(rate: f64, seconds: f64) -> f64 {
    (rate * seconds).clamp(DATAGRAM_MIN_OCTETS, DATAGRAM_MAX_OCTETS)
}

fn octets_from(first: u64, outcomes: &[Outcome]) -> f64 {
    let of_train = outcomes.iter().filter(|packet| packet.number >= first);
    of_train.map(|packet| packet.octets).sum()
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;

    const ROUND_TRIP: f64 = 0.2;

    /// A train of four datagrams, sent at once.
    fn sent_train() -> (Train, Vec<Outcome>) {
        let mut train = Train::first();
        let mut outcomes = Vec::new();
        while train.takes(300.0, 300.0 * outcomes.len() as f64) {
            let number = outcomes.len() as u64;
            train.sent(Sent { now: 0.0, number, octets: 300.0, is_tracked: true });
            let position = 300.0 * (number + 1) as f64;
            outcomes.push(Outcome {
                number,
                sent_at: 0.0,
                octets: 300.0,
                position,
                arrived_at: None,
            });
        }
        (train, outcomes)
    }

    #[test]
    fn a_train_that_arrives_earns_a_longer_one() {
        let (mut train, outcomes) = sent_train();
        assert_eq!(outcomes.len(), 4);
        assert!(matches!(train.advance(0.2, &outcomes[..3], &[], ROUND_TRIP), Verdict::Open));
        let Verdict::Next(next) = train.advance(0.2, &outcomes[3..], &[], ROUND_TRIP) else {
            panic!("all of it is known");
        };
        assert_eq!(next.octets(), 1800.0, "a slow path's trains grow by half");
    }

    #[test]
    fn half_a_long_train_lost_ends_the_trains() {
        let (mut train, _) = sent_train();
        train.sent = 4800.0;
        train.arrived = 1800.0;
        train.lost = 3000.0;
        let verdict = train.advance(0.3, &[], &[], ROUND_TRIP);
        assert!(matches!(verdict, Verdict::TooMuch { rate, .. } if rate > 1200.0 / ROUND_TRIP));
    }

    #[test]
    fn a_train_that_vanished_is_sent_again() {
        let (mut train, _) = sent_train();
        assert!(!train.takes(300.0, 1200.0));
        assert!(train.takes(300.0, 0.0));
    }
}
