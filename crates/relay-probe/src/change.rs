//! Tells a step of the delay from jitter, by sparse probes.

use std::collections::VecDeque;

use crate::num::count;

/// Probes in a row that must all lie outside of what was usual: fewer are an accident, and each costs time.
const NEW: usize = 3;

/// Probes that say what is usual; the older are forgotten, for two clocks drift apart.
const USUAL: usize = 12;

/// Fewer say nothing yet.
const USUAL_MIN: usize = 8;

/// A smaller step is not told, in seconds: busy machines and Skype's own timers make as much.
const STEP_MIN: f64 = 0.008;

/// Nor one that is smaller than this share of what the usual delays differ by.
const STEP_SHARE: f64 = 0.5;

/// The delays of late, as differences of two clocks: their origin means nothing.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    usual: VecDeque<f64>,
    new: VecDeque<f64>,
}

impl Delays {
    /// Takes the next delay, in seconds, and says by how much all are longer or shorter of late.
    pub(crate) fn take(&mut self, delay: f64) -> Option<f64> {
        self.new.push_back(delay);
        if self.new.len() > NEW
            && let Some(old) = self.new.pop_front()
        {
            self.usual.push_back(old);
            if self.usual.len() > USUAL {
                self.usual.pop_front();
            }
        }
        if self.usual.len() < USUAL_MIN || self.new.len() < NEW {
            return None;
        }
        let (usual, new) = (range(&self.usual)?, range(&self.new)?);
        let step_min = STEP_MIN.max((usual.1 - usual.0) * STEP_SHARE);
        if new.0 <= usual.1 + step_min && new.1 >= usual.0 - step_min {
            return None;
        }
        let step = mean(&self.new) - mean(&self.usual);
        self.usual = std::mem::take(&mut self.new);
        Some(step)
    }

    /// How much longer than the shortest nine of ten of the usual take at most, in seconds.
    pub(crate) fn jitter(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.usual.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let long = sorted.get(sorted.len().checked_sub(1)? * 9 / 10)?;
        Some(long - sorted.first()?)
    }
}

fn range(delays: &VecDeque<f64>) -> Option<(f64, f64)> {
    let least = delays.iter().copied().min_by(f64::total_cmp)?;
    let most = delays.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

fn mean(delays: &VecDeque<f64>) -> f64 {
    delays.iter().sum::<f64>() / count(delays.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(delays: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut of_late = Delays::default();
        delays.into_iter().filter_map(|delay| of_late.take(delay)).collect()
    }

    #[test]
    fn jitter_is_no_step() {
        assert_eq!(steps((0..200).map(|n| 0.1 + f64::from(n * 7 % 20) / 1_000.0)), [0.0; 0]);
    }

    #[test]
    fn a_drifting_clock_is_no_step() {
        assert_eq!(steps((0..2_000).map(|n| f64::from(n) * 0.000_1)), [0.0; 0]);
    }

    #[test]
    fn a_step_is_told_once_by_its_third_probe() {
        let seen = steps((0..40).map(|n| if n < 20 { 0.1 } else { 0.15 }));
        assert_eq!(seen.len(), 1);
        assert!((seen[0] - 0.05).abs() < 1e-9);
        assert_eq!(steps((0..23).map(|n| if n < 20 { 0.1 } else { 0.15 })).len(), 1);
    }
}
