//! A way to the peer: how long a datagram may be, how long it takes, how fast it may go, and what is
//! under way on it.
//!
//! ```text
//!   client   Added ──► Joining ── a packet comes back ──► Proved ──┬── Removed, or no answer for
//!   bridge   Added ──► Candidate ── an authentic join ──► Bound    │   long ──► leave is told
//!                                   acknowledged here ──► Proved ──┘
//! ```

pub(crate) mod delays;
pub(crate) mod epochs;
pub(crate) mod set;

use std::time::{Duration, Instant};

use delays::Delays;

use crate::congestion::{Congestion, Controller, Outcome, RoundTrip};
use crate::connection::Standing;
use crate::id::PathId;
use crate::num;
use crate::path_memory::{PathLoss, PathMemory};
use crate::protection::ConnectionId;
use crate::recovery::received::Received;
use crate::recovery::rtt::RttEstimator;
use crate::recovery::sent::{AckNews, SentPackets};
use crate::stats::{PathSigns, PathStats, Tally};

/// Datagrams are no longer than this, whatever a carrier allows, in octets.
pub(crate) const DATAGRAM_MAX: usize = 2048;

/// A path with less room is of no use: an acknowledgement and a piece of data must fit.
pub(crate) const PAYLOAD_MIN: usize = 256;

/// Paths that a connection uses at once, and as many that wait to be joined. Each keeps some
/// 4 KiB of state while it is idle.
pub(crate) const PATHS_MAX: usize = 8;

/// AP-83: what is sent on a path that the peer has not proved to be on is at most so many times
/// what came from there, but at least a train's worth: an answer to whoever copied a datagram.
const ALLOWANCE_FACTOR: u64 = 3;
const ALLOWANCE_MIN_OCTETS: u64 = 1500;

/// Sparse packets are sent twice where chance takes more than this share, and three times where it takes more
/// than that.
const UNRELIABLE: f64 = 0.01;
const LOSSY: f64 = 0.09;
/// ... but not below this rate, in octets a second: two requests a second and their copies take a tenth of it.
const COPIES_RATE_MIN: f64 = 6000.0;
/// ... and if they are no longer than this, in octets.
pub(crate) const COPIED_OCTETS_MAX: u64 = 250;

/// What is under way for two round trips and so long, in seconds, stands in a queue.
const OVERDUE_S: f64 = 1.5;

/// After so many probes without an answer another path is better.
const SILENT_PROBES: u32 = 2;

/// A path as its carrier describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) id: PathId,
    pub(crate) payload_max: usize,
    /// Several peers' datagrams come over it, and nothing but their ids tells whose they are.
    pub(crate) is_shared: bool,
    /// What was learned of it at another time.
    pub(crate) memory: Option<PathMemory>,
}

/// Octets that came over a path, and went, while the peer may not be there.
#[derive(Clone, Copy, Debug, Default)]
struct Unproved {
    received: u64,
    sent: u64,
}

impl Unproved {
    /// AP-83: octets that may still be sent.
    fn room(self) -> u64 {
        let allowed = self.received.saturating_mul(ALLOWANCE_FACTOR).max(ALLOWANCE_MIN_OCTETS);
        allowed.saturating_sub(self.sent)
    }
}

/// One path and all that is known of it.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) id: PathId,
    pub(crate) epoch: u32,
    payload_max: usize,
    is_shared: bool,
    /// The carrier refused a datagram and has not said since that it takes more.
    pub(crate) refused: bool,
    pub(crate) rtt: RttEstimator,
    pub(crate) controller: Box<dyn Controller>,
    pub(crate) received: Received,
    pub(crate) sent: SentPackets,
    acked: Tally,
    lost: Tally,
    pub(crate) probing: Probing,
    /// When the oldest question left that has had no answer.
    pub(crate) asked: Option<Instant>,
    /// The newest packet that asked for an acknowledgement at once and has none, and when it left.
    pub(crate) prompt: Option<(u64, Instant)>,
    /// What it does beside the others.
    pub(crate) standing: Standing,
    /// Since when it waits to carry.
    pub(crate) waits_since: Option<Instant>,
    /// Datagrams before this one stood in a queue behind another path's padding.
    pub(crate) disturbed_before: u64,
    /// How long its datagrams took lately, where there are other paths to compare it with.
    pub(crate) delays: Option<Box<Delays>>,
    /// The peer is to be asked for a sign of life.
    pub(crate) ping_due: bool,
    /// A packet of the peer's came over it: it knows whose path this is.
    pub(crate) is_heard: bool,
    /// When the last one did.
    pub(crate) heard_at: Option<Instant>,
    /// What came and went since the peer may not be there; `None` once it has proved to be.
    unproved: Option<Unproved>,
    /// The first number that may have been sent where the path is now.
    sent_here_from: u64,
    /// What the peer's packets begin with where they must say whose they are, once there are keys.
    pub(crate) id_expected: Option<ConnectionId>,
}

