//! What arrived: which numbers, which is new, and when to acknowledge.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::Clock;
use super::numbers::Numbers;
use super::replay::ReplayWindow;
use crate::dice::Dice;
use crate::num;
use crate::wire::ack::{AGE_END, ARRIVALS_MAX, Ack, Arrival, RANGES_MAX, WRITTEN_AT_BITS};

/// An acknowledgement waits this long on average for something to ride on, at least: there is nothing
/// to ride on sooner; and at most, so that it leaves within a second or so.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_millis(450);
/// Between these it waits as long as pays for it. Acknowledgements alone may take 3 % of what arrives, and of
/// what this end may send (AP-72); this is more, for the time until something arrives at all comes on top of the wait.
const ACK_SHARE: f64 = 0.035;
/// An acknowledgement alone takes about this many octets beside its frame: header, tag, padding.
const ACK_OVERHEAD: usize = 26;
/// The share that is missing is that of about so many packets.
const MISSING_OF: u64 = 50;
/// At a gap it waits for this part of the usual time: the sender should know soon, but not at any
/// price.
const GAP_SHARE: u32 = 4;

/// AP-70: a packet's arrival is told in so many acknowledgements, that of the newest in all. Gaps that
/// no packet will ever fill would otherwise lengthen each of them.
const REPEATS: usize = 16;

/// What a packet asks of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asks {
    /// No acknowledgement.
    Nothing,
    /// One, some time.
    Ack,
    /// One at once (AP-43).
    AckNow,
}

/// An acknowledgement to send, and how much of it earlier ones have not said.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) ack: Ack,
    /// So many of the arrivals, the latest ones, have not been told before.
    pub(crate) fresh: usize,
}

/// When a datagram arrived.
#[derive(Clone, Copy, Debug)]
struct ArrivedAt {
    number: u64,
    /// Units of 100 µs on this end's clock.
    at: u64,
}

/// The receiving side of the packet numbers.
#[derive(Debug)]
pub(crate) struct Received {
    seen: ReplayWindow,
    /// What is to be acknowledged.
    numbers: Numbers,
    news_floors: NewsFloors,
    largest: Option<u64>,
    /// Octets of all datagrams.
    octets: u64,
    arrivals: Arrivals,
    has_news: bool,
    due: Option<Instant>,
    /// What the next wait is of an average one, drawn for each acknowledgement (AP-73).
    wait: f64,
    /// What an acknowledgement alone costs, in octets.
    cost: f64,
    /// Decaying count of octets: about the octets of the last second.
    recent_octets: f64,
    recent_at: f64,
    /// What this end may send, in octets a second, if it knows.
    own_rate: Option<f64>,
    /// The share of the peer's packets that did not arrive, lately.
    missing: f64,
}

/// The first acknowledgement of all waits for half of an average wait: an answer is likely to come
/// within that, and carries it.
const FIRST_WAIT: f64 = 0.5;

impl Default for Received {
    fn default() -> Self {
        Self {
            seen: ReplayWindow::default(),
            numbers: Numbers::default(),
            news_floors: NewsFloors::default(),
            largest: None,
            octets: 0,
            arrivals: Arrivals::default(),
            has_news: false,
            due: None,
            wait: FIRST_WAIT,
            cost: num::to_f64(num::len_u64(ACK_OVERHEAD)),
            recent_octets: 0.0,
            recent_at: 0.0,
            own_rate: None,
            missing: 0.0,
        }
    }
}

