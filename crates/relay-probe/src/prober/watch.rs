//! Watches a relay that is known: sparse probes for its delay, checks for its rate, and what both say.

use std::time::{Duration, Instant};

use super::{Current, OVERLOAD, Phase, Prober, level};
use crate::analysis;
use crate::check::{self, Known, Verdict, differs};
use crate::estimate::{Change, Kind};
use crate::num::{count, duration};
use crate::record::{Arrival, Record};
use crate::train::Train;

/// When nothing was heard for so long after a check, beyond what sparse probes took of late, the rest is lost.
pub(super) const QUIET_CHECK: Duration = Duration::from_millis(100);

/// Sparse trains of which something may be heard yet, and for how long: what is told comes over the path that
/// is being flooded the other way. What is not heard by then is lost.
const LATE_TRAINS_MAX: usize = 32;
const LATE: Duration = Duration::from_secs(8);

/// The share of the rate that sparse probes take, and the time from one to the next, in seconds.
const SPARSE_SHARE: f64 = 0.2;
const SPARSE_INTERVAL: (f64, f64) = (0.2, 0.6);

/// How long there are sparse probes before the rate is checked, in seconds, and how many at least: as many
/// as a step of the delay needs.
const SPARSE: f64 = 0.6;
const SPARSE_PROBES_MIN: f64 = 3.0;
const SPARSE_PROBES_TIMED: f64 = 2.0;

/// Where chance takes more than this share, or probes come so much later than others, in seconds, one check
/// is no proof of another rate: two must say so.
const NOISY_LOSS: f64 = 0.005;
const NOISY_JITTER: f64 = 0.008;

/// What one reading counts against those before it.
const READING_SHARE: f64 = 0.125;

/// No wait for a window is longer, in seconds: its length may be a peer's nonsense.
const WINDOW_MAX: f64 = 10.0;

/// The longest lag of late is forgotten by this part with each sparse probe.
const LAG_FORGOTTEN: u32 = 16;

/// Two signs of one change come in so many seconds.
const ONE_CHANGE: f64 = 6.0;

/// Changes that are kept: one each ten seconds of three hours.
const CHANGES_MAX: usize = 1_080;

impl Prober {
    /// What came after a pause tells of the window before it; the check goes on, for its queue is to be empty.
    pub(super) fn on_check(&mut self, now: Instant) {
        let Some(current) = self.current.as_ref().filter(|it| analysis::is_after_pause(&it.record))
        else {
            return;
        };
        let known = self.known_at(now);
        let Some(window) = known.window.filter(|_| !known.is_noisy) else { return };
        if let Verdict::Other(rate) = check::read_so_far(&current.record, known, window) {
            self.note_change(now, None, Some((known.rate, rate)));
            self.is_unsettled = true;
        }
    }

    pub(super) fn on_sparse(&mut self, now: Instant, arrival: Arrival, lag: Duration) {
        self.lag = lag.max(self.lag - self.lag / LAG_FORGOTTEN);
        if !self.on_delay(now, arrival) || self.phase != Phase::Sparse {
            // A check that goes on finds out the new relay's rate.
            return;
        }
        if let Some(mut current) = self.current.take() {
            current.record.train.count = arrival.number.saturating_add(1);
            self.sparse_is_over(now, current);
        }
        self.phase = self.look_again();
    }

    /// Whether the delay was seen to change.
    pub(super) fn on_delay(&mut self, now: Instant, arrival: Arrival) -> bool {
        let step = self.delays.take(arrival.at - arrival.sent);
        if step.is_some() {
            self.note_change(now, step, None);
        }
        step.is_some()
    }

    /// Keeps a sparse train for what is to be heard of it yet, and counts what was lost of those before.
    pub(super) fn sparse_is_over(&mut self, now: Instant, train: Current) {
        self.late.push_back(train);
        let is_old = |late: &mut Current| now.saturating_duration_since(late.sent_by) > LATE;
        while let Some(old) = self.late.pop_front_if(is_old) {
            self.sparse_sent += f64::from(old.record.train.count);
            self.sparse_arrived += count(old.record.arrivals().len());
        }
        if self.late.len() > LATE_TRAINS_MAX {
            self.late.pop_front();
        }
    }

    /// Whether nothing more is to come of a train. Where nothing is late the last probe of a check comes last.
    pub(super) fn is_all_told(&self, record: &Record) -> bool {
        let has_last = self.phase == Phase::Check && record.has_last() && !self.is_noisy();
        record.is_whole() || has_last
    }

    /// What checks go by: since a bucket was empty last no more flowed in than the rate allows.
    pub(super) fn known_at(&self, now: Instant) -> Known {
        let (rate, bucket) = (self.rate(), self.bucket());
        let since = self.drained_at.map(|at| now.saturating_duration_since(at) + self.lag);
        let tokens = since.map_or(bucket, |since| bucket.min(rate * since.as_secs_f64()));
        Known {
            kind: self.found.kind,
            rate,
            tokens,
            window: self.found.window,
            turn: self.turn,
            is_noisy: self.is_noisy(),
        }
    }