impl Path {
    pub(crate) fn new(way: Way, epoch: u32, congestion: &Congestion) -> Self {
        let mut path = Self {
            id: way.id,
            epoch,
            payload_max: 0,
            is_shared: way.is_shared,
            refused: false,
            rtt: RttEstimator::default(),
            controller: congestion.build(way.memory),
            received: Received::default(),
            sent: SentPackets::new(),
            acked: Tally::default(),
            lost: Tally::default(),
            probing: Probing::default(),
            asked: None,
            prompt: None,
            standing: Standing::default(),
            waits_since: None,
            disturbed_before: 0,
            delays: None,
            ping_due: false,
            is_heard: false,
            heard_at: None,
            unproved: None,
            sent_here_from: 0,
            id_expected: None,
        };
        path.change_payload_max(way.payload_max);
        path
    }

    pub(crate) fn change_payload_max(&mut self, payload_max: usize) {
        self.payload_max = payload_max.clamp(PAYLOAD_MIN, DATAGRAM_MAX);
        self.controller.on_payload_max(num::to_f64(num::len_u64(self.payload_max)));
    }

    /// Begins with what was learned at another time, unless it has begun.
    pub(crate) fn remember(&mut self, congestion: &Congestion, memory: PathMemory) {
        if self.sent.next_number() == 0 {
            self.controller = congestion.build(Some(memory));
            self.change_payload_max(self.payload_max);
        }
    }

    /// Goes on with what was learned on another path through the same bottleneck.
    pub(crate) fn inherit(&mut self, congestion: &Congestion, memory: PathMemory) {
        self.controller = congestion.build(Some(memory));
        self.change_payload_max(self.payload_max);
    }

    /// Goes on with another controller, which knows nothing of what was sent before.
    pub(crate) fn control_by(&mut self, congestion: &Congestion) {
        self.controller = congestion.build(None);
        self.change_payload_max(self.payload_max);
    }

    /// The longest datagram, in octets, within 256 to 2,048.
    pub(crate) const fn payload_max(&self) -> usize {
        self.payload_max
    }

