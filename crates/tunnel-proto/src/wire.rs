//! The octets both messages share: the version, and a reader that never runs past its input.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What both ends must agree on; it fills the high four bits of each message's first octet.
pub(crate) const VERSION: u8 = 1;

/// The two low bits of a first octet say what address follows.
pub(crate) const KIND_NONE: u8 = 0;
pub(crate) const KIND_IPV4: u8 = 1;
pub(crate) const KIND_IPV6: u8 = 2;
pub(crate) const KIND_NAME: u8 = 3;

/// A first octet: version, two bits of the message's own, address kind.
pub(crate) const fn first_octet(own: u8, kind: u8) -> u8 {
    (VERSION << 4) | (own << 2) | kind
}

/// Splits a first octet into (version, own bits, address kind).
pub(crate) const fn split_first_octet(octet: u8) -> (u8, u8, u8) {
    (octet >> 4, (octet >> 2) & 0b11, octet & 0b11)
}

/// Walks over input that may end anywhere: `None` means "come back with more".
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    used: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input, used: 0 }
    }

    /// Octets read so far.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn octet(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(crate) fn port(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn ipv4(&mut self) -> Option<Ipv4Addr> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    pub(crate) fn ipv6(&mut self) -> Option<Ipv6Addr> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    pub(crate) fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.used += len;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        self.used += N;
        Some(*head)
    }
}
