//! A datagram on its way through a link, and the books that links keep of datagrams.

use std::ops::{AddAssign, Sub};
use std::time::Instant;

/// A datagram and the instant at which it got where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    octets: Vec<u8>,
    at: Instant,
    tag: u64,
}

impl Packet {
    /// A datagram that enters an element or link at `at`.
    #[must_use]
    pub const fn new(at: Instant, octets: Vec<u8>) -> Self {
        Self { octets, at, tag: 0 }
    }

    /// The same datagram with a mark of whoever sends it, by which it is known when it comes out. It
    /// takes no room on a link.
    #[must_use]
    pub const fn tagged(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// The same datagram, later.
    #[must_use]
    pub(crate) const fn left_at(mut self, at: Instant) -> Self {
        self.at = at;
        self
    }

    /// When it left the element that yielded it, however late that element was asked.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// The mark it was given, 0 if none.
    #[must_use]
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// The datagram.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The datagram itself.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// What every rate, queue and counter of this crate counts: the octets of the datagram.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.octets.len()).unwrap_or(u64::MAX)
    }
}

/// So many packets of so many octets in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many packets.
    pub packets: u64,
    /// The octets of their datagrams.
    pub octets: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, packet: &Packet) {
        self.count_octets(packet.size());
    }

    pub(crate) const fn count_octets(&mut self, octets: u64) {
        self.packets += 1;
        self.octets += octets;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.octets += other.octets;
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(other.packets),
            octets: self.octets.saturating_sub(other.octets),
        }
    }
}

/// What an element did to packets other than passing them on, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Dropped by a policer or a full queue.
    pub throttled: Tally,
    /// Lost at random.
    pub lost: Tally,
    /// Lost because the path was down.
    pub outage: Tally,
    /// Copies that were added.
    pub duplicated: Tally,
}

impl Ledger {
    /// Everything that will never come out.
    #[must_use]
    pub fn dropped(&self) -> Tally {
        let mut dropped = self.throttled;
        dropped += self.lost;
        dropped += self.outage;
        dropped
    }
}

impl AddAssign<&Self> for Ledger {
    fn add_assign(&mut self, other: &Self) {
        self.throttled += other.throttled;
        self.lost += other.lost;
        self.outage += other.outage;
        self.duplicated += other.duplicated;
    }
}
