//! Noise NK and IK by snow: handshake states, and the traffic secrets that follow from them.
//!
//! All randomness comes from a seed (docs/design rule: one seed in), so that a run can be repeated
//! octet for octet. The seed must come from a cryptographic source outside of tests.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use crate::credentials::Credentials;
use crate::dice;
use crate::id::Side;
use crate::identity::BridgeIdentity;
use crate::key::PublicKey;
use crate::outer::{Pattern, mask_ephemeral};
use crate::protection::{Protection, Secret};
use crate::ticket::SALT_LEN;
use crate::wire::handshake::HANDSHAKE_DATAGRAM_MAX;

const NK: &str = "Noise_NK_25519_ChaChaPoly_BLAKE2s";
const IK: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2s";

/// Both ends mix this in: another version of the wire cannot be mistaken for this one.
const PROLOGUE: &[u8] = b"ap2ap-stream wire 1";

/// AP-20: a handshake message ends with fewer padding frames than this.
const PADDING_END: u32 = 16;

/// The parts of the seed's stream that a handshake's secrets are not drawn from. What an onlooker sees
/// later comes from another one (see `dice`).
const PADDING_STREAM: u64 = 1;
const NEXT_SEED_STREAM: u64 = 3;
const SALT_STREAM: u64 = 4;
const _: () = assert!(PADDING_STREAM != dice::STREAM && NEXT_SEED_STREAM != dice::STREAM);

/// The seed of one connection's secrets.
pub(crate) type Seed = [u8; 32];

/// A handshake that has begun.
pub(crate) struct Handshake {
    noise: HandshakeState,
    bridge: PublicKey,
    padding: usize,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshake(..)")
    }
}

/// The handshake failed: wrong key, changed octets, or nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandshakeFailed;

impl Handshake {
    pub(crate) fn client(credentials: &Credentials, seed: Seed) -> Self {
        let bridge = *credentials.bridge();
        let noise = builder(credentials.pattern(), seed)
            .remote_public_key(bridge.octets())
            .and_then(|builder| match credentials.client() {
                Some(key) => builder.local_private_key(key.octets()),
                None => Ok(builder),
            })
            .and_then(|builder| builder.prologue(PROLOGUE))
            .and_then(Builder::build_initiator)
            .expect("the patterns, their keys and their primitives are constants of this file");
        Self { noise, bridge, padding: padding(seed) }
    }

    pub(crate) fn bridge(identity: &BridgeIdentity, seed: Seed) -> Self {
        let noise = builder(identity.pattern(), seed)
            .local_private_key(identity.secret().octets())
            .and_then(|builder| builder.prologue(PROLOGUE))
            .and_then(Builder::build_responder)
            .expect("the patterns, their keys and their primitives are constants of this file");
        Self { noise, bridge: identity.public_key(), padding: padding(seed) }
    }

