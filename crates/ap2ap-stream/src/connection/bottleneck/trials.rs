//! Which paths are tried, which were, and when the next ones may be.

use std::time::{Duration, Instant};

use crate::congestion::Outcome;
use crate::path::delays::Usual;

/// A witness that is not heard of for this long says nothing.
const TRIAL_MAX: Duration = Duration::from_secs(4);
/// Two that both carry are compared this often: a relay may change.
const COMPARE_EVERY: Duration = Duration::from_secs(600);
/// Pairs remembered: all of eight paths, and some that are gone.
const PAIRS_MAX: usize = 64;
/// So many paths are tried at once at most.
const TOGETHER_MAX: usize = 4;

/// A path whose trials say nothing clear, so that the next one would be so much later, carries untried: they went on
/// for half a minute.
const HOPELESS: Duration = Duration::from_secs(32);

/// Why something is not done again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// A path was found beside this one. Each such trial fills its queue a little.
    Shared,
    /// A trial of this path said nothing, or what was not to be expected: the witness may have stood in a queue
    /// of its own.
    Unclear,
    /// This path's queue looked like another one's.
    Doubted,
}

impl Because {
    /// How long the first time, and at most; in between twice as long each time.
    const fn lengths(self) -> (Duration, Duration) {
        match self {
            Self::Shared => (Duration::from_secs(30), Duration::from_secs(600)),
            Self::Unclear => (Duration::from_secs(2), Duration::from_secs(120)),
            Self::Doubted => (Duration::from_secs(5), Duration::from_secs(600)),
        }
    }
}

/// Until when something is not done.
#[derive(Clone, Copy, Debug)]
struct Rest {
    epoch: u32,
    because: Because,
    until: Option<Instant>,
    length: Duration,
}

/// What a trial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Apart,
    Shared,
}

/// A path that is being tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub(super) epoch: u32,
    pub(super) left_at: Instant,
    /// What left on it.
    pub(super) octets: f64,
    /// Until then there may be witnesses.
    pub(super) until: Instant,
    /// There was one.
    pub(super) is_witnessed: bool,
}

/// A datagram that left just after those of paths that are being tried.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Their epochs, and for how long each would delay the witness in a common queue, in seconds.
    pub(super) suspects: Vec<(u32, f64)>,
    pub(super) beside: u32,
    /// The number of its datagram.
    pub(super) witness: u64,
    pub(super) began: Instant,
    pub(super) usual: Usual,
}

impl Pending {
    fn is_of(&self, suspect: &Suspect) -> bool {
        self.suspects.iter().any(|(epoch, _)| *epoch == suspect.epoch)
    }

    pub(super) fn least_expected(&self) -> f64 {
        self.suspects.iter().map(|(_, expected)| *expected).fold(f64::INFINITY, f64::min)
    }
}

/// Which paths were tried beside which.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    pub(super) suspects: Vec<Suspect>,
    pub(super) pending: Vec<Pending>,
    /// The epochs of two paths that have no bottleneck in common, the lower first, as of when.
    apart: Vec<(u32, u32, Instant)>,
    /// What the last trial said of a pair, which is not believed yet.
    doubted: Vec<((u32, u32), Verdict)>,
    rests: Vec<Rest>,
    /// Beyond the first one, so many may be tried at once.
    more_at_once: usize,
    /// When a path began to carry that could not be tried.
    pub(super) untried_at: Option<Instant>,
}

impl Trials {
    pub(super) fn are_apart(&self, now: Instant, one: u32, other: u32) -> bool {
        let pair = (one.min(other), one.max(other));
        self.apart.iter().any(|(a, b, at)| {
            (*a, *b) == pair && now.saturating_duration_since(*at) < COMPARE_EVERY
        })
    }

    pub(super) const fn is_full(&self) -> bool {
        self.suspects.len() > self.more_at_once
    }

    pub(super) fn is_under_way(&self, tried: u32) -> bool {
        self.suspects.iter().any(|suspect| suspect.epoch == tried)
    }

    pub(super) fn has_witness(&self, beside: u32) -> bool {
        self.pending.iter().any(|pending| pending.beside == beside)
    }

    pub(super) fn begin(&mut self, suspect: Suspect) {
        self.suspects.push(suspect);
    }

    /// The trial that one of these packets, or one before them, is the witness of.
    pub(super) fn take_pending(&mut self, beside: u32, acked: &[Outcome]) -> Option<Pending> {
        let newest = acked.iter().map(|packet| packet.number).max()?;
        let is_told = |pending: &Pending| pending.beside == beside && pending.witness <= newest;
        let index = self.pending.iter().position(is_told)?;
        Some(self.pending.swap_remove(index))
    }

