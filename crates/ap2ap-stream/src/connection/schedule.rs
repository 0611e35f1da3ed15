//! Which path carries what: bulk goes over several at once, over each as fast as its controller lets it, and what
//! somebody waits for over the one that delivers it first.

use std::time::Instant;

use super::Connection;
use super::bottleneck::Standing;
use crate::config::Scheduler;
use crate::congestion::Permission;
use crate::num;
use crate::path::set::PathSet;
use crate::path::{COPIED_OCTETS_MAX, Path};
use crate::recovery::sent::{IN_FLIGHT_PACKETS_MAX, SentFrame};

/// What a request is taken to be long, in octets.
const REQUEST_OCTETS: f64 = 250.0;

/// A path that was not tried yet has to be faster by this factor: acknowledgements ride along where data comes in.
const NEW_PENALTY: f64 = 1.25;

/// What a path is for now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// Control frames and sparse streams.
    pub(super) sparse: bool,
    /// Data of every kind.
    pub(super) bulk: bool,
    /// Others carry as well.
    pub(super) others_carry: bool,
    /// It is tried beside another path, though it does not carry.
    pub(super) tried: bool,
}

/// Who carries what, at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roles {
    carriers: PathSet,
    sparse: usize,
}

impl Roles {
    pub(super) fn of(self, index: usize) -> Role {
        let bulk = self.carriers.contains(index);
        let others_carry = self.carriers.has_others_than(index);
        Role { sparse: index == self.sparse, bulk, others_carry, tried: false }
    }
}

impl Connection {
    /// AP-85: the paths that bulk data goes over: those that answer, as far as they are not tried yet or would
    /// only stand in another one's queue; the best of what there is if none does.
    pub(super) fn carriers(&self) -> PathSet {
        let all = &self.paths.list;
        if all.len() > 1 {
            let is_open = |path: &Path| path.is_heard && path.is_proved() && !path.is_silent();
            let carries = |path: &Path| path.standing == Standing::Carries && is_open(path);
            let answers = |path: &Path| carries(path) && path.probing.count == 0;
            let best = PathSet::of(all, answers);
            let best = if best.is_empty() { PathSet::of(all, carries) } else { best };
            if !best.is_empty() {
                return best;
            }
        }
        self.paths.active_index().map_or_else(PathSet::default, PathSet::only)
    }

    /// Who carries what now; `None` without a path.
    pub(super) fn roles(&mut self, now: Instant) -> Option<Roles> {
        let carriers = self.carriers();
        let first = carriers.iter().next()?;
        if self.paths.list.len() == 1 {
            return Some(Roles { carriers, sparse: first });
        }
        self.take_from_silent(now, carriers);
        self.repeat_overdue(now, carriers);
        // A copy goes another way than what it is a copy of.
        let copied = self.copies.last.filter(|_| self.copies.left > 0);
        // A path that was not tried yet may share a relay with one that is full.
        let is_quiet = carriers
            .iter()
            .filter_map(|index| self.paths.get(index))
            .all(|path| path.sent.octets_in_flight() <= 2 * COPIED_OCTETS_MAX);
        let is_crowded = self.paths.list.iter().any(|path| path.standing.beside().is_some());
        let is_quiet = is_quiet && !is_crowded;
        let is_fit = |path: &Path| {
            path.is_usable()
                && path.is_heard
                && path.is_proved()
                && path.probing.count == 0
                && (path.standing == Standing::Carries
                    || (path.standing.is_candidate() && is_quiet))
        };
        let fit = PathSet::of(&self.paths.list, is_fit);
        let other =
            PathSet::of(&self.paths.list, |path| is_fit(path) && Some(path.epoch) != copied);
        let among = [other, fit, carriers].into_iter().find(|set| !set.is_empty())?;
        let sparse = self.in_order(now, among, REQUEST_OCTETS).first().copied().unwrap_or(first);
        Some(Roles { carriers, sparse })
    }

    /// What is under way where nobody answers goes over those that carry.
    fn take_from_silent(&mut self, now: Instant, carriers: PathSet) {
        let is_silent = |path: &Path| path.is_silent() && path.sent.octets_in_flight() > 0;
        let silent = PathSet::of(&self.paths.list, is_silent);
        for index in silent.iter().filter(|index| !carriers.contains(*index)) {
            self.give_all_up(now, index);
        }
    }

    /// What stands in a queue for long goes over another path as well, if that one is much sooner and a reader waits for
    /// nothing else.
    fn repeat_overdue(&mut self, now: Instant, carriers: PathSet) {
        for index in 0..self.paths.list.len() {
            if !self.is_sooner_elsewhere(now, index, carriers) {
                continue;
            }
            let Some(path) = self.paths.get_mut(index).filter(|path| !path.is_silent()) else {
                continue;
            };
            let Some(left_before) = now.checked_sub(path.patience()) else { continue };
            let streams = &self.streams;
            let frames = path.sent.take_awaited(left_before, |frame| streams.is_awaited(frame));
            let frames = frames.into_iter().flatten().filter(SentFrame::is_stream);
            frames.for_each(|frame| self.frame_lost(&frame));
        }
    }

