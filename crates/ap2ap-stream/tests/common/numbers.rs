//! Packet numbers as an onlooker tells them: from headers alone.

use std::collections::BTreeSet;

/// The packet numbers of one direction, each of which may be seen once.
#[derive(Debug, Default)]
pub struct Numbers {
    seen: BTreeSet<u64>,
}

impl Numbers {
    /// Takes a datagram in the order of sending. Handshake messages have keys of their own, used
    /// once: they carry no number.
    ///
    /// # Panics
    /// If its number was used before under the same key.
    pub fn note(&mut self, datagram: &[u8]) {
        let Some((&first @ 0..=3, rest)) = datagram.split_first() else { return };
        let low = rest[..usize::from(first) + 1]
            .iter()
            .fold(0_u64, |low, octet| (low << 8) | u64::from(*octet));
        let number = self.expand(low, 8 * (u32::from(first) + 1));
        assert!(self.seen.insert(number), "packet number {number} twice under one key");
    }

    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// Numbers are given in order, so the next one is the least above the last that ends in `low`.
    /// A sender that went back would seem to jump forward: the count tells.
    fn expand(&self, low: u64, bits: u32) -> u64 {
        let next = self.seen.last().map_or(0, |last| last + 1);
        // The last one again is what a repeated number looks like.
        if let Some(last) = self.seen.last()
            && last & ((1 << bits) - 1) == low
        {
            return *last;
        }
        let base = next & !((1 << bits) - 1);
        let candidate = base | low;
        if candidate < next { candidate + (1 << bits) } else { candidate }
    }

    /// Whether the numbers run from zero without a gap: none was skipped, none taken twice.
    pub fn are_gapless(&self) -> bool {
        self.seen.last().is_none_or(|last| *last + 1 == self.seen.len() as u64)
    }
}
