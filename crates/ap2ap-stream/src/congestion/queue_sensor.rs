//! Reads a relay's rate from how fast datagrams leave its queue.
//!
//! Two datagrams that both waited in a token bucket's queue leave it exactly size / rate apart, so
//! the slope of the arrivals within one *busy run* is the rate, whatever is lost behind the queue:
//!
//! ```text
//!   one-way delay
//!     │            ╱╱ run: every datagram found the queue busy
//!     │         ╱╱╱
//!     │  ······╱         threshold = 2 ms + 3 × jitter
//!     │ ▁▁▁▁▁▁           base: least delay of the last 5 to 10 s
//!     └───────────────── time
//! ```

use super::{Outcome, Seconds};
use crate::num;

/// A base holds for one to two of these: long enough to meet an empty queue, short enough for the
/// clocks of the two ends to drift 100 ppm.
const BASE_SLOT_S: f64 = 5.0;

/// Datagrams from this size on have a base of their own: a relay that sends octet by octet delays
/// large ones by size / rate, and that is no queue.
const LARGE_OCTETS: f64 = 600.0;

/// What is smaller is not bulk; and a full datagram is larger by about so much than a small one, in octets.
const SPARSE_OCTETS: f64 = 250.0;
const SIZE_DIFFERENCE: f64 = 900.0;
/// A datagram that is sooner than any lately by more than this, in seconds, took another path.
const SOONER_S: f64 = 0.01;
/// Where that takes less than this, in seconds, nobody minds.
const SERIAL_MIN_S: f64 = 0.01;

/// Jitter above this, in seconds, and longer than so much of the gaps between packets hides the queue from
/// single packets: then only the quickest in so many jitters tells.
const JITTER_MIN_S: f64 = 0.0002;
const DENSE_JITTERS: f64 = 3.0;
const BLOCK_JITTERS: f64 = 6.0;

/// Less than this behind another, in octets, is no train: two requests of which one is late look like a slow relay.
const ROUGH_OCTETS: f64 = 600.0;

/// Fewer packets than this that are missing may be late, or chance: no queue is known to have overflowed.
const HOLES_MIN: f64 = 3.0;

/// A queue shorter than this in time is not told from noise.
const THRESHOLD_S: f64 = 0.002;

/// What a timed arrival says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// How long the datagram waited, in seconds; 0 if not distinguishable from noise.
    pub(super) queue: f64,
    /// How much sooner it came than any datagram lately, in seconds; 0 if it did not.
    pub(super) sooner: f64,
    /// The one-way delay, up to the unknown difference of the clocks.
    pub(super) delay: f64,
    /// The rate of the run so far in octets a second, and how much to trust it: 0 to 1.
    pub(super) slope: Option<(f64, f64)>,
    /// The threshold that the queue was compared with.
    pub(super) threshold: f64,
}

/// How careful a slope has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// The first reading of all: a rough rate soon is better than a queue.
    Rough,
    Fine,
}

/// What is known of a path beside what its queue tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The share that chance takes behind the queue.
    pub(super) chance: f64,
    /// The rate so far, in octets a second; 0 if there is none.
    pub(super) rate: f64,
}

/// The sensor's memory of one path.
#[derive(Clone, Debug, Default)]
pub(super) struct QueueSensor {
    is_held: bool,
    small: Base,
    large: Base,
    /// The relay sends octet by octet, so that a datagram takes the longer the larger it is. What it takes
    /// itself is no queue, and not counted here.
    is_serial: bool,
    serial: Base,
    jitter: f64,
    last: Option<Last>,
    delays: [Option<f64>; 2],
    run: Option<Run>,
    /// What was acknowledged, all in all.
    arrived: Arrived,
    /// The usual time between two packets, and when the newest was sent.
    spacing: f64,
    newest_sent_at: Seconds,
    /// The quickest packet of those sent since then.
    block: Option<Sample>,
    block_from: Seconds,
}

/// So much was acknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    octets: f64,
    packets: f64,
}

/// A packet that can be timed.
#[derive(Clone, Copy, Debug)]
struct Sample {
    packet: Outcome,
    arrived_at: Seconds,
    delay: f64,
    /// What was acknowledged up to and with it.
    arrived: Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    number: u64,
    arrived_at: Seconds,
    sent_at: Seconds,
    queue: f64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    number: u64,
    position: f64,
    arrived_at: Seconds,
    sent_at: Seconds,
    count: f64,
    /// What was acknowledged up to and with the run's first, timed or not.
    arrived: Arrived,
}

/// The least delay of the current and the last slot.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    current: Option<f64>,
    previous: Option<f64>,
    slot_from: Seconds,
}

