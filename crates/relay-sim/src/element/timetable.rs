//! Packets in the order of the instants at which they leave.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use crate::packet::{Packet, Tally};
use crate::time::earlier;

/// A priority queue that costs no more than a queue as long as packets come in order.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    /// Packets each of which left the one before it behind; ordered by instant.
    in_order: VecDeque<Entry>,
    /// All others.
    out_of_order: BinaryHeap<Reverse<Entry>>,
    /// How many packets were pushed so far.
    pushed: u64,
}

/// Ordered by instant, then by entry: packets of one instant stay in order.
#[derive(Debug)]
struct Entry {
    number: u64,
    packet: Packet,
}

impl Timetable {
    /// Adds a packet that leaves at its `at`, as those before it did or will.
    pub(super) fn push(&mut self, packet: Packet) {
        if self.in_order.back().is_some_and(|last| last.packet.at() > packet.at()) {
            self.push_late(packet);
            return;
        }
        let entry = self.entry(packet);
        self.in_order.push_back(entry);
    }

    /// Adds a packet that leaves at its `at`, which those behind it are not expected to wait for.
    pub(super) fn push_late(&mut self, packet: Packet) {
        let entry = self.entry(packet);
        self.out_of_order.push(Reverse(entry));
    }

    /// The next packet to have left by `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Packet> {
        let in_order = self.in_order.front();
        let late = self.out_of_order.peek().map(|Reverse(entry)| entry);
        let is_late_first =
            late.is_some_and(|late| in_order.is_none_or(|in_order| late < in_order));
        let first = if is_late_first { late } else { in_order };
        if first?.packet.at() > now {
            return None;
        }
        let first = if is_late_first {
            self.out_of_order.pop().map(|Reverse(entry)| entry)
        } else {
            self.in_order.pop_front()
        };
        first.map(|entry| entry.packet)
    }

    /// Forgets all packets and counts them.
    pub(super) fn flush(&mut self, into: &mut Tally) {
        self.in_order.drain(..).for_each(|entry| into.count(&entry.packet));
        self.out_of_order.drain().for_each(|Reverse(entry)| into.count(&entry.packet));
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        let in_order = self.in_order.front().map(|entry| entry.packet.at());
        let late = self.out_of_order.peek().map(|Reverse(entry)| entry.packet.at());
        earlier(in_order, late)
    }

    const fn entry(&mut self, packet: Packet) -> Entry {
        self.pushed += 1;
        Entry { number: self.pushed, packet }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.packet.at(), self.number).cmp(&(other.packet.at(), other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
