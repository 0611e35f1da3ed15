//! One direction of a path: elements in a row, and what befalls all of them at once.

use std::collections::VecDeque;
use std::time::Instant;

use crate::element::Element;
use crate::packet::{Ledger, Packet, Tally};
use crate::plan::{Event, Timeline};
use crate::time::earlier;

/// A link holds at most this: 3 s of 10 MB/s. A caller that never pops costs no more memory.
const HELD_OCTETS_MAX: u64 = 32 * 1024 * 1024;

/// What a packet counts beside its octets towards [`HELD_OCTETS_MAX`]: an allocation and its place.
const PACKET_OVERHEAD_OCTETS: u64 = 96;

/// Elements in a row: what leaves one enters the next.
///
/// ```
/// use std::time::{Duration, Instant};
/// use relay_sim::LinkSpec;
///
/// let mut link = LinkSpec { delay: Duration::from_millis(80), ..LinkSpec::default() }.build(1);
/// let start = Instant::now();
/// link.push(start, b"ping");
/// assert_eq!(link.pop(start), None);
///
/// let due = link.next_at().expect("a packet is under way");
/// assert_eq!(due, start + Duration::from_millis(80));
/// assert_eq!(link.pop(due).as_deref(), Some(&b"ping"[..]));
/// ```
#[derive(Debug)]
pub struct Link {
    elements: Vec<Box<dyn Element>>,
    timeline: Timeline,
    arrived: VecDeque<Packet>,
    /// When an element, or the timeline while something is held, is next due; kept so that a link
    /// that has nothing to do costs nothing.
    due: Option<Instant>,
    entered: Tally,
    left: Tally,
    /// What no element could count: drops at the entry, losses at the exit.
    ledger: Ledger,
}

/// What went through a link so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Pushed.
    pub entered: Tally,
    /// Popped.
    pub left: Tally,
    /// Dropped by a policer or a full queue.
    pub throttled: Tally,
    /// Lost at random.
    pub lost: Tally,
    /// Lost because the path was down.
    pub outage: Tally,
    /// Copies that were added.
    pub duplicated: Tally,
    /// Neither popped nor lost as yet.
    pub in_flight: Tally,
}

impl LinkStats {
    /// Everything that was lost, whatever the cause.
    #[must_use]
    pub fn dropped(&self) -> Tally {
        let Self { throttled, lost, outage, duplicated, .. } = *self;
        Ledger { throttled, lost, outage, duplicated }.dropped()
    }
}

impl Link {
    /// A link of these elements, in this order; of none, it passes everything at once.
    #[must_use]
    pub fn new(elements: Vec<Box<dyn Element>>) -> Self {
        Self::with_timeline(elements, Timeline::default())
    }

    pub(crate) fn with_timeline(elements: Vec<Box<dyn Element>>, timeline: Timeline) -> Self {
        Self {
            elements,
            timeline,
            arrived: VecDeque::new(),
            due: None,
            entered: Tally::default(),
            left: Tally::default(),
            ledger: Ledger::default(),
        }
    }

    /// This link with one more element behind all others.
    #[must_use]
    pub fn then(mut self, element: Box<dyn Element>) -> Self {
        self.elements.push(element);
        self
    }

    /// A datagram enters at `now`, which is not before any earlier `now`. A link that holds 32 MiB
    /// drops it as a full queue would.
    pub fn push(&mut self, now: Instant, octets: &[u8]) {
        self.push_tagged(now, 0, octets);
    }

    /// The same for one of several senders who share this link: [`pop_packet`](Self::pop_packet) yields it with
    /// its `tag`.
    pub fn push_tagged(&mut self, now: Instant, tag: u64, octets: &[u8]) {
        if self.timeline.next_at().is_some_and(|at| at <= now) {
            self.settle(now);
        }
        let packet = Packet::new(now, octets.to_vec()).tagged(tag);
        self.entered.count(&packet);
        if self.timeline.is_down(now) {
            self.ledger.outage.count(&packet);
            return;
        }
        if self.is_full() {
            self.ledger.throttled.count(&packet);
            return;
        }
        let Some(first) = self.elements.first_mut() else {
            self.arrived.push_back(packet);
            return;
        };
        first.push(now, packet);
        self.due = earlier(earlier(self.due, first.next_at()), self.timeline.next_at());
    }

    /// The next datagram that has arrived by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.pop_packet(now).map(Packet::into_octets)
    }

    /// The next datagram that has arrived by `now`, with the instant at which it did.
    pub fn pop_packet(&mut self, now: Instant) -> Option<Packet> {
        if self.arrived.is_empty() && self.due.is_some_and(|due| due <= now) {
            self.settle(now);
        }
        let packet = self.arrived.pop_front()?;
        self.left.count(&packet);
        Some(packet)
    }

    /// When `pop` may next yield something; `None` if only after a push.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        self.arrived.front().map(Packet::at).or(self.due)
    }

    /// What went through so far.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let Ledger { throttled, lost, outage, duplicated } = self.total();
        let in_flight = self.in_flight();
        let Self { entered, left, .. } = *self;
        LinkStats { entered, left, throttled, lost, outage, duplicated, in_flight }
    }

    /// Lets everything happen, in order, that is due until `now`.
    fn settle(&mut self, now: Instant) {
        while let Some((at, event)) = self.timeline.next_until(now) {
            self.advance(at);
            match event {
                Event::Down => self.elements.iter_mut().for_each(|element| element.flush(at)),
                Event::Change(spec) => {
                    self.elements.iter_mut().for_each(|element| element.retune(at, &spec));
                }
            }
        }
        self.advance(now);
        self.due = self.elements.iter().filter_map(|element| element.next_at()).min();
        if self.timeline.next_at().is_some() && self.in_flight().packets > 0 {
            // What happens then may free what waits for ever.
            self.due = earlier(self.due, self.timeline.next_at());
        }
    }

    /// Moves every packet as far as it gets until `now`.
    fn advance(&mut self, now: Instant) {
        let mut elements = self.elements.iter_mut();
        let Some(mut last) = elements.next() else { return };
        for element in elements {
            while let Some(packet) = last.pop(now) {
                element.push(now, packet);
            }
            last = element;
        }
        while let Some(packet) = last.pop(now) {
            self.arrived.push_back(packet);
        }
    }

    fn is_full(&self) -> bool {
        let Tally { packets, octets } = self.in_flight();
        packets.saturating_mul(PACKET_OVERHEAD_OCTETS).saturating_add(octets) >= HELD_OCTETS_MAX
    }

    /// What entered or was copied, and neither left nor was lost.
    fn in_flight(&self) -> Tally {
        let total = self.total();
        let mut held = self.entered;
        held += total.duplicated;
        held - self.left - total.dropped()
    }

    fn total(&self) -> Ledger {
        let mut total = self.ledger;
        self.elements.iter().for_each(|element| total += element.ledger());
        total
    }
}
