//! What the oracle does about loss: ranges of what arrived, and time on the sender's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::packet::{Ack, Chunk, Kind};

/// Ranges that one acknowledgement tells; each is told this often.
const RANGES_MAX: usize = 64;
const TOLD_MAX: u8 = 4;
/// A packet is late, not lost, if one sent so much later has arrived; late ones widen it.
const LATENESS_MIN: Duration = Duration::from_millis(3);
/// The round trip before it is known.
const ROUND_TRIP: Duration = Duration::from_secs(1);
/// Lost packets are remembered for so long, should they be late only.
const LOST_KEPT: usize = 1024;

/// A packet that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) octets: usize,
    pub(super) chunks: Vec<Chunk>,
}

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// How long the other end may keep an acknowledgement back.
    ack_wait: Duration,
    next: u32,
    flight: BTreeMap<u32, Sent>,
    flight_octets: usize,
    lost: BTreeMap<u32, Sent>,
    /// Sparse chunks that arrived, as one copy or another.
    arrived: BTreeSet<Chunk>,
    /// The largest acknowledged number, and when it was sent.
    newest: Option<(u32, Instant)>,
    round_trip: Option<(Duration, Duration)>,
    latest: Duration,
    lateness: Duration,
    last_ack: Option<Instant>,
    probed: Option<Instant>,
}

/// What an acknowledgement changes.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) lost: Vec<Chunk>,
    pub(super) arrived: Vec<Chunk>,
}

impl Recovery {
    pub(super) fn new(ack_wait: Duration) -> Self {
        Self { ack_wait, ..Self::default() }
    }

    pub(super) const fn next_number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(super) fn sent(&mut self, number: u32, sent: Sent) {
        self.flight_octets += sent.octets;
        self.flight.insert(number, sent);
    }

    pub(super) fn handle_ack(&mut self, now: Instant, ack: &Ack) -> News {
        let mut news = News::default();
        let delay = Duration::from_micros(100) * ack.delay.into();
        for &(first, last) in &ack.ranges {
            let numbers: Vec<u32> = self.flight.range(first..=last).map(|(n, _)| *n).collect();
            for number in numbers {
                let Some(sent) = self.flight.remove(&number) else { continue };
                self.flight_octets -= sent.octets;
                self.last_ack = Some(now);
                self.probed = None;
                if self.newest.is_none_or(|(newest, _)| newest < number) {
                    self.newest = Some((number, sent.at));
                    self.sample(now.saturating_duration_since(sent.at), delay);
                }
                news.arrived.extend(&sent.chunks);
            }
            self.take_late(now, first, last, &mut news);
        }
        self.arrived.extend(news.arrived.iter().filter(|chunk| chunk.kind == Kind::Sparse));
        while self.arrived.len() > LOST_KEPT {
            self.arrived.pop_first();
        }
        news.lost = self.find_lost(now);
        news
    }

    /// What was taken for lost and arrives after all widens what counts as late.
    fn take_late(&mut self, now: Instant, first: u32, last: u32, news: &mut News) {
        let Some((_, newest)) = self.newest else { return };
        let numbers: Vec<u32> = self.lost.range(first..=last).map(|(n, _)| *n).collect();
        for number in numbers {
            let Some(sent) = self.lost.remove(&number) else { continue };
            self.last_ack = Some(now);
            let late = newest.saturating_duration_since(sent.at).mul_f64(1.05);
            self.lateness = self.lateness.max(late).min(self.smoothed());
            news.arrived.extend(&sent.chunks);
        }
    }

    fn sample(&mut self, raw: Duration, delay: Duration) {
        let sample = raw.saturating_sub(delay);
        self.latest = raw;
        let (smoothed, variation) = self.round_trip.unwrap_or((sample, sample / 2));
        let off = smoothed.abs_diff(sample);
        self.round_trip = Some(((smoothed * 7 + sample) / 8, (variation * 3 + off) / 4));
    }

    fn smoothed(&self) -> Duration {
        self.round_trip.map_or(ROUND_TRIP, |(smoothed, _)| smoothed)
    }

    /// After so long without an acknowledgement, something is wrong.
    fn patience(&self) -> Duration {
        let (smoothed, variation) = self.round_trip.unwrap_or((ROUND_TRIP, Duration::ZERO));
        smoothed
            + self.ack_wait
            + (variation * 4).max(Duration::from_millis(20))
            + Duration::from_millis(30)
    }

    fn lateness(&self) -> Duration {
        self.lateness.max(LATENESS_MIN)
    }

    fn find_lost(&mut self, now: Instant) -> Vec<Chunk> {
        let Some((number, sent_at)) = self.newest else { return Vec::new() };
        let (late, wait) = (self.lateness(), self.latest + self.lateness());
        let is_lost = |sent: &Sent| sent.at + late <= sent_at || sent.at + wait <= now;
        let older = self.flight.range(..number).filter(|(_, sent)| is_lost(sent));
        let numbers: Vec<u32> = older.map(|(number, _)| *number).collect();
        let mut again = Vec::new();
        for number in numbers {
            let Some(sent) = self.flight.remove(&number) else { continue };
            self.flight_octets -= sent.octets;
            for chunk in &sent.chunks {
                let is_under_way = chunk.kind == Kind::Sparse
                    && self.flight.values().any(|other| other.chunks.contains(chunk));
                if !is_under_way && !self.arrived.contains(chunk) && !again.contains(chunk) {
                    again.push(*chunk);
                }
            }
            self.lost.insert(number, sent);
        }
        while self.lost.len() > LOST_KEPT {
            self.lost.pop_first();
        }
        again
    }

