//! The table of paths: which AP2AP stream is which path.

use std::collections::BTreeMap;

use carrier::CarrierPath;
use skype_api::{StreamRef, UserHandle};

/// Paths at one time, those being opened and those not yet accepted included. A bridge with more
/// peers than this spreads them over several logins, since all of one login's streams share its
/// Skype.
pub const PATHS_MAX: usize = 256;

/// What there is of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// We wait for a stream to this user.
    Opening(UserHandle),
    /// The peer opened this stream, and the owner has not answered.
    Offered(StreamRef),
    /// This stream carries datagrams.
    Up(StreamRef),
}

/// The paths. A stream has one path at most.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    legs: BTreeMap<CarrierPath, Leg>,
    by_stream: BTreeMap<StreamRef, CarrierPath>,
    made: u64,
}

impl Paths {
    /// A new path, if there is room.
    pub(crate) fn add(&mut self, leg: Leg) -> Option<CarrierPath> {
        if self.legs.len() >= PATHS_MAX {
            return None;
        }
        let path = CarrierPath(self.made);
        self.made = self.made.saturating_add(1);
        self.set(path, leg);
        Some(path)
    }

    /// Puts another leg into the place of a path's old one.
    pub(crate) fn set(&mut self, path: CarrierPath, leg: Leg) {
        self.remove(path);
        self.legs.insert(path, leg);
        if let Some(stream) = leg.stream() {
            self.by_stream.insert(stream, path);
        }
    }

    pub(crate) fn remove(&mut self, path: CarrierPath) -> Option<Leg> {
        let leg = self.legs.remove(&path)?;
        if let Some(stream) = leg.stream() {
            self.by_stream.remove(&stream);
        }
        Some(leg)
    }

    /// Forgets all paths; says which there were.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = CarrierPath> + use<> {
        self.by_stream.clear();
        std::mem::take(&mut self.legs).into_keys()
    }

    pub(crate) fn leg(&self, path: CarrierPath) -> Option<Leg> {
        self.legs.get(&path).copied()
    }

    pub(crate) fn path(&self, stream: StreamRef) -> Option<CarrierPath> {
        self.by_stream.get(&stream).copied()
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = StreamRef> {
        self.by_stream.keys().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }
}

impl Leg {
    const fn stream(self) -> Option<StreamRef> {
        match self {
            Self::Opening(_) => None,
            Self::Offered(stream) | Self::Up(stream) => Some(stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_skype_uses_again_is_another_path() {
        let stream = "bob:1".parse().unwrap();
        let mut paths = Paths::default();
        let first = paths.add(Leg::Offered(stream)).unwrap();
        paths.set(first, Leg::Up(stream));
        assert_eq!(paths.path(stream), Some(first));
        assert_eq!(paths.remove(first), Some(Leg::Up(stream)));
        let second = paths.add(Leg::Offered(stream)).unwrap();
        assert_ne!(first, second);
        assert_eq!((paths.path(stream), paths.leg(first)), (Some(second), None));
    }

    #[test]
    fn refuses_one_path_more_than_the_limit() {
        let mut paths = Paths::default();
        let leg = Leg::Opening("bob".parse().unwrap());
        for _ in 0..PATHS_MAX {
            assert!(paths.add(leg).is_some());
        }
        assert_eq!(paths.add(leg), None);
        assert_eq!(paths.clear().count(), PATHS_MAX);
        assert!(paths.add(leg).is_some());
    }
}
