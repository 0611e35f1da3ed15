//! The replay window: which of the newest packet numbers came before.
//!
//! ```text
//!      below `end - 4,096`            the newest 4,096 numbers          `end`
//!   ───────────────────────┼──────────────────────────────────────────┼────────►
//!      all count as repeats        one bit each: came before or not       new
//! ```

use crate::num;

/// AP-42: numbers that are told apart. Overtaken by so many others, a packet has long been sent again.
pub(crate) const REPLAY_WINDOW: u64 = BITS * num::len_u64(WORDS);

/// Bits of a word.
const BITS: u64 = 64;
const WORDS: usize = 64;

/// The window. It takes 512 octets, however numbers are lost or overtake each other.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    /// A bit for each number, at the number modulo the window's length.
    words: [u64; WORDS],
    /// The number after the largest that came.
    end: u64,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { words: [0; WORDS], end: 0 }
    }
}

impl ReplayWindow {
    /// Whether a packet of this number is to be taken.
    pub(crate) fn is_new(&self, number: u64) -> bool {
        if number >= self.end {
            return true;
        }
        if self.end - number > REPLAY_WINDOW {
            return false;
        }
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|word| word & bit == 0)
    }

    /// A packet of this number was taken.
    pub(crate) fn record(&mut self, number: u64) {
        if number >= self.end {
            // What was there belongs to numbers that now leave the window.
            let skipped = (number - self.end).min(REPLAY_WINDOW);
            for new in number - skipped..=number {
                let (word, bit) = place(new);
                if let Some(word) = self.words.get_mut(word) {
                    *word &= !bit;
                }
            }
            self.end = number.saturating_add(1);
        } else if self.end - number > REPLAY_WINDOW {
            return;
        }
        let (word, bit) = place(number);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }
}

/// The word and the bit of a number.
fn place(number: u64) -> (usize, u64) {
    let position = number % REPLAY_WINDOW;
    let word = num::to_usize(position / BITS);
    (word, 1 << (position % BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// AP-42: whatever comes in whatever order, no number is taken twice, and none that is within
        /// the window is refused for another reason.
        #[test]
        fn takes_each_number_once(
            steps in prop::collection::vec((0..3_u8, 0..6000_u64), 1..400)
        ) {
            let (mut window, mut taken, mut end) = (ReplayWindow::default(), BTreeSet::new(), 0_u64);
            for (kind, distance) in steps {
                let number = match kind {
                    0 => end + distance,
                    1 => end + distance % 3,
                    _ => end.saturating_sub(distance),
                };
                let is_within = number + REPLAY_WINDOW >= end;
                let expected = is_within && !taken.contains(&number);
                prop_assert_eq!(window.is_new(number), expected, "number {} of {}", number, end);
                if expected {
                    window.record(number);
                    taken.insert(number);
                    end = end.max(number + 1);
                }
            }
        }
    }
}
