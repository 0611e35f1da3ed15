//! What a connection tells of itself and of its paths.

use super::Connection;
use crate::id::PathId;
use crate::num;
use crate::path_memory::PathMemory;
use crate::stats::{PathSigns, PathStats, Stats};
use crate::ticket::TicketName;

impl Connection {
    /// Streams that are open on at least one side.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.streams.len()
    }

    /// How often the peer was asked, about once a round trip, since it last acknowledged something
    /// new. 0 while nothing is owed.
    #[must_use]
    pub fn probes_unanswered(&self) -> u32 {
        self.paths.list.iter().map(|path| path.probing.count).min().unwrap_or(0)
    }

    /// The paths in use, and whether anybody answers on each.
    pub fn path_signs(&self) -> impl Iterator<Item = (PathId, PathSigns)> {
        self.paths.list.iter().map(|path| (path.id, path.signs()))
    }

    /// At a bridge: the ticket that the client was given, once it has shown that it has the keys.
    #[must_use]
    pub const fn ticket_given(&self) -> Option<TicketName> {
        self.ticket_names.given
    }

    /// At a bridge: the ticket that the client came with, if the bridge knew it. It was given in a connection that this
    /// client has no more (AP-24). As long as the connection is not [confirmed](Self::is_confirmed), the first message
    /// may be a copy.
    #[must_use]
    pub const fn ticket_shown(&self) -> Option<TicketName> {
        self.ticket_names.shown
    }

    /// Counters and estimates.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.in_flight = self.paths.list.iter().map(|path| path.sent.octets_in_flight()).sum();
        stats.octets_arrived = self.paths.list.iter().map(|path| path.sent.octets_arrived()).sum();
        if let Some(path) = self.paths.active() {
            stats.rtt = path.rtt.is_sampled().then(|| path.rtt.smoothed());
            stats.rtt_min = path.rtt.is_sampled().then(|| path.rtt.least());
        }
        let carriers = self.carriers();
        let carriers = carriers.iter().filter_map(|index| self.paths.get(index));
        stats.rate = carriers.filter_map(|path| path.controller.rate()).map(num::to_u64).sum();
        stats
    }

    /// Counters and estimates of one path; `None` of a path that the connection does not use.
    #[must_use]
    pub fn path_stats(&self, path: PathId) -> Option<PathStats> {
        let path = self.paths.get(self.paths.index_of(path)?)?;
        let other = path.standing.beside().and_then(|epoch| self.paths.index_of_epoch(epoch));
        let shares_with = other.and_then(|index| self.paths.get(index)).map(|other| other.id);
        Some(path.stats(shares_with))
    }

    /// What was learned of a path, once there is something: keep it, and give it back with
    /// [`PathEvent::Remembered`](crate::PathEvent::Remembered) when the path comes again.
    #[must_use]
    pub fn path_memory(&self, path: PathId) -> Option<PathMemory> {
        self.paths.get(self.paths.index_of(path)?)?.controller.memory()
    }
}
