//! The paths of a connection: those in use, those that wait to be joined, and the epochs of all.

use std::collections::{BTreeSet, VecDeque};

use super::epochs::{Awaited, Given, OPEN_MAX};
use super::{PATHS_MAX, Path, Way};
use crate::congestion::Congestion;
use crate::connection::Standing;
use crate::id::PathId;
use crate::path_memory::PathMemory;
use crate::protection::{ConnectionId, Protection};
use crate::wire::CONNECTION_ID_LEN;

/// A peer that joins and goes, and never acknowledges, is told of its last paths only.
const LEAVES_MAX: usize = 64;

/// Some of a connection's paths, by their indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathSet(u8);

const _: () = assert!(PATHS_MAX <= 8, "a bit for each path");

impl PathSet {
    pub(crate) fn only(index: usize) -> Self {
        let bit = u32::try_from(index).ok().and_then(|index| 1u8.checked_shl(index));
        Self(bit.unwrap_or_default())
    }

    /// Those that `is_in` says yes to.
    pub(crate) fn of(list: &[Path], is_in: impl Fn(&Path) -> bool) -> Self {
        let chosen = list.iter().enumerate().filter(|(_, path)| is_in(path));
        Self(chosen.fold(0, |set, (index, _)| set | Self::only(index).0))
    }

    pub(crate) fn contains(self, index: usize) -> bool {
        self.0 & Self::only(index).0 != 0
    }

    /// Whether there are others than this one.
    pub(crate) fn has_others_than(self, index: usize) -> bool {
        self.0 & !Self::only(index).0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..PATHS_MAX).filter(move |index| self.contains(*index))
    }
}

/// A connection's paths.
#[derive(Debug)]
pub(crate) struct Paths {
    /// In the order in which they came. At most [`PATHS_MAX`].
    pub(crate) list: Vec<Path>,
    /// What controls each.
    congestion: Congestion,
    /// Epoch 0 has had its path, and something may have been sealed there.
    has_begun: bool,
    /// Announced by a carrier and not in use: at a client until there are keys and room, at a
    /// bridge until the peer joins. At most [`PATHS_MAX`].
    candidates: Vec<Way>,
    given: Given,
    pub(crate) awaited: Awaited,
    /// A client's epochs that the bridge may still wait for.
    unheard: BTreeSet<u32>,
    /// A client's paths that lost their way before the bridge was heard on them: they go on over the next one,
    /// for an epoch that is left can be told of over a path only, and there may be none. Each has an unheard
    /// epoch, so at most [`OPEN_MAX`].
    astray: Vec<Path>,
    /// Epochs whose end the peer must be told. At most [`LEAVES_MAX`].
    leaves: VecDeque<u32>,
    /// What the caller knows of [`ids`](Self::ids).
    ids_told: Vec<ConnectionId>,
}

/// Where a datagram belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// To the path with this index, behind so many octets of connection id.
    To { index: usize, id_len: usize },
    /// To the path with this index, though it came over another one.
    Elsewhere { index: usize },
    /// To a path of this epoch that is about to join.
    Joining { epoch: u32 },
    /// To nobody known here.
    Nowhere,
}

impl Paths {
    pub(crate) fn new(congestion: Congestion) -> Self {
        Self {
            list: Vec::new(),
            congestion,
            has_begun: false,
            candidates: Vec::new(),
            given: Given::new(),
            awaited: Awaited::default(),
            unheard: BTreeSet::new(),
            astray: Vec::new(),
            leaves: VecDeque::new(),
            ids_told: Vec::new(),
        }
    }

    pub(crate) fn index_of(&self, id: PathId) -> Option<usize> {
        self.list.iter().position(|path| path.id == id)
    }

