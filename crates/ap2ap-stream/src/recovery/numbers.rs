//! Packet numbers that arrived, as ranges.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Ranges remembered to be acknowledged: those that are written, and some more for gaps that close.
pub(super) const RANGES_KEPT_MAX: usize = 64;

/// Packet numbers that arrived. Of more ranges than are kept the oldest are forgotten.
///
/// Nearly every number is one more than the last, which costs a comparison; the others search among few ranges.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// In order, with a gap between any two.
    ranges: VecDeque<Numbered>,
}

/// The first and the last number of a range.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    first: u64,
    last: u64,
}

impl Numbers {
    pub(super) fn insert(&mut self, number: u64) {
        if let Some(newest) = self.ranges.back_mut()
            && newest.last.checked_add(1) == Some(number)
        {
            newest.last = number;
            return;
        }
        let index = self.ranges.partition_point(|range| range.last < number);
        if self.ranges.get(index).is_some_and(|range| range.first <= number) {
            return;
        }
        let is_next = |range: &&mut Numbered| range.last.checked_add(1) == Some(number);
        let before = index.checked_sub(1).and_then(|index| self.ranges.get_mut(index));
        if let Some(before) = before.filter(is_next) {
            before.last = number;
            self.close_gap(index);
            return;
        }
        match self.ranges.get_mut(index) {
            Some(after) if number.checked_add(1) == Some(after.first) => after.first = number,
            Some(_) | None => self.ranges.insert(index, Numbered { first: number, last: number }),
        }
        if self.ranges.len() > RANGES_KEPT_MAX {
            self.ranges.pop_front();
        }
    }

    pub(super) fn latest_first(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.ranges.iter().rev().map(|range| range.first..=range.last)
    }

    /// Joins the range at `index` to the one before it, if there is no gap any more.
    fn close_gap(&mut self, index: usize) {
        let Some(after) = self.ranges.get(index).copied() else { return };
        let before = index.checked_sub(1).and_then(|index| self.ranges.get_mut(index));
        if let Some(before) = before
            && before.last.checked_add(1) == Some(after.first)
        {
            before.last = after.last;
            self.ranges.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set of single numbers, which forgets whole ranges from below.
        #[test]
        fn holds_the_newest_ranges_of_a_set(
            numbers in prop::collection::vec(prop_oneof![0..300_u64, u64::MAX - 9..=u64::MAX], 1..400),
        ) {
            let (mut ranges, mut set) = (Numbers::default(), BTreeSet::new());
            for number in numbers {
                ranges.insert(number);
                set.insert(number);
                let kept: Vec<_> = ranges.latest_first().collect();
                let mut gaps = kept.windows(2).map(|pair| pair[0].start() - pair[1].end());
                prop_assert!(gaps.all(|gap| gap > 1) && kept.len() <= RANGES_KEPT_MAX);
                let floor = *kept.last().unwrap().start();
                if kept.len() == RANGES_KEPT_MAX {
                    set = set.split_off(&floor);
                }
                let mut held: Vec<u64> = kept.into_iter().flatten().collect();
                held.sort_unstable();
                prop_assert!(held.iter().eq(&set));
            }
        }
    }

    #[test]
    fn a_number_between_two_ranges_makes_them_one() {
        let mut numbers = Numbers::default();
        for number in [1, 2, 5, 6, 4, 0, 3, 3] {
            numbers.insert(number);
        }
        assert!(numbers.latest_first().eq([0..=6]));
    }
}
