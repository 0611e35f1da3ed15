//! Plans the trains of one direction, by what became of those before, and keeps what was found.
//!
//! ```text
//!  ramp ──► level ──► rest ──► burst ──► watch: sparse ◄──► check
//!  doubling  twice the   until the bucket    delay steps      rate steps
//!  the rate  rate, 5 s   is full again           │
//!               ▲                                │ another rate, or none told
//!               └────────────────────────────────┘
//! ```

mod watch;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::analysis::{self, Shape};
use crate::change::Delays;
use crate::check::{self, differs};
use crate::estimate::{Estimate, Kind};
use crate::num::{duration, whole};
use crate::record::{Arrival, Record};
use crate::train::Train;
use watch::QUIET_CHECK;

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

/// The longest train that measures, in seconds: deep buckets are empty only after a while.
const LEVEL_MAX: f64 = 15.0;

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

/// Probes become so many times shorter where none pass, so that a bucket is told to a part of what held none.
const SHORTER: u16 = 8;

/// Probes in a second of the path's rate: a window's end is told to half a probe.
const PROBES_PER_SECOND: f64 = 32.0;

/// When nothing came for so long after a train, the rest is lost; a pausing reader pauses for a second.
const QUIET: Duration = Duration::from_millis(2_500);

/// The longest rest for a bucket to be full again, in seconds.
const REST_MAX: f64 = 40.0;

/// How long it takes at the path's rate what is sent beyond a full bucket, in seconds.
const BEYOND_BUCKET: f64 = 0.4;

/// A train has at least so many probes, but for sparse ones.
const PROBES_MIN: f64 = 16.0;

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
    Ramp {
        rate: f64,
    },
    Level {
        rate: f64,
        tries: u32,
        seconds: f64,
    },
    Rest {
        until: Instant,
        tries: u32,
    },
    Burst {
        tries: u32,
    },
    Sparse,
    /// Until a window begins.
    Align {
        until: Instant,
    },
    Check,
    /// Until a reader has read what a long check left of its allowance.
    Recover {
        until: Instant,
    },
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
    /// Sparse trains that are over, the oldest first: some probes may be on their way still.
    late: VecDeque<Current>,
    sparse_sent: f64,
    sparse_arrived: f64,
    /// How long sparse probes took of late from when they were due to when this end heard of them.
    lag: Duration,
    /// When the bucket was seen to be empty.
    drained_at: Option<Instant>,
    /// What one check of a noisy path said: no proof yet.
    doubt: Option<f64>,
    /// When a window of the throttle began, and how far the clock of who sends is ahead of the time since
    /// `began`, in seconds.
    turn: Option<f64>,
    sent_ahead: Option<f64>,
    /// No check has confirmed the rate that the last change led to.
    is_unsettled: bool,
    is_known: bool,
    found: Estimate,
}

#[derive(Debug)]
struct Current {
    record: Record,
    began: Instant,
    /// When the train is sent.
    sent_by: Instant,
    heard_at: Instant,
}

