//! A body of any size that looks random and follows from a seed, so that both ends know its hash.

use sha2::{Digest, Sha256};

/// Octets of one block.
const BLOCK_OCTETS: usize = 32;

/// The octets of a body, block by block: SHA-256 of the seed and the block's number.
#[derive(Debug)]
pub(crate) struct Body {
    seed: u64,
    block: u64,
    left: u64,
}

impl Body {
    pub(crate) const fn new(seed: u64, octets: u64) -> Self {
        Self { seed, block: 0, left: octets }
    }

    /// The hash of the whole body.
    pub(crate) fn hash(seed: u64, octets: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        for block in Self::new(seed, octets) {
            hash.update(&block);
        }
        hash.finalize().into()
    }
}

impl Iterator for Body {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.left == 0 {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.block.to_be_bytes());
        let mut octets = hash.finalize().to_vec();
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOCK_OCTETS);
        octets.truncate(len);
        self.block = self.block.wrapping_add(1);
        self.left = self.left.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
        Some(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_length_and_follows_from_its_seed() {
        for octets in [0, 1, 31, 32, 33, 1000] {
            let body: Vec<u8> = Body::new(1, octets).flatten().collect();
            assert_eq!(u64::try_from(body.len()), Ok(octets));
        }
        assert_eq!(Body::hash(1, 100), Body::hash(1, 100));
        assert_ne!(Body::hash(1, 100), Body::hash(2, 100));
    }
}
