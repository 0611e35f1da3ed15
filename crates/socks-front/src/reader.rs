//! A reader over input that may end anywhere: `None` means "come back with more".

use std::net::{Ipv4Addr, Ipv6Addr};

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

    /// A length octet and as many octets as it says.
    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.octet()?;
        self.slice(len.into())
    }

    /// What stands before the next NUL; the NUL is read too. `Err` if it is longer than `len_max`.
    pub(crate) fn until_nul(&mut self, len_max: usize) -> Result<Option<&'a [u8]>, TooLong> {
        let Some(len) = self.rest.iter().take(len_max + 1).position(|octet| *octet == 0) else {
            return if self.rest.len() > len_max { Err(TooLong) } else { Ok(None) };
        };
        let field = self.slice(len);
        self.octet();
        Ok(field)
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.used += len;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        self.used += N;
        Some(*head)
    }
}

/// A NUL-terminated field does not end where it must have.
pub(crate) struct TooLong;