impl QueueSensor {
    /// Takes an acknowledged packet, in the order of the numbers. `None`: it says nothing.
    pub(super) fn read(&mut self, packet: &Outcome, care: Care, known: Known) -> Option<Reading> {
        self.arrived.octets += packet.octets;
        self.arrived.packets += 1.0;
        let arrived_at = packet.arrived_at?;
        let delay = arrived_at - packet.sent_at;
        let spacing = self.follow_spacing(packet);
        self.follow_jitter(delay);
        let sample = Sample { packet: *packet, arrived_at, delay, arrived: self.arrived };
        let is_dense = self.jitter > JITTER_MIN_S && spacing < DENSE_JITTERS * self.jitter;
        let sample = if is_dense { self.quickest_of_block(sample)? } else { sample };
        self.read_sample(&sample, care, known)
    }

    /// Where jitter is longer than the gaps between packets, only the quickest of a block tells of the queue.
    fn quickest_of_block(&mut self, sample: Sample) -> Option<Sample> {
        let length = BLOCK_JITTERS * self.jitter;
        match &mut self.block {
            Some(best) if sample.packet.sent_at < self.block_from + length => {
                if sample.delay < best.delay {
                    *best = sample;
                }
                None
            }
            block => {
                self.block_from = sample.packet.sent_at;
                block.replace(sample)
            }
        }
    }

    /// The usual time between two packets.
    fn follow_spacing(&mut self, packet: &Outcome) -> f64 {
        const WEIGHT: f64 = 1.0 / 50.0;
        let gap = (packet.sent_at - self.newest_sent_at).max(0.0);
        self.newest_sent_at = self.newest_sent_at.max(packet.sent_at);
        self.spacing += WEIGHT * (gap.min(1.0) - self.spacing);
        self.spacing
    }

    fn read_sample(&mut self, sample: &Sample, care: Care, known: Known) -> Option<Reading> {
        let Sample { packet, arrived_at, delay, .. } = *sample;
        let is_in_order = self
            .last
            .is_none_or(|last| packet.number > last.number && arrived_at >= last.arrived_at);
        if !is_in_order {
            self.run = None;
            return None;
        }
        let before = self.base_mut(packet.octets).least();
        let is_held = self.is_held;
        let base = self.base_mut(packet.octets);
        if is_held {
            base.slot_from = packet.sent_at;
        }
        let base = base.update(packet.sent_at, delay);
        let sooner = before.map_or(0.0, |before| (before - delay).max(0.0));
        if sooner > SOONER_S {
            // The path has changed: nothing else can be told yet.
            self.interrupt();
            return Some(Reading {
                queue: 0.0,
                sooner,
                delay,
                slope: None,
                threshold: THRESHOLD_S,
            });
        }
        self.follow_serial(known.rate);
        let own = if self.is_serial { packet.octets / known.rate } else { 0.0 };
        if self.is_serial && packet.octets < SPARSE_OCTETS {
            // It waited for the one datagram before it.
            return None;
        }
        let base =
            if self.is_serial { self.serial.update(packet.sent_at, delay - own) } else { base };
        let threshold = THRESHOLD_S + 3.0 * self.jitter;
        let queue = delay - own - base;
        let slope = self.follow_run(sample, (queue, threshold), care, known.chance);
        self.last =
            Some(Last { number: packet.number, arrived_at, sent_at: packet.sent_at, queue });
        let queue = if queue > threshold { queue } else { 0.0 };
        Some(Reading { queue, sooner, delay, slope, threshold })
    }

