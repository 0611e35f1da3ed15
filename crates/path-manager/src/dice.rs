//! Chance, for waits that must not be in step with those of others: no secret depends on it.

use std::time::Duration;

/// A small generator (SplitMix64): the same seed gives the same waits.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A half of the time to all of it.
    pub(crate) fn shorten(&mut self, time: Duration) -> Duration {
        let share = f64::from(self.next()) / f64::from(u32::MAX);
        time.mul_f64(0.5 + share / 2.0)
    }

    /// One of `count`, which is not zero.
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        let drawn = usize::try_from(self.next()).unwrap_or_default();
        drawn.checked_rem(count).unwrap_or_default()
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from(mixed >> 32).unwrap_or_default()
    }
}