    /// Appends the next message around `payload` to `out`, its ephemeral key masked.
    pub(crate) fn write(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeFailed> {
        let mut message = [0; HANDSHAKE_DATAGRAM_MAX];
        let len = self.noise.write_message(payload, &mut message).map_err(|_| HandshakeFailed)?;
        let message = message.get_mut(..len).ok_or(HandshakeFailed)?;
        mask_ephemeral(&self.bridge, message);
        out.extend_from_slice(message);
        Ok(())
    }

    /// Reads the peer's message. After a failure the state is as before.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, HandshakeFailed> {
        let mut unmasked = message.to_vec();
        mask_ephemeral(&self.bridge, &mut unmasked);
        let mut payload = vec![0; message.len()];
        let len = self.noise.read_message(&unmasked, &mut payload).map_err(|_| HandshakeFailed)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// At a bridge with a list, once the first message is read: the key that the client has.
    pub(crate) fn client_key(&self) -> Option<PublicKey> {
        let octets = self.noise.get_remote_static()?;
        octets.try_into().ok().map(PublicKey::from_octets)
    }

    /// How many padding frames this end's message is to end with, where there is room.
    pub(crate) const fn padding(&self) -> usize {
        self.padding
    }

    /// What protects packets, once both messages are through.
    pub(crate) fn into_protection(mut self, side: Side) -> Result<Protection, HandshakeFailed> {
        if !self.noise.is_handshake_finished() {
            return Err(HandshakeFailed);
        }
        let (up, down) = self.noise.dangerously_get_raw_split();
        Ok(Protection::new(side, Secret::new(up), Secret::new(down)))
    }
}

fn builder<'a>(pattern: Pattern, seed: Seed) -> Builder<'a> {
    let name = match pattern {
        Pattern::Nk => NK,
        Pattern::Ik => IK,
    };
    let params: NoiseParams = name.parse().expect("the pattern is a constant of this file");
    Builder::with_resolver(params, Box::new(SeededResolver { seed }))
}

/// The seed of another attempt: from it nobody finds the way back.
pub(crate) fn next_seed(seed: Seed) -> Seed {
    let mut next = Seed::default();
    let mut stream = ChaCha20Rng::from_seed(seed);
    stream.set_stream(NEXT_SEED_STREAM);
    stream.fill_bytes(&mut next);
    next
}

/// What keeps this use of a ticket apart from another one.
pub(crate) fn salt(seed: Seed) -> [u8; SALT_LEN] {
    let mut salt = [0; SALT_LEN];
    let mut stream = ChaCha20Rng::from_seed(seed);
    stream.set_stream(SALT_STREAM);
    stream.fill_bytes(&mut salt);
    salt
}

fn padding(seed: Seed) -> usize {
    let mut dice = ChaCha20Rng::from_seed(seed);
    dice.set_stream(PADDING_STREAM);
    usize::try_from(dice.next_u32() % PADDING_END).unwrap_or_default()
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
    use std::time::Duration;

    use super::*;
    use crate::key::SecretKey;

    fn identity() -> BridgeIdentity {
        BridgeIdentity::new(SecretKey::from_octets([3; 32]), Duration::ZERO)
    }

    #[test]
    fn a_changed_answer_leaves_the_client_ready_for_the_true_one() {
        let identity = identity();
        let mut client = Handshake::client(&identity.public_key().into(), [1; 32]);
        let mut bridge = Handshake::bridge(&identity, [2; 32]);
        let (mut first, mut answer) = (Vec::new(), Vec::new());
        client.write(b"", &mut first).unwrap();
        bridge.read(&first).unwrap();
        bridge.write(b"answer", &mut answer).unwrap();
        let mut changed = answer.clone();
        changed[35] ^= 1;
        assert_eq!(client.read(&changed), Err(HandshakeFailed));
        assert_eq!(client.read(&answer).unwrap(), b"answer");
    }

    /// AP-18
    #[test]
    fn a_bridge_with_a_list_learns_the_clients_key_and_another_learns_none() {
        let key = SecretKey::from_octets([5; 32]);
        let listed = identity().allowing([key.public()]);
        let credentials = Credentials::new(listed.public_key()).with_client_key(key.clone());
        let mut first = Vec::new();
        Handshake::client(&credentials, [1; 32]).write(b"early", &mut first).unwrap();
        let mut bridge = Handshake::bridge(&listed, [2; 32]);
        assert_eq!(bridge.read(&first).unwrap(), b"early");
        assert_eq!(bridge.client_key(), Some(key.public()));
        assert_eq!(Handshake::bridge(&identity(), [2; 32]).read(&first), Err(HandshakeFailed));
    }

    /// AP-20
    #[test]
    fn every_number_of_padding_frames_is_drawn() {
        let drawn: std::collections::BTreeSet<usize> =
            (0..=255).map(|octet| padding([octet; 32])).collect();
        assert!(drawn.iter().copied().eq(0..16), "{drawn:?}");
    }
}