    /// Several peers' datagrams come over it, as turned out.
    pub(crate) const fn share(&mut self, is_shared: bool) {
        self.is_shared |= is_shared;
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// As its carrier describes it.
    pub(crate) fn way(&self) -> Way {
        let memory = self.controller.memory();
        Way { id: self.id, payload_max: self.payload_max, is_shared: self.is_shared, memory }
    }

    /// AP-82: the same path, its numbers and keys, over another of the carrier's. Where it was
    /// before.
    pub(crate) fn move_to(&mut self, way: Way) -> PathId {
        self.is_shared = way.is_shared;
        self.refused = false;
        self.sent_here_from = self.sent.next_number();
        self.change_payload_max(way.payload_max);
        std::mem::replace(&mut self.id, way.id)
    }

    /// The same epoch over another of the carrier's paths, where nothing is known yet. Its numbers go on, for the
    /// peer may have had some of them.
    pub(crate) fn begin_elsewhere(self, way: Way, congestion: &Congestion) -> Self {
        let sent_here_from = self.sent.next_number();
        let Self { epoch, sent, received, id_expected, .. } = self;
        Self { sent, received, id_expected, sent_here_from, ..Self::new(way, epoch, congestion) }
    }

    /// AP-4: packets say whose they are where nothing else does, and where nobody answers: the
    /// address that they come from may have changed without a word (AP-82).
    pub(crate) const fn needs_id(&self) -> bool {
        self.is_shared || (self.epoch > 0 && !self.is_heard) || self.is_silent()
    }

    /// AP-83: the peer may not be there; this much came from whoever is.
    pub(crate) fn limit(&mut self, octets: usize) {
        self.unproved = Some(Unproved { received: num::len_u64(octets), sent: 0 });
    }

    /// More came from there.
    pub(crate) fn extend_limit(&mut self, octets: usize) {
        if let Some(unproved) = &mut self.unproved {
            unproved.received = unproved.received.saturating_add(num::len_u64(octets));
        }
    }

    /// The peer is there.
    pub(crate) const fn prove(&mut self) {
        self.unproved = None;
    }

    pub(crate) const fn is_proved(&self) -> bool {
        self.unproved.is_none()
    }

    /// The longest datagram that may be sent now; `None` if that is too little.
    pub(crate) fn room(&self) -> Option<usize> {
        let allowed = self.unproved.map_or(self.payload_max, |it| num::to_usize(it.room()));
        let room = allowed.min(self.payload_max);
        (room >= PAYLOAD_MIN).then_some(room)
    }

    /// Whether anything may be sent on it now.
    pub(crate) fn is_usable(&self) -> bool {
        !self.refused && self.room().is_some()
    }

    pub(crate) fn spend(&mut self, octets: u64) {
        if let Some(unproved) = &mut self.unproved {
            unproved.sent = unproved.sent.saturating_add(octets);
        }
    }

    /// Takes what an acknowledgement told.
    pub(crate) fn hear_of(&mut self, now: Instant, seconds: f64, news: &AckNews) {
        if !news.acked_packets.is_empty() || news.late > 0 {
            self.probing = Probing { progress: Some(now), ..Probing::default() };
            self.asked = self.sent.oldest_sent_at();
        }
        let newest = news.newest_number();
        self.prompt.take_if(|(number, _)| newest.is_some_and(|newest| newest >= *number));
        // AP-83: what was sent where the path was before says nothing of where it is now.
        if news.newest_number().is_some_and(|number| number >= self.sent_here_from) {
            self.prove();
        }
        if let Some((answered_after, held)) = news.round_trip {
            self.rtt.note_held(news.held);
            self.rtt.sample(answered_after, held);
        }
        let octets = |packets: &[Outcome]| packets.iter().map(|packet| packet.octets).sum();
        self.acked.add(news.acked_packets.len(), octets(&news.acked_packets));
        self.lost.add(news.lost_packets.len(), octets(&news.lost_packets));
        if !news.acked_packets.is_empty() {
            let round_trip = self.round_trip();
            self.controller.on_acked(seconds, &news.acked_packets, round_trip);
        }
        if !news.lost_packets.is_empty() {
            self.controller.on_lost(seconds, &news.lost_packets);
        }
    }

    /// How many times over a small sparse packet goes: where chance takes many, its copies cost less than
    /// waiting for its loss to be found.
    pub(crate) fn copies_wanted(&self, has_others: bool) -> u32 {
        // Who only answers never learns its own rate: what comes in says how thick the path is.
        let least = self.rtt.least().as_secs_f64();
        let known = self.controller.rate().unwrap_or_else(|| self.controller.window() / least);
        let rate = known.max(self.received.rate());
        let mut chance = self.controller.chance().max(self.received.missing());
        if self.controller.rate().is_none() {
            // Nothing is known yet of why: but what was lost is lost.
            let lost = num::to_f64(self.lost.packets);
            chance = chance.max(lost / (lost + num::to_f64(self.acked.packets)).max(1.0));
        }
        match chance {
            _ if rate < COPIES_RATE_MIN && !has_others => 0,
            chance if chance > LOSSY => 2,
            chance if chance > UNRELIABLE => 1,
            _ => 0,
        }
    }

    /// What is under way for longer is waited for no longer if another path could carry it.
    pub(crate) fn patience(&self) -> Duration {
        let datagram = self.controller.rate().map(|rate| self.controller.datagram_octets() / rate);
        let round_trip = self.rtt.least().as_secs_f64() + datagram.unwrap_or_default();
        num::seconds(2.0_f64.mul_add(round_trip, OVERDUE_S))
    }

    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        self.controller.rest();
        self.received.rest();
        self.sent.rest();
    }

    /// Nobody has answered for a while.
    pub(crate) const fn is_silent(&self) -> bool {
        self.probing.count >= SILENT_PROBES
    }

    pub(crate) fn round_trip(&self) -> RoundTrip {
        RoundTrip {
            least: self.rtt.least().as_secs_f64(),
            smoothed: self.rtt.smoothed().as_secs_f64(),
            probe_timeout: self.rtt.probe_timeout().as_secs_f64(),
        }
    }

    /// Whether anybody answers.
    pub(crate) const fn signs(&self) -> PathSigns {
        PathSigns { is_heard: self.is_heard, probes_unanswered: self.probing.count }
    }