    /// Witnesses that nobody hears of say nothing. A path was tried once all its witnesses were heard, and there
    /// will be no more.
    pub(super) fn expire(&mut self, now: Instant) {
        let is_late = |it: &Pending| now.saturating_duration_since(it.began) >= TRIAL_MAX;
        while let Some(index) = self.pending.iter().position(is_late) {
            let pending = self.pending.swap_remove(index);
            self.unclear(now, &pending);
        }
        let Self { suspects, pending, .. } = self;
        let is_over =
            |it: &mut Suspect| now >= it.until && !pending.iter().any(|trial| trial.is_of(it));
        let over: Vec<Suspect> = suspects.extract_if(.., is_over).collect();
        for suspect in over.into_iter().filter(|suspect| !suspect.is_witnessed) {
            self.rest(now, suspect.epoch, Because::Unclear);
        }
    }

    pub(super) fn await_witness(&mut self, pending: Pending) {
        let suspects = self.suspects.iter_mut();
        suspects.filter(|it| pending.is_of(it)).for_each(|it| it.is_witnessed = true);
        self.pending.push(pending);
    }

    /// Nothing was learned.
    pub(super) fn unclear(&mut self, now: Instant, trial: &Pending) {
        for (epoch, _) in &trial.suspects {
            self.rest(now, *epoch, Because::Unclear);
        }
        self.note_late(true);
    }

    /// Whether a verdict is to be believed: it is what was likely, or it is the second one.
    pub(super) fn is_sure(&mut self, pair: (u32, u32), verdict: Verdict, likely: Verdict) -> bool {
        let before = self.doubted.iter().position(|(it, _)| *it == pair);
        let before = before.map(|index| self.doubted.swap_remove(index).1);
        let is_sure = verdict == likely || before == Some(verdict);
        if !is_sure && self.doubted.len() < PAIRS_MAX {
            self.doubted.push((pair, verdict));
        }
        is_sure
    }

    /// Whether another path seems to be beside this one, which a second trial is to tell.
    pub(super) fn awaits_second(&self, tried: u32, beside: u32) -> bool {
        let mut doubted = self.doubted.iter();
        doubted
            .any(|((it, at), verdict)| *verdict == Verdict::Shared && *at == beside && *it != tried)
    }

    pub(super) fn note_apart(&mut self, now: Instant, (tried, beside): (u32, u32)) {
        let pair = (tried.min(beside), tried.max(beside));
        self.apart.retain(|(a, b, _)| (*a, *b) != pair);
        if self.apart.len() >= PAIRS_MAX {
            self.apart.remove(0);
        }
        self.apart.push((pair.0, pair.1, now));
        self.rests.retain(|it| {
            !((it.epoch == tried && it.because == Because::Unclear)
                || (it.epoch == beside && it.because == Because::Shared))
        });
    }

    pub(super) fn note_shared(&mut self, now: Instant, beside: u32) {
        self.rest(now, beside, Because::Shared);
    }

    pub(super) fn note_doubted(&mut self, now: Instant, epoch: u32) {
        self.apart.retain(|(a, b, _)| *a != epoch && *b != epoch);
        self.rest(now, epoch, Because::Doubted);
    }

    /// Where a witness was late, paths are tried one by one; where none was, ever more at once.
    pub(super) const fn note_late(&mut self, is_late: bool) {
        let more = 2 * self.more_at_once + 1;
        self.more_at_once = match () {
            () if is_late => 0,
            () if more < TOGETHER_MAX => more,
            () => TOGETHER_MAX - 1,
        };
    }

    pub(super) fn rest(&mut self, now: Instant, epoch: u32, because: Because) {
        let (least, most) = because.lengths();
        let before = self.rests.iter_mut().find(|it| it.epoch == epoch && it.because == because);
        let Some(rest) = before else {
            let until = now.checked_add(least);
            return self.rests.push(Rest { epoch, because, until, length: least });
        };
        if rest.until.is_none_or(|until| until <= now) {
            rest.length = rest.length.saturating_mul(2).min(most);
            rest.until = now.checked_add(rest.length);
        }
    }

    pub(super) fn rests(&self, now: Instant, epoch: u32, because: Because) -> bool {
        let mut rests = self.rests.iter().filter(|it| it.epoch == epoch && it.because == because);
        rests.any(|it| it.until.is_some_and(|until| now < until))
    }

