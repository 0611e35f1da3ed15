//! Noise NK by snow: handshake states, what keys follow from, and the MAC that is checked before
//! either.
//!
//! All randomness comes from a seed (docs/design rule: one seed in), so that a run can be repeated
//! octet for octet. The seed must come from a cryptographic source outside of tests.

use blake2::Blake2sMac;
use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, Update};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use crate::id::Side;
use crate::key::{PublicKey, SecretKey};
use crate::protection::{Protection, Secret};
use crate::wire::handshake::MAC_LEN;

const PATTERN: &str = "Noise_NK_25519_ChaChaPoly_BLAKE2s";

/// Both ends mix this in: another version of the wire cannot be mistaken for this one.
const PROLOGUE: &[u8] = b"ap2ap-stream wire 0";

/// Sets the MAC's key apart from every other use of the bridge's public key.
const MAC_LABEL: &[u8; 8] = b"ap2apmac";

/// The seed of one connection's secrets.
pub(crate) type Seed = [u8; 32];

/// A handshake that has begun.
pub(crate) struct Handshake(HandshakeState);

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshake(..)")
    }
}

/// The handshake failed: wrong key, changed octets, or nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandshakeFailed;

impl Handshake {
    pub(crate) fn client(bridge: &PublicKey, seed: Seed) -> Self {
        let state = builder(seed)
            .remote_public_key(bridge.octets())
            .and_then(|builder| builder.prologue(PROLOGUE))
            .and_then(Builder::build_initiator)
            .expect("the pattern, its key and its primitives are constants of this file");
        Self(state)
    }

    pub(crate) fn bridge(key: &SecretKey, seed: Seed) -> Self {
        let state = builder(seed)
            .local_private_key(key.octets())
            .and_then(|builder| builder.prologue(PROLOGUE))
            .and_then(Builder::build_responder)
            .expect("the pattern, its key and its primitives are constants of this file");
        Self(state)
    }

    /// Writes the next message around `payload` and says how long it is.
    pub(crate) fn write(
        &mut self,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, HandshakeFailed> {
        self.0.write_message(payload, out).map_err(|_| HandshakeFailed)
    }

    /// Reads the peer's message. After a failure the state is as before.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, HandshakeFailed> {
        let mut payload = vec![0; message.len()];
        let len = self.0.read_message(message, &mut payload).map_err(|_| HandshakeFailed)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// What protects packets, once both messages are through.
    pub(crate) fn into_protection(mut self, side: Side) -> Result<Protection, HandshakeFailed> {
        if !self.0.is_handshake_finished() {
            return Err(HandshakeFailed);
        }
        let (up, down) = self.0.dangerously_get_raw_split();
        Ok(Protection::new(side, Secret::new(up), Secret::new(down)))
    }
}

/// The MAC over a first message: only who knows the bridge's public key can make one.
pub(crate) fn first_message_mac(bridge: &PublicKey, covered: &[u8]) -> [u8; MAC_LEN] {
    let mut mac = Blake2sMac::<U16>::new_with_salt_and_personal(bridge.octets(), &[], MAC_LABEL)
        .expect("a 32-octet key and an 8-octet label are within BLAKE2s's bounds");
    mac.update(covered);
    mac.finalize_fixed().into()
}

/// Compares in time that does not depend on where two MACs differ.
pub(crate) fn macs_equal(left: &[u8; MAC_LEN], right: &[u8; MAC_LEN]) -> bool {
    left.iter().zip(right).fold(0, |differing, (l, r)| differing | (l ^ r)) == 0
}

fn builder<'a>(seed: Seed) -> Builder<'a> {
    let params: NoiseParams = PATTERN.parse().expect("the pattern is a constant of this file");
    Builder::with_resolver(params, Box::new(SeededResolver { seed }))
}

/// Takes randomness from the seed, ciphers and hashes from ring where it has them.
struct SeededResolver {
    seed: Seed,
}

impl SeededResolver {
    fn primitives() -> FallbackResolver {
        FallbackResolver::new(Box::new(RingResolver), Box::new(DefaultResolver))
    }
}

impl CryptoResolver for SeededResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom(ChaCha20Rng::from_seed(self.seed))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Self::primitives().resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        Self::primitives().resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        Self::primitives().resolve_cipher(choice)
    }
}

struct SeededRandom(ChaCha20Rng);

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_answer_leaves_the_client_ready_for_the_true_one() {
        let secret = SecretKey::from_octets([3; 32]);
        let mut client = Handshake::client(&secret.public(), [1; 32]);
        let mut bridge = Handshake::bridge(&secret, [2; 32]);
        let mut buf = [0; 256];
        let len = client.write(b"", &mut buf).unwrap();
        bridge.read(&buf[..len]).unwrap();
        let len = bridge.write(b"answer", &mut buf).unwrap();
        let mut changed = buf;
        changed[40] ^= 1;
        assert_eq!(client.read(&changed[..len]), Err(HandshakeFailed));
        assert_eq!(client.read(&buf[..len]).unwrap(), b"answer");
    }

    #[test]
    fn the_mac_needs_the_public_key_and_every_octet() {
        let key = SecretKey::from_octets([3; 32]).public();
        let other = SecretKey::from_octets([4; 32]).public();
        let mac = first_message_mac(&key, b"message");
        assert!(macs_equal(&mac, &first_message_mac(&key, b"message")));
        assert!(!macs_equal(&mac, &first_message_mac(&key, b"messagf")));
        assert!(!macs_equal(&mac, &first_message_mac(&other, b"message")));
    }
}
