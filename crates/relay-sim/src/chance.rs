//! Seeded chance, as whole populations need it: uniform, exponential, normal.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// No wait that is drawn is longer: nothing is simulated for thirty years.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// A seeded generator. Streams of one seed are independent of each other.
#[derive(Clone, Debug)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Uniform, above 0 and not above 1: its logarithm is finite.
    pub(crate) fn uniform(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 1.0) / 4_294_967_296.0
    }

    /// True with `probability`.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() <= probability
    }

    /// A wait for what happens once in `mean` on average and has no memory.
    pub(crate) fn wait(&mut self, mean: Duration) -> Duration {
        scaled(mean, -self.uniform().ln())
    }

    /// Mean 0, variance 1.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// One of `count`, each alike; `None` of none.
    pub(crate) fn index(&mut self, count: usize) -> Option<usize> {
        let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
        // 32 bits are enough to be fair: no population has more than a few millions.
        let index = u64::from(self.0.next_u32()).wrapping_mul(count) >> 32;
        usize::try_from(index).ok()
    }
}

/// `duration` times `factor`, at least nothing and at most thirty years.
pub(crate) fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor.max(0.0))
        .map_or(FAR, |d| d.min(FAR))
}
