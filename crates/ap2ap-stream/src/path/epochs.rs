//! Which epochs a connection's paths have had, and which may still join.
//!
//! An epoch is part of every nonce on its path, so none is ever given twice (AP-80). A bridge keeps
//! the next sixteen open, in case joins overtake each other or get lost (AP-81).

use std::collections::BTreeMap;

use crate::protection::{ConnectionId, Protection};

/// AP-30: epochs stay below this, for the nonce keeps 24 bits for them.
pub(crate) const EPOCH_END: u32 = 1 << 24;

/// Epochs that may join a bridge's connection at any time: a client gives no more of which it does
/// not know that the bridge heard.
pub(crate) const OPEN_MAX: usize = 16;

/// The epochs of a client's paths: it gives them.
#[derive(Debug)]
pub(crate) struct Given {
    next: u32,
}

impl Given {
    /// Epoch 0 is the handshake's path.
    pub(crate) const fn new() -> Self {
        Self { next: 1 }
    }

    /// The next path's epoch; `None` when they are used up.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let epoch = self.next;
        (epoch < EPOCH_END).then(|| {
            self.next = epoch.saturating_add(1);
            epoch
        })
    }
}

/// The epochs that a bridge waits for, by what their first packets begin with.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    open: BTreeMap<ConnectionId, u32>,
    next: u32,
}

impl Awaited {
    /// Opens as many as may be open.
    pub(crate) fn fill(&mut self, keys: &Protection) {
        self.next = self.next.max(1);
        while self.open.len() < OPEN_MAX && self.next < EPOCH_END {
            self.open.insert(keys.id_to_expect(self.next), self.next);
            self.next = self.next.saturating_add(1);
        }
    }

    pub(crate) fn epoch(&self, id: &ConnectionId) -> Option<u32> {
        self.open.get(id).copied()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.open.keys().copied()
    }

    /// The epoch is taken, or given up: the next one takes its place. False: it was not open.
    pub(crate) fn close(&mut self, epoch: u32, keys: &Protection) -> bool {
        let is_open = self.open.remove(&keys.id_to_expect(epoch)).is_some();
        self.fill(keys);
        is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AP-80, AP-33: each epoch once, and none past the end.
    #[test]
    fn epochs_are_given_once_until_they_are_used_up() {
        let mut given = Given { next: EPOCH_END - 2 };
        assert_eq!(given.next(), Some(EPOCH_END - 2));
        assert_eq!(given.next(), Some(EPOCH_END - 1));
        assert_eq!((given.next(), given.next()), (None, None));
    }

    /// AP-81: sixteen are open, whichever are taken, and none opens again.
    #[test]
    fn the_next_sixteen_are_open_and_none_twice() {
        let keys = Protection::CheckSum;
        let mut awaited = Awaited::default();
        awaited.fill(&keys);
        assert!(awaited.ids().eq((1..=16).map(|epoch| keys.id_to_expect(epoch))));
        assert!(awaited.close(3, &keys));
        assert!(!awaited.close(3, &keys) && !awaited.close(30, &keys));
        assert_eq!(awaited.epoch(&keys.id_to_expect(3)), None);
        assert_eq!(awaited.epoch(&keys.id_to_expect(17)), Some(17));
        assert_eq!(awaited.open.len(), 16);
        let mut at_the_end = Awaited { next: EPOCH_END - 1, ..Awaited::default() };
        at_the_end.fill(&keys);
        assert_eq!(at_the_end.open.len(), 1);
    }
}