    /// The least delay is kept, or not any more: somebody else's queue would be taken for the path in some seconds.
    pub(super) const fn hold_base(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// The path became longer: `delay` is what it takes now with an empty queue.
    pub(super) fn rebase(&mut self, delay: f64) {
        for base in [&mut self.small, &mut self.large] {
            base.current = base.current.map(|_| delay);
            base.previous = None;
        }
        self.is_serial = false;
        self.run = None;
    }

    /// Whether the relay sends octet by octet.
    pub(super) const fn is_serial(&self) -> bool {
        self.is_serial
    }

    /// Where large datagrams always take longer by what their octets do, the relay sends octet by octet.
    fn follow_serial(&mut self, rate: f64) {
        if rate <= 0.0 {
            // What a datagram takes there itself is not known, or not any more.
            self.is_serial = false;
            return;
        }
        let (Some(small), Some(large)) = (self.small.least(), self.large.least()) else { return };
        let expected = SIZE_DIFFERENCE / rate;
        let share = if self.is_serial { 0.3 } else { 0.5 };
        let is_serial = expected > SERIAL_MIN_S && large - small > share * expected;
        if is_serial != self.is_serial {
            self.is_serial = is_serial;
            self.serial = Base::default();
            self.run = None;
        }
    }

    /// What arrives next says nothing about what came before.
    pub(super) fn interrupt(&mut self) {
        self.run = None;
        self.block = None;
        self.delays = [None; 2];
    }

    fn base_mut(&mut self, octets: f64) -> &mut Base {
        if octets < LARGE_OCTETS { &mut self.small } else { &mut self.large }
    }

    /// Jitter by second differences, so that a queue that grows steadily is not taken for it.
    fn follow_jitter(&mut self, delay: f64) {
        const WEIGHT: f64 = 1.0 / 50.0;
        if let [Some(before), Some(last)] = self.delays {
            let difference = (delay - 2.0 * last + before).abs() / 2.0;
            // One step of the path or of a probe is no jitter.
            let difference = difference.min(0.002 + 4.0 * self.jitter);
            self.jitter += WEIGHT * (difference - self.jitter);
        }
        self.delays = [self.delays[1], Some(delay)];
    }

    fn follow_run(
        &mut self,
        &Sample { packet, arrived_at, arrived, .. }: &Sample,
        (queue, threshold): (f64, f64),
        care: Care,
        chance: f64,
    ) -> Option<(f64, f64)> {
        if queue <= threshold {
            self.run = None;
            return None;
        }
        // If the queue had emptied between the two, the gap has idle time in it.
        let emptied =
            self.last.is_some_and(|last| packet.sent_at > last.sent_at + last.queue.max(0.0));
        if emptied {
            self.run = None;
        }
        let Some(run) = &mut self.run else {
            self.run = Some(Run {
                number: packet.number,
                position: packet.position,
                arrived_at,
                sent_at: packet.sent_at,
                count: 1.0,
                arrived,
            });
            return None;
        };
        run.count += 1.0;
        let run = *run;
        let span = arrived_at - run.arrived_at;
        let sent_span = packet.sent_at - run.sent_at;
        let sent = packet.position - run.position;
        let long_enough = (run.count >= 3.0 && span >= (8.0 * self.jitter).max(0.004))
            || span > 0.08
            || (care == Care::Rough && span > 0.002 && sent >= ROUGH_OCTETS);
        // A delay that stays flat shows our own rate, not the relay's.
        let tells = (span - sent_span).abs() > 0.004 * span;
        if !long_enough || !tells {
            return None;
        }
        let since = Arrived {
            octets: arrived.octets - run.arrived.octets,
            packets: arrived.packets - run.arrived.packets,
        };
        let holes = num::to_f64(packet.number - run.number) - since.packets;
        let sent = if holes < HOLES_MIN { sent } else { since.octets_served(sent, chance) };
        let rate = sent / span;
        Some((rate, self.trust(span, run.count, care)))
    }

    fn trust(&self, span: f64, count: f64, care: Care) -> f64 {
        match care {
            Care::Rough => (span / (12.0 * self.jitter).max(0.002)).min(1.0),
            Care::Fine => {
                let bonus = if span > 0.15 { 1.0 } else { 0.0 };
                let by_span = span / (24.0 * self.jitter).max(0.02);
                by_span.min(count / 3.0 + bonus).min(1.0)
            }
        }
    }
}

impl Arrived {
    /// Of so many octets sent, those that the queue took in: what chance loses was served before, but what is
    /// lost beyond that never got in.
    fn octets_served(&self, sent: f64, chance: f64) -> f64 {
        const SCATTER: f64 = 2.5;
        let missing = 1.0 - (self.octets / sent.max(1.0)).min(1.0);
        let packets = self.packets / (1.0 - missing).max(0.01);
        let scatter = (chance * (1.0 - chance) / packets.max(1.0)).sqrt();
        let is_overflow = missing > chance + SCATTER * (scatter + 1.0 / packets.max(1.0));
        if is_overflow { sent * (1.0 - missing) / (1.0 - chance) } else { sent }
    }
}

impl Base {
    fn least(&self) -> Option<f64> {
        [self.current, self.previous].into_iter().flatten().reduce(f64::min)
    }

