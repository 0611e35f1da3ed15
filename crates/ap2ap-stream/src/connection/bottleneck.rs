//! Paths that share a bottleneck: found out, and treated as one.
//!
//! Several streams to one peer may go through the same relay. Each would find a part of its rate, and all of
//! them would stand in its queue. So a path that joins carries no bulk until it was tried beside each that
//! does: a datagram of padding leaves on it, and the next full datagram of each that carries is a *witness*. If a
//! witness comes as late as the padding takes at its path's rate, both went through one queue.
//!
//! ```text
//!   tried    ──█████──────────►  apart    ──█████──────────►
//!   carrying ──████───────────►  beside   ───────████──────►   late by the first's length / rate
//! ```
//!
//! The younger of the two then waits, for the day on which the other one is silent. Witnesses that are in time clear
//! all paths that were tried before them, so that several may be tried at once: one at first, and twice
//! as many whenever nothing was late. What trials cannot tell (a bucket hid it, or a relay changed) shows later: two
//! paths that carry, and stand in queues that are as long, are *doubted*, and the younger is tried again.
//!
//! A bottleneck that drops and never queues is not found.

mod trials;

use std::time::{Duration, Instant};

use tracing::debug;

use super::Connection;
use crate::congestion::{Outcome, Permission};
use crate::num;
use crate::path::Path;
use crate::path::delays::Usual;
use crate::path::set::PathSet;
pub(crate) use trials::Trials;
use trials::{Because, Pending, Suspect, Verdict};

/// A path that was found beside another says so with at least this share of the delay that it should cause:
/// a token bucket takes most of it, if it was as good as full and holds little more than the two datagrams.
const SHARED_SHARE: f64 = 0.2;
/// It is so many times what varies anyway.
const LATE_NOISES: f64 = 2.0;
/// One that comes later than this share of it stood in a queue of its own.
const LATE_SHARE: f64 = 2.0;
/// A trial is of use where the delay is so many times what varies anyway.
const TELLING: f64 = 3.0;
/// A witness is at least so much of a full datagram.
const WITNESS_SHARE: f64 = 0.9;
/// A witness leaves before this share of the time that the padding takes is over,
const OPEN_SHARE: f64 = 0.5;
/// and before so much time is.
const OPEN_MAX: Duration = Duration::from_secs(2);
/// What varies much as a path begins is waited for no longer than this, while there is bulk; then one path
/// carries untried.
const PATIENCE: Duration = Duration::from_secs(15);
/// Paths whose round trips differ by no more than this, in seconds and as a share, may well go through one relay.
const ALIKE_S: f64 = 0.01;
const ALIKE_SHARE: f64 = 0.2;
/// Two that carry, and whose queues have stood for so many datagrams' time and so long in seconds, are
/// doubted if neither is so many times as long as the other.
const DOUBTFUL_DATAGRAMS: f64 = 2.0;
const DOUBTFUL_S: f64 = 0.1;
const DOUBTFUL_RATIO: f64 = 2.0;

/// What a path does beside the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not tried yet: nothing but what somebody waits for goes over it.
    #[default]
    New,
    /// Bulk goes over it.
    Carries,
    /// It carried, and is to be tried again.
    Doubted,
    /// It has its bottleneck in common with the path of this epoch, and waits.
    Beside(u32),
}

impl Standing {
    pub(crate) const fn beside(self) -> Option<u32> {
        match self {
            Self::Beside(epoch) => Some(epoch),
            Self::New | Self::Carries | Self::Doubted => None,
        }
    }

    /// It is to be tried, and carries if it turns out well.
    pub(crate) const fn is_candidate(self) -> bool {
        matches!(self, Self::New | Self::Doubted)
    }
}

/// What a trial beside a path that carries would say.
#[derive(Clone, Copy, Debug)]
enum Prospect {
    /// It was made lately.
    Apart,
    /// Nothing: too little is known of the path, perhaps only yet, or its delays vary as much.
    Mute,
    /// A witness would be late by a time that can be told from what varies.
    Telling,
}

