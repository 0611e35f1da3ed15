//! An element's own source of chance.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Who throws: each kind of element has a stream of its own under one seed, so that adding an
/// element does not change the luck of the others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thrower {
    Loss,
    Reorder,
    Duplicate,
    Jitter,
    Meter,
    EarlyLoss,
}

/// A seeded generator that answers the two questions elements ask.
#[derive(Clone, Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, thrower: Thrower) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(match thrower {
            Thrower::Loss => 1,
            Thrower::Reorder => 2,
            Thrower::Duplicate => 3,
            Thrower::Jitter => 4,
            Thrower::Meter => 5,
            Thrower::EarlyLoss => 6,
        });
        Self(generator)
    }

    /// True with `probability`; never for 0 and what is no number, always from 1 on.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        f64::from(self.0.next_u32()) < probability * 4_294_967_296.0
    }

    /// Uniform below `max`.
    pub(super) fn up_to(&mut self, max: Duration) -> Duration {
        let nanos = (max.as_nanos() * u128::from(self.0.next_u32())) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
