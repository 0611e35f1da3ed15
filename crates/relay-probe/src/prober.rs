//! Plans the trains of one direction, by what became of those before, and keeps what was found.
//!
//! ```text
//!  ramp ──► level ──► rest ──► burst ──► watch: sparse ◄──► check
//!  doubling  twice the   until the bucket    delay steps      rate steps
//!  the rate  rate, 5 s   is full again           │
//!               ▲                                │ another rate, or none told
//!               └────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use crate::analysis::{self, Shape};
use crate::change::Delays;
use crate::estimate::{Change, Estimate, Kind};
use crate::num::{duration, whole};
use crate::record::{Arrival, Record};
use crate::train::Train;

/// Where the ramp begins, in octets a second: twice the slowest relay.
const RATE_FIRST: f64 = 1_000.0;

/// Where it ends. Nothing is told of what is faster: finding out would be a flood.
const RATE_LAST: f64 = 8_000_000.0;

/// No train is slower, in octets a second: whatever the other end says, it is over some day.
const TRAIN_RATE_MIN: f64 = 50.0;

/// No train is faster, in octets a second.
const TRAIN_RATE_MAX: f64 = 2.0 * RATE_LAST;

/// How long a train of the ramp takes, and how long one that measures: five windows of a second.
const RAMP: f64 = 1.0;
const LEVEL: f64 = 5.0;

/// No train takes longer to send, in seconds: a bucket of [`REST_MAX`] is emptied in thirty.
const TRAIN_LENGTH_MAX: f64 = 60.0;

/// No train costs more, in octets: five seconds at twice 1 MB/s.
const TRAIN_OCTETS_MAX: f64 = 12_000_000.0;

/// Times the rate that a train goes at which measures, and times the rate at which it went too fast.
const OVERLOAD: f64 = 2.0;
const OVERLOAD_MAX: f64 = 3.2;

/// Times the rate of a train that empties a bucket: what flows in meanwhile blurs it.
const BURST_OVERLOAD: f64 = 4.0;

/// Trains that measure, before the last is taken as it is.
const TRIES_MAX: u32 = 6;

/// Probes in a second of the path's rate: a window's end is told to half a probe.
const PROBES_PER_SECOND: f64 = 32.0;

/// When nothing came for so long after a train, the rest is lost; a pausing reader pauses for a second.
const QUIET: Duration = Duration::from_millis(2_500);

/// The same once it is known that nothing pauses.
const QUIET_KNOWN: Duration = Duration::from_millis(700);

/// The longest rest for a bucket to be full again, in seconds.
const REST_MAX: f64 = 40.0;

/// The share of the rate that sparse probes take, and the time from one to the next, in seconds.
const SPARSE_SHARE: f64 = 0.1;
const SPARSE_INTERVAL: (f64, f64) = (0.2, 1.2);

/// How long there are sparse probes before the rate is checked, in seconds.
const SPARSE: f64 = 1.5;

/// How long it takes at the path's rate what a check sends when the bucket is empty, in seconds.
const CHECK: f64 = 0.4;

/// The same of a policer, where what passes is to be counted.
const POLICER_CHECK: f64 = 1.5;

/// A check has at least so many probes.
const CHECK_PROBES_MIN: f64 = 16.0;

/// Filling a bucket of more seconds of the rate than this, again and again, would be a transfer and no check.
const CHECKED_BUCKET_MAX: f64 = 0.6;

/// A rate that differs by more than this share is another relay's.
const RATE_STEP: f64 = 0.3;

/// Two signs of one change come in so many seconds.
const ONE_CHANGE: f64 = 6.0;

/// Changes that are kept: one each ten seconds of three hours.
const CHANGES_MAX: usize = 1_080;

/// How long the probes of this path may be, in octets of the carrier's datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What a probe takes without padding.
    pub min: u16,
    /// What the path carries.
    pub max: u16,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Have this train sent, from now on.
    Send(Train),
    /// Ask again then, or after the next arrival.
    Wait(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Ramp { rate: f64 },
    Level { rate: f64, tries: u32 },
    Rest { until: Instant, tries: u32 },
    Burst { tries: u32 },
    Sparse,
    Check,
}

