//! Checks whether a known throttle still grants what it did: short trains, and what they say.
//!
//! ```text
//!  bucket: flood until it is empty,        window: begin when one has just begun, and see
//!  then look at what follows               what passes before the pause that ends it
//!    |  sent /   ____---                     |        _
//!    |      /---'  the rate                  |   ____|
//!    |     /                                 |  /    pause
//!    |____/  what flowed in since            |_/|____|___ windows
//! ```

use crate::analysis::{self, Run};
use crate::estimate::Kind;
use crate::num::count;
use crate::record::Record;

/// Times the rate of a train that empties a bucket, or fills a pausing reader's queue.
const FLOOD: f64 = 4.0;

/// How long it takes at the path's rate what a check sends of a shaper whose bucket is empty, in seconds.
const TAIL: f64 = 0.4;

/// Probes sent of a policer whose bucket is empty: an eighth of them is counted as passed.
const POLICER_PROBES: f64 = 72.0;

/// How long that takes at the path's rate at least, in seconds: less is lost in what a busy machine does.
const POLICER_COUNTED: f64 = 0.25;

/// Both are so many times as much where probes are lost or late by chance.
const NOISY: f64 = 3.0;

/// Times the rate of a train through a window policer, and windows that it takes: to the beginning of the next.
const WINDOW_OVERLOAD: f64 = 2.0;
const WINDOWS: f64 = 1.0;

/// The same as long as nobody knows when windows begin: until one is seen whole, or so much passes at once
/// that the windows grant more.
const WINDOW_OVERLOAD_UNKNOWN: f64 = 3.0;
const WINDOWS_UNKNOWN: f64 = 1.8;

/// Windows' worth that is sent to a pausing reader: the same, though it may read two at once.
const READINGS: f64 = 1.5;
const READINGS_UNKNOWN: f64 = 3.4;

/// Where in a window a train begins, as a share of it, and where it may begin to see one window only.
pub(crate) const BEGIN: f64 = 0.15;
const BEGIN_MIN: f64 = 0.02;
const BEGIN_MAX: f64 = 0.35;

/// Windows that begin by more than this share of one earlier or later are others.
const MOVED: f64 = 0.1;

/// A rate that differs by more than this share is another relay's; thirty percent are to be found.
const RATE_STEP: f64 = 0.2;

/// Neighbouring windows grant twice as much at once; more than this many times is another rate.
const NEIGHBOURS: f64 = 2.0;

/// What is known of the throttle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) kind: Kind,
    /// Octets a second.
    pub(crate) rate: f64,
    /// What its bucket may hold now, in octets.
    pub(crate) tokens: f64,
    /// Seconds, of a throttle that has windows.
    pub(crate) window: Option<f64>,
    /// When one of its windows began, on the sender's clock.
    pub(crate) turn: Option<f64>,
    /// Probes are lost or late by chance.
    pub(crate) is_noisy: bool,
}

/// What a check says of the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It tells nothing.
    Untold,
    /// Its windows begin at another time than before, so that it tells nothing yet.
    Moved,
    /// It is what it was; this was read.
    Same(f64),
    /// It is this.
    Other(f64),
    /// It is more than before, and at least about this.
    AtLeast(f64),
}

impl Verdict {
    /// Another rate, whichever.
    pub(crate) const fn rate(self) -> Option<f64> {
        match self {
            Self::Untold | Self::Moved | Self::Same(_) => None,
            Self::Other(rate) | Self::AtLeast(rate) => Some(rate),
        }
    }
}

/// How fast to send, and how many octets, in probes of `size` octets.
pub(crate) fn plan(known: Known, size: f64) -> (f64, f64) {
    let Known { kind, rate, tokens, .. } = known;
    let noise = if known.is_noisy { NOISY } else { 1.0 };
    let is_timed = known.turn.is_some();
    match (kind, known.window) {
        (Kind::PausingReader, Some(window)) => {
            let readings = if is_timed { READINGS } else { READINGS_UNKNOWN };
            (rate * FLOOD, rate * window * readings)
        }
        (_, Some(window)) => {
            let (overload, windows) = if is_timed {
                (WINDOW_OVERLOAD, WINDOWS)
            } else {
                (WINDOW_OVERLOAD_UNKNOWN, WINDOWS_UNKNOWN)
            };
            (rate * overload, rate * overload * window * windows)
        }
        // The later half is what is looked at, and the bucket is to be empty before it.
        (Kind::Policer, None) => {
            let counted = (size * POLICER_PROBES).max(rate * POLICER_COUNTED) * noise;
            (rate * FLOOD, (tokens * 2.2 + counted).max(tokens * 3.0 + counted * 0.3))
        }
        (_, None) => (rate * FLOOD, tokens * 1.5 + rate * TAIL * noise),
    }
}