impl Received {
    pub(crate) fn is_new(&self, number: u64) -> bool {
        self.seen.is_new(number)
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
        self.note_missing(expected, number);
        self.seen.record(number);
        self.numbers.insert(number);
        self.news_floors.note(number);
        self.largest = Some(self.largest.map_or(number, |largest| largest.max(number)));
        self.octets = self.octets.saturating_add(num::len_u64(octets));
        self.note_octets(clock.seconds(now), num::to_f64(num::len_u64(octets)));
        // Who acknowledged what asks for nothing would keep two silent ends talking; and its sender has
        // no use for the time at which it came.
        if asks > Asks::Nothing {
            self.has_news = true;
            self.arrivals.note(ArrivedAt { number, at: clock.wire(now) });
        }
        match asks {
            Asks::Nothing => {}
            Asks::AckNow => self.due = Some(now),
            Asks::Ack => {
                let average = self.average_wait();
                let average = if number == expected { average } else { average / GAP_SHARE };
                let due = now + average.mul_f64(self.wait);
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

    /// Whether an acknowledgement would tell anything that was asked for.
    pub(crate) const fn has_news(&self) -> bool {
        self.has_news
    }

    /// The acknowledgement to send now; it counts as sent.
    pub(crate) fn take_ack(
        &mut self,
        clock: &Clock,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<Report> {
        let largest = self.largest?;
        let floor = self.news_floors.least();
        // The range of `largest` is always written: the frame has no form without one.
        let ranges: Vec<RangeInclusive<u64>> = self
            .numbers
            .latest_first()
            .enumerate()
            .take_while(|(index, range)| *index == 0 || *range.end() >= floor)
            .map(|(_, range)| range)
            .take(RANGES_MAX)
            .collect();
        let written_at = clock.wire(now);
        let (arrivals, fresh) = self.arrivals.tell(written_at);
        self.has_news = false;
        self.due = None;
        self.wait = dice.wait();
        self.news_floors.next();
        let ack = Ack {
            epoch: None,
            largest,
            written_at: num::low_bits(written_at, WRITTEN_AT_BITS),
            octets: num::low_bits(self.octets, u32::BITS),
            ranges,
            arrivals,
        };
        let cost = ack.room_for(2 * fresh).saturating_add(ACK_OVERHEAD);
        self.cost = num::to_f64(num::len_u64(cost));
        Some(Report { ack, fresh })
    }

    /// What this end may send, in octets a second: acknowledgements may not take more of that either.
    pub(crate) const fn pay_from(&mut self, rate: Option<f64>) {
        self.own_rate = rate;
    }

    /// How long an acknowledgement waits on average.
    fn average_wait(&self) -> Duration {
        let affordable =
            self.own_rate.map_or(self.recent_octets, |own| own.min(self.recent_octets));
        let seconds = self.cost / (ACK_SHARE * affordable.max(1.0));
        num::seconds(seconds).clamp(WAIT_MIN, WAIT_MAX)
    }

    /// Octets that arrived.
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Octets a second that arrive, lately.
    pub(crate) const fn rate(&self) -> f64 {
        self.recent_octets
    }

    /// The share of the peer's packets that did not arrive, lately.
    pub(crate) const fn missing(&self) -> f64 {
        self.missing
    }

    /// Nothing is under way, nor has been for a while: what was told is known.
    pub(crate) fn rest(&mut self) {
        if self.arrivals.fresh == 0 {
            self.arrivals.kept = VecDeque::new();
        }
    }

    /// The handshake had to be repeated so often.
    pub(crate) fn suspect(&mut self, repeats: u32) {
        let repeats = f64::from(repeats.min(4));
        self.missing = self.missing.max(repeats / (repeats + 6.0));
    }

    fn note_missing(&mut self, expected: u64, number: u64) {
        // Early on each packet says more.
        let known = num::to_f64(expected.min(MISSING_OF));
        let weight = 1.0 / (known + 8.0).min(num::to_f64(MISSING_OF));
        let skipped = number.saturating_sub(expected).min(8);
        for _ in 0..skipped {
            self.missing += weight * (1.0 - self.missing);
        }
        self.missing -= weight * if number < expected { 1.0 } else { self.missing };
        self.missing = self.missing.max(0.0);
    }

    fn note_octets(&mut self, at: f64, octets: f64) {
        self.recent_octets *= (-(at - self.recent_at).max(0.0)).exp();
        self.recent_octets += octets;
        self.recent_at = at;
    }
}

/// The lowest number that arrived before each of the last acknowledgements: what is below all of them
/// has been told so often that it is told no more.
#[derive(Debug)]
struct NewsFloors([u64; REPEATS]);

impl Default for NewsFloors {
    fn default() -> Self {
        Self([u64::MAX; REPEATS])
    }
}

impl NewsFloors {
    fn note(&mut self, number: u64) {
        if let Some(newest) = self.0.first_mut() {
            *newest = number.min(*newest);
        }
    }

    fn next(&mut self) {
        self.0.rotate_right(1);
        if let Some(newest) = self.0.first_mut() {
            *newest = u64::MAX;
        }
    }

    fn least(&self) -> u64 {
        self.0.iter().copied().min().unwrap_or_default()
    }
}

/// When the newest datagrams arrived: those that no acknowledgement told yet, and told ones while
/// there is room, for an acknowledgement may be lost.
#[derive(Debug, Default)]
struct Arrivals {
    /// Oldest first; the last `fresh` of them have not been told.
    kept: VecDeque<ArrivedAt>,
    fresh: usize,
    /// AP-71: every `thinning`-th is kept, so that what is kept is spread evenly.
    thinning: u64,
    skipped: u64,
    /// The one of the largest number among those left out: the newest packet is always timed.
    largest_skipped: Option<ArrivedAt>,
}

impl Arrivals {
    fn note(&mut self, arrival: ArrivedAt) {
        self.skipped += 1;
        if self.skipped < self.thinning {
            let largest = self.largest_skipped.filter(|largest| largest.number > arrival.number);
            self.largest_skipped = largest.or(Some(arrival));
            return;
        }
        self.skipped = 0;
        if self.fresh == ARRIVALS_MAX {
            self.thin();
        } else if self.kept.len() == ARRIVALS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(arrival);
        self.fresh += 1;
    }

    /// All are news, and they are too many: every second one goes, and later ones are taken half as
    /// often.
    fn thin(&mut self) {
        let mut keep = false;
        self.kept.retain(|_| {
            keep = !keep;
            keep
        });
        self.fresh = self.kept.len();
        self.thinning = self.thinning.max(1) * 2;
    }

    /// What is known, the latest first, and how many of them are news. They count as told.
    fn tell(&mut self, written_at: u64) -> (Vec<Arrival>, usize) {
        let newest = self.kept.iter().map(|arrival| arrival.number).max();
        if let Some(skipped) = self.largest_skipped.take()
            && newest < Some(skipped.number)
        {
            self.insert_in_time(skipped);
        }
        let age = |arrival: &ArrivedAt| written_at.saturating_sub(arrival.at);
        let arrivals: Vec<Arrival> = self
            .kept
            .iter()
            .rev()
            .map(|arrival| Arrival { number: arrival.number, age: age(arrival) })
            .take_while(|arrival| arrival.age < AGE_END)
            .collect();
        let fresh = self.fresh.min(arrivals.len());
        (self.fresh, self.thinning, self.skipped) = (0, 1, 0);
        (arrivals, fresh)
    }

    fn insert_in_time(&mut self, arrival: ArrivedAt) {
        if self.kept.len() == ARRIVALS_MAX {
            self.kept.pop_front();
        }
        let place = self.kept.partition_point(|kept| kept.at <= arrival.at);
        self.kept.insert(place, arrival);
        self.fresh = (self.fresh + 1).min(self.kept.len());
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests;