    pub(crate) fn index_of_epoch(&self, epoch: u32) -> Option<usize> {
        self.list.iter().position(|path| path.epoch == epoch)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Path> {
        self.list.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Path> {
        self.list.get_mut(index)
    }

    /// AP-85: the path that data is sent on, the oldest of those that answer.
    pub(crate) fn active_index(&self) -> Option<usize> {
        let merit = |path: &Path| (path.is_silent(), !path.is_proved(), !path.is_heard);
        let best = self.list.iter().enumerate().min_by_key(|(_, path)| merit(path));
        best.map(|(index, _)| index)
    }

    pub(crate) fn active(&self) -> Option<&Path> {
        self.get(self.active_index()?)
    }

    /// A path that is not in the list yet. The handshake's has none beside it.
    pub(crate) fn make(&self, way: Way, epoch: u32) -> Path {
        let standing = if epoch == 0 { Standing::Carries } else { Standing::New };
        Path { standing, ..Path::new(way, epoch, &self.congestion) }
    }

    /// What was learned on another path through the same bottleneck, if anything was.
    pub(crate) fn inherit(&mut self, index: usize, memory: Option<PathMemory>) {
        if let Some((path, memory)) = self.list.get_mut(index).zip(memory) {
            path.inherit(&self.congestion, memory);
        }
    }

    /// What was learned of a path at another time, before anything is sent on it.
    pub(crate) fn remember(&mut self, id: PathId, memory: PathMemory) {
        for way in self.candidates.iter_mut().filter(|way| way.id == id) {
            way.memory = Some(memory);
        }
        for path in self.list.iter_mut().filter(|path| path.id == id) {
            path.remember(&self.congestion, memory);
        }
    }

    /// Another controller for each path, and for those to come.
    pub(crate) fn control_by(&mut self, congestion: Congestion) {
        for path in &mut self.list {
            path.control_by(&congestion);
        }
        self.congestion = congestion;
    }

    /// AP-80: the handshake's path. False: there was one.
    pub(crate) fn begin(&mut self, way: Way) -> bool {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first {
            // Most connections have one path.
            self.list.reserve_exact(1);
            self.list.push(self.make(way, 0));
        }
        is_first
    }

    /// Nothing has been sealed yet: the handshake may begin again elsewhere.
    pub(crate) const fn begin_again(&mut self) {
        self.has_begun = false;
    }

    // ---- candidates

    /// Nothing is under way, nor has been for a while.
    pub(crate) fn rest(&mut self) {
        self.list.iter_mut().for_each(Path::rest);
        self.candidates.shrink_to_fit();
        self.leaves.shrink_to_fit();
        self.ids_told.shrink_to_fit();
    }

    /// Takes a way that may be joined. False: there is no room for it.
    pub(crate) fn add_candidate(&mut self, way: Way) -> bool {
        self.candidates.retain(|known| known.id != way.id);
        let has_room = self.candidates.len() < PATHS_MAX;
        if has_room {
            self.candidates.push(way);
        }
        has_room
    }

    pub(crate) fn change_candidate(&mut self, id: PathId, payload_max: usize) {
        for way in self.candidates.iter_mut().filter(|way| way.id == id) {
            way.payload_max = payload_max;
        }
    }

    pub(crate) fn remove_candidate(&mut self, id: PathId) -> Option<Way> {
        let index = self.candidates.iter().position(|way| way.id == id)?;
        Some(self.candidates.remove(index))
    }

    /// A way that a carrier announced, in use or not.
    pub(crate) fn way(&self, id: PathId) -> Option<Way> {
        let waiting = self.candidates.iter().find(|way| way.id == id).copied();
        waiting.or_else(|| self.list.iter().find(|path| path.id == id).map(Path::way))
    }

    /// The oldest way that waits.
    pub(crate) fn take_candidate(&mut self) -> Option<Way> {
        (!self.candidates.is_empty()).then(|| self.candidates.remove(0))
    }

    /// AP-80: a client's next path, with an epoch of its own, or with one that went astray where the bridge would
    /// not know another. `None` if there is none to join, or no room.
    pub(crate) fn join_next(&mut self) -> Option<&mut Path> {
        let way = self.candidates.first().copied().filter(|_| self.list.len() < PATHS_MAX)?;
        let path = if self.unheard.len() < OPEN_MAX {
            let epoch = self.given.next()?;
            self.unheard.insert(epoch);
            self.make(way, epoch)
        } else if self.astray.is_empty() {
            return None;
        } else {
            // Each in turn: the bridge may have had one of them, and lost it since.
            self.astray.remove(0).begin_elsewhere(way, &self.congestion)
        };
        self.candidates.remove(0);
        self.list.push(path);
        self.list.last_mut()
    }

    /// The bridge knows of the epoch, or that it will not come.
    pub(crate) fn epoch_is_known(&mut self, epoch: u32) {
        self.unheard.remove(&epoch);
        self.astray.retain(|path| path.epoch != epoch);
    }

    /// A path has no way any more: the peer is told, unless it may never have heard of the path, which then waits
    /// for the next way.
    pub(crate) fn leave_or_keep(&mut self, path: Path) {
        if self.unheard.contains(&path.epoch) {
            self.astray.push(path);
        } else {
            self.leave(path.epoch);
        }
    }

    /// The path whose last packet came longest ago.
    pub(crate) fn least_recently_heard(&self) -> Option<(usize, PathId)> {
        let paths = self.list.iter().enumerate();
        paths.min_by_key(|(_, path)| path.heard_at).map(|(index, path)| (index, path.id))
    }

    /// AP-84: the peer must be told that the epoch is over.
    pub(crate) fn leave(&mut self, epoch: u32) {
        if !self.leaves.contains(&epoch) {
            self.leaves.push_back(epoch);
        }
        if self.leaves.len() > LEAVES_MAX {
            self.leaves.pop_front();
        }
    }

    pub(crate) fn wants_to_leave(&self) -> bool {
        !self.leaves.is_empty()
    }

    /// The next epoch to tell the end of; it counts as told.
    pub(crate) fn take_leave(&mut self) -> Option<u32> {
        self.leaves.pop_front()
    }

    // ---- arrivals

    /// Keys are there: what the peer's packets may begin with follows from them.
    pub(crate) fn expect_ids(&mut self, keys: &Protection) {
        for path in &mut self.list {
            path.id_expected = Some(keys.id_to_expect(path.epoch));
        }
    }

    /// AP-1, AP-4: whose datagram this is, by the path that it came over and its first octets.
    pub(crate) fn belongs(&self, id: PathId, datagram: &[u8]) -> Belongs {
        let here = self.index_of(id);
        if let Some(first) = datagram.first_chunk::<CONNECTION_ID_LEN>() {
            let named = self.list.iter().position(|path| path.id_expected.as_ref() == Some(first));
            if let Some(index) = named {
                let is_here = self.get(index).is_some_and(|path| path.id == id);
                return if is_here {
                    Belongs::To { index, id_len: CONNECTION_ID_LEN }
                } else {
                    Belongs::Elsewhere { index }
                };
            }
            if let Some(epoch) = self.awaited.epoch(first) {
                return Belongs::Joining { epoch };
            }
        }
        match here {
            Some(index) if self.get(index).is_some_and(|path| !path.is_shared()) => {
                Belongs::To { index, id_len: 0 }
            }
            Some(_) | None => Belongs::Nowhere,
        }
    }

    /// The same, if it changed since this was asked last.
    pub(crate) fn take_new_ids(&mut self) -> Option<Vec<ConnectionId>> {
        if self.ids().eq(self.ids_told.iter().copied()) {
            return None;
        }
        self.ids_told = self.ids().collect();
        Some(self.ids_told.clone())
    }

    /// What datagrams of this connection may begin with that come over paths it does not have.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        let bound = self.list.iter().filter_map(|path| path.id_expected);
        bound.chain(self.awaited.ids())
    }
}
