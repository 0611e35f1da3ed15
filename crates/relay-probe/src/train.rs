//! A train of probes, and the sender that lets it go at its pace.

use std::time::{Duration, Instant};

/// Probes of one train that a sender lets go without a pause when it comes late: more would be a burst
/// of its own making.
const LATE_MAX: u32 = 64;

/// Probes of one size, sent at one pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train {
    /// Tells the probes of this train from those of others.
    pub id: u16,
    /// From the beginning of one probe to the beginning of the next.
    pub interval: Duration,
    /// The length of each, in octets of the carrier's datagram.
    pub octets: u16,
    /// How many.
    pub count: u32,
}

impl Train {
    /// Octets a second while it goes; a train without pauses is counted as one of a microsecond each.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.octets) / self.interval.max(Duration::from_micros(1)).as_secs_f64()
    }

    /// How long it takes to send.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.interval.saturating_mul(self.count)
    }

    /// What it costs, in octets.
    #[must_use]
    pub fn cost(&self) -> u64 {
        u64::from(self.octets) * u64::from(self.count)
    }
}

/// Sends one train after the other, the newest only: a new train ends the last.
#[derive(Debug, Default)]
pub struct Sender {
    going: Option<Going>,
}

#[derive(Debug)]
struct Going {
    train: Train,
    next: u32,
    next_at: Instant,
}

impl Sender {
    /// Begins with `train` at `now`.
    pub fn start(&mut self, now: Instant, train: Train) {
        self.going = Some(Going { train, next: 0, next_at: now });
    }

    /// The probe that is due at `now`, as its train and its number there.
    pub fn poll(&mut self, now: Instant) -> Option<(Train, u32)> {
        let going = self.going.as_mut().filter(|going| going.next_at <= now)?;
        let (train, number) = (going.train, going.next);
        if number >= train.count {
            self.going = None;
            return None;
        }
        going.next += 1;
        let late_at_most = train.interval.saturating_mul(LATE_MAX);
        let earliest = now.checked_sub(late_at_most).unwrap_or(now);
        going.next_at = going.next_at.max(earliest) + train.interval;
        Some((train, number))
    }

    /// When the next probe is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        self.going.as_ref().map(|going| going.next_at)
    }
}
