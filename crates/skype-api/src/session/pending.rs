//! Commands that wait for their reply, by id.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::name::UserHandle;
use crate::stream_ref::StreamRef;

/// The commands of the attach sequence, in order; the last only when the application was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Name,
    Protocol,
    Create,
    Streams,
}

/// What a command was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Step(Step),
    Resync,
    Connect(UserHandle),
    Disconnect(StreamRef),
    Datagram(StreamRef),
}

/// The table. Ids grow and are never used again: a late duplicate must not answer another command.
#[derive(Debug, Default)]
pub(super) struct Pending {
    next_id: u64,
    waiting: BTreeMap<u64, (Asked, Option<Instant>)>,
}

impl Pending {
    /// Enters a command and gives it its id.
    pub(super) fn put(&mut self, asked: Asked, deadline: Option<Instant>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, (asked, deadline));
        id
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Asked> {
        self.waiting.remove(&id).map(|(asked, _)| asked)
    }

    /// Takes a command whose time is over.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Asked> {
        if self.next_deadline()? > now {
            return None;
        }
        let (&id, _) = self.waiting.iter().find(|(_, (_, deadline))| deadline.is_some())?;
        self.take(id)
    }

    /// Forgets the commands, not the ids.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// All commands have the same time, so the oldest one that has any is due first.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.values().find_map(|&(_, deadline)| deadline)
    }
}
