//! What follows from keys, derived a second time from plain primitives: nothing of this crate is used.

use blake2::Blake2sMac;
use blake2::digest::consts::{U16, U32};
use blake2::digest::{FixedOutput, Update};
use data_encoding::BASE32_NOPAD;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::Vector;
use super::noise::Transcript;

/// Whether there is a second way to this vector; if there is, it leads there.
pub(super) fn check(vector: &Vector) -> bool {
    let name = &vector.name;
    match vector.kind.as_str() {
        "key text" => {
            let key = vector.octets("key");
            let octets = [&key[..], &crc32(&key).to_be_bytes()].concat();
            let text = BASE32_NOPAD.encode(&octets).to_ascii_lowercase();
            assert_eq!(text, vector.text("text"), "{name}");
        }
        "mac" => {
            let label = if name == "NK" { b"ap2ap1NK" } else { b"ap2ap1IK" };
            let mac = mac(&vector.key("bridge key"), label, &vector.octets("covered"));
            assert_eq!(mac, vector.octets("mac"), "{name}");
        }
        "mask" => {
            let masked = masked(&vector.key("bridge key"), &vector.octets("message"));
            assert_eq!(masked, vector.octets("masked"), "{name}");
        }
        "handshake" => {
            let transcript = Transcript::new(vector);
            assert_eq!(transcript.first, vector.octets("first"), "{name}");
            assert_eq!(transcript.answer, vector.octets("answer"), "{name}");
            assert_eq!(transcript.up, vector.key("up secret"), "{name}");
            assert_eq!(transcript.down, vector.key("down secret"), "{name}");
            check_ticket(vector);
        }
        "keys" => {
            let secret = vector.key("secret");
            for (label, key) in [
                (b"ap2ap1ky", "traffic key"),
                (b"ap2ap1nx", "next secret"),
                (b"ap2ap1hp", "header key"),
            ] {
                assert_eq!(derived(&secret, label, b""), vector.key(key), "{key}");
            }
            for epoch in [0, 1, (1 << 24) - 1] {
                let key = format!("connection id of epoch {epoch}");
                assert_eq!(connection_id(&secret, epoch), vector.octets(&key), "{key}");
            }
        }
        "packet" => assert_eq!(packet(vector), vector.octets("packet"), "{name}"),
        "unauthenticated packet" => {
            let covered = [place(vector).to_be_bytes().to_vec(), plain(vector)].concat();
            let sum = crc32(&covered).to_be_bytes();
            assert_eq!([&plain(vector)[..], &sum].concat(), vector.octets("packet"), "{name}");
        }
        _ => return false,
    }
    true
}

/// AP-21: behind the time and `V` stand the ticket's name, a salt, and the frames, sealed.
fn check_ticket(vector: &Vector) {
    if !vector.has("ticket secret") {
        return;
    }
    let payload = vector.octets("first payload");
    assert_eq!((payload[6], &payload[7..23]), (0x81, &[0x11; 16][..]));
    let key = derived(&vector.key("ticket secret"), b"ap2ap1rs", &payload[23..31]);
    assert_eq!(sealed(&key, 0, b"", &vector.octets("ticket frames")), payload[31..]);
}

/// AP-30, AP-31, AP-40: key of the generation, nonce, associated data, mask by the tag.
fn packet(vector: &Vector) -> Vec<u8> {
    let from_client = vector.text("from") == "client";
    let first = vector.key(if from_client { "up secret" } else { "down secret" });
    let mut secret = first;
    for _ in 0..vector.number("generation") {
        secret = derived(&secret, b"ap2ap1nx", b"");
    }
    let front = vector.octets("associated data");
    let id_len = if vector.is("connection id") { 8 } else { 0 };
    let epoch = u32::try_from(vector.number("epoch")).unwrap();
    assert_eq!(front[..id_len], connection_id(&first, epoch)[..id_len]);
    assert_eq!((front[id_len] >> 2) & 1 == 1, vector.number("generation") % 2 == 1);
    let key = derived(&secret, b"ap2ap1ky", b"");
    let sealed = sealed(&key, place(vector), &front, &vector.octets("frames"));
    let tag = sealed.last_chunk().unwrap();
    let mask = chacha20(&derived(&first, b"ap2ap1hp", b""), tag);
    let mut packet = front;
    packet[id_len..].iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    packet.extend(sealed);
    packet
}

fn place(vector: &Vector) -> u64 {
    (vector.number("epoch") << 40) | vector.number("number")
}

fn plain(vector: &Vector) -> Vec<u8> {
    [vector.octets("associated data"), vector.octets("frames")].concat()
}

fn sealed(key: &[u8; 32], place: u64, front: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&place.to_be_bytes());
    let mut sealed = plain.to_vec();
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap())
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(front),
            &mut sealed,
        )
        .unwrap();
    sealed
}

/// The first octets of ChaCha20's block whose counter and nonce are the sample. The generator counts
/// in 64 bits, where the sample has the counter and the first third of the nonce.
fn chacha20(key: &[u8; 32], sample: &[u8; 16]) -> [u8; 5] {
    let half = |at: usize| u64::from_le_bytes(sample[at..at + 8].try_into().unwrap());
    let mut stream = ChaCha20Rng::from_seed(*key);
    stream.set_stream(half(8));
    stream.set_word_pos(u128::from(half(0)) * 16);
    let mut mask = [0; 5];
    stream.fill_bytes(&mut mask);
    mask
}

fn connection_id(first: &[u8; 32], epoch: u32) -> Vec<u8> {
    derived(&derived(first, b"ap2ap1id", b""), b"ap2ap1cn", &epoch.to_be_bytes())[..8].to_vec()
}

pub(super) fn derived(key: &[u8; 32], label: &[u8; 8], input: &[u8]) -> [u8; 32] {
    let mut mac = Blake2sMac::<U32>::new_with_salt_and_personal(key, &[], label).unwrap();
    mac.update(input);
    mac.finalize_fixed().into()
}

pub(super) fn mac(key: &[u8; 32], label: &[u8; 8], input: &[u8]) -> Vec<u8> {
    let mut mac = Blake2sMac::<U16>::new_with_salt_and_personal(key, &[], label).unwrap();
    mac.update(input);
    mac.finalize_fixed().to_vec()
}

pub(super) fn masked(bridge: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let mask = derived(bridge, b"ap2ap1mk", &message[message.len() - 16..]);
    let mut masked = message.to_vec();
    masked.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    masked
}

/// IEEE 802.3, bit by bit.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}