    /// What there is to tell of it.
    pub(crate) fn stats(&self, shares_with: Option<PathId>) -> PathStats {
        let chance_ppm = num::to_u64(self.controller.chance().clamp(0.0, 1.0) * 1e6);
        let loss = PathLoss {
            class: self.controller.loss_class(),
            chance_ppm: u32::try_from(chance_ppm).unwrap_or_default(),
        };
        let datagram_octets = num::to_u64(self.controller.datagram_octets());
        let payload_max = num::len_u64(self.payload_max);
        PathStats {
            signs: self.signs(),
            carries: self.standing == Standing::Carries,
            shares_with,
            state: self.controller.state(),
            rate: self.controller.rate().map(num::to_u64),
            rtt_min: self.rtt.is_sampled().then(|| self.rtt.least()),
            rtt: self.rtt.is_sampled().then(|| self.rtt.smoothed()),
            loss,
            switches: self.controller.switches(),
            datagram_octets: datagram_octets.clamp(num::len_u64(PAYLOAD_MIN), payload_max),
            payload_max,
            in_flight: self.sent.octets_in_flight(),
            sent: Tally { packets: self.sent.next_number(), octets: self.sent.octets_sent() },
            octets_received: self.received.octets(),
            acked: self.acked,
            lost: self.lost,
        }
    }

    /// When the peer is to be asked next about what it has not acknowledged, or whether it is
    /// there again. Where other paths answer, the first question's answer is not waited for longer than it
    /// should take: what is under way here goes over them.
    pub(crate) fn probe_at(&self, has_others: bool) -> Option<Instant> {
        let in_outage = self.probing.last.filter(|_| self.probing.count > 0);
        let since = self.sent.oldest_sent_at().or(in_outage)?;
        let due = self.probing.due(since, &self.rtt);
        if let Some(asked) = self.probing.last.filter(|_| self.probing.count == 1 && has_others) {
            return Some(due.min(asked + self.rtt.prompt_timeout()));
        }
        let prompt = self.prompt.filter(|_| self.probing.count == 0);
        Some(prompt.map_or(due, |(_, left)| due.min(left + self.rtt.prompt_timeout())))
    }
}

/// When the peer is asked about packets that nobody acknowledges.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probing {
    /// Probes since the last acknowledgement that told something new.
    pub(crate) count: u32,
    /// When the last probe left.
    pub(crate) last: Option<Instant>,
    /// When an acknowledgement told something new last, or will at the earliest.
    pub(crate) progress: Option<Instant>,
}

impl Probing {
    /// Answers may be as late as this, and the peer is there nevertheless.
    pub(crate) fn wait_longer(&mut self, now: Instant, late: Duration) {
        let until = now.checked_add(late);
        self.progress = self.progress.max(until);
    }

    /// When the next probe is due, if the oldest packet in flight left at `oldest`.
    pub(crate) fn due(&self, oldest: Instant, rtt: &RttEstimator) -> Instant {
        let timeout = rtt.probe_timeout();
        match self.last {
            // An outage is probed about once per round trip, a little less often as it lasts.
            Some(last) if self.count > 0 => {
                last + timeout.mul_f64(1.0 + f64::from(self.count.min(32)) / 8.0)
            }
            Some(_) | None => self.progress.map_or(oldest, |at| at.max(oldest)) + timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::recovery::Clock;
    use crate::wire::ack::Ack;

    /// AP-83: an acknowledgement that was under way when the path moved proves nothing.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
    fn what_was_sent_before_a_move_proves_no_path_after_it() {
        let now = Instant::now();
        let way = |id| Way { id: PathId(id), payload_max: 1200, is_shared: true, memory: None };
        let mut path = Path::new(way(0), 1, &Congestion::default());
        let hear_of = |path: &mut Path, number| {
            let (ranges, arrivals) = (vec![number..=number], Vec::new());
            let ack =
                Ack { epoch: None, largest: number, written_at: 0, octets: 0, ranges, arrivals };
            let later = now + Duration::from_secs(1);
            let news = path.sent.handle_ack(&Clock::new(now), later, &ack).unwrap();
            path.hear_of(later, 1.0, &news);
        };
        path.sent.sent(now, 100, 0, Some(Vec::new()));
        path.move_to(way(1));
        path.limit(100);
        path.sent.sent(now, 100, 0, Some(Vec::new()));
        hear_of(&mut path, 0);
        assert!(!path.is_proved());
        hear_of(&mut path, 1);
        assert!(path.is_proved());
    }

    /// AP-83: three times what came, at least a train's worth, whatever came first.
    #[test]
    fn an_unproved_path_is_sent_three_times_what_came_from_there() {
        let mut unproved = Unproved::default();
        assert_eq!(unproved.room(), 1500);
        unproved.received = 1200;
        assert_eq!(unproved.room(), 3600);
        unproved.sent = 3500;
        assert_eq!(unproved.room(), 100);
        unproved.received = 1300;
        assert_eq!(unproved.room(), 400);
    }
}
