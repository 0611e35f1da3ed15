//! A model of TCP with CUBIC (RFC 9438): what else is on a relay.
//!
//! Segments of 1,200 octets with their headers, ten of them at first; slow start without HyStart, fast recovery with
//! selective acknowledgements (RFC 6675), a timeout of 200 ms at least that doubles (RFC 6298), acknowledgements
//! for each second segment, at once for what is out of order, after 40 ms at the latest. Sent in bursts, as the
//! window opens. A model: it has no handshake, and its octets are zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use relay_sim::Node;

use crate::work::{End, Ping};

const SEGMENT_OCTETS: usize = 1200;
const HEADER_OCTETS: usize = 40;
const PAYLOAD_OCTETS: u64 = 1160;
const ACK_OCTETS: usize = 52;
const INITIAL_WINDOW: f64 = 10.0;
/// RFC 9438, sections 4.2 and 4.6.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// A segment is lost if so many sent after it have arrived.
const DUPLICATES: usize = 3;
const TIMEOUT_MIN: Duration = Duration::from_millis(200);
const ACK_DELAY: Duration = Duration::from_millis(40);
/// Arrived segments beyond a gap that an acknowledgement names.
const NAMED_MAX: usize = 200;

/// Sends for ever.
#[derive(Debug)]
pub struct TcpSender {
    /// Segments sent once, and not acknowledged cumulatively.
    flight: BTreeMap<u32, Segment>,
    acked: u32,
    next: u32,
    window: f64,
    threshold: f64,
    /// When the last decrease was, from which window, and the window that Reno would have by now.
    epoch: Option<(Instant, f64, f64)>,
    window_max: f64,
    /// Recovery lasts until this segment is acknowledged.
    recover: Option<u32>,
    round_trip: Option<(Duration, Duration)>,
    timeout: Duration,
    timer: Option<Instant>,
    wait: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    sent: Instant,
    is_first: bool,
    has_arrived: bool,
    is_lost: bool,
}

impl TcpSender {
    /// Begins at `start`.
    #[must_use]
    pub const fn new(start: Instant) -> Self {
        Self {
            flight: BTreeMap::new(),
            acked: 0,
            next: 0,
            window: INITIAL_WINDOW,
            threshold: f64::INFINITY,
            epoch: None,
            window_max: 0.0,
            recover: None,
            round_trip: None,
            timeout: Duration::from_secs(1),
            timer: None,
            wait: Some(start),
        }
    }

    /// Segments that are somewhere on the way.
    fn pipe(&self) -> f64 {
        let on_way = |segment: &&Segment| !segment.has_arrived && !segment.is_lost;
        let count = self.flight.values().filter(on_way).count();
        u32::try_from(count).map_or(f64::INFINITY, f64::from)
    }

    fn handle_ack(&mut self, now: Instant, cumulative: u32, named: &[u32]) {
        let mut sample = None;
        let mut news = 0_u32;
        while let Some(entry) = self.flight.first_entry()
            && *entry.key() < cumulative
        {
            let segment = entry.remove();
            news += u32::from(!segment.has_arrived);
            if segment.is_first && !segment.has_arrived {
                sample = Some(now.saturating_duration_since(segment.sent));
            }
        }
        for number in named {
            if let Some(segment) = self.flight.get_mut(number) {
                news += u32::from(!segment.has_arrived);
                (segment.has_arrived, segment.is_lost) = (true, false);
            }
        }
        if let Some(sample) = sample {
            self.sample(sample);
        }
        if cumulative > self.acked {
            self.acked = cumulative;
            self.timer = (!self.flight.is_empty()).then(|| now + self.timeout);
        }
        if self.recover.is_some_and(|until| cumulative >= until) {
            self.recover = None;
        }
        if self.find_lost() && self.recover.is_none() {
            self.decrease();
            self.recover = Some(self.next);
        } else if self.recover.is_none() && news > 0 {
            self.grow(now, f64::from(news));
        }
    }

    fn sample(&mut self, sample: Duration) {
        let (smoothed, variation) = match self.round_trip {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => {
                let off = smoothed.abs_diff(sample);
                ((smoothed * 7 + sample) / 8, (variation * 3 + off) / 4)
            }
        };
        self.round_trip = Some((smoothed, variation));
        self.timeout = (smoothed + variation * 4).max(TIMEOUT_MIN);
    }

    /// Marks what is lost; whether anything new is.
    fn find_lost(&mut self) -> bool {
        let mut above = self.flight.values().filter(|segment| segment.has_arrived).count();
        let mut found = false;
        for segment in self.flight.values_mut() {
            if segment.has_arrived {
                above -= 1;
            } else if above >= DUPLICATES && segment.is_first && !segment.is_lost {
                segment.is_lost = true;
                found = true;
            }
        }
        found
    }

