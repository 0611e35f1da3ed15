//! What one train says of what it went through.
//!
//! ```text
//!  octets            shaper: slope            window policer, pausing reader: stairs
//!    |      ___----  rate; the knee's            |        ____
//!    |  ___/         height above the            |    ____|     octets of a stair / its length
//!    | /             line is the burst           | ___|
//!    +------------- time of arrival              +---------------
//! ```

use crate::estimate::{Kind, Queue};
use crate::num::count;
use crate::record::{Arrival, Record};

/// Less than this share delivered is no chance loss: a throttle dropped something.
const DELIVERED_MIN: f64 = 0.8;

/// A train that took so many times as long to arrive as to send was held up.
const STRETCH_MIN: f64 = 1.15;

/// A wait that is no jitter, in seconds.
const WAIT_MIN: f64 = 0.03;

/// Times of a probe at the rate of the path that a gap must last to be a pause.
const PAUSE_PROBES: f64 = 4.0;

/// The same, in probes as they were sent, of a train that was faster than the path by a known factor.
const PAUSE_SENT: f64 = 5.0;

/// The shortest pause, in seconds: processes are held up for less.
const PAUSE_MIN: f64 = 0.12;

/// So many pauses make stairs. One may be an outage.
const PAUSES_MIN: usize = 2;

/// Two halves of the tail whose rates differ by no more than this are one slope.
const STEADY: f64 = 0.06;

/// So many probes more or less are where the train was cut.
const PROBES_UNSTEADY: f64 = 1.0;

/// Fewer arrivals tell nothing.
const ARRIVALS_MIN: usize = 6;

/// What a train showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Octets a second, in the tail.
    pub(crate) rate: f64,
    /// Whether the tail has one slope.
    pub(crate) is_steady: bool,
    /// Seconds from stair to stair.
    pub(crate) window: Option<f64>,
    pub(crate) queue: Option<Queue>,
}

/// Reads a train; `None` if too little of it arrived.
pub(crate) fn shape(record: &Record) -> Option<Shape> {
    let arrivals = record.arrivals();
    if arrivals.len() < ARRIVALS_MIN {
        return None;
    }
    let (first, last) = (arrivals.first()?, arrivals.last()?);
    let sending = record.train.interval.as_secs_f64() * f64::from(record.train.count);
    let is_cut = record.delivered() < DELIVERED_MIN;
    let wait = waits(arrivals, 50);
    if !is_cut && last.at - first.at < sending * STRETCH_MIN + WAIT_MIN {
        let rate = record.train.rate() * record.delivered();
        return Some(Shape {
            kind: Kind::Unthrottled,
            rate,
            is_steady: true,
            window: None,
            queue: None,
        });
    }
    let mean = count(arrivals.len()) * record.octets() / sending.max(last.at - first.at);
    let long = WAIT_MIN + 3.0 * record.octets() / mean.max(1.0);
    // What was late by chance, or by a busy machine, is not most of what a policer let through.
    let waits_long = wait > long && (!is_cut || waits(arrivals, 2) > long / 2.0);
    let tail = if waits_long { slope(record)? } else { passed(record) };
    if let Some(stairs) = stairs(record, tail.rate) {
        let kind = if waits_long { Kind::PausingReader } else { Kind::WindowPolicer };
        // A window ends with less than a probe's room left, half a probe's on average.
        let lost = if waits_long { 0.0 } else { record.octets() / 2.0 / stairs.window };
        return Some(Shape {
            kind,
            rate: stairs.rate + lost,
            is_steady: true,
            window: Some(stairs.window),
            queue: None,
        });
    }
    let queue = Queue { octets: wait * tail.rate, is_full: is_cut };
    let (kind, queue) =
        if waits_long { (Kind::Shaper, Some(queue)) } else { (Kind::Policer, None) };
    Some(Shape { kind, rate: tail.rate, is_steady: tail.is_steady, window: None, queue })
}

/// The most that got through above a steady `rate` since the first arrival: what a bucket held.
pub(crate) fn burst(record: &Record, rate: f64) -> Option<f64> {
    let first = record.arrivals().first()?.at;
    let above =
        record.arrivals().iter().enumerate().map(|(before, arrival)| {
            count(before + 1) * record.octets() - rate * (arrival.at - first)
        });
    above.max_by(f64::total_cmp)
}

/// How long the longest-waiting probes waited, in seconds: longer than the shortest of the train, and all
/// but one in `part` no longer.
fn waits(arrivals: &[Arrival], part: usize) -> f64 {
    let mut delays: Vec<f64> = arrivals.iter().map(|arrival| arrival.at - arrival.sent).collect();
    delays.sort_by(f64::total_cmp);
    let long = delays.get(delays.len() - 1 - delays.len() / part.max(2));
    long.zip(delays.first()).map_or(0.0, |(long, short)| long - short)
}

struct Slope {
    rate: f64,
    is_steady: bool,
}

