//! Paths that share a bottleneck: found out, and treated as one.
//!
//! Several streams to one peer may go through the same relay. Each would find a part of its rate, and all of
//! them would stand in its queue. So a path that joins carries no bulk until it was tried beside each that
//! does: a datagram of its own leaves just before one of theirs. If theirs comes as late as that datagram
//! takes at their rate, both went through one queue.
//!
//! ```text
//!   tried    ──█████──────────►  apart    ──█████──────────►
//!   carrying ──████───────────►  beside   ───────████──────►   late by the first's length / rate
//! ```
//!
//! The younger of the two then waits, for the day on which the other one is silent. A bottleneck that drops
//! and never queues is not found this way.

use std::time::{Duration, Instant};

use tracing::debug;

use super::Connection;
use crate::congestion::{Outcome, Permission};
use crate::num;
use crate::path::delays::Usual;
use crate::path::set::PathSet;

/// A path that was found beside another says so with at least this share of the delay that it should cause:
/// a token bucket takes most of it, if it was as good as full and holds little more than the two datagrams.
const SHARED_SHARE: f64 = 0.2;
/// It is so many times what varies anyway.
const LATE_NOISES: f64 = 2.0;
/// One that comes later than this share of it stood in a queue of its own.
const LATE_SHARE: f64 = 2.0;
/// A trial is of use where the delay is so many times what varies anyway,
const TELLING: f64 = 3.0;
/// and is made once more, so much later, where it says what was not to be expected: the witness may have stood in a
/// queue of its own.
const DOUBT: Duration = Duration::from_secs(2);
/// A witness is at least so much of the trial's length.
const WITNESS_SHARE: f64 = 0.45;
/// A witness that is not heard of for this long says nothing.
const TRIAL_MAX: Duration = Duration::from_secs(4);
/// What varies much as a path begins is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(15);
/// Each trial beside a path that shares fills its queue a little: the next one waits this long, and twice as long
/// each time, up to
const AGAIN_AFTER_MIN: Duration = Duration::from_secs(120);
/// this.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(600);
/// Two that both carry are compared this often: a relay may change.
const COMPARE_EVERY: Duration = Duration::from_secs(600);
/// Pairs remembered: all of eight paths, and some that are gone.
const PAIRS_MAX: usize = 64;

/// What a path does beside the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not tried yet: nothing but what somebody waits for goes over it.
    #[default]
    New,
    /// Bulk goes over it.
    Carries,
    /// It has its bottleneck in common with the path of this epoch, and waits.
    Beside(u32),
}

impl Standing {
    pub(crate) const fn beside(self) -> Option<u32> {
        match self {
            Self::Beside(epoch) => Some(epoch),
            Self::New | Self::Carries => None,
        }
    }
}

/// Which paths were tried beside which.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    pending: Option<Pending>,
    /// The epochs of two paths that have no bottleneck in common, the lower first, as of when.
    apart: Vec<(u32, u32, Instant)>,
    /// Not before.
    next_at: Option<Instant>,
    again_after: Duration,
    /// What the last trial said of a pair, which is not believed yet.
    doubted: Option<(u32, u32, Verdict)>,
}

/// What a trial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Apart,
    Shared,
}

/// A datagram of one path left just before one of another's.
#[derive(Clone, Copy, Debug)]
struct Pending {
    tried: u32,
    beside: u32,
    /// The number of the other's datagram.
    witness: u64,
    began: Instant,
    usual: Usual,
    /// The first one's length,
    octets: f64,
    /// and by how much it delays the witness in a common queue, in seconds.
    expected: f64,
}

impl Trials {
    fn are_apart(&self, now: Instant, one: u32, other: u32) -> bool {
        let pair = (one.min(other), one.max(other));
        self.apart.iter().any(|(a, b, at)| {
            (*a, *b) == pair && now.saturating_duration_since(*at) < COMPARE_EVERY
        })
    }

