//! The table of peer addresses: bounded, so that forged sources cost bounded memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use carrier::CarrierPath;

/// As many peer addresses are known at once: 4,096 connections and as many strangers. About 200
/// octets each.
pub const PATHS_MAX: usize = 8192;

/// Which path belongs to which address.
///
/// ```text
///   stranger's datagram ─► offered ── accept ──► taken ── close ──► (gone)
///                            └── reject, or evicted by a newer one ──► (gone)
///   open ──────────────────────────────────────► taken
/// ```
#[derive(Debug, Default)]
pub(crate) struct Paths {
    by_path: BTreeMap<CarrierPath, SocketAddr>,
    by_address: BTreeMap<SocketAddr, CarrierPath>,
    /// Paths that were neither accepted nor rejected; numbers only grow, so the first is oldest.
    offered: BTreeSet<CarrierPath>,
    made: u64,
}

/// There is no room for one more path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TableFull;

impl Paths {
    /// A path that this side opens.
    pub(crate) fn open(&mut self, address: SocketAddr) -> Result<CarrierPath, TableFull> {
        if self.by_path.len() >= PATHS_MAX {
            return Err(TableFull);
        }
        Ok(self.insert(address))
    }

    /// A path for a stranger, and the older stranger's path that made way for it.
    pub(crate) fn offer(
        &mut self,
        address: SocketAddr,
    ) -> Result<(CarrierPath, Option<CarrierPath>), TableFull> {
        let mut evicted = None;
        if self.by_path.len() >= PATHS_MAX {
            let oldest = self.offered.first().copied().ok_or(TableFull)?;
            self.remove(oldest);
            evicted = Some(oldest);
        }
        let path = self.insert(address);
        self.offered.insert(path);
        Ok((path, evicted))
    }

    /// True if the path was on offer.
    pub(crate) fn accept(&mut self, path: CarrierPath) -> bool {
        self.offered.remove(&path)
    }

    pub(crate) fn remove(&mut self, path: CarrierPath) {
        if let Some(address) = self.by_path.remove(&path) {
            self.by_address.remove(&address);
        }
        self.offered.remove(&path);
    }

    pub(crate) fn path(&self, address: SocketAddr) -> Option<CarrierPath> {
        self.by_address.get(&address).copied()
    }

    pub(crate) fn address(&self, path: CarrierPath) -> Option<SocketAddr> {
        self.by_path.get(&path).copied()
    }

    fn insert(&mut self, address: SocketAddr) -> CarrierPath {
        let path = CarrierPath(self.made);
        self.made = self.made.saturating_add(1);
        self.by_path.insert(path, address);
        self.by_address.insert(address, path);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> SocketAddr {
        let port = u16::try_from(number + 1).unwrap();
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_full_table_forgets_the_oldest_stranger_and_nobody_else() {
        let mut paths = Paths::default();
        let opened = paths.open(address(0)).unwrap();
        let (accepted, _) = paths.offer(address(1)).unwrap();
        assert!(paths.accept(accepted));
        for number in 2..PATHS_MAX {
            assert_eq!(paths.offer(address(number)).unwrap().1, None);
        }
        let (newest, evicted) = paths.offer(address(PATHS_MAX)).unwrap();
        assert_eq!(evicted, Some(CarrierPath(2)));
        assert_eq!(paths.path(address(2)), None);
        assert_eq!(paths.path(address(0)), Some(opened));
        assert_eq!(paths.path(address(1)), Some(accepted));
        assert_eq!(paths.address(newest), Some(address(PATHS_MAX)));
        assert_eq!(paths.by_path.len(), PATHS_MAX);
    }

    #[test]
    fn a_table_full_of_accepted_paths_refuses() {
        let mut paths = Paths::default();
        for number in 0..PATHS_MAX {
            paths.open(address(number)).unwrap();
        }
        assert_eq!(paths.offer(address(PATHS_MAX)), Err(TableFull));
        assert_eq!(paths.open(address(PATHS_MAX)), Err(TableFull));
        paths.remove(CarrierPath(7));
        assert!(paths.open(address(PATHS_MAX)).is_ok());
    }
}
