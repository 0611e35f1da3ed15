//! The paths of a connection as those who hold it know them: asked for, in use, over.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ap2ap_stream::{Connection, PathId, PathMemory, PathSigns, PathStats};
use carrier::{CarrierPath, PeerId, Route};

use crate::carrier_id::CarrierId;
use crate::error::{ConnectionError, OpenPathError};

/// Paths of one connection that are opened, in use, or over and not forgotten yet. A connection uses 8 at once;
/// as many again may be waiting, and as many be over.
pub const PATHS_KNOWN_MAX: usize = 24;

/// Names a path of a connection, for as long as the connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathKey(u64);

impl PathKey {
    /// The number, which a connection never gives twice.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// How far a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPhase {
    /// The overlay is asked for it.
    Opening,
    /// Datagrams can be sent over it. Whether anybody answers, [`PathReport::signs`] tells.
    Open,
    /// It ended, or could not be opened. It is told until it is closed.
    Over(ConnectionError),
}

/// What is known of one path.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PathReport {
    /// Which path.
    pub key: PathKey,
    /// The carrier that it is on.
    pub carrier: CarrierId,
    /// Who is at the other end, as far as the overlay says.
    pub peer: Option<PeerId>,
    /// Whether the overlay says that it goes through somebody else's machine.
    pub route: Route,
    /// How far it is.
    pub phase: PathPhase,
    /// Since it came to be in this phase.
    pub age: Duration,
    /// Whether anybody answers.
    pub signs: PathSigns,
    /// Counters and estimates, once it is in use.
    pub stats: Option<PathStats>,
    /// The path that it has its bottleneck in common with, as was found out at this end.
    pub shares_with: Option<PathKey>,
    /// What can be given back when the same path comes again, once there is something.
    pub memory: Option<PathMemory>,
}

/// What a handle wants done.
#[derive(Debug)]
pub(crate) enum PathOrder {
    Open { key: PathKey, carrier: CarrierId, peer: PeerId },
    Close(CarrierPath),
}

/// All paths of a connection that somebody may ask about.
#[derive(Debug, Default)]
pub(crate) struct PathBook {
    records: BTreeMap<PathKey, Record>,
    made: u64,
    orders: VecDeque<PathOrder>,
    /// As the core had them when it was last asked.
    signs: Vec<(PathId, PathSigns)>,
}

#[derive(Debug)]
struct Record {
    carrier: CarrierId,
    peer: Option<PeerId>,
    route: Route,
    phase: PathPhase,
    since: Instant,
    /// Once the carrier made it.
    on: Option<CarrierPath>,
    by: OpenedBy,
    /// What was learned of it at another time.
    memory: Option<PathMemory>,
}

/// Who wants to know how a path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenedBy {
    /// A handle: until it closes the path.
    Us,
    /// Nobody.
    Peer,
}

impl PathBook {
    // ---- for handles

    /// Asks for a path. The driver is to be woken.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        carrier: CarrierId,
        peer: PeerId,
    ) -> Result<PathKey, OpenPathError> {
        if self.records.len() >= PATHS_KNOWN_MAX {
            return Err(OpenPathError::TooMany { max: PATHS_KNOWN_MAX });
        }
        let record = Record {
            carrier,
            peer: Some(peer.clone()),
            route: Route::Unknown,
            phase: PathPhase::Opening,
            since: now,
            on: None,
            by: OpenedBy::Us,
            memory: None,
        };
        let key = self.insert(record);
        self.orders.push_back(PathOrder::Open { key, carrier, peer });
        Ok(key)
    }

    /// Gives a path back and forgets it. The driver is to be woken.
    pub(crate) fn close(&mut self, key: PathKey) {
        let Some(record) = self.records.remove(&key) else { return };
        self.orders
            .retain(|order| !matches!(order, PathOrder::Open { key: asked, .. } if *asked == key));
        if let Some(path) = record.on.filter(|_| !matches!(record.phase, PathPhase::Over(_))) {
            self.orders.push_back(PathOrder::Close(path));
        }
    }

    pub(crate) fn remember(&mut self, key: PathKey, memory: PathMemory) {
        if let Some(record) = self.records.get_mut(&key) {
            record.memory = Some(memory);
        }
    }

    fn key_of(&self, path: PathId) -> Option<PathKey> {
        let is_there = |record: &Record| record.on.is_some_and(|on| PathId(on.0) == path);
        self.records.iter().find(|(_, record)| is_there(record)).map(|(key, _)| *key)
    }

    pub(crate) fn report(&self, now: Instant, core: &Connection) -> Vec<PathReport> {
        let one = |(key, record): (&PathKey, &Record)| {
            let id = record.on.map(|on| PathId(on.0)).filter(|_| record.phase == PathPhase::Open);
            let stats = id.and_then(|id| core.path_stats(id));
            PathReport {
                key: *key,
                carrier: record.carrier,
                peer: record.peer.clone(),
                route: record.route,
                phase: record.phase.clone(),
                age: now.saturating_duration_since(record.since),
                signs: stats.map(|stats| stats.signs).unwrap_or_default(),
                stats,
                shares_with: stats.and_then(|stats| self.key_of(stats.shares_with?)),
                memory: id.and_then(|id| core.path_memory(id)),
            }
        };
        self.records.iter().map(one).collect()
    }

    // ---- for the driver

    pub(crate) fn take_order(&mut self) -> Option<PathOrder> {
        self.orders.pop_front()
    }

    /// A path that the peer made.
    pub(crate) fn join(&mut self, now: Instant, on: CarrierPath, peer: Option<PeerId>) -> PathKey {
        let (carrier, _) = CarrierId::of(on);
        self.insert(Record {
            carrier,
            peer,
            route: Route::Unknown,
            phase: PathPhase::Open,
            since: now,
            on: Some(on),
            by: OpenedBy::Peer,
            memory: None,
        })
    }

    /// The carrier began to make a path. False: nobody wants it any more.
    pub(crate) fn begun(&mut self, key: PathKey, on: CarrierPath) -> bool {
        let Some(record) = self.records.get_mut(&key) else { return false };
        record.on = Some(on);
        true
    }

    pub(crate) fn memory(&self, key: PathKey) -> Option<PathMemory> {
        self.records.get(&key)?.memory
    }

    pub(crate) fn is_up(&mut self, now: Instant, key: PathKey, route: Route) {
        if let Some(record) = self.records.get_mut(&key) {
            record.route = route;
            if record.phase == PathPhase::Opening {
                record.phase = PathPhase::Open;
                record.since = now;
            }
        }
    }

    pub(crate) fn is_over(&mut self, now: Instant, key: PathKey, why: ConnectionError) {
        let Some(record) = self.records.get_mut(&key) else { return };
        if record.by == OpenedBy::Peer {
            self.records.remove(&key);
            return;
        }
        record.phase = PathPhase::Over(why);
        record.since = now;
    }

    /// Whether somebody began or ceased to answer since this was asked last.
    pub(crate) fn note_signs(&mut self, core: &Connection) -> bool {
        if self.signs.iter().copied().eq(core.path_signs()) {
            return false;
        }
        self.signs.clear();
        self.signs.extend(core.path_signs());
        true
    }

    fn insert(&mut self, record: Record) -> PathKey {
        let key = PathKey(self.made);
        self.made = self.made.saturating_add(1);
        self.records.insert(key, record);
        key
    }
}
