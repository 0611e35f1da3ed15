//! What arrived: which numbers, which is new, and when to acknowledge.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rangemap::RangeInclusiveSet;

use super::Clock;
use crate::num;
use crate::wire::ack::{ARRIVALS_MAX, Ack, Arrival, RANGES_MAX};

/// Ranges remembered to tell a repeat. Below the oldest one everything counts as a repeat, which
/// costs a retransmission of what was that late.
const RANGES_KEPT_MAX: usize = 256;

/// An acknowledgement waits at least this long for something to ride on.
const DELAY_MIN: Duration = Duration::from_millis(5);
/// Two acknowledgements alone are at least this far apart, and at most: within an outage probe.
const SPACING_MIN: Duration = Duration::from_millis(12);
const SPACING_MAX: Duration = Duration::from_millis(400);
/// An acknowledgement alone costs about this many octets,
const ACK_COST_OCTETS: f64 = 60.0;
/// and all of them at most this share of what arrives.
const ACK_SHARE: f64 = 0.03;

/// What a packet asks of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asks {
    /// No acknowledgement.
    Nothing,
    /// One, some time.
    Ack,
    /// One at once.
    AckNow,
}

/// The receiving side of the packet numbers.
#[derive(Debug, Default)]
pub(crate) struct Received {
    numbers: RangeInclusiveSet<u64>,
    /// Everything below counts as a repeat.
    floor: u64,
    largest: Option<u64>,
    /// Arrivals since the last acknowledgement, oldest first.
    arrivals: VecDeque<Arrival>,
    /// Arrivals left out of `arrivals` since then: every `thinning`-th is kept.
    thinning: u64,
    skipped: u64,
    due: Option<Instant>,
    last_ack: Option<Instant>,
    /// Decaying count of octets: about the octets of the last second.
    recent_octets: f64,
    recent_at: f64,
}

impl Received {
    pub(crate) fn is_new(&self, number: u64) -> bool {
        number >= self.floor && !self.numbers.contains(&number)
    }

    /// The next number expected: what truncated numbers are told by.
    pub(crate) fn expected(&self) -> u64 {
        self.largest.map_or(0, |largest| largest.saturating_add(1))
    }

    /// Records a new packet.
    pub(crate) fn record(
        &mut self,
        clock: &Clock,
        now: Instant,
        number: u64,
        octets: usize,
        asks: Asks,
    ) {
        let expected = self.expected();
        self.numbers.insert(number..=number);
        self.largest = Some(self.largest.map_or(number, |largest| largest.max(number)));
        self.forget_oldest();
        self.note_arrival(Arrival { number, at: clock.wire(now) });
        self.note_octets(clock.seconds(now), num::to_f64(num::len_u64(octets)));
        match asks {
            Asks::Nothing => {}
            Asks::AckNow => self.due = Some(now),
            Asks::Ack => {
                let mut spacing = self.spacing();
                if number != expected {
                    // A gap: the sender should know soon, but not at any price.
                    spacing /= 4;
                }
                let spaced = self.last_ack.map_or(now, |last| last + spacing);
                let due = spaced.max(now + DELAY_MIN);
                self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
            }
        }
    }

    /// What was acknowledged last never left: it is due again.
    pub(crate) fn acknowledge_again(&mut self, now: Instant) {
        if self.largest.is_some() {
            self.due = Some(now);
        }
    }