    fn decrease(&mut self) {
        // Fast convergence, section 4.7.
        let shrinks = self.window < self.window_max;
        self.window_max = if shrinks { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(2.0);
        self.window = self.threshold;
        self.epoch = None;
    }

    fn grow(&mut self, now: Instant, segments: f64) {
        if self.window < self.threshold {
            self.window += segments;
            return;
        }
        let first = (now, self.window.max(self.window_max), self.window);
        let (began, from, reno) = self.epoch.unwrap_or(first);
        let round_trip = self.round_trip.map_or(0.1, |(smoothed, _)| smoothed.as_secs_f64());
        let start = self.threshold.min(self.window);
        let k = ((from - start).max(0.0) / C).cbrt();
        let at = |time: f64| C * (time - k).powi(3) + from;
        let time = now.saturating_duration_since(began).as_secs_f64();
        let reno = reno + segments * 3.0 * (1.0 - BETA) / (1.0 + BETA) / self.window;
        self.epoch = Some((began, from, reno));
        let target = at(time + round_trip).clamp(self.window, 1.5 * self.window);
        self.window += segments * (target - self.window) / self.window;
        self.window = self.window.max(reno);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.timer.is_none_or(|at| at > now) {
            return;
        }
        self.decrease();
        self.window = 1.0;
        self.recover = Some(self.next);
        for segment in self.flight.values_mut().filter(|segment| !segment.has_arrived) {
            segment.is_lost = true;
        }
        self.timeout = (self.timeout * 2).min(Duration::from_secs(60));
        self.timer = Some(now + self.timeout);
    }
}

impl Node for TcpSender {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let mut numbers = datagram
            .get(HEADER_OCTETS..)
            .unwrap_or_default()
            .chunks_exact(4)
            .filter_map(|octets| octets.try_into().ok().map(u32::from_be_bytes));
        let Some(cumulative) = numbers.next() else { return };
        let named: Vec<u32> = numbers.collect();
        self.handle_ack(now, cumulative, &named);
        self.wait = Some(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.handle_timeout(now);
        self.wait = self.timer;
        if self.pipe() + 1.0 > self.window {
            return false;
        }
        let lost = self.flight.iter().find(|(_, segment)| segment.is_lost);
        let (number, is_first) = match lost {
            Some((number, _)) => (*number, false),
            None => (self.next, true),
        };
        self.next += u32::from(is_first);
        let segment = Segment { sent: now, is_first, has_arrived: false, is_lost: false };
        self.flight.insert(number, segment);
        self.timer.get_or_insert(now + self.timeout);
        buf.resize(HEADER_OCTETS, 0);
        buf.extend(number.to_be_bytes());
        buf.resize(SEGMENT_OCTETS, 0);
        self.wait = Some(now);
        true
    }

    fn next_at(&self) -> Option<Instant> {
        self.wait
    }
}

impl End for TcpSender {
    fn delivered(&self) -> &[(Instant, u64)] {
        &[]
    }

    fn pings(&self) -> &[Ping] {
        &[]
    }

    fn fault(&self) -> Option<String> {
        None
    }
}

/// Receives.
#[derive(Debug, Default)]
pub struct TcpReceiver {
    next: u32,
    beyond: BTreeSet<u32>,
    waiting: Option<(Instant, u32)>,
    delivered: Vec<(Instant, u64)>,
}

impl Node for TcpReceiver {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let number = datagram.get(HEADER_OCTETS..).and_then(|rest| rest.first_chunk());
        let Some(number) = number.map(|octets| u32::from_be_bytes(*octets)) else { return };
        let in_order = number == self.next && self.beyond.is_empty();
        if number >= self.next {
            self.beyond.insert(number);
        }
        while self.beyond.remove(&self.next) {
            self.next += 1;
            self.delivered.push((now, PAYLOAD_OCTETS));
        }
        let (since, count) = self.waiting.unwrap_or((now, 0));
        let count = if in_order { count + 1 } else { 2 };
        self.waiting = Some((since, count));
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let is_due = |(since, count): (Instant, u32)| count >= 2 || since + ACK_DELAY <= now;
        if !self.waiting.is_some_and(is_due) {
            return false;
        }
        self.waiting = None;
        buf.resize(HEADER_OCTETS, 0);
        buf.extend(self.next.to_be_bytes());
        for number in self.beyond.iter().rev().take(NAMED_MAX) {
            buf.extend(number.to_be_bytes());
        }
        buf.resize(buf.len().max(ACK_OCTETS), 0);
        buf.truncate(SEGMENT_OCTETS);
        true
    }

    fn next_at(&self) -> Option<Instant> {
        self.waiting.map(|(since, _)| since + ACK_DELAY)
    }
}

impl End for TcpReceiver {
    fn delivered(&self) -> &[(Instant, u64)] {
        &self.delivered
    }

    fn pings(&self) -> &[Ping] {
        &[]
    }

    fn fault(&self) -> Option<String> {
        None
    }
}