    /// What became lost by the passing of time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Chunk> {
        if self.is_silent(now) { Vec::new() } else { self.find_lost(now) }
    }

    /// When the oldest packet began to wait, or the last news came.
    fn anchor(&self) -> Option<Instant> {
        let (_, oldest) = self.flight.first_key_value()?;
        Some(self.last_ack.map_or(oldest.at, |at| at.max(oldest.at)))
    }

    fn silent_from(&self) -> Option<Instant> {
        self.anchor().map(|at| at + self.patience() * 2 + Duration::from_millis(100))
    }

    /// Whether the path seems to be down.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silent_from().is_some_and(|at| at <= now)
    }

    fn probe_at(&self) -> Option<Instant> {
        let first = self.anchor()? + self.patience();
        match self.probed {
            None => Some(first),
            Some(at) => Some((at + self.smoothed()).max(self.silent_from()?)),
        }
    }

    /// Whether the oldest packet is to be sent once more; says so once.
    pub(super) fn is_probe_due(&mut self, now: Instant) -> bool {
        let is_due = self.probe_at().is_some_and(|at| at <= now);
        if is_due {
            self.probed = Some(now);
        }
        is_due
    }

    /// What to ask with: the oldest sparse chunk, or the oldest.
    pub(super) fn oldest(&self) -> Option<Chunk> {
        let mut chunks = self.flight.values().flat_map(|sent| &sent.chunks);
        let sparse = chunks.clone().find(|chunk| chunk.kind == Kind::Sparse);
        sparse.or_else(|| chunks.next()).copied()
    }

    /// Whether more bulk may be under way: a round trip's worth, and what acknowledgements wait.
    pub(super) fn has_room(&self, rate: f64) -> bool {
        const DATAGRAMS: f64 = 2400.0;
        let time = 1.25 * self.smoothed().max(self.latest).as_secs_f64() + 0.1;
        let flight = u32::try_from(self.flight_octets).map_or(f64::INFINITY, f64::from);
        flight <= rate * time + DATAGRAMS
    }

    /// When something may change by itself.
    pub(super) fn waits(&self) -> [Option<Instant>; 3] {
        let wait = self.latest + self.lateness();
        let is_older = |number: &u32| self.newest.is_some_and(|(newest, _)| *number < newest);
        let oldest = self.flight.first_key_value().filter(|(number, _)| is_older(number));
        let lost_at = oldest.map(|(_, sent)| sent.at + wait);
        [lost_at, self.probe_at(), self.silent_from()]
    }
}

/// What arrived, and what is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// First and last numbers, oldest first, and how often each was told.
    ranges: Vec<(u32, u32, u8)>,
    newest_at: Option<Instant>,
    waiting_since: Option<Instant>,
    is_urgent: bool,
    told_at: Option<Instant>,
}

impl Received {
    /// A packet arrived. `false` if it had already.
    pub(super) fn note(&mut self, now: Instant, number: u32, is_urgent: bool) -> bool {
        self.waiting_since.get_or_insert(now);
        self.is_urgent |= is_urgent;
        if self.ranges.last().is_none_or(|(_, last, _)| *last < number) {
            self.newest_at = Some(now);
        }
        let index = self.ranges.partition_point(|(first, _, _)| *first <= number);
        let before = index.checked_sub(1).and_then(|index| self.ranges.get_mut(index));
        if let Some((_, last, told)) = before {
            if *last >= number {
                *told = 0;
                return false;
            }
            if *last + 1 == number {
                (*last, *told) = (number, 0);
                self.join(index);
                return true;
            }
        }
        match self.ranges.get_mut(index) {
            Some((first, _, told)) if *first == number + 1 => (*first, *told) = (number, 0),
            _ => self.ranges.insert(index, (number, number, 0)),
        }
        if self.ranges.len() > LOST_KEPT {
            self.ranges.remove(0);
        }
        true
    }

    /// Joins the range at `index` to the one before it if nothing is between them.
    fn join(&mut self, index: usize) {
        let Some(&(first, last, _)) = self.ranges.get(index) else { return };
        if let Some((_, end, _)) = self.ranges.get_mut(index - 1)
            && *end + 1 == first
        {
            *end = last;
            self.ranges.remove(index);
        }
    }

    fn to_tell(&self) -> usize {
        let untold = self.ranges.iter().rev().filter(|(_, _, told)| *told < TOLD_MAX).count();
        untold.clamp(1, RANGES_MAX)
    }

    /// What an acknowledgement would take now.
    pub(super) fn peek_octets(&self) -> usize {
        if self.waiting_since.is_none() { 0 } else { Ack::octets(self.to_tell()) }
    }

    /// The acknowledgement, if anything is new.
    pub(super) fn take(&mut self, now: Instant) -> Option<Ack> {
        self.waiting_since.take()?;
        (self.is_urgent, self.told_at) = (false, Some(now));
        let waited = now.saturating_duration_since(self.newest_at?).as_micros() / 100;
        let mut ranges = Vec::new();
        for (place, (first, last, told)) in self.ranges.iter_mut().rev().enumerate() {
            if ranges.len() < RANGES_MAX && (place == 0 || *told < TOLD_MAX) {
                *told = told.saturating_add(1);
                ranges.push((*first, *last));
            }
        }
        Some(Ack { delay: u16::try_from(waited).unwrap_or(u16::MAX), ranges })
    }

    /// When it is to leave alone.
    pub(super) fn due(&self, delay: Duration, spacing: Duration) -> Option<Instant> {
        let since = self.waiting_since?;
        if self.is_urgent {
            return Some(since);
        }
        let ridden = since + delay;
        Some(self.told_at.map_or(ridden, |at| ridden.max(at + spacing)))
    }
}