    fn note_apart(&mut self, now: Instant, one: u32, other: u32) {
        let pair = (one.min(other), one.max(other));
        self.apart.retain(|(a, b, _)| (*a, *b) != pair);
        if self.apart.len() >= PAIRS_MAX {
            self.apart.remove(0);
        }
        self.apart.push((pair.0, pair.1, now));
        self.doubted = None;
        (self.next_at, self.again_after) = (None, Duration::ZERO);
    }

    fn note_shared(&mut self, now: Instant) {
        self.again_after = (self.again_after * 2).clamp(AGAIN_AFTER_MIN, AGAIN_AFTER_MAX);
        self.next_at = now.checked_add(self.again_after);
        self.doubted = None;
    }
}

impl Connection {
    /// The path that is to be tried now, and the one that it is tried beside, which has a datagram of bulk to
    /// send at once.
    pub(super) fn due_trial(&mut self, now: Instant, carriers: PathSet) -> Option<usize> {
        self.settle_standings(carriers);
        let pending = &mut self.trials.pending;
        pending.take_if(|pending| now.saturating_duration_since(pending.began) >= TRIAL_MAX);
        if pending.is_some() || self.trials.next_at.is_some_and(|at| now < at) {
            return None;
        }
        let mut order: Vec<usize> = (0..self.paths.list.len()).collect();
        order.sort_by_key(|index| {
            self.paths.get(*index).is_none_or(|path| path.standing != Standing::New)
        });
        order.into_iter().find(|tried| self.begin_trial(now, *tried, carriers))
    }

    /// True: the path's datagram is to leave now, and the next one of the other's is the witness.
    fn begin_trial(&mut self, now: Instant, tried: usize, carriers: PathSet) -> bool {
        let Some(path) = self.paths.get_mut(tried) else { return false };
        let since = *path.waits_since.get_or_insert(now);
        let is_patient = now.saturating_duration_since(since) < PATIENCE;
        let is_well = path.is_usable() && path.is_heard && path.probing.count == 0;
        if !is_well || !path.is_proved() || matches!(path.standing, Standing::Beside(_)) {
            return false;
        }
        let (epoch, octets) = (path.epoch, num::to_f64(num::len_u64(path.payload_max())));
        let is_new = path.standing == Standing::New;
        let likely: Vec<u32> =
            self.paths.list.iter().filter_map(|path| path.standing.beside()).collect();
        let (mut is_waiting, mut pending) = (false, None);
        for beside in carriers.iter().filter(|index| *index != tried) {
            let Some(other) = self.paths.get(beside) else { continue };
            if self.trials.are_apart(now, epoch, other.epoch) {
                continue;
            }
            let known =
                other.controller.rate().zip(other.delays.as_ref().and_then(|it| it.usual()));
            let telling = known
                .map(|(rate, usual)| (octets / rate, usual))
                .filter(|(expected, usual)| *expected >= TELLING * usual.noise);
            let Some((expected, usual)) = telling else {
                // Not known well enough, or it varies as much: perhaps only yet. The first to carry must be known;
                // others are compared later, unless one was found beside it.
                let is_first = carriers.len() == 1 && (known.is_none() || is_patient);
                is_waiting |= is_first || likely.contains(&other.epoch);
                continue;
            };
            is_waiting = true;
            let (beside_epoch, witness) = (other.epoch, other.sent.next_number());
            if self.bulk_permission(now, beside) == Some(Permission::Now) {
                let beside = beside_epoch;
                let began = now;
                pending =
                    Some(Pending { tried: epoch, beside, witness, began, usual, octets, expected });
                break;
            }
        }
        if is_new && !is_waiting {
            self.carry(tried);
        }
        self.trials.pending = pending;
        pending.is_some()
    }

    fn carry(&mut self, index: usize) {
        if let Some(path) = self.paths.get_mut(index) {
            debug!(epoch = path.epoch, "a path carries");
            path.standing = Standing::Carries;
        }
    }