/// What became of the train of a check says this.
pub(crate) fn read(record: &Record, known: Known) -> Verdict {
    match known.window {
        Some(window) => read_windows(record, known, window),
        None => read_bucket(record, known),
    }
}

fn read_bucket(record: &Record, known: Known) -> Verdict {
    let Some(shape) = analysis::shape(record) else { return Verdict::Untold };
    if shape.kind == Kind::Unthrottled {
        return Verdict::AtLeast(shape.rate);
    }
    if shape.window.is_some() {
        return Verdict::Untold;
    }
    verdict(known.rate, shape.rate)
}

/// What a train says that is not over, of a throttle that has windows: those before the last pause are.
pub(crate) fn read_so_far(record: &Record, known: Known, window: f64) -> Verdict {
    let mut runs = analysis::runs(record);
    let open = runs.pop();
    read_runs(record, (known, window), &runs, open)
}

fn read_windows(record: &Record, known: Known, window: f64) -> Verdict {
    let mut runs = analysis::runs(record);
    // What a policer dropped to the end of the train ends the last run too; behind a reader it is all there.
    let is_ended = known.kind == Kind::WindowPolicer && analysis::ends_early(record);
    let open = if is_ended { None } else { runs.pop() };
    read_runs(record, (known, window), &runs, open)
}

/// Reads runs that are over, and one that may not be.
fn read_runs(
    record: &Record,
    (known, window): (Known, f64),
    runs: &[Run],
    open: Option<Run>,
) -> Verdict {
    let first = runs.first().copied();
    let granted = known.rate * window;
    let octets = |run: Run| count(run.probes) * record.octets();
    // A window ends with less than a probe's room left, half a probe's on average.
    let rest = if known.kind == Kind::WindowPolicer { record.octets() / 2.0 } else { 0.0 };
    let of_whole = |run: Run| verdict(known.rate, (octets(run) + rest) / window);
    let is_turn = |from: f64, to: f64| {
        let turns = (to - from) / window;
        (turns - turns.round()).abs() <= MOVED
    };
    // After a pause the next window was to begin when the one before had it.
    let moved = first.is_some()
        && known.turn.is_some_and(|before| {
            analysis::turns(record).is_none_or(|turns| !turns.iter().all(|it| is_turn(before, *it)))
        });
    // The first run may have begun in the middle of a window and gone on into the next; those after it are whole,
    // if they are a window apart: what held up a process is not.
    let starts: Vec<f64> = runs.iter().chain(&open).map(|run| run.at).collect();
    let mut later = runs.iter().enumerate().skip(1).rev();
    let whole = later.find(|(number, run)| match starts.get(number + 1) {
        Some(next) => next - run.at > window / 2.0 && is_turn(run.at, *next),
        None => !moved,
    });
    if let Some((_, run)) = whole {
        return of_whole(*run);
    }
    let began = known.turn.zip(analysis::began(record));
    let is_within = began.is_some_and(|(turn, began)| {
        (BEGIN_MIN..BEGIN_MAX).contains(&((began - turn) / window).rem_euclid(1.0))
    });
    // What passed at once is one window's if it began early in one, and two neighbours' at the most.
    let most = if is_within && !moved { granted } else { granted * NEIGHBOURS };
    if is_within
        && !moved
        && let Some(run) = first
    {
        return of_whole(run);
    }
    let longest = first.or(open).map(octets).unwrap_or_default();
    // A run after a pause began with its window.
    let later = first.and(open).map(octets).unwrap_or_default();
    let times = (longest / most).max(later / granted);
    if times > 1.0 + RATE_STEP {
        return Verdict::AtLeast(known.rate * times);
    }
    if moved { Verdict::Moved } else { Verdict::Untold }
}

fn verdict(before: f64, after: f64) -> Verdict {
    if differs(before, after) { Verdict::Other(after) } else { Verdict::Same(after) }
}

/// Whether these are two relays' rates.
pub(crate) fn differs(before: f64, after: f64) -> bool {
    (after / before.max(1.0) - 1.0).abs() > RATE_STEP
}