    /// When an acknowledgement must leave even alone.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether an acknowledgement would tell anything new.
    pub(crate) fn has_news(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// The acknowledgement to send now; it counts as sent.
    pub(crate) fn take_ack(&mut self, clock: &Clock, now: Instant) -> Option<Ack> {
        let largest = self.largest?;
        let ranges: Vec<RangeInclusive<u64>> =
            self.numbers.iter().rev().take(RANGES_MAX).cloned().collect();
        let mut arrivals: Vec<Arrival> = self.arrivals.drain(..).collect();
        arrivals.sort_unstable_by_key(|arrival| std::cmp::Reverse(arrival.number));
        self.thinning = 1;
        self.skipped = 0;
        self.due = None;
        self.last_ack = Some(now);
        Some(Ack { largest, written_at: clock.wire(now), ranges, arrivals })
    }

    fn spacing(&self) -> Duration {
        let seconds = ACK_COST_OCTETS / (ACK_SHARE * self.recent_octets.max(1.0));
        num::seconds(seconds).clamp(SPACING_MIN, SPACING_MAX)
    }

    fn note_octets(&mut self, at: f64, octets: f64) {
        self.recent_octets *= (-(at - self.recent_at).max(0.0)).exp();
        self.recent_octets += octets;
        self.recent_at = at;
    }

    /// Keeps at most [`ARRIVALS_MAX`]: when full, every second one goes and later ones are taken
    /// half as often, so that what stays is spread evenly.
    fn note_arrival(&mut self, arrival: Arrival) {
        self.skipped += 1;
        if self.skipped < self.thinning {
            return;
        }
        self.skipped = 0;
        if self.arrivals.len() == ARRIVALS_MAX {
            let mut keep = false;
            self.arrivals.retain(|_| {
                keep = !keep;
                keep
            });
            self.thinning = self.thinning.max(1) * 2;
        }
        self.arrivals.push_back(arrival);
    }

    fn forget_oldest(&mut self) {
        while self.numbers.len() > RANGES_KEPT_MAX {
            let Some(oldest) = self.numbers.first().cloned() else { return };
            self.floor = oldest.end().saturating_add(1);
            self.numbers.remove(oldest);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
mod tests {
    use super::*;

    fn receive(received: &mut Received, at_ms: u64, start: Instant, number: u64) {
        let now = start + Duration::from_millis(at_ms);
        received.record(&Clock::new(start), now, number, 1000, Asks::Ack);
    }

    #[test]
    fn tells_repeats_and_acknowledges_ranges() {
        let (start, mut received) = (Instant::now(), Received::default());
        for number in [0, 1, 4, 3, 9] {
            assert!(received.is_new(number));
            receive(&mut received, 0, start, number);
            assert!(!received.is_new(number));
        }
        let ack = received.take_ack(&Clock::new(start), start).unwrap();
        assert_eq!(ack.ranges, [9..=9, 3..=4, 0..=1]);
        assert_eq!(ack.arrivals.first().unwrap().number, 9);
        assert!(!received.has_news());
    }

    #[test]
    fn acknowledgements_are_spaced_by_what_they_cost() {
        let (start, mut received) = (Instant::now(), Received::default());
        receive(&mut received, 0, start, 0);
        assert_eq!(received.due(), Some(start + DELAY_MIN));
        received.take_ack(&Clock::new(start), start).unwrap();
        receive(&mut received, 1, start, 1);
        assert_eq!(received.due(), Some(start + SPACING_MAX));
        for number in 2..400 {
            receive(&mut received, 2, start, number);
        }
        assert!(received.due().unwrap() < start + Duration::from_millis(20));
    }

    #[test]
    fn arrivals_are_thinned_evenly() {
        let (start, mut received) = (Instant::now(), Received::default());
        for number in 0..1000 {
            receive(&mut received, number, start, number);
        }
        let ack = received.take_ack(&Clock::new(start), start).unwrap();
        assert!(ack.arrivals.len() <= ARRIVALS_MAX && ack.arrivals.len() >= ARRIVALS_MAX / 2);
        let steps: Vec<u64> =
            ack.arrivals.windows(2).map(|pair| pair[0].number - pair[1].number).collect();
        assert!(steps.iter().max().unwrap() <= &(steps.iter().min().unwrap() * 3));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_become_repeats() {
        let (start, mut received) = (Instant::now(), Received::default());
        for number in 0..2000 {
            receive(&mut received, 0, start, number * 2);
        }
        assert!(received.numbers.len() <= RANGES_KEPT_MAX);
        assert!(!received.is_new(1));
        assert!(received.is_new(3997));
    }
}