impl Connection {
    /// The path that is to be tried now: one that carries has a full datagram to send at once.
    pub(super) fn due_trial(&mut self, now: Instant, carriers: PathSet) -> Option<usize> {
        self.settle_standings(carriers);
        self.trials.expire(now);
        if self.trials.is_full() {
            return None;
        }
        let list = &self.paths.list;
        let candidates = PathSet::of(list, |path| path.standing.is_candidate());
        let waiting = PathSet::of(list, |path| path.standing.beside().is_some());
        let mut order = candidates.iter().chain(waiting.iter()).chain(carriers.iter());
        order.find(|tried| self.is_trial_due(now, *tried, carriers))
    }

    /// Whether the path's datagram is to leave now. One that needs no trial (any more) carries from now on.
    fn is_trial_due(&mut self, now: Instant, tried: usize, carriers: PathSet) -> bool {
        let has_bulk = self.streams.has_data();
        let Some(path) = self.paths.get_mut(tried) else { return false };
        let waits_since = path.waits_since.take().filter(|_| has_bulk).unwrap_or(now);
        path.waits_since = has_bulk.then_some(waits_since);
        let is_well = path.is_usable() && path.is_heard && path.probing.count == 0;
        let (epoch, standing) = (path.epoch, path.standing);
        if !is_well
            || !path.is_proved()
            || self.trials.is_under_way(epoch)
            || self.trials.rests(now, epoch, Because::Doubted)
        {
            return false;
        }
        let waits_since = self.trials.untried_at.unwrap_or(waits_since).max(waits_since);
        let is_patient = now.saturating_duration_since(waits_since) < PATIENCE;
        let octets = num::to_f64(num::len_u64(path.payload_max()));
        let [mut is_known, mut is_waiting, mut is_telling, mut is_due] = [false; 4];
        for beside in carriers.iter().filter(|index| *index != tried) {
            let Some(other) = self.paths.get(beside) else { continue };
            let other_epoch = other.epoch;
            let has_company = self.has_company(other_epoch, epoch);
            let rests = has_company && self.trials.rests(now, other_epoch, Because::Shared);
            match self.prospect(now, epoch, octets, other) {
                Prospect::Apart => is_known = true,
                Prospect::Mute => is_waiting |= has_company && (rests || is_patient),
                Prospect::Telling => {
                    is_telling = true;
                    is_waiting |= rests || !self.trials.is_hopeless(epoch);
                    is_due |= !rests
                        && !self.trials.has_witness(other_epoch)
                        && !self.trials.awaits_second(epoch, other_epoch)
                        && self.bulk_permission(now, beside) == Some(Permission::Now);
                }
            }
        }
        if is_telling && let Some(path) = self.paths.get_mut(tried) {
            path.waits_since = None;
        }
        // One that carries must be known; others may be compared later.
        is_waiting |= !is_known && is_patient;
        if standing.is_candidate() && !is_waiting {
            if !is_patient || self.trials.is_hopeless(epoch) {
                self.trials.untried_at = Some(now);
            }
            self.carry(tried);
        }
        is_due && !self.trials.rests(now, epoch, Because::Unclear)
    }

    fn prospect(&self, now: Instant, tried: u32, octets: f64, other: &Path) -> Prospect {
        if self.trials.are_apart(now, tried, other.epoch) {
            return Prospect::Apart;
        }
        match known(other) {
            Some((rate, usual)) if octets / rate >= TELLING * usual.noise => Prospect::Telling,
            Some(_) | None => Prospect::Mute,
        }
    }

    /// Whether a path was found beside this one that is about as long as the one that is to be tried, or is that one: it
    /// is likely to be beside it as well.
    fn has_company(&self, beside: u32, tried: u32) -> bool {
        let Some(tried) = self.paths.list.iter().find(|path| path.epoch == tried) else {
            return false;
        };
        let length = |path: &Path| path.rtt.least().as_secs_f64();
        let is_alike = |path: &Path| -> bool {
            (length(path) - length(tried)).abs() <= ALIKE_S + ALIKE_SHARE * length(tried)
        };
        let mut waiting =
            self.paths.list.iter().filter(|path| path.standing == Standing::Beside(beside));
        waiting.any(is_alike)
    }

