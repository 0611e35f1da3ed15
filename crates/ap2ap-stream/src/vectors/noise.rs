//! Noise NK and IK a second time, from hash, cipher and curve alone (revision 34 of its specification).

use blake2::{Blake2s256, Digest};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};

use super::Vector;
use super::second::{mac, masked};

type Key = [u8; 32];

/// What both ends of a handshake say and have then, from their secrets and payloads.
pub(super) struct Transcript {
    pub(super) first: Vec<u8>,
    pub(super) answer: Vec<u8>,
    pub(super) up: Key,
    pub(super) down: Key,
}

impl Transcript {
    pub(super) fn new(vector: &Vector) -> Self {
        let bridge = vector.key("bridge secret");
        let client = vector.has("client secret").then(|| vector.key("client secret"));
        let e = vector.key("client ephemeral secret");
        let re = vector.key("bridge ephemeral secret");
        let (name, label) = match client {
            None => (&b"Noise_NK_25519_ChaChaPoly_BLAKE2s"[..], b"ap2ap1NK"),
            Some(_) => (&b"Noise_IK_25519_ChaChaPoly_BLAKE2s"[..], b"ap2ap1IK"),
        };
        let mut state = Symmetric::new(name);
        state.mix_hash(b"ap2ap-stream wire 1");
        state.mix_hash(&public(bridge));

        let mut first = public(e).to_vec();
        state.mix_hash(&first);
        state.mix_key(&shared(e, public(bridge)));
        if let Some(client) = client {
            first.extend(state.seal(&public(client)));
            state.mix_key(&shared(client, public(bridge)));
        }
        first.extend(state.seal(&vector.octets("first payload")));
        let mut first = masked(&public(bridge), &first);
        first.extend(mac(&public(bridge), label, &first));

        let mut answer = public(re).to_vec();
        state.mix_hash(&answer);
        state.mix_key(&shared(re, public(e)));
        if let Some(client) = client {
            state.mix_key(&shared(re, public(client)));
        }
        answer.extend(state.seal(&vector.octets("answer payload")));
        let answer = masked(&public(bridge), &answer);
        let (up, down) = hkdf(&state.chaining, &[]);
        Self { first, answer, up, down }
    }
}

struct Symmetric {
    hash: Key,
    chaining: Key,
    key: Key,
    nonce: u64,
}

impl Symmetric {
    /// Both names have 33 octets, one more than a hash, so they are hashed.
    fn new(name: &[u8]) -> Self {
        let hash = Blake2s256::digest(name).into();
        Self { hash, chaining: hash, key: [0; 32], nonce: 0 }
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = hash(&[&self.hash, data]);
    }

    fn mix_key(&mut self, input: &[u8]) {
        (self.chaining, self.key) = hkdf(&self.chaining, input);
        self.nonce = 0;
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.nonce.to_le_bytes());
        let mut sealed = plain.to_vec();
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.key).unwrap())
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.hash),
                &mut sealed,
            )
            .unwrap();
        self.nonce += 1;
        self.mix_hash(&sealed);
        sealed
    }
}

fn hash(parts: &[&[u8]]) -> Key {
    parts.iter().fold(Blake2s256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

/// RFC 2104, with BLAKE2s's block of 64 octets; keys here have 32.
fn hmac(key: &Key, data: &[&[u8]]) -> Key {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        block
    };
    let inner = hash(&[&[&pad(0x36)[..]], data].concat());
    hash(&[&pad(0x5c), &inner])
}

fn hkdf(chaining: &Key, input: &[u8]) -> (Key, Key) {
    let temporary = hmac(chaining, &[input]);
    let one = hmac(&temporary, &[&[1]]);
    let two = hmac(&temporary, &[&one, &[2]]);
    (one, two)
}

pub(super) fn public(secret: Key) -> Key {
    let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
    dh.set(&secret);
    dh.pubkey().try_into().unwrap()
}

fn shared(secret: Key, public: Key) -> Key {
    let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
    dh.set(&secret);
    let mut shared = [0; 32];
    dh.dh(&public, &mut shared).unwrap();
    shared
}