    pub(super) fn sparse(&self) -> Train {
        let size = f64::from(self.sizes.min);
        let (least, most) = SPARSE_INTERVAL;
        let interval = (size / (self.rate() * SPARSE_SHARE)).clamp(least, most);
        if self.turn.is_some() {
            // The first probe of each check counts too, and checks begin with windows: there is time for no more.
            return self.of(size, interval, SPARSE_PROBES_TIMED);
        }
        self.of(size, interval, (SPARSE / interval).ceil().max(SPARSE_PROBES_MIN))
    }

    /// A check, if it is to begin with a window when that does.
    pub(super) fn align(&self, now: Instant) -> Phase {
        let timed = self.found.window.zip(self.turn).zip(self.sent_ahead);
        let Some(((window, turn), ahead)) = timed else { return Phase::Check };
        let sent = now.saturating_duration_since(self.began).as_secs_f64() + ahead;
        let wait = (turn + window * check::BEGIN - sent).rem_euclid(window);
        Phase::Align { until: now + duration(wait.min(WINDOW_MAX)) }
    }

    /// Whether there is a rate to check.
    pub(super) const fn is_checked(&self) -> bool {
        !matches!(self.found.kind, Kind::Untold | Kind::Unthrottled)
    }

    /// Learns from a check that is over.
    pub(super) fn check_is_over(&mut self, now: Instant, current: &Current) -> Phase {
        let (record, mut known) = (&current.record, self.known_at(now));
        // Behind a queue nothing is lost but by chance.
        known.is_noisy |= known.kind == Kind::Shaper && !record.is_whole();
        let verdict = check::read(record, known);
        self.drained_at = Some(current.heard_at);
        let kept = self.turn.filter(|_| matches!(verdict, Verdict::Same(_)));
        self.turn = analysis::turn(record).or(kept);
        let next = self.checked(now, known, verdict);
        match known.window.filter(|_| known.turn.is_none() && next == Phase::Sparse) {
            Some(window) => Phase::Recover { until: now + duration(window.min(WINDOW_MAX)) },
            None => next,
        }
    }

    fn checked(&mut self, now: Instant, known: Known, verdict: Verdict) -> Phase {
        let before = known.rate;
        let Some(rate) = verdict.rate() else {
            self.doubt = None;
            if let Verdict::Same(rate) = verdict {
                self.settle();
                // Where chance has its part many readings tell more than one.
                let share = if known.is_noisy { READING_SHARE } else { 0.0 };
                self.found.rate = Some(before + (rate - before) * share);
            }
            return if verdict == Verdict::Moved { self.align(now) } else { Phase::Sparse };
        };
        let is_said_twice =
            self.doubt.take().is_some_and(|said| (said > before) == (rate > before));
        if known.is_noisy && !is_said_twice {
            self.doubt = Some(rate);
            return self.align(now);
        }
        self.note_change(now, None, Some((before, rate)));
        self.is_unsettled = true;
        self.found.rate = Some(rate);
        if matches!(verdict, Verdict::AtLeast(_)) {
            // Double the rate is the most that one check tells; the next one goes on from there.
            self.found.rate = Some(rate.min(before * OVERLOAD));
            return level(self.rate() * OVERLOAD, 0);
        }
        Phase::Sparse
    }

    /// The rate after the last change is known. If it is what it was before, there was none.
    pub(super) fn settle(&mut self) {
        if !std::mem::take(&mut self.is_unsettled) {
            return;
        }
        let rate = self.rate();
        let Some(last) = self.found.changes.last_mut() else { return };
        last.rate = last.rate.map(|(before, _)| (before, rate));
        last.rate = last.rate.filter(|(before, after)| differs(*before, *after));
        if last.rate.is_none() && last.delay_step.is_none() {
            self.found.changes.pop();
        }
    }

    fn is_noisy(&self) -> bool {
        let found = self.estimate();
        found.loss.is_some_and(|loss| loss > NOISY_LOSS)
            || found.jitter.is_some_and(|jitter| jitter > NOISY_JITTER)
    }

    /// Where to go when the relay is another.
    pub(super) fn look_again(&self) -> Phase {
        if self.is_checked() {
            return Phase::Check;
        }
        level(self.rate() * OVERLOAD, 0)
    }

    /// Notes a change. Several signs of one make one: they come at about one time, or before its rate is settled.
    pub(super) fn note_change(
        &mut self,
        now: Instant,
        delay_step: Option<f64>,
        rate: Option<(f64, f64)>,
    ) {
        let seen_at = now.saturating_duration_since(self.began).as_secs_f64();
        if let Some(last) = self.found.changes.last_mut()
            && (seen_at - last.seen_at < ONE_CHANGE || (self.is_unsettled && rate.is_some()))
        {
            last.delay_step = last.delay_step.or(delay_step);
            let first = last.rate.or(rate).map(|(before, _)| before);
            let after = rate.or(last.rate).map(|(_, after)| after);
            last.rate = first.zip(after);
            return;
        }
        if self.found.changes.len() < CHANGES_MAX {
            self.found.changes.push(Change { seen_at, delay_step, rate });
        }
    }
}