    /// Whether this path was tried so often in vain that it will not be known.
    pub(super) fn is_hopeless(&self, epoch: u32) -> bool {
        let is_it = |it: &&Rest| it.epoch == epoch && it.because == Because::Unclear;
        self.rests.iter().find(is_it).is_some_and(|it| it.length >= HOPELESS)
    }

    /// Nothing is kept of paths that are gone.
    pub(super) fn forget_others(&mut self, is_there: impl Fn(u32) -> bool) {
        self.rests.retain(|it| is_there(it.epoch));
        self.suspects.retain(|it| is_there(it.epoch));
        self.pending.retain(|it| is_there(it.beside));
        self.apart.retain(|(a, b, _)| is_there(*a) && is_there(*b));
        self.doubted.retain(|((a, b), _)| is_there(*a) && is_there(*b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn suspect(epoch: u32, now: Instant) -> Suspect {
        let until = now + Duration::from_secs(1);
        Suspect { epoch, left_at: now, octets: 1200.0, until, is_witnessed: false }
    }

    fn pending(tried: u32, beside: u32, began: Instant) -> Pending {
        let usual = Usual { least: 0.1, least_of_long: 0.1, noise: 0.0 };
        Pending { suspects: vec![(tried, 0.4)], beside, witness: 7, began, usual }
    }

    #[test]
    fn a_trial_that_nobody_witnesses_is_not_repeated_at_once_and_each_time_later() {
        let mut trials = Trials::default();
        let mut now = origin();
        for wait in [2, 4, 8, 16, 32, 64, 120, 120] {
            trials.begin(suspect(1, now));
            assert!(trials.is_full() && trials.is_under_way(1));
            trials.expire(now);
            assert!(trials.is_full());
            now += Duration::from_secs(1);
            trials.expire(now);
            assert!(!trials.is_full());
            assert!(trials.rests(now + Duration::from_secs(wait - 1), 1, Because::Unclear));
            now += Duration::from_secs(wait);
            assert!(!trials.rests(now, 1, Because::Unclear));
        }
    }

    #[test]
    fn a_witness_that_is_lost_ends_its_trial() {
        let mut trials = Trials::default();
        let now = origin();
        trials.begin(suspect(1, now));
        trials.await_witness(pending(1, 0, now));
        let later = now + Duration::from_secs(2);
        trials.expire(later);
        assert!(trials.is_under_way(1) && trials.has_witness(0));
        trials.expire(now + TRIAL_MAX);
        assert!(!trials.is_under_way(1) && !trials.has_witness(0));
        assert!(trials.rests(now + TRIAL_MAX, 1, Because::Unclear));
    }

    #[test]
    fn what_is_in_time_lets_more_be_tried_at_once_and_what_is_late_does_not() {
        let mut trials = Trials::default();
        let now = origin();
        let most = |trials: &mut Trials| {
            trials.suspects.clear();
            while !trials.is_full() {
                trials.begin(suspect(1, now));
            }
            trials.suspects.len()
        };
        assert_eq!(most(&mut trials), 1);
        for at_once in [2, 4, 4] {
            trials.note_late(false);
            assert_eq!(most(&mut trials), at_once);
        }
        trials.note_late(true);
        assert_eq!(most(&mut trials), 1);
    }

    #[test]
    fn what_was_not_to_be_expected_is_believed_the_second_time() {
        let mut trials = Trials::default();
        let mut is_sure = |verdict, likely| trials.is_sure((1, 0), verdict, likely);
        assert!(is_sure(Verdict::Apart, Verdict::Apart));
        assert!(!is_sure(Verdict::Shared, Verdict::Apart));
        assert!(is_sure(Verdict::Shared, Verdict::Apart));
        assert!(!is_sure(Verdict::Shared, Verdict::Apart), "it begins anew");
        assert!(is_sure(Verdict::Apart, Verdict::Apart));
    }

    #[test]
    fn two_that_are_apart_are_compared_again_after_ten_minutes_or_when_one_is_doubted() {
        let mut trials = Trials::default();
        let now = origin();
        trials.note_apart(now, (2, 0));
        trials.note_apart(now, (2, 1));
        assert!(trials.are_apart(now, 0, 2) && trials.are_apart(now, 2, 0));
        assert!(!trials.are_apart(now + COMPARE_EVERY, 0, 2));
        trials.note_doubted(now, 1);
        assert!(trials.are_apart(now, 0, 2) && !trials.are_apart(now, 1, 2));
        trials.forget_others(|epoch| epoch == 2);
        assert!(!trials.are_apart(now, 0, 2) && trials.rests.is_empty());
    }
}
