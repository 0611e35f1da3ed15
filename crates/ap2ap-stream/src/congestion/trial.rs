//! A remembered rate on trial: paced at half of it, with little in flight until that arrives.
//!
//! A memory may be of another path by now: one that says 1 MB/s of a relay that gives 3 KB/s would fill
//! its queue for seconds. So what may be in flight begins with little more than a first train, and is
//! multiplied in each round trip in which nothing waited, as long as most of it arrives:
//!
//! ```text
//!   in flight ≤ 2,400 octets; when as many arrived, three more for each that comes without a queue
//!   half of the rate fills a round trip, and what a bucket hides arrived ──► it is gone on from, and probed
//!   a queue's slope ──► that is the rate         half is lost, or nothing arrives ──► forgotten
//! ```

use super::train::{DATAGRAM_MIN_OCTETS, datagram_octets};
use super::{Outcome, Seconds};
use crate::path_memory::PathMemory;

/// What is sent before anything is known to arrive, in octets: two full datagrams' worth.
const FIRST_FLIGHT_OCTETS: f64 = 2400.0;
/// For each octet that arrived, so many more may be in flight: four times as many each round trip, as
/// the fastest train.
const GROWTH: f64 = 3.0;
/// So much must arrive before anything is believed, in seconds of the remembered rate, but no more than
/// the first flight: a relay's bucket lets something through at any rate.
const PROOF_S: f64 = 0.4;
/// Fewer losses than this, in datagrams, are an anecdote.
const LOST_MIN: u32 = 4;
/// The share of the remembered rate that is tried.
const SHARE: f64 = 0.5;

/// A remembered rate, and what came of trying half of it.
#[derive(Debug)]
pub(super) struct Trial {
    memory: PathMemory,
    /// Octets that may be in flight.
    allowance: f64,
    /// Datagrams that arrived, their octets, and datagrams lost.
    arrived: u32,
    octets: f64,
    lost: u32,
    /// Octets sent since the peer was asked to acknowledge at once.
    unasked: f64,
}

/// What a trial has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Open,
    /// Half of the rate filled a round trip and arrived.
    Holds,
    /// Not even half of it arrives.
    Fails,
}

impl Trial {
    pub(super) const fn new(memory: PathMemory) -> Self {
        Self {
            memory,
            allowance: FIRST_FLIGHT_OCTETS,
            arrived: 0,
            octets: 0.0,
            lost: 0,
            unasked: 0.0,
        }
    }

    pub(super) const fn memory(&self) -> PathMemory {
        self.memory
    }

    /// The rate that is tried, in octets a second.
    pub(super) fn rate(&self) -> f64 {
        SHARE * crate::num::to_f64(self.memory.rate())
    }

    /// Octets that may be in flight.
    pub(super) const fn allowance(&self) -> f64 {
        self.allowance
    }

    /// Small ones at first: large ones that have only met a queue would be taken for slow ones.
    pub(super) fn datagram_octets(&self) -> f64 {
        if self.octets < FIRST_FLIGHT_OCTETS {
            return DATAGRAM_MIN_OCTETS;
        }
        datagram_octets(self.rate(), 0.04)
    }

    pub(super) fn sent(&mut self, octets: f64) {
        self.unasked = if self.wants_ack(octets) { 0.0 } else { self.unasked + octets };
    }

    /// Whether a datagram of `octets` is to be acknowledged at once: a few in each flight.
    pub(super) fn wants_ack(&self, octets: f64) -> bool {
        self.unasked + octets >= self.allowance / 4.0
    }

    /// Takes what arrived; more may be in flight if nothing waited.
    pub(super) fn take(&mut self, acked: &[Outcome], has_queue: bool) {
        self.arrived = self.arrived.saturating_add(count(acked));
        let octets: f64 = acked.iter().map(|packet| packet.octets).sum();
        self.octets += octets;
        if !has_queue && self.octets >= FIRST_FLIGHT_OCTETS {
            self.allowance += GROWTH * octets;
        }
    }

    pub(super) fn take_lost(&mut self, lost: &[Outcome]) {
        self.lost = self.lost.saturating_add(count(lost));
    }

    /// What it has come to, where an answer takes `round_trip` seconds.
    pub(super) fn finding(&self, round_trip: Seconds) -> Finding {
        let is_full = self.allowance >= self.rate() * round_trip;
        let needed = FIRST_FLIGHT_OCTETS.min(PROOF_S / SHARE * self.rate());
        match () {
            () if self.lost >= LOST_MIN && self.lost > self.arrived => Finding::Fails,
            () if is_full && self.octets >= needed => Finding::Holds,
            () => Finding::Open,
        }
    }
}

fn count(packets: &[Outcome]) -> u32 {
    u32::try_from(packets.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(rate: u64) -> Trial {
        let line = format!("rate={rate} burst=1500 rtt_us=100000 loss=queue chance_ppm=0");
        Trial::new(line.parse().unwrap())
    }

    fn packets(count: u64) -> Vec<Outcome> {
        let outcome = |number| Outcome {
            number,
            sent_at: 0.0,
            octets: 300.0,
            position: 0.0,
            arrived_at: None,
        };
        (0..count).map(outcome).collect()
    }

    #[test]
    fn what_may_be_in_flight_is_multiplied_by_four_until_the_rate_fills_a_round_trip() {
        let mut trial = trial(1_000_000);
        trial.take(&packets(7), false);
        assert_eq!((trial.allowance(), trial.datagram_octets()), (2400.0, 300.0));
        trial.take(&packets(1), false);
        assert_eq!((trial.allowance(), trial.datagram_octets()), (3300.0, 1200.0));
        trial.take(&packets(11), false);
        assert_eq!((trial.allowance(), trial.finding(0.1)), (13_200.0, Finding::Open));
        trial.take(&packets(44), false);
        assert_eq!((trial.allowance(), trial.finding(0.1)), (52_800.0, Finding::Holds));
    }

    #[test]
    fn a_queue_keeps_the_flight_as_it_is() {
        let mut trial = trial(1_000_000);
        trial.take(&packets(100), true);
        assert_eq!(trial.allowance(), 2400.0);
    }

    #[test]
    fn a_slow_rate_is_proved_by_little_and_not_by_nothing() {
        let mut trial = trial(3000);
        for _ in 0..4 {
            assert_eq!(trial.finding(0.2), Finding::Open);
            trial.take(&packets(1), false);
        }
        assert_eq!(trial.finding(0.2), Finding::Holds);
    }

    #[test]
    fn it_fails_when_more_is_lost_than_arrives_and_that_is_no_anecdote() {
        let mut trial = trial(1_000_000);
        trial.take_lost(&packets(3));
        assert_eq!(trial.finding(0.1), Finding::Open);
        trial.take_lost(&packets(1));
        assert_eq!(trial.finding(0.1), Finding::Fails);
        trial.take(&packets(4), false);
        assert_ne!(trial.finding(0.1), Finding::Fails);
    }

    #[test]
    fn each_flight_asks_a_few_times() {
        let mut trial = trial(1_000_000);
        let mut asked = 0;
        for _ in 0..8 {
            asked += i32::from(trial.wants_ack(300.0));
            trial.sent(300.0);
        }
        assert_eq!(asked, 4);
    }
}