/// Measures one direction: says which trains are to be sent, and is told what arrived.
#[derive(Debug)]
pub struct Prober {
    sizes: Sizes,
    began: Instant,
    phase: Phase,
    current: Option<Current>,
    next_id: u16,
    /// What a bucket held at least, octets above the rate, of the trains so far.
    held: Vec<Record>,
    delays: Delays,
    /// The sparse train before this one: its last probe may be on its way still.
    late: Option<Record>,
    sparse_sent: f64,
    sparse_arrived: f64,
    is_known: bool,
    found: Estimate,
}

#[derive(Debug)]
struct Current {
    record: Record,
    /// When the train is sent.
    sent_by: Instant,
    heard_at: Instant,
}

impl Prober {
    /// Begins at `now`.
    #[must_use]
    pub fn new(now: Instant, sizes: Sizes) -> Self {
        Self {
            sizes: Sizes { max: sizes.max.max(sizes.min), ..sizes },
            began: now,
            phase: Phase::Ramp { rate: RATE_FIRST },
            current: None,
            next_id: 0,
            held: Vec::new(),
            delays: Delays::default(),
            late: None,
            sparse_sent: 0.0,
            sparse_arrived: 0.0,
            is_known: false,
            found: Estimate::default(),
        }
    }

    /// What to do at `now`.
    pub fn poll(&mut self, now: Instant) -> Step {
        if let Some(current) = &self.current {
            let until = self.over_at(current);
            let is_sparse = self.phase == Phase::Sparse;
            if now < until && (is_sparse || !current.record.is_whole()) {
                return Step::Wait(until);
            }
        }
        if let Some(current) = self.current.take() {
            self.finish(now, current.record);
        }
        if let Phase::Rest { until, tries } = self.phase {
            if now < until {
                return Step::Wait(until);
            }
            self.phase = self.rested(tries);
        }
        let train = self.next_train();
        self.next_id = self.next_id.wrapping_add(1);
        self.found.cost = self.found.cost.saturating_add(train.cost());
        let sent_by = now + train.length();
        self.current = Some(Current { record: Record::new(train), sent_by, heard_at: now });
        Step::Send(train)
    }

    /// A probe arrived, of which this end hears at `now`.
    pub fn on_arrival(&mut self, now: Instant, arrival: Arrival) {
        if self.late.as_mut().is_some_and(|late| late.take(arrival)) {
            self.on_sparse(now, arrival);
            return;
        }
        let Some(current) = &mut self.current else { return };
        if !current.record.take(arrival) {
            return;
        }
        current.heard_at = now;
        if self.phase == Phase::Sparse {
            self.on_sparse(now, arrival);
        }
    }

    fn on_sparse(&mut self, now: Instant, arrival: Arrival) {
        self.sparse_arrived += 1.0;
        let Some(step) = self.delays.take(arrival.at - arrival.sent) else { return };
        self.note_change(now, Some(step), None);
        if self.phase != Phase::Sparse {
            // What goes on finds out the new relay's rate.
            return;
        }
        if let Some(current) = self.current.take() {
            self.sparse_sent += f64::from(arrival.number) + 1.0;
            self.late = Some(current.record);
        }
        self.phase = self.look_again();
    }

