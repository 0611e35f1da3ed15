//! One direction of a relay: a link that all streams through the relay share.

use std::collections::VecDeque;
use std::time::Instant;

use relay_sim::{Link, Packet};

use super::pair::{PairId, Side};
use super::timers::TimerKey;

/// A relay's link, and whose datagrams are on it.
///
/// A relay's link keeps the order, so whatever went in before the datagram that comes out has been lost.
#[derive(Debug)]
pub(super) struct Trunk {
    link: Link,
    /// What went in and neither came out nor is known to be lost, in order.
    inside: VecDeque<Inside>,
    /// What came out and was not yet told, because those lost before it are told first.
    out: Option<Packet>,
    pushed: u64,
    /// The timer set for it.
    pub(super) wake: Option<TimerKey>,
}

#[derive(Debug, Clone, Copy)]
struct Inside {
    number: u64,
    sender: Sender,
}

/// Which end of which stream sent a datagram.
pub(super) type Sender = (PairId, Side);

/// What became of a datagram.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is through.
    Through(Sender, Vec<u8>),
    /// The relay dropped it.
    Lost(Sender),
}

impl Trunk {
    pub(super) const fn new(link: Link) -> Self {
        Self { link, inside: VecDeque::new(), out: None, pushed: 0, wake: None }
    }

    pub(super) fn push(&mut self, now: Instant, sender: Sender, octets: &[u8]) {
        let number = self.pushed;
        self.pushed += 1;
        self.inside.push_back(Inside { number, sender });
        self.link.push_tagged(now, number, octets);
    }

    /// What became of the next datagram, as far as that is known at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Fate> {
        if self.out.is_none() {
            self.out = self.link.pop_packet(now);
        }
        match self.out.take() {
            Some(packet) => {
                let Inside { number, sender } = self.inside.pop_front()?;
                if number == packet.tag() {
                    return Some(Fate::Through(sender, packet.into_octets()));
                }
                self.out = Some(packet);
                Some(Fate::Lost(sender))
            }
            None if self.link.stats().in_flight.packets == 0 => self.lost(),
            None => None,
        }
    }

    /// The next of those that are lost when the relay is.
    pub(super) fn lost(&mut self) -> Option<Fate> {
        self.inside.pop_front().map(|inside| Fate::Lost(inside.sender))
    }

    /// When `pop` may have something.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.link.next_at()
    }
}
