//! Unreliable datagrams: what waits to be sent, and what waits to be read.
//!
//! AP-54: each arrives once or not at all, in any order. Both queues are bounded; when one is full the oldest
//! goes, for who sends such datagrams wants the newest. One that expires before its turn is dropped.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

/// Datagrams in a queue, and their octets: a second of a voice call, or a burst at a game's rate.
const QUEUED_MAX: usize = 64;
const QUEUED_OCTETS_MAX: usize = 64 * 1024;

/// Both directions of a connection.
#[derive(Debug)]
pub(crate) struct Datagrams {
    outgoing: Queue<Option<Instant>>,
    incoming: Queue<()>,
    /// The reader found nothing, or has not looked yet: it is told of the next.
    reader_waits: bool,
    /// When both may go past the pacer, datagrams and streams come first in turns.
    is_first: bool,
}

impl Default for Datagrams {
    fn default() -> Self {
        let (outgoing, incoming) = (Queue::default(), Queue::default());
        Self { outgoing, incoming, reader_waits: true, is_first: false }
    }
}

impl Datagrams {
    /// Puts one behind the others; the answer is how many had to go for it.
    pub(crate) fn send(&mut self, octets: Bytes, expires: Option<Instant>) -> u64 {
        self.outgoing.push(octets, expires)
    }

    /// Drops what nobody wants any more by now; the answer is how many.
    pub(crate) fn drop_expired(&mut self, now: Instant) -> u64 {
        self.outgoing.retain(|expires| expires.is_none_or(|at| now < at))
    }

    /// Drops the next ones while they are too long for any packet of the path; the answer is how many.
    pub(crate) fn drop_longer_than(&mut self, len_max: usize) -> u64 {
        let mut dropped = 0;
        while self.next_len().is_some_and(|len| len > len_max) {
            self.outgoing.pop();
            dropped += 1;
        }
        dropped
    }

    /// The length of the next one to be sent, in octets.
    pub(crate) fn next_len(&self) -> Option<usize> {
        self.outgoing.entries.front().map(|(octets, _)| octets.len())
    }

    pub(crate) fn take_next(&mut self) -> Option<Bytes> {
        self.outgoing.pop()
    }

    /// Whether datagrams come before streams in a packet past the pacer.
    pub(crate) const fn take_turn(&mut self) -> bool {
        self.is_first = !self.is_first;
        self.is_first
    }

    /// One arrived: how many had to go for it, and whether the reader is to be told.
    pub(crate) fn receive(&mut self, octets: &[u8]) -> (u64, bool) {
        let dropped = self.incoming.push(Bytes::copy_from_slice(octets), ());
        (dropped, std::mem::take(&mut self.reader_waits))
    }

    pub(crate) fn read(&mut self) -> Option<Bytes> {
        let octets = self.incoming.pop();
        self.reader_waits |= octets.is_none();
        octets
    }
}

/// Datagrams with something about each.
#[derive(Debug)]
struct Queue<T> {
    entries: VecDeque<(Bytes, T)>,
    /// Of all entries; never above [`QUEUED_OCTETS_MAX`].
    octets: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), octets: 0 }
    }
}

impl<T> Queue<T> {
    fn push(&mut self, octets: Bytes, about: T) -> u64 {
        let mut dropped = 0;
        while self.entries.len() >= QUEUED_MAX
            || self.octets.saturating_add(octets.len()) > QUEUED_OCTETS_MAX
        {
            if self.pop().is_none() {
                break;
            }
            dropped += 1;
        }
        self.octets = self.octets.saturating_add(octets.len());
        self.entries.push_back((octets, about));
        dropped
    }

    fn pop(&mut self) -> Option<Bytes> {
        let (octets, _) = self.entries.pop_front()?;
        self.octets = self.octets.saturating_sub(octets.len());
        Some(octets)
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) -> u64 {
        let before = self.entries.len();
        self.entries.retain(|(_, about)| keep(about));
        self.octets = self.entries.iter().map(|(octets, _)| octets.len()).sum();
        crate::num::len_u64(before.saturating_sub(self.entries.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// AP-54: whatever is sent and taken, a queue keeps the newest that fit into its bounds, in order.
        #[test]
        fn a_queue_is_the_newest_within_its_bounds(
            steps in prop::collection::vec((0..2049_usize, 0..4_u8), 1..300)
        ) {
            let (mut queue, mut model) = (Queue::<usize>::default(), Vec::<(usize, usize)>::new());
            let mut dropped = 0;
            for (index, (len, kind)) in steps.into_iter().enumerate() {
                if kind == 0 {
                    let taken = queue.pop().map(|octets| octets.len());
                    let expected = (!model.is_empty()).then(|| model.remove(0).1);
                    prop_assert_eq!(taken, expected);
                    continue;
                }
                dropped += queue.push(Bytes::from(vec![0; len]), index);
                model.push((index, len));
                while model.len() > 64 || model.iter().map(|(_, len)| len).sum::<usize>() > 65_536 {
                    model.remove(0);
                    dropped -= 1;
                }
                let kept = queue.entries.iter().map(|(octets, index)| (*index, octets.len()));
                prop_assert_eq!(kept.collect::<Vec<_>>(), model.clone());
            }
            prop_assert_eq!(dropped, 0);
        }
    }
}