    /// Whether throttle, rate and burst are known; from then on changes are watched for.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.is_known
    }

    /// What is known by now.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let loss = (self.sparse_sent > 0.0)
            .then(|| (1.0 - self.sparse_arrived / self.sparse_sent).max(0.0));
        Estimate { jitter: self.delays.jitter(), loss, ..self.found.clone() }
    }

    fn over_at(&self, current: &Current) -> Instant {
        if self.phase == Phase::Sparse {
            return current.sent_by;
        }
        let quiet = if self.phase == Phase::Check { QUIET_KNOWN } else { QUIET };
        current.sent_by.max(current.heard_at) + quiet
    }

    fn rate(&self) -> f64 {
        self.found.rate.unwrap_or(RATE_FIRST)
    }

    fn next_train(&self) -> Train {
        match self.phase {
            Phase::Ramp { rate } => self.train(rate, rate * RAMP, rate / OVERLOAD),
            Phase::Level { rate, .. } => self.train(rate, rate * LEVEL, rate / OVERLOAD),
            Phase::Rest { .. } | Phase::Burst { .. } => {
                let flood = self.rate() * BURST_OVERLOAD;
                self.train(flood, self.bucket() * 3.0 + self.rate() * CHECK, self.rate())
            }
            Phase::Sparse => self.sparse(),
            Phase::Check if self.found.kind == Kind::Policer => {
                let octets = self.bucket() * 3.0 + self.rate() * POLICER_CHECK;
                self.train(self.rate() * OVERLOAD, octets, self.rate())
            }
            Phase::Check => {
                let octets = self.bucket() * 2.0 + self.rate() * CHECK;
                self.train(self.rate() * BURST_OVERLOAD, octets, self.rate())
            }
        }
    }

    /// A train at `rate` of so many octets, with probes for a path of another rate.
    fn train(&self, rate: f64, octets: f64, path_rate: f64) -> Train {
        let (min, max) = (f64::from(self.sizes.min), f64::from(self.sizes.max));
        // What was told may be nonsense, of which no rate follows.
        let rate = if rate.is_nan() { TRAIN_RATE_MIN } else { rate };
        let rate = rate.clamp(TRAIN_RATE_MIN, TRAIN_RATE_MAX);
        let (path_rate, octets) = (path_rate.max(1.0), octets.min(rate * TRAIN_LENGTH_MAX));
        let size = (path_rate / PROBES_PER_SECOND).clamp(min, max);
        let count = (octets.min(TRAIN_OCTETS_MAX) / size).max(CHECK_PROBES_MIN);
        self.of(size, size / rate, count)
    }

    fn sparse(&self) -> Train {
        let size = f64::from(self.sizes.min);
        let (least, most) = SPARSE_INTERVAL;
        let interval = (size / (self.rate() * SPARSE_SHARE)).clamp(least, most);
        self.of(size, interval, (SPARSE / interval).max(2.0))
    }

    fn of(&self, size: f64, interval: f64, count: f64) -> Train {
        let octets = u16::try_from(whole(size)).unwrap_or(self.sizes.max);
        Train { id: self.next_id, interval: duration(interval), octets, count: whole(count).max(1) }
    }

    /// What the bucket was seen to hold at least, in octets.
    fn bucket(&self) -> f64 {
        self.found.burst.unwrap_or_else(|| {
            let rate = self.rate();
            let held = self.held.iter().filter_map(|record| analysis::burst(record, rate));
            held.fold(f64::from(self.sizes.min), f64::max)
        })
    }

    /// Learns from a train that is over, and goes on to the next phase.
    fn finish(&mut self, now: Instant, record: Record) {
        let shape = analysis::shape(&record);
        self.phase = match self.phase {
            Phase::Ramp { rate } => self.ramped(rate, shape, record),
            Phase::Level { rate, tries } => self.levelled(now, (rate, tries), shape, record),
            Phase::Rest { .. } => self.phase,
            Phase::Burst { tries } => self.burst(now, tries, &record),
            Phase::Sparse => {
                self.sparse_sent += f64::from(record.train.count);
                self.late = Some(record);
                if self.is_checked() { Phase::Check } else { Phase::Sparse }
            }
            Phase::Check => self.checked(now, shape),
        };
    }

    fn ramped(&mut self, rate: f64, shape: Option<Shape>, record: Record) -> Phase {
        match shape {
            Some(shape) if shape.kind == Kind::Unthrottled && rate < RATE_LAST => {
                Phase::Ramp { rate: rate * 2.0 }
            }
            Some(shape) if shape.kind == Kind::Unthrottled => self.unthrottled(rate),
            Some(shape) => {
                self.held.push(record);
                Phase::Level { rate: shape.rate * OVERLOAD, tries: 0 }
            }
            // Next to nothing came: slower, for the next window or the next bucketful.
            None => Phase::Level { rate: slower(rate, &record), tries: 0 },
        }
    }

    fn unthrottled(&mut self, rate: f64) -> Phase {
        self.found = Estimate { kind: Kind::Unthrottled, rate: Some(rate), ..self.estimate() };
        self.is_known = true;
        Phase::Sparse
    }

    fn levelled(
        &mut self,
        now: Instant,
        (rate, tries): (f64, u32),
        shape: Option<Shape>,
        record: Record,
    ) -> Phase {
        let again = |rate: f64| Phase::Level { rate: rate.max(RATE_FIRST / 2.0), tries: tries + 1 };
        let Some(shape) = shape else { return again(slower(rate, &record)) };
        if shape.kind == Kind::Unthrottled {
            return if rate < RATE_LAST { again(rate * 2.0) } else { self.unthrottled(rate) };
        }
        self.held.push(record);
        let is_rough = rate > shape.rate * OVERLOAD_MAX || !shape.is_steady;
        if is_rough && tries < TRIES_MAX {
            return again(shape.rate * OVERLOAD);
        }
        self.accept(now, shape)
    }

    /// Takes the rate of a train, and goes on to the bucket if the throttle has one.
    fn accept(&mut self, now: Instant, shape: Shape) -> Phase {
        if self.is_known {
            let before = self.rate();
            if differs(before, shape.rate) {
                self.note_change(now, None, Some((before, shape.rate)));
            }
        }
        self.found.kind = shape.kind;
        self.found.rate = Some(shape.rate);
        self.found.window = shape.window;
        self.found.queue = shape.queue.or(self.found.queue);
        self.found.burst = None;
        self.rest(now, 0)
    }

    fn rest(&self, now: Instant, tries: u32) -> Phase {
        let full = self.found.window.unwrap_or_else(|| self.bucket() / self.rate().max(1.0));
        Phase::Rest { until: now + duration((full * 1.5 + 0.5).min(REST_MAX)), tries }
    }

    /// A bucket is full and no reader pauses any more.
    fn rested(&mut self, tries: u32) -> Phase {
        if self.found.window.is_none() {
            return Phase::Burst { tries };
        }
        self.known();
        Phase::Sparse
    }

    fn burst(&mut self, now: Instant, tries: u32, record: &Record) -> Phase {
        let Some(held) = analysis::burst(record, self.rate()) else { return Phase::Sparse };
        let before = self.bucket();
        if held > before * 1.5 && tries < 3 {
            self.held.push(record.clone());
            return self.rest(now, tries + 1);
        }
        self.found.burst = Some(held);
        self.known();
        Phase::Sparse
    }

    fn known(&mut self) {
        self.is_known = true;
        self.held.clear();
    }

    /// Whether the rate can be checked again and again at little cost.
    fn is_checked(&self) -> bool {
        let has_bucket = matches!(self.found.kind, Kind::Shaper | Kind::Policer);
        has_bucket && self.bucket() <= self.rate() * CHECKED_BUCKET_MAX
    }

    fn checked(&mut self, now: Instant, shape: Option<Shape>) -> Phase {
        let Some(shape) = shape else { return Phase::Sparse };
        let before = self.rate();
        if shape.kind == Kind::Unthrottled {
            self.note_change(now, None, Some((before, shape.rate)));
            return Phase::Ramp { rate: shape.rate * 2.0 };
        }
        if shape.window.is_none() && differs(before, shape.rate) {
            self.note_change(now, None, Some((before, shape.rate)));
            self.found.rate = Some(shape.rate);
        }
        Phase::Sparse
    }

    /// Where to go when the relay is another.
    fn look_again(&self) -> Phase {
        if self.is_checked() {
            return Phase::Check;
        }
        Phase::Level { rate: self.rate() * OVERLOAD, tries: 0 }
    }

    /// Notes a change; two signs of one make one.
    fn note_change(&mut self, now: Instant, delay_step: Option<f64>, rate: Option<(f64, f64)>) {
        let seen_at = now.saturating_duration_since(self.began).as_secs_f64();
        if let Some(last) = self.found.changes.last_mut()
            && seen_at - last.seen_at < ONE_CHANGE
            && (last.rate.is_none() || rate.is_none())
        {
            last.delay_step = last.delay_step.or(delay_step);
            last.rate = last.rate.or(rate);
            return;
        }
        if self.found.changes.len() < CHANGES_MAX {
            self.found.changes.push(Change { seen_at, delay_step, rate });
        }
    }
}

/// Twice as fast as what arrived of a train at `rate`, but a quarter at least: too little may arrive to tell.
fn slower(rate: f64, record: &Record) -> f64 {
    rate * (record.delivered() * OVERLOAD).clamp(0.25, 1.0)
}

fn differs(before: f64, after: f64) -> bool {
    (after / before.max(1.0) - 1.0).abs() > RATE_STEP
}