    /// The datagram that tries a path left, or could not.
    pub(super) fn note_tried(&mut self, now: Instant, index: usize, octets: Option<usize>) {
        let Some(epoch) = self.paths.get(index).map(|path| path.epoch) else { return };
        match octets {
            Some(octets) => {
                let octets = num::to_f64(num::len_u64(octets));
                let paths =
                    self.paths.list.iter().filter(|path| path.standing == Standing::Carries);
                let slowest = paths.filter_map(known).map(|(rate, _)| rate).fold(octets, f64::min);
                let stays = num::seconds(OPEN_SHARE * octets / slowest.max(1.0)).min(OPEN_MAX);
                let until = now.checked_add(stays).unwrap_or(now);
                self.trials.begin(Suspect {
                    epoch,
                    left_at: now,
                    octets,
                    until,
                    is_witnessed: false,
                });
            }
            None => self.trials.rest(now, epoch, Because::Unclear),
        }
    }

    /// Whether the next datagram of bulk should be a full one, for it is a witness.
    pub(super) fn is_witness(&self, now: Instant, index: usize) -> bool {
        self.paths.get(index).is_some_and(|path| !self.suspects_beside(now, path).is_empty())
    }

    /// A datagram of bulk left on a path that carries.
    pub(super) fn note_witness(&mut self, now: Instant, index: usize, octets: usize) {
        let Some(path) = self.paths.get(index) else { return };
        let is_full = num::to_f64(num::len_u64(octets))
            >= WITNESS_SHARE * num::to_f64(num::len_u64(path.payload_max()));
        let Some(witness) = path.sent.next_number().checked_sub(1) else { return };
        let Some((_, usual)) = known(path).filter(|_| is_full) else { return };
        let (beside, suspects) = (path.epoch, self.suspects_beside(now, path));
        if !suspects.is_empty() {
            let late = suspects.iter().map(|(_, expected)| *expected).sum();
            if let Some(path) = self.paths.get_mut(index) {
                path.probing.wait_longer(now, num::seconds(late));
            }
            self.trials.await_witness(Pending { suspects, beside, witness, began: now, usual });
        }
    }

    /// The paths whose padding stands in this one's queue, if that is theirs as well; and how much longer, in seconds.
    fn suspects_beside(&self, now: Instant, path: &Path) -> Vec<(u32, f64)> {
        let beside = path.epoch;
        let Some((rate, usual)) = known(path).filter(|_| path.standing == Standing::Carries) else {
            return Vec::new();
        };
        if self.trials.has_witness(beside) {
            return Vec::new();
        }
        let left = |suspect: &Suspect| {
            let age = now.saturating_duration_since(suspect.left_at).as_secs_f64();
            let left = suspect.octets / rate - age;
            let is_open = suspect.epoch != beside
                && left >= TELLING * usual.noise
                && age < OPEN_SHARE * suspect.octets / rate
                && !self.trials.are_apart(now, suspect.epoch, beside);
            is_open.then_some((suspect.epoch, left))
        };
        self.trials.suspects.iter().filter_map(left).collect()
    }

    fn carry(&mut self, index: usize) {
        let Some(path) = self.paths.get_mut(index) else { return };
        debug!(epoch = path.epoch, "a path carries");
        if path.standing != Standing::Doubted {
            // What a few requests and a trial told it is no rate.
            path.controller.on_begin();
        }
        path.standing = Standing::Carries;
    }

