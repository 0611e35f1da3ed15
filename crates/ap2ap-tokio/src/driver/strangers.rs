//! Paths on which nobody has shown yet that they know the bridge's key: bounded in number and time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use carrier::{CarrierPath, PeerId};

use crate::carrier_id::CarrierId;
use crate::config::{PAYLOAD_UNTIL_UP, STRANGER_KEPT, STRANGERS_MAX};

/// Paths without a connection, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    by_path: BTreeMap<CarrierPath, Stranger>,
    by_age: BTreeSet<(Instant, CarrierPath)>,
}

#[derive(Clone, Debug)]
struct Stranger {
    came: Instant,
    payload_max: usize,
    /// Who it says it is, or the overlay.
    peer: PeerId,
}

impl Strangers {
    /// Takes a path in; the oldest one, if it had to make way, is to be closed.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        path: CarrierPath,
        peer: PeerId,
    ) -> Option<CarrierPath> {
        let oldest = self.by_age.first().map(|(_, oldest)| *oldest);
        let evicted = oldest.filter(|_| self.by_path.len() >= STRANGERS_MAX);
        if let Some(evicted) = evicted {
            self.remove(evicted);
        }
        let stranger = Stranger { came: now, payload_max: PAYLOAD_UNTIL_UP, peer };
        self.by_path.insert(path, stranger);
        self.by_age.insert((now, path));
        evicted
    }

    /// What a path can carry became known.
    pub(crate) fn set_payload_max(&mut self, path: CarrierPath, payload_max: usize) {
        if let Some(stranger) = self.by_path.get_mut(&path) {
            stranger.payload_max = payload_max;
        }
    }

    /// How long a datagram may be on a path, and who is there.
    pub(crate) fn known(&self, path: CarrierPath) -> Option<(usize, PeerId)> {
        self.by_path.get(&path).map(|stranger| (stranger.payload_max, stranger.peer.clone()))
    }

    /// A carrier is gone, and so are its paths.
    pub(crate) fn remove_all_of(&mut self, carrier: CarrierId) {
        let is_its = |path: &CarrierPath| CarrierId::of(*path).0 == carrier;
        self.by_path.retain(|path, _| !is_its(path));
        self.by_age.retain(|(_, path)| !is_its(path));
    }

    pub(crate) fn remove(&mut self, path: CarrierPath) {
        if let Some(stranger) = self.by_path.remove(&path) {
            self.by_age.remove(&(stranger.came, path));
        }
    }

    /// A path whose time is over, which is to be closed.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<CarrierPath> {
        let (_, path) = self.by_age.first().copied().filter(|_| self.next_due() <= Some(now))?;
        self.remove(path);
        Some(path)
    }

    pub(crate) fn take_any(&mut self) -> Option<CarrierPath> {
        let (_, path) = self.by_age.first().copied()?;
        self.remove(path);
        Some(path)
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.by_age.first().map(|(came, _)| *came + STRANGER_KEPT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn strangers_are_bounded_in_number_and_time() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some origin")]
        let start = Instant::now();
        let mut strangers = Strangers::default();
        let peer: PeerId = "memory:somebody".parse().unwrap();
        for (number, ms) in (0..STRANGERS_MAX).zip(0..) {
            let path = CarrierPath(u64::try_from(number).unwrap());
            let came = start + Duration::from_millis(ms);
            assert_eq!(strangers.insert(came, path, peer.clone()), None);
        }
        let late = start + Duration::from_secs(10);
        assert_eq!(strangers.insert(late, CarrierPath(9999), peer), Some(CarrierPath(0)));
        assert_eq!(strangers.take_expired(start + STRANGER_KEPT), None);
        let expired = strangers.take_expired(start + STRANGER_KEPT + Duration::from_millis(1));
        assert_eq!(expired, Some(CarrierPath(1)));
        strangers.set_payload_max(CarrierPath(2), 1200);
        assert_eq!(strangers.known(CarrierPath(2)).unwrap().0, 1200);
        assert_eq!(strangers.by_path.len(), strangers.by_age.len());
    }
}