/// The slope of the later half of the arrivals' time: of a path on which probes wait.
fn slope(record: &Record) -> Option<Slope> {
    let arrivals = record.arrivals();
    let (first, last) = (arrivals.first()?.at, arrivals.last()?.at);
    let part = |from: f64, to: f64| {
        let start = arrivals.partition_point(|arrival| arrival.at < from);
        let end = arrivals.partition_point(|arrival| arrival.at <= to);
        let part = arrivals.get(start..end)?;
        let span = part.last()?.at - part.first()?.at;
        (span > 0.0).then(|| count(part.len() - 1) * record.octets() / span)
    };
    let whole = part(first, last)?;
    let (half, quarter) = (first + (last - first) / 2.0, first + (last - first) * 0.75);
    let rate = part(half, last).unwrap_or(whole);
    let is_steady = part(half, quarter)
        .zip(part(quarter, last))
        .is_some_and(|(one, other)| (one - other).abs() <= STEADY * rate);
    Some(Slope { rate, is_steady })
}

/// What passed of the later half of what was sent: of a path that drops.
fn passed(record: &Record) -> Slope {
    let all = record.train.count;
    let (half, quarter) = (all / 2, all / 4);
    let passed = |from: u32, to: u32| {
        let inside = |arrival: &&Arrival| (from..to).contains(&arrival.number);
        count(record.arrivals().iter().filter(inside).count())
    };
    let (one, other) = (passed(half, half + quarter), passed(all - quarter, all));
    let rate = record.train.rate();
    let tail = passed(half, all) / f64::from((all - half).max(1)) * rate;
    Slope {
        // All of the window may have passed in the first half.
        rate: if tail > 0.0 { tail } else { record.delivered() * rate },
        is_steady: (one - other).abs() <= STEADY * (one + other) / 2.0 + PROBES_UNSTEADY,
    }
}

struct Stairs {
    rate: f64,
    window: f64,
}

/// Arrivals without a pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) probes: usize,
    /// When the first of them came, on the receiver's clock.
    pub(crate) at: f64,
}

/// The arrivals of a train as runs with pauses between; of a train that was faster than the path.
pub(crate) fn runs(record: &Record) -> Vec<Run> {
    let (arrivals, pause) = (record.arrivals(), run_pause(record));
    let is_run = |one: &Arrival, other: &Arrival| other.at - one.at <= pause;
    let run = |run: &[Arrival]| Some(Run { probes: run.len(), at: run.first()?.at });
    arrivals.chunk_by(is_run).filter_map(run).collect()
}

/// When the first probe of a train left or would have, on the sender's clock.
pub(crate) fn began(record: &Record) -> Option<f64> {
    let interval = record.train.interval.as_secs_f64();
    let began = |arrival: &Arrival| arrival.sent - f64::from(arrival.number) * interval;
    record.arrivals().iter().map(began).min_by(f64::total_cmp)
}

/// When the windows began in which the second and the last run came, on the sender's clock as what does not
/// wait has it.
pub(crate) fn turns(record: &Record) -> Option<[f64; 2]> {
    let runs = runs(record);
    let (second, last) = (runs.get(1)?, runs.last()?);
    let delays = record.arrivals().iter().map(|arrival| arrival.at - arrival.sent);
    let delay = delays.min_by(f64::total_cmp)?;
    Some([second.at - delay, last.at - delay])
}

/// When the last window of a train began.
pub(crate) fn turn(record: &Record) -> Option<f64> {
    turns(record).map(|[_, last]| last)
}

/// Whether the last probes of a train did not come for as long as a pause takes.
pub(crate) fn ends_early(record: &Record) -> bool {
    let Some(last) = record.arrivals().iter().map(|arrival| arrival.number).max() else {
        return true;
    };
    let missing = f64::from(record.train.count.saturating_sub(last.saturating_add(1)));
    missing * record.train.interval.as_secs_f64() > run_pause(record)
}

/// Whether the last arrival so far is the first of a run, and not of the train's first.
pub(crate) fn is_after_pause(record: &Record) -> bool {
    let pause = run_pause(record);
    let last = record.arrivals().last_chunk();
    last.is_some_and(|[one, other]| other.at - one.at > pause)
}

fn run_pause(record: &Record) -> f64 {
    PAUSE_MIN.max(PAUSE_SENT * record.train.interval.as_secs_f64())
}

/// Stairs, if the arrivals pause again and again.
fn stairs(record: &Record, rate: f64) -> Option<Stairs> {
    let arrivals = record.arrivals();
    let pause = PAUSE_MIN.max(PAUSE_PROBES * record.octets() / rate.max(1.0));
    let starts: Vec<usize> = arrivals
        .windows(2)
        .enumerate()
        .filter_map(|(before, pair)| match pair {
            [one, other] if other.at - one.at > pause => Some(before + 1),
            _ => None,
        })
        .collect();
    let steps = starts.len().checked_sub(1).filter(|_| starts.len() >= PAUSES_MIN)?;
    let (first, last) = (*starts.first()?, *starts.last()?);
    let span = arrivals.get(last)?.at - arrivals.get(first)?.at;
    let octets = count(last - first) * record.octets();
    (span > 0.0).then(|| Stairs { rate: octets / span, window: span / count(steps) })
}