impl Current {
    /// How long after it was due a probe of this train is heard of.
    fn lag(&self, now: Instant, arrival: Arrival) -> Duration {
        let due = self.began + self.record.train.interval.saturating_mul(arrival.number);
        now.saturating_duration_since(due).min(QUIET)
    }
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
            late: VecDeque::new(),
            sparse_sent: 0.0,
            sparse_arrived: 0.0,
            lag: Duration::ZERO,
            drained_at: None,
            doubt: None,
            turn: None,
            sent_ahead: None,
            is_unsettled: false,
            is_known: false,
            found: Estimate::default(),
        }
    }

    /// What to do at `now`.
    pub fn poll(&mut self, now: Instant) -> Step {
        if let Some(current) = &self.current {
            let until = self.over_at(current);
            let is_sparse = self.phase == Phase::Sparse;
            if now < until && (is_sparse || !self.is_all_told(&current.record)) {
                return Step::Wait(until);
            }
        }
        if let Some(current) = self.current.take() {
            self.finish(now, current);
        }
        if let Some((until, next)) = self.idle() {
            if now < until {
                return Step::Wait(until);
            }
            self.phase = next;
        }
        let train = self.next_train(now);
        self.next_id = self.next_id.wrapping_add(1);
        self.found.cost = self.found.cost.saturating_add(train.cost());
        let sent_by = now + train.length();
        self.current =
            Some(Current { record: Record::new(train), began: now, sent_by, heard_at: now });
        Step::Send(train)
    }

    /// A probe arrived, of which this end hears at `now`.
    pub fn on_arrival(&mut self, now: Instant, arrival: Arrival) {
        if let Some(late) = self.late.iter_mut().find(|late| late.record.is_of(arrival)) {
            if late.record.take(arrival) {
                let lag = late.lag(now, arrival);
                self.on_sparse(now, arrival, lag);
            }
            return;
        }
        let Some(current) = &mut self.current else { return };
        if !current.record.take(arrival) {
            return;
        }
        current.heard_at = now;
        let lag = current.lag(now, arrival);
        if self.phase == Phase::Sparse {
            self.on_sparse(now, arrival, lag);
        }
        if self.phase == Phase::Check {
            // The first probe finds a window with room.
            if arrival.number == 0 && self.found.window.is_some() {
                self.on_delay(now, arrival);
            }
            self.on_check(now);
        }
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
        let quiet = match (self.phase, self.found.kind) {
            (Phase::Check, kind) if kind != Kind::PausingReader => {
                QUIET.min(self.lag + self.lag / 4 + QUIET_CHECK)
            }
            _ => QUIET,
        };
        let has_queue = !matches!(self.found.kind, Kind::Policer | Kind::WindowPolicer);
        let last = if self.phase == Phase::Check && !has_queue {
            current.sent_by
        } else {
            current.sent_by.max(current.heard_at)
        };
        last + quiet
    }

    fn rate(&self) -> f64 {
        self.found.rate.unwrap_or(RATE_FIRST)
    }

    fn next_train(&self, now: Instant) -> Train {
        match self.phase {
            Phase::Ramp { rate } => self.train(rate, rate * RAMP, rate / OVERLOAD),
            Phase::Level { rate, seconds, .. } => self.train(rate, rate * seconds, rate / OVERLOAD),
            Phase::Rest { .. } | Phase::Burst { .. } => {
                let flood = self.rate() * BURST_OVERLOAD;
                self.train(flood, self.bucket() * 3.0 + self.rate() * BEYOND_BUCKET, self.rate())
            }
            Phase::Sparse | Phase::Recover { .. } => self.sparse(),
            Phase::Align { .. } | Phase::Check => {
                let known = self.known_at(now);
                let (rate, octets) = check::plan(known, self.probe_size(known.rate));
                self.train(rate, octets, known.rate)
            }
        }
    }

    /// The length of probes for a path of this rate.
    fn probe_size(&self, path_rate: f64) -> f64 {
        let (min, max) = (f64::from(self.sizes.min), f64::from(self.sizes.max));
        (path_rate.max(1.0) / PROBES_PER_SECOND).clamp(min, max)
    }

    /// A train at `rate` of so many octets, with probes for a path of another rate.
    fn train(&self, rate: f64, octets: f64, path_rate: f64) -> Train {
        // What was told may be nonsense, of which no rate follows.
        let rate = if rate.is_nan() { TRAIN_RATE_MIN } else { rate };
        let rate = rate.clamp(TRAIN_RATE_MIN, TRAIN_RATE_MAX);
        let octets = octets.min(rate * TRAIN_LENGTH_MAX).min(TRAIN_OCTETS_MAX);
        let size = self.probe_size(path_rate);
        let count = (octets / size).max(PROBES_MIN);
        self.of(size, size / rate, count)
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

    /// Until when nothing is sent, and what is next.
    fn idle(&self) -> Option<(Instant, Phase)> {
        match self.phase {
            Phase::Rest { until, tries } => Some((until, self.rested(tries))),
            Phase::Align { until } => Some((until, Phase::Check)),
            Phase::Recover { until } => Some((until, Phase::Sparse)),
            Phase::Ramp { .. }
            | Phase::Level { .. }
            | Phase::Burst { .. }
            | Phase::Sparse
            | Phase::Check => None,
        }
    }

    /// Learns from a train that is over, and goes on to the next phase.
    fn finish(&mut self, now: Instant, current: Current) {
        if let Some(sent) = analysis::began(&current.record) {
            let began = current.began.saturating_duration_since(self.began);
            self.sent_ahead = Some(sent - began.as_secs_f64());
        }
        let heard_at = current.heard_at;
        let record = &current.record;
        self.phase = match self.phase {
            Phase::Ramp { rate } => self.ramped(rate, current.record),
            Phase::Level { rate, tries, seconds } => {
                self.levelled(now, (rate, tries, seconds), current.record)
            }
            Phase::Rest { .. } | Phase::Align { .. } | Phase::Recover { .. } => self.phase,
            Phase::Burst { tries } => {
                self.drained_at = Some(heard_at);
                self.burst(now, tries, record)
            }
            Phase::Sparse => {
                self.sparse_is_over(now, current);
                if self.is_checked() { self.align(now) } else { Phase::Sparse }
            }
            Phase::Check => self.check_is_over(now, &current),
        };
    }

    fn ramped(&mut self, rate: f64, record: Record) -> Phase {
        match analysis::shape(&record) {
            Some(shape) if shape.kind == Kind::Unthrottled && rate < RATE_LAST => {
                Phase::Ramp { rate: rate * 2.0 }
            }
            Some(shape) if shape.kind == Kind::Unthrottled => self.unthrottled(rate),
            Some(shape) => {
                self.held.push(record);
                level(shape.rate * OVERLOAD, 0)
            }
            None if self.shorten(&record) => Phase::Ramp { rate },
            // Next to nothing came: slower, for the next window or the next bucketful.
            None => level(slower(rate, &record), 0),
        }
    }

    /// Shortens the probes from now on if none of a train came: a bucket that holds less than one lets none pass.
    fn shorten(&mut self, record: &Record) -> bool {
        let is_too_long = record.arrivals().is_empty() && record.train.octets > self.sizes.min;
        if is_too_long {
            self.sizes.max = (record.train.octets / SHORTER).max(self.sizes.min);
        }
        is_too_long
    }

    fn unthrottled(&mut self, rate: f64) -> Phase {
        self.found = Estimate { kind: Kind::Unthrottled, rate: Some(rate), ..self.estimate() };
        self.is_known = true;
        Phase::Sparse
    }

    fn levelled(
        &mut self,
        now: Instant,
        (rate, tries, seconds): (f64, u32, f64),
        record: Record,
    ) -> Phase {
        let again = |rate: f64| level(rate.max(RATE_FIRST / 2.0), tries + 1);
        let Some(shape) = analysis::shape(&record) else {
            let is_too_long = self.shorten(&record);
            return again(if is_too_long { rate } else { slower(rate, &record) });
        };
        if shape.kind == Kind::Unthrottled {
            return if rate < RATE_LAST { again(rate * 2.0) } else { self.unthrottled(rate) };
        }
        self.turn = analysis::turn(&record);
        self.held.push(record);
        if tries < TRIES_MAX && !shape.is_steady {
            // A bucket was not empty for long enough.
            let (rate, seconds) = (shape.rate * OVERLOAD, (seconds * 1.5).min(LEVEL_MAX));
            return Phase::Level { rate, tries: tries + 1, seconds };
        }
        if tries < TRIES_MAX && rate > shape.rate * OVERLOAD_MAX {
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
        if shape.window.is_some() {
            self.known();
        }
        self.settle();
        self.rest(now, 0)
    }

    fn rest(&self, now: Instant, tries: u32) -> Phase {
        let full = self.found.window.unwrap_or_else(|| self.bucket() / self.rate().max(1.0));
        Phase::Rest { until: now + duration((full * 1.5 + 0.5).min(REST_MAX)), tries }
    }

    /// A bucket is full and no reader pauses any more.
    const fn rested(&self, tries: u32) -> Phase {
        if self.found.window.is_none() { Phase::Burst { tries } } else { Phase::Sparse }
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
}

/// A train that measures.
const fn level(rate: f64, tries: u32) -> Phase {
    Phase::Level { rate, tries, seconds: LEVEL }
}

/// Twice as fast as what arrived of a train at `rate`, but a quarter at least: too little may arrive to tell.
fn slower(rate: f64, record: &Record) -> f64 {
    rate * (record.delivered() * OVERLOAD).clamp(0.25, 1.0)
}
