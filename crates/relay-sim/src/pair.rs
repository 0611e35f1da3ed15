//! Two nodes, a link each way, and a clock that jumps.

use std::time::{Duration, Instant};

use crate::link::Link;
use crate::node::Node;
use crate::time::earlier;

/// Datagrams that are sent or delivered at one instant before the clock is nudged. A sender at
/// 10 MB/s that wakes each millisecond sends 8.
const DATAGRAMS_PER_INSTANT_MAX: u32 = 65_536;

/// How far the clock is nudged: less than any timer means.
const NUDGE: Duration = Duration::from_micros(1);

/// Datagrams one node sends before the other is heard: a link without delay holds no more.
const TRANSMITS_PER_TURN_MAX: u32 = 64;

/// Two nodes that talk over two links, in virtual time.
///
/// The clock stands still while there is anything to do and then jumps to when something is next
/// due. Work per instant is bounded: after 65,536 datagrams, and whenever a node keeps asking for a
/// time that is past, the clock moves on by 1 µs and [`Pair::nudges`] counts it. So time passes
/// whatever the nodes do, over links without delay too.
#[derive(Debug)]
pub struct Pair<A, B> {
    /// One end.
    pub a: A,
    /// The other end.
    pub b: B,
    now: Instant,
    a_to_b: Link,
    b_to_a: Link,
    buf: Vec<u8>,
    /// The work of this instant was cut short.
    is_cut: bool,
    nudges: u64,
}

impl<A: Node, B: Node> Pair<A, B> {
    /// Joins two nodes at `start`; nothing happens yet.
    #[must_use]
    pub const fn new(start: Instant, a: A, b: B, a_to_b: Link, b_to_a: Link) -> Self {
        Self { a, b, now: start, a_to_b, b_to_a, buf: Vec::new(), is_cut: false, nudges: 0 }
    }

    /// Does everything that is due now, then jumps to when something is next due. `false` if
    /// nothing will ever happen again by itself.
    pub fn step(&mut self) -> bool {
        self.settle();
        let Some(next) = self.next_instant() else { return false };
        self.now = next;
        true
    }

    /// Does everything that is due until `deadline`, and stops there.
    pub fn run_until(&mut self, deadline: Instant) {
        self.run_while(deadline, |_| true);
    }

    /// Runs until nothing due is left until `deadline`, or all that was due at some instant is
    /// done and `predicate` no longer holds: then `true`, and the clock stays at that instant.
    pub fn run_while(
        &mut self,
        deadline: Instant,
        mut predicate: impl FnMut(&Self) -> bool,
    ) -> bool {
        while self.now <= deadline {
            self.settle();
            if !predicate(self) {
                return true;
            }
            match self.next_instant() {
                Some(next) if next <= deadline => self.now = next,
                _ => {
                    self.now = deadline;
                    break;
                }
            }
        }
        false
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The link from `a` to `b`.
    #[must_use]
    pub const fn a_to_b(&self) -> &Link {
        &self.a_to_b
    }

    /// The link from `b` to `a`.
    #[must_use]
    pub const fn b_to_a(&self) -> &Link {
        &self.b_to_a
    }

    /// How often there was no end of work at one instant. Other than 0, a node is at fault or a
    /// link has no delay.
    #[must_use]
    pub const fn nudges(&self) -> u64 {
        self.nudges
    }

    /// Delivers and sends until nothing is due.
    fn settle(&mut self) {
        let Self { a, b, now, a_to_b, b_to_a, buf, .. } = self;
        let mut budget = DATAGRAMS_PER_INSTANT_MAX;
        let mut before = 0;
        while budget != before {
            before = budget;
            deliver(a_to_b, b, *now, &mut budget);
            deliver(b_to_a, a, *now, &mut budget);
            transmit(a, a_to_b, (*now, buf), &mut budget);
            transmit(b, b_to_a, (*now, buf), &mut budget);
        }
        self.is_cut = budget == 0;
    }

    /// When to go on: when something is due, but never at this instant again.
    fn next_instant(&mut self) -> Option<Instant> {
        let links = earlier(self.a_to_b.next_at(), self.b_to_a.next_at());
        let nodes = earlier(self.a.next_at(), self.b.next_at());
        let cut = self.is_cut.then_some(self.now);
        let next = earlier(earlier(links, nodes), cut)?;
        if next > self.now {
            return Some(next);
        }
        self.nudges += 1;
        Some(self.now + NUDGE)
    }
}

/// Hands over what has arrived.
fn deliver(link: &mut Link, node: &mut impl Node, now: Instant, budget: &mut u32) {
    while *budget > 0
        && let Some(datagram) = link.pop(now)
    {
        *budget -= 1;
        node.handle_datagram(now, &datagram);
    }
}

/// Sends what a node has to send, but lets others have their turn.
fn transmit(
    node: &mut impl Node,
    link: &mut Link,
    (now, buf): (Instant, &mut Vec<u8>),
    budget: &mut u32,
) {
    for _ in 0..TRANSMITS_PER_TURN_MAX.min(*budget) {
        buf.clear();
        if !node.poll_transmit(now, buf) {
            return;
        }
        *budget -= 1;
        link.push(now, buf);
    }
}
