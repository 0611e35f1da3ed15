//! Which of an endpoint's carriers, and its paths among those of all.

use carrier::CarrierPath;

/// One of an endpoint's carriers. A number is never used twice by an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierId(u32);

impl CarrierId {
    /// The one that [`Endpoint::client`](crate::Endpoint::client) or
    /// [`Endpoint::bridge`](crate::Endpoint::bridge) was given.
    pub const FIRST: Self = Self(0);

    /// No carrier has this number: paths' numbers have 24 bits left for it. An overlay that is lost and found
    /// again every second takes half a year to get there.
    pub(crate) const END: Self = Self(1 << 24);

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// A carrier's path as its endpoint calls it.
    pub(crate) fn widen(self, path: CarrierPath) -> CarrierPath {
        debug_assert!(path.0 < CarrierPath::END && self < Self::END);
        CarrierPath((u64::from(self.0) * CarrierPath::END) | path.0)
    }

    /// Whose path it is, and what its carrier calls it.
    pub(crate) fn of(wide: CarrierPath) -> (Self, CarrierPath) {
        let id = u32::try_from(wide.0 / CarrierPath::END).unwrap_or(u32::MAX);
        (Self(id), CarrierPath(wide.0 % CarrierPath::END))
    }
}

impl std::fmt::Display for CarrierId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_s_number_says_whose_it_is() {
        for id in [0, 1, CarrierId::END.0 - 1].map(CarrierId) {
            for path in [0, 7, CarrierPath::END - 1].map(CarrierPath) {
                assert_eq!(CarrierId::of(id.widen(path)), (id, path));
            }
        }
    }
}