    /// Whether another path that carries would deliver a datagram before this one's oldest arrives, by the look of it.
    fn is_sooner_elsewhere(&self, now: Instant, index: usize, carriers: PathSet) -> bool {
        let Some(left) = self.paths.get(index).and_then(|path| path.sent.oldest_sent_at()) else {
            return false;
        };
        let age = now.saturating_duration_since(left).as_secs_f64();
        let others = carriers.iter().filter(|other| *other != index);
        let others = others.filter_map(|other| self.paths.get(other)).filter(|it| it.is_usable());
        let octets = 1200.0;
        others.map(|path| self.delivery(now, path, octets)).any(|delivery| 2.0 * delivery < age)
    }

    /// When that is to be looked at next.
    pub(super) fn overdue_at(&self, now: Instant) -> Option<Instant> {
        if self.paths.list.len() == 1 {
            return None;
        }
        let paths = self.paths.list.iter().filter(|path| !path.is_silent());
        let due = paths.filter_map(|path| path.sent.oldest_sent_at()?.checked_add(path.patience()));
        due.filter(|at| *at > now).min()
    }

    /// The paths in the order in which data should be offered to them.
    pub(super) fn in_order(&self, now: Instant, among: PathSet, octets: f64) -> Vec<usize> {
        let mut order: Vec<(f64, usize)> = among
            .iter()
            .filter_map(|index| {
                let path = self.paths.get(index)?;
                let merit = match self.config.scheduler {
                    Scheduler::EarliestDelivery if path.standing.is_candidate() => {
                        NEW_PENALTY * self.delivery(now, path, octets)
                    }
                    Scheduler::EarliestDelivery => self.delivery(now, path, octets),
                    Scheduler::LeastRoundTrip => path.rtt.smoothed().as_secs_f64(),
                    Scheduler::RoundRobin => num::to_f64(path.sent.next_number()),
                };
                Some((merit, index))
            })
            .collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        order.into_iter().map(|(_, index)| index).collect()
    }

    /// In how many seconds so many octets would be there if they left now, on average.
    fn delivery(&self, now: Instant, path: &Path, octets: f64) -> f64 {
        let seconds = self.clock.seconds(now);
        let in_flight = num::to_f64(path.sent.octets_in_flight());
        let transfer = path.controller.rate().map_or(0.0, |rate| octets / rate.max(1.0));
        let chance = path.controller.chance().clamp(0.0, 0.9);
        let again = chance / (1.0 - chance) * path.rtt.probe_timeout().as_secs_f64();
        // While the rate is sought nobody knows how long what is under way will take.
        let is_seeking = path.controller.rate().is_none() && in_flight > 0.0;
        let sought = if is_seeking { path.rtt.probe_timeout().as_secs_f64() } else { 0.0 };
        path.controller.backlog(seconds, in_flight)
            + sought
            + transfer
            + path.rtt.least().as_secs_f64() / 2.0
            + again
    }

    /// Whether bulk data may go on a path; `None` if there is none for it or an outage lasts.
    pub(super) fn bulk_permission(&mut self, now: Instant, index: usize) -> Option<Permission> {
        let path = self.paths.get(index).filter(|path| path.is_usable() && !path.is_silent())?;
        if path.sent.packets_in_flight() >= IN_FLIGHT_PACKETS_MAX {
            return Some(Permission::AfterAck);
        }
        let in_flight = num::to_f64(path.sent.octets_in_flight());
        let has_bulk = self.streams.has_data() || self.wants_datagram();
        let has_bulk = has_bulk && !self.is_left_to_faster(now, index);
        let seconds = self.clock.seconds(now);
        let Path { controller, .. } = self.paths.get_mut(index)?;
        if !has_bulk {
            controller.on_application_limited();
            return None;
        }
        let octets = controller.datagram_octets();
        let permission = controller.permission(seconds, octets, in_flight);
        debug_assert!(
            permission != Permission::AfterAck || in_flight > 0.0,
            "nothing would wake it"
        );
        Some(permission)
    }

    /// The end of what there is to send waits for fast paths where a slow one would deliver it later.
    fn is_left_to_faster(&self, now: Instant, index: usize) -> bool {
        if self.paths.list.len() == 1 || self.config.scheduler != Scheduler::EarliestDelivery {
            return false;
        }
        let Some(path) = self.paths.get(index) else { return false };
        if path.controller.rate().is_none() {
            return false;
        }
        let octets = path.controller.datagram_octets();
        let here = self.delivery(now, path, octets);
        // Of two that are as fast the first counts as faster: somebody is the fastest, and leaves it to nobody.
        let is_faster =
            |other: usize, path: &Path| (self.delivery(now, path, octets), other) < (here, index);
        let elsewhere: f64 = self
            .carriers()
            .iter()
            .filter_map(|other| Some((other, self.paths.get(other)?)))
            .filter(|(other, path)| path.is_usable() && is_faster(*other, path))
            .filter_map(|(_, path)| {
                let rate = path.controller.rate()?;
                Some((here - self.delivery(now, path, 0.0)).max(0.0) * rate)
            })
            .sum();
        elsewhere > 0.0 && self.streams.backlog_within(num::to_u64(elsewhere))
    }
}