    fn update(&mut self, at: Seconds, delay: f64) -> f64 {
        if at - self.slot_from > BASE_SLOT_S {
            self.previous = self.current.take();
            self.slot_from = at;
        }
        let current = self.current.map_or(delay, |least| least.min(delay));
        self.current = Some(current);
        self.previous.map_or(current, |least| least.min(current))
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;

    /// Datagrams of `octets`, `gap` apart, through a queue that serves `rate` after `free` octets.
    fn through_queue(rate: f64, octets: f64, gap: f64, count: u64) -> Vec<Outcome> {
        let mut free_at = 0.0_f64;
        (0..count)
            .map(|number| {
                let sent_at = number as f64 * gap;
                let served_at = free_at.max(sent_at);
                free_at = served_at + octets / rate;
                Outcome {
                    number,
                    sent_at,
                    octets,
                    position: (number + 1) as f64 * octets,
                    arrived_at: Some(1000.0 + served_at + 0.1),
                }
            })
            .collect()
    }

    /// A rate that is forgotten takes with it what was known of how long a datagram takes there.
    #[test]
    fn a_serial_relay_whose_rate_is_forgotten_has_a_queue_of_finite_length() {
        let mut sensor = QueueSensor::default();
        let mut read = |number: u64, octets: f64, rate: f64| {
            let sent_at = number as f64;
            let packet = Outcome {
                number,
                sent_at,
                octets,
                position: 1200.0 * sent_at,
                arrived_at: Some(sent_at + 0.1 + octets / 3000.0),
            };
            let reading = sensor.read(&packet, Care::Fine, Known { chance: 0.0, rate });
            (reading, sensor.is_serial())
        };
        for number in 0..4 {
            read(2 * number, 100.0, 3000.0);
            read(2 * number + 1, 1200.0, 3000.0);
        }
        assert!(read(8, 1200.0, 3000.0).1);
        let (reading, is_serial) = read(9, 1200.0, 0.0);
        assert!(!is_serial && reading.unwrap().queue.is_finite());
        assert!(read(10, 1200.0, 3000.0).0.unwrap().queue.is_finite());
    }

    #[test]
    fn the_slope_of_a_busy_run_is_the_relay_s_rate() {
        let mut sensor = QueueSensor::default();
        let packets = through_queue(3000.0, 300.0, 0.05, 40);
        let readings: Vec<Reading> = packets
            .iter()
            .filter_map(|packet| sensor.read(packet, Care::Fine, Known::default()))
            .collect();
        let (rate, trust) = readings.last().unwrap().slope.unwrap();
        assert!((rate / 3000.0 - 1.0).abs() < 0.001, "{rate}");
        assert!(trust > 0.99);
    }

    #[test]
    fn no_queue_no_reading() {
        let mut sensor = QueueSensor::default();
        for packet in through_queue(3000.0, 300.0, 0.11, 40) {
            let reading = sensor.read(&packet, Care::Fine, Known::default()).unwrap();
            assert_eq!((reading.queue, reading.slope), (0.0, None));
        }
    }

    #[test]
    fn losses_behind_the_queue_do_not_change_the_slope() {
        let mut sensor = QueueSensor::default();
        let mut rate = None;
        for packet in through_queue(3000.0, 300.0, 0.05, 60) {
            if packet.number % 3 != 1 {
                let reading =
                    sensor.read(&packet, Care::Fine, Known { chance: 1.0 / 3.0, rate: 0.0 });
                rate = reading.and_then(|reading| reading.slope).or(rate);
            }
        }
        assert!((rate.unwrap().0 / 3000.0 - 1.0).abs() < 0.001);
    }

    /// Of what does not fit the queue nothing was served: the arrivals are the rate, not what was sent.
    #[test]
    fn a_queue_that_overflows_is_no_faster_relay() {
        let mut sensor = QueueSensor::default();
        let mut packets = through_queue(3000.0, 300.0, 0.1, 60);
        let rate = packets.iter_mut().filter_map(|packet| {
            // Twice as much was sent; every second one found the queue full.
            packet.number *= 2;
            packet.position *= 2.0;
            packet.arrived_at = packet.arrived_at.map(|at| at + 0.001 * packet.number as f64);
            sensor.read(packet, Care::Fine, Known { chance: 0.01, rate: 0.0 })?.slope
        });
        let (rate, _) = rate.last().unwrap();
        assert!((rate / 3000.0 - 1.0).abs() < 0.05, "{rate}");
    }

    /// One large datagram that is late between small ones is most of the octets, and yet no overflow.
    #[test]
    fn one_that_is_late_does_not_lower_the_rate() {
        let mut sensor = QueueSensor::default();
        let (mut free_at, mut position) = (0.0_f64, 0.0);
        let mut rates = Vec::new();
        for number in 0..30 {
            let octets = if number % 4 == 3 { 1200.0 } else { 120.0 };
            let sent_at = number as f64 * 0.1;
            free_at = free_at.max(sent_at) + octets / 3000.0;
            position += octets;
            let arrived_at = Some(free_at + 0.1);
            let packet = Outcome { number, sent_at, octets, position, arrived_at };
            if number != 19 {
                let reading = sensor.read(&packet, Care::Fine, Known { chance: 0.01, rate: 0.0 });
                rates.extend(reading.and_then(|reading| reading.slope).map(|(rate, _)| rate));
            }
        }
        assert!(rates.len() > 10, "{rates:?}");
        assert!(rates.iter().all(|rate| (rate / 3000.0 - 1.0).abs() < 0.1), "{rates:?}");
    }
}