    /// Nobody waits for a path that is gone, and somebody must carry.
    fn settle_standings(&mut self, carriers: PathSet) {
        let epochs: Vec<u32> = self.paths.list.iter().map(|path| path.epoch).collect();
        for path in &mut self.paths.list {
            if path.standing.beside().is_some_and(|epoch| !epochs.contains(&epoch)) {
                path.standing = Standing::New;
            }
        }
        if let [only] = carriers.iter().collect::<Vec<_>>().as_slice() {
            self.carry_if_new(*only);
        }
    }

    fn carry_if_new(&mut self, index: usize) {
        if self.paths.get(index).is_some_and(|path| path.standing == Standing::New) {
            self.carry(index);
        }
    }

    /// Datagrams of a path were acknowledged: one of them may be the witness.
    pub(super) fn note_delays(&mut self, now: Instant, index: usize, acked: &[Outcome]) {
        if self.paths.list.len() < 2 {
            return;
        }
        let Some(path) = self.paths.get_mut(index) else { return };
        let mut seen = None;
        for packet in acked {
            let pending = self.trials.pending.take_if(|pending| {
                pending.beside == path.epoch && pending.witness <= packet.number
            });
            let Some(arrived_at) = packet.arrived_at else { continue };
            let delay = arrived_at - packet.sent_at;
            match pending {
                Some(pending) if pending.witness == packet.number => {
                    // A short one may have found tokens where a long one had to wait.
                    let is_long = packet.octets >= WITNESS_SHARE * pending.octets;
                    seen = is_long.then_some((pending, delay)).or(seen);
                }
                Some(_) | None => path.delays.get_or_insert_default().note(delay),
            }
        }
        if let Some((pending, delay)) = seen {
            self.judge(now, pending, delay);
        }
    }

    fn judge(&mut self, now: Instant, trial: Pending, delay: f64) {
        let Pending { tried, beside, usual, expected, .. } = trial;
        let late = delay - usual.least;
        // One that shares with the same path makes another one likely.
        let is_likely =
            self.paths.list.iter().any(|path| path.standing == Standing::Beside(beside));
        let least = (SHARED_SHARE * expected).max(LATE_NOISES * usual.noise);
        let verdict = if delay - usual.least_of_long < SHARED_SHARE * expected {
            Some(Verdict::Apart)
        } else {
            (least..LATE_SHARE * expected).contains(&late).then_some(Verdict::Shared)
        };
        let doubted =
            std::mem::replace(&mut self.trials.doubted, verdict.map(|it| (tried, beside, it)));
        let is_sure = verdict == Some(if is_likely { Verdict::Shared } else { Verdict::Apart })
            || doubted == self.trials.doubted;
        match verdict.filter(|_| is_sure) {
            Some(Verdict::Apart) => self.trials.note_apart(now, tried, beside),
            Some(Verdict::Shared) => self.note_shared(now, tried, beside),
            None => self.trials.next_at = now.checked_add(DOUBT),
        }
    }

    fn note_shared(&mut self, now: Instant, tried: u32, beside: u32) {
        self.trials.note_shared(now);
        // Patience begins again with the next trial.
        self.paths.list.iter_mut().for_each(|path| path.waits_since = None);
        let (older, younger) = (tried.min(beside), tried.max(beside));
        let is_new = |epoch| {
            let path = self.paths.list.iter().find(|path| path.epoch == epoch);
            path.is_some_and(|path| path.standing == Standing::New)
        };
        // Who carries goes on.
        let (waits, goes_on) = if is_new(older) { (older, younger) } else { (younger, older) };
        debug!(epoch = waits, beside = goes_on, "two paths have one bottleneck");
        if let Some(path) = self.paths.list.iter_mut().find(|path| path.epoch == waits) {
            path.standing = Standing::Beside(goes_on);
        }
    }
}
