//! Randomness whose effect an onlooker sees: how long a packet is, and when it leaves.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::noise::Seed;

/// The part of the seed's stream that this is drawn from: not the one of secrets.
pub(crate) const STREAM: u64 = 2;

/// The longest wait of [`Dice::wait`], in its means.
const WAIT_MAX: f64 = 2.2;
/// What the mean of waits comes to by cutting off those that are longer: 1 - e^-2.2.
const MEAN_OF_CUT: f64 = 0.889;

/// A connection's public randomness, drawn from its seed.
pub(crate) struct Dice(ChaCha20Rng);

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice(..)")
    }
}

impl Dice {
    pub(crate) fn new(seed: Seed) -> Self {
        let mut generator = ChaCha20Rng::from_seed(seed);
        generator.set_stream(STREAM);
        Self(generator)
    }

    /// A number below `end`, each as likely as the next.
    pub(crate) fn below(&mut self, end: u8) -> u8 {
        let scaled = u64::from(self.0.next_u32()) * u64::from(end);
        u8::try_from(scaled >> u32::BITS).unwrap_or_default()
    }

    /// How long to wait, in means of such waits: at most 2.5 of them. What has passed says nothing
    /// about what is left, up to that end: no period shows.
    pub(crate) fn wait(&mut self) -> f64 {
        let chance = (f64::from(self.0.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
        (-chance.ln()).min(WAIT_MAX) / MEAN_OF_CUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_a_mean_of_one_an_end_and_no_usual_length() {
        let mut dice = Dice::new([7; 32]);
        let waits: Vec<f64> = (0..10_000).map(|_| dice.wait()).collect();
        let mean = waits.iter().sum::<f64>() / 10_000.0;
        let variance = waits.iter().map(|wait| (wait - mean).powi(2)).sum::<f64>() / 10_000.0;
        assert!((0.97..1.03).contains(&mean), "{mean}");
        assert!(variance.sqrt() > 0.7, "{variance}");
        assert!(waits.iter().all(|wait| (0.0..=2.48).contains(wait)));
    }

    #[test]
    fn every_number_below_the_end_comes_up_and_no_other() {
        let mut dice = Dice::new([7; 32]);
        let mut counts = [0; 16];
        for _ in 0..1600 {
            counts[usize::from(dice.below(16))] += 1;
        }
        assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
    }
}
