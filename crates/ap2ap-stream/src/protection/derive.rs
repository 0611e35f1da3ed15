//! What follows from a direction's secret: keys, the next secret, connection ids.
//!
//! All of it is BLAKE2s keyed by a secret and personalised by eight octets, so that no output is of
//! use for another purpose.

use blake2::Blake2sMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, Update};
use ring::aead::quic::{CHACHA20, HeaderProtectionKey};
use ring::aead::{CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use super::ConnectionId;

/// 32 octets that nobody else knows, wiped when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

const TRAFFIC_KEY: &[u8; 8] = b"ap2ap1ky";
const NEXT_SECRET: &[u8; 8] = b"ap2ap1nx";
const HEADER_KEY: &[u8; 8] = b"ap2ap1hp";
const ID_SECRET: &[u8; 8] = b"ap2ap1id";
const ID: &[u8; 8] = b"ap2ap1cn";

/// The key that packets of a generation are sealed with.
pub(super) fn traffic_key(secret: &Secret) -> LessSafeKey {
    let key = derived(secret, TRAFFIC_KEY, &[]);
    let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the cipher's keys have 32 octets");
    LessSafeKey::new(key)
}

/// The next generation's secret: from it nobody finds the way back.
pub(super) fn next_secret(secret: &Secret) -> Secret {
    derived(secret, NEXT_SECRET, &[])
}

/// The key of the header's mask, for all generations.
pub(super) fn header_key(first: &Secret) -> HeaderProtectionKey {
    let key = derived(first, HEADER_KEY, &[]);
    HeaderProtectionKey::new(&CHACHA20, &*key).expect("the mask's keys have 32 octets")
}

/// What a direction's connection ids are made from.
pub(super) fn id_secret(first: &Secret) -> Secret {
    derived(first, ID_SECRET, &[])
}

/// The connection id of an epoch: two of them show no kinship.
pub(super) fn connection_id(secret: &Secret, epoch: u32) -> ConnectionId {
    let hash = derived(secret, ID, &epoch.to_be_bytes());
    hash.first_chunk().copied().unwrap_or_default()
}

fn derived(secret: &Secret, label: &[u8; 8], input: &[u8]) -> Secret {
    let mut mac = Blake2sMac::<U32>::new_with_salt_and_personal(&**secret, &[], label)
        .expect("a 32-octet key and an 8-octet label are within BLAKE2s's bounds");
    mac.update(input);
    Zeroizing::new(mac.finalize_fixed().into())
}
