//! What surrounds a Noise message on the wire: a mask over its ephemeral key, and a first message's
//! MAC. Both need nothing but the bridge's public key.
//!
//! ```text
//!   | e XOR mask(tag) | … sealed … | tag | MAC |
//!   └─────────── Noise message ──────────┘
//!   └──────────── under the MAC ─────────┘
//! ```
//!
//! An X25519 key is not quite random octets: its upper bit is always 0, and half of all numbers are no
//! point of the curve. Whoever lacks the bridge's key sees nothing of that.

use blake2::Blake2sMac;
use blake2::digest::consts::{U16, U32};
use blake2::digest::{FixedOutput, Update};

use crate::key::{KEY_LEN, PublicKey};
use crate::wire::TAG_LEN;
use crate::wire::handshake::MAC_LEN;

/// Each label sets its use of the bridge's public key apart from every other.
const MASK_LABEL: &[u8; 8] = b"ap2ap1mk";
const NK_MAC_LABEL: &[u8; 8] = b"ap2ap1NK";
const IK_MAC_LABEL: &[u8; 8] = b"ap2ap1IK";

/// Who shows a static key in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// The bridge alone: nothing links one session of a client to another.
    Nk,
    /// The client too, to a bridge that lets only some in.
    Ik,
}

/// AP-10: puts the mask over the ephemeral key that a Noise message begins with, or takes it off.
pub(crate) fn mask_ephemeral(bridge: &PublicKey, message: &mut [u8]) {
    let Some((rest, tag)) = message.split_last_chunk_mut::<TAG_LEN>() else { return };
    let mut mac = Blake2sMac::<U32>::new_with_salt_and_personal(bridge.octets(), &[], MASK_LABEL)
        .expect("a 32-octet key and an 8-octet label are within BLAKE2s's bounds");
    mac.update(tag);
    let mask: [u8; KEY_LEN] = mac.finalize_fixed().into();
    for (octet, mask) in rest.iter_mut().zip(mask) {
        *octet ^= mask;
    }
}

/// AP-11: the MAC over a first message as it is sent. Only who knows the bridge's public key can make
/// one, and it says which handshake the message begins.
pub(crate) fn first_mac(bridge: &PublicKey, pattern: Pattern, covered: &[u8]) -> [u8; MAC_LEN] {
    let label = match pattern {
        Pattern::Nk => NK_MAC_LABEL,
        Pattern::Ik => IK_MAC_LABEL,
    };
    let mut mac = Blake2sMac::<U16>::new_with_salt_and_personal(bridge.octets(), &[], label)
        .expect("a 32-octet key and an 8-octet label are within BLAKE2s's bounds");
    mac.update(covered);
    mac.finalize_fixed().into()
}

/// Compares in time that does not depend on where two MACs differ.
pub(crate) fn macs_equal(left: &[u8; MAC_LEN], right: &[u8; MAC_LEN]) -> bool {
    left.iter().zip(right).fold(0, |differing, (l, r)| differing | (l ^ r)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn key(octet: u8) -> PublicKey {
        SecretKey::from_octets([octet; 32]).public()
    }

    /// AP-11
    #[test]
    fn the_mac_needs_the_public_key_the_pattern_and_every_octet() {
        let mac = first_mac(&key(3), Pattern::Nk, b"message");
        assert!(macs_equal(&mac, &first_mac(&key(3), Pattern::Nk, b"message")));
        assert!(!macs_equal(&mac, &first_mac(&key(3), Pattern::Nk, b"messagf")));
        assert!(!macs_equal(&mac, &first_mac(&key(3), Pattern::Ik, b"message")));
        assert!(!macs_equal(&mac, &first_mac(&key(4), Pattern::Nk, b"message")));
    }

    /// AP-10
    #[test]
    fn the_mask_covers_the_key_alone_and_comes_off_with_the_bridges_key_only() {
        let plain: Vec<u8> = (0..80).collect();
        let mut masked = plain.clone();
        mask_ephemeral(&key(3), &mut masked);
        assert!(masked[..32].iter().zip(&plain).filter(|(one, other)| one == other).count() < 8);
        assert_eq!(masked[32..], plain[32..]);
        let mut other = masked.clone();
        mask_ephemeral(&key(4), &mut other);
        assert_ne!(other, plain);
        mask_ephemeral(&key(3), &mut masked);
        assert_eq!(masked, plain);
    }

    #[test]
    fn a_message_without_a_tag_stays_as_it_is() {
        let mut short = [7; TAG_LEN - 1];
        mask_ephemeral(&key(3), &mut short);
        assert_eq!(short, [7; TAG_LEN - 1]);
    }
}
