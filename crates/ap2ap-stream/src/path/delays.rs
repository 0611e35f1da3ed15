//! How long datagrams lately took one way, to tell a queue from the usual.

/// As many are kept: some seconds of a slow relay.
const KEPT: usize = 8;
/// Of so many at least, and no more than twice as many, the least of all is known.
const LONG: usize = 64;
/// Fewer say nothing of what is usual.
const NEEDED: usize = 4;

/// One-way delays of the newest datagrams that the peer told arrival times of, in seconds of two clocks: only
/// their differences mean anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delays {
    newest: [f64; KEPT],
    count: usize,
    /// The least of the last [`LONG`] that are complete, and of those since.
    least_of: [Option<f64>; 2],
}

/// What is usual on a path, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usual {
    pub(crate) least: f64,
    /// The least of a longer time: without the queue that may have stood throughout the shorter one.
    pub(crate) least_of_long: f64,
    /// The mean of what comes on top of the least.
    pub(crate) noise: f64,
}

impl Delays {
    pub(crate) fn note(&mut self, delay: f64) {
        if let Some(place) = self.newest.get_mut(self.count % KEPT) {
            *place = delay;
        }
        if self.count.is_multiple_of(LONG) {
            self.least_of = [self.least_of[1], None];
        }
        self.least_of[1] = Some(self.least_of[1].map_or(delay, |least| least.min(delay)));
        self.count = self.count.saturating_add(1);
    }

    /// What is usual; `None` until enough is known.
    pub(crate) fn usual(&self) -> Option<Usual> {
        let kept = self.newest.get(..self.count.min(KEPT)).filter(|kept| kept.len() >= NEEDED)?;
        let least = kept.iter().copied().fold(f64::INFINITY, f64::min);
        let count = crate::num::to_f64(crate::num::len_u64(kept.len()));
        let noise = kept.iter().map(|delay| delay - least).sum::<f64>() / count;
        let least_of_long = self.least_of.iter().flatten().copied().fold(least, f64::min);
        Some(Usual { least, least_of_long, noise })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_follows_the_newest_and_needs_a_few() {
        let mut delays = Delays::default();
        for _ in 0..3 {
            delays.note(5.0);
            assert_eq!(delays.usual(), None);
        }
        delays.note(7.0);
        assert_eq!(delays.usual(), Some(Usual { least: 5.0, least_of_long: 5.0, noise: 0.5 }));
        (0..KEPT).for_each(|_| delays.note(9.0));
        assert_eq!(delays.usual(), Some(Usual { least: 9.0, least_of_long: 5.0, noise: 0.0 }));
        (0..2 * LONG).for_each(|_| delays.note(9.0));
        assert_eq!(delays.usual().unwrap().least_of_long, 9.0);
    }
}