    /// Nobody waits for a path that is gone or silent, and somebody must carry.
    fn settle_standings(&mut self, carriers: PathSet) {
        let waiting = self.paths.list.iter().filter_map(|path| path.standing.beside());
        for epoch in waiting.collect::<Vec<u32>>() {
            let other = self.paths.list.iter().find(|path| path.epoch == epoch);
            if other.is_none_or(|it| it.is_silent() || it.standing != Standing::Carries) {
                self.succeed(epoch);
            }
        }
        if carriers.len() == 1
            && let Some(only) = carriers.iter().next()
            && self.paths.get(only).is_some_and(|path| path.standing.is_candidate())
        {
            self.carry(only);
        }
        let list = &self.paths.list;
        self.trials.forget_others(|epoch| list.iter().any(|path| path.epoch == epoch));
    }

    /// Of the paths that share a bottleneck another one carries, at the rate that the bottleneck has.
    fn succeed(&mut self, before: u32) {
        let is_beside = |path: &Path| path.standing == Standing::Beside(before);
        let is_fit = |path: &&Path| is_beside(path) && path.is_heard && !path.is_silent();
        let list = &mut self.paths.list;
        let Some(epoch) = list.iter().find(is_fit).map(|path| path.epoch) else { return };
        let predecessor = list.iter().find(|path| path.epoch == before);
        let memory = predecessor.and_then(|path| path.controller.memory());
        list.iter_mut()
            .filter(|path| is_beside(path) || path.epoch == before)
            .for_each(|path| path.standing = Standing::Beside(epoch));
        if let Some(index) = self.paths.index_of_epoch(epoch) {
            self.carry(index);
            self.paths.inherit(index, memory);
        }
    }

    /// Datagrams of a path were acknowledged: one of them may be the witness. What stood behind a trial in a common
    /// queue says nothing of the path's rate: its times are taken away.
    pub(super) fn note_delays(&mut self, now: Instant, index: usize, acked: &mut [Outcome]) {
        if self.paths.list.len() < 2 {
            return;
        }
        let Some(path) = self.paths.get_mut(index) else { return };
        let mut pending = self.trials.take_pending(path.epoch, &*acked);
        let mut seen = None;
        for packet in acked.iter() {
            let is_disturbed = packet.number < path.disturbed_before;
            let Some(arrived_at) = packet.arrived_at.filter(|_| !is_disturbed) else { continue };
            let delay = arrived_at - packet.sent_at;
            match pending.take_if(|pending| pending.witness == packet.number) {
                Some(pending) => seen = Some((pending, delay)),
                None => path.delays.get_or_insert_default().note(delay),
            }
        }
        match (seen, pending) {
            (Some((pending, delay)), _) => self.judge(now, &pending, delay),
            // The witness was lost, or nobody said when it came.
            (None, Some(pending)) => self.trials.unclear(now, &pending),
            (None, None) => self.doubt(now, index),
        }
        let disturbed_before = self.paths.get(index).map_or(0, |path| path.disturbed_before);
        acked
            .iter_mut()
            .filter(|packet| packet.number < disturbed_before)
            .for_each(|packet| packet.arrived_at = None);
    }

    fn judge(&mut self, now: Instant, trial: &Pending, delay: f64) {
        let Usual { least, least_of_long, noise } = trial.usual;
        let late = delay - least;
        let expected = trial.least_expected();
        let in_time = delay - least_of_long < SHARED_SHARE * expected;
        if !in_time && late > LATE_NOISES * noise {
            self.note_disturbed(now, trial.beside, late);
        }
        let at_least = (SHARED_SHARE * expected).max(LATE_NOISES * noise);
        let verdict = match (in_time, trial.suspects.as_slice()) {
            (true, _) => Verdict::Apart,
            (false, [_]) if (at_least..LATE_SHARE * expected).contains(&late) => Verdict::Shared,
            _ => return self.trials.unclear(now, trial),
        };
        for (tried, _) in &trial.suspects {
            let pair = (*tried, trial.beside);
            let has_company = self.has_company(trial.beside, *tried);
            let likely = if has_company { Verdict::Shared } else { Verdict::Apart };
            let is_sure = self.trials.is_sure(pair, verdict, likely);
            match verdict {
                Verdict::Apart if is_sure => self.note_apart(now, pair),
                Verdict::Shared if is_sure => self.note_shared(now, pair),
                Verdict::Apart | Verdict::Shared => {
                    self.trials.rest(now, *tried, Because::Unclear);
                }
            }
        }
        self.trials.note_late(verdict == Verdict::Shared);
    }

    /// Padding stands in this path's queue for so many seconds.
    fn note_disturbed(&mut self, now: Instant, epoch: u32, late: f64) {
        let seconds = self.clock.seconds(now);
        if let Some(path) = self.paths.list.iter_mut().find(|path| path.epoch == epoch)
            && path.controller.is_settled()
        {
            path.disturbed_before = path.sent.next_number();
            path.controller.on_disturbed(seconds, late);
        }
    }

    fn note_apart(&mut self, now: Instant, (tried, beside): (u32, u32)) {
        self.trials.note_apart(now, (tried, beside));
        // A relay has changed.
        let paths = self.paths.list.iter_mut().filter(|path| path.epoch == tried);
        paths
            .filter(|path| path.standing == Standing::Beside(beside))
            .for_each(|path| path.standing = Standing::New);
    }

    fn note_shared(&mut self, now: Instant, (tried, beside): (u32, u32)) {
        self.trials.note_shared(now, beside);
        // Patience begins again with the next trial.
        self.paths.list.iter_mut().for_each(|path| path.waits_since = None);
        let (older, younger) = (tried.min(beside), tried.max(beside));
        let carries = |epoch| {
            let path = self.paths.list.iter().find(|path| path.epoch == epoch);
            path.is_some_and(|path| path.standing == Standing::Carries)
        };
        // Who carries goes on.
        let (waits, goes_on) = if carries(older) { (younger, older) } else { (older, younger) };
        debug!(epoch = waits, beside = goes_on, "two paths have one bottleneck");
        if let Some(path) = self.paths.list.iter_mut().find(|path| path.epoch == goes_on) {
            path.controller.on_company();
        }
        if let Some(path) = self.paths.list.iter_mut().find(|path| path.epoch == waits) {
            path.standing = Standing::Beside(goes_on);
        }
    }

    /// Looks for another path that carries and whose queue stands as this one's does.
    fn doubt(&mut self, now: Instant, index: usize) {
        let Some(queue) = self.paths.get(index).and_then(doubtful_queue) else { return };
        let carriers = self.carriers();
        let is_alike = |other: usize| {
            let theirs = self.paths.get(other).and_then(doubtful_queue);
            theirs.is_some_and(|it| it < DOUBTFUL_RATIO * queue && queue < DOUBTFUL_RATIO * it)
        };
        let others = carriers.iter().filter(|other| *other != index && carriers.contains(index));
        let alike = others.filter(|other| is_alike(*other)).chain([index]);
        let alike: Vec<(u32, usize)> =
            alike.filter_map(|it| Some((self.paths.get(it)?.epoch, it))).collect();
        if let [_, _, ..] = alike.as_slice()
            && let Some((epoch, youngest)) = alike.iter().max().copied()
            && let Some(path) = self.paths.get_mut(youngest)
        {
            debug!(epoch, queue, "a path is doubted: its queue is another one's as well");
            path.standing = Standing::Doubted;
            path.waits_since = None;
            path.delays = None;
            self.trials.note_doubted(now, epoch);
        }
    }
}

/// A path's rate, and what is usual on it; `None` until both are known, and while the rate is sought.
fn known(path: &Path) -> Option<(f64, Usual)> {
    let rate = path.controller.rate().filter(|_| path.controller.is_settled());
    rate.zip(path.delays.as_ref().and_then(|delays| delays.usual()))
}

/// For how long, in seconds, even the quickest of the newest datagrams stood in a queue, if that is long.
fn doubtful_queue(path: &Path) -> Option<f64> {
    let (rate, usual) = known(path).filter(|_| path.standing == Standing::Carries)?;
    let queue = usual.least - usual.least_of_long;
    let datagram = path.controller.datagram_octets() / rate;
    (queue > DOUBTFUL_S.max(DOUBTFUL_DATAGRAMS * datagram)).then_some(queue)
}
