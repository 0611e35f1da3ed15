//! What keeps a packet from being read or changed on its way: traffic keys, nonces, the mask over
//! the header.
//!
//! ```text
//!   [connection id] | first octet | number | frames … | tag
//!   └────────── associated data ──────────┘└ sealed ─┘
//!                   └── masked, by the tag ┘
//! ```
//!
//! A header's mask is made from the tag, which is as random as anything in the packet, so that no
//! packet is too short for it (RFC 9001 section 5.4 takes a sample of the ciphertext and pads).

mod derive;
mod generation;

use std::fmt;
use std::time::{Duration, Instant};

use ring::aead::quic::HeaderProtectionKey;
use ring::aead::{Aad, LessSafeKey, Nonce};

pub(crate) use derive::Secret;
use derive::{connection_id, header_key, id_secret};
use generation::{Receiving, Sending};

use crate::id::Side;
use crate::wire::packet::{self, Header};
use crate::wire::{CONNECTION_ID_LEN, CRC_LEN, TAG_LEN};

/// What stands before a packet where its carrier does not say whose it is.
pub(crate) type ConnectionId = [u8; CONNECTION_ID_LEN];

/// AP-30: which packet of which path, once in the life of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Below 2^24.
    pub(crate) epoch: u32,
    /// Below 2^40.
    pub(crate) number: u64,
}

impl Place {
    fn octets(self) -> [u8; 8] {
        ((u64::from(self.epoch) << 40) | self.number).to_be_bytes()
    }

    fn nonce(self) -> Nonce {
        let mut nonce = [0; 12];
        let (_, low) = nonce.split_at_mut(4);
        low.copy_from_slice(&self.octets());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// A packet that was opened: the frames stand in the buffer at `frames`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) number: u64,
    pub(crate) ack_now: bool,
    pub(crate) frames: std::ops::Range<usize>,
}

/// Both directions' protection.
pub(crate) enum Protection {
    Keys(Box<Keys>),
    /// AP-120: a check sum finds what broke by itself, and nothing else.
    CheckSum,
}

/// The traffic keys of both directions, as one end has them.
pub(crate) struct Keys {
    send: Sending,
    recv: Receiving,
    send_mask: HeaderProtectionKey,
    recv_mask: HeaderProtectionKey,
    send_ids: Secret,
    recv_ids: Secret,
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys(_) => "Keys(..)",
            Self::CheckSum => "CheckSum",
        })
    }
}

impl Protection {
    /// The keys that follow from what a handshake gave for the way up, to the bridge, and the way
    /// down.
    pub(crate) fn new(side: Side, up: Secret, down: Secret) -> Self {
        let (send, recv) = match side {
            Side::Client => (up, down),
            Side::Bridge => (down, up),
        };
        Self::Keys(Box::new(Keys {
            send_mask: header_key(&send),
            recv_mask: header_key(&recv),
            send_ids: id_secret(&send),
            recv_ids: id_secret(&recv),
            send: Sending::new(send),
            recv: Receiving::new(recv),
        }))
    }

    /// Octets behind the frames.
    pub(crate) const fn tag_len(&self) -> usize {
        match self {
            Self::Keys(_) => TAG_LEN,
            Self::CheckSum => CRC_LEN,
        }
    }

    /// The id that goes before this end's packets of an epoch.
    pub(crate) fn id_to_send(&self, epoch: u32) -> ConnectionId {
        match self {
            Self::Keys(keys) => connection_id(&keys.send_ids, epoch),
            Self::CheckSum => plain_id(epoch),
        }
    }

    /// The id that goes before the peer's packets of an epoch.
    pub(crate) fn id_to_expect(&self, epoch: u32) -> ConnectionId {
        match self {
            Self::Keys(keys) => connection_id(&keys.recv_ids, epoch),
            Self::CheckSum => plain_id(epoch),
        }
    }

    /// The generation that packets are sealed with now, and its bit in the header.
    pub(crate) const fn generation(&self) -> u32 {
        match self {
            Self::Keys(keys) => keys.send.number(),
            Self::CheckSum => 0,
        }
    }

    /// The peer has acknowledged a packet of a generation: it has that key.
    pub(crate) const fn acknowledged(&mut self, generation: u32) {
        if let Self::Keys(keys) = self {
            keys.send.acknowledged(generation);
        }
    }

    /// AP-32: goes on to the next key when the time for it has come. Before each packet.
    pub(crate) fn update_if_due(&mut self, now: Instant) {
        if let Self::Keys(keys) = self {
            keys.send.update_if_due(now);
        }
    }

    /// AP-32: the key cannot be updated before the peer acknowledges something: ask it to.
    pub(crate) fn lacks_acknowledgement(&self, now: Instant) -> bool {
        match self {
            Self::Keys(keys) => keys.send.lacks_acknowledgement(now),
            Self::CheckSum => false,
        }
    }

    /// Seals a packet in place: `id_len` octets of connection id, the header, `frames_len` octets
    /// of frames, and room for the tag. Says how long it is, or `None` where the room is missing.
    pub(crate) fn seal(
        &mut self,
        place: Place,
        (id_len, header_len): (usize, usize),
        frames_len: usize,
        packet: &mut [u8],
    ) -> Option<usize> {
        let (front, rest) = packet.split_at_mut_checked(id_len.checked_add(header_len)?)?;
        let (frames, rest) = rest.split_at_mut_checked(frames_len)?;
        let tag = rest.get_mut(..self.tag_len())?;
        match self {
            Self::Keys(keys) => {
                keys.send.note(place);
                // AP-31: before the mask.
                let aad = Aad::from(&*front);
                let key = keys.send.key();
                let made = key.seal_in_place_separate_tag(place.nonce(), aad, frames).ok()?;
                tag.copy_from_slice(made.as_ref());
                mask(&keys.send_mask, tag, front.get_mut(id_len..)?)?;
            }
            Self::CheckSum => tag.copy_from_slice(&check_sum(place, front, frames)),
        }
        id_len.checked_add(header_len)?.checked_add(frames_len)?.checked_add(self.tag_len())
    }

    /// Opens a packet in place, if it is one of this connection's, of the epoch. `expected` is the
    /// number after the largest that came in that epoch; a key that was replaced is kept for
    /// `keep_previous`.
    pub(crate) fn open(
        &mut self,
        (now, keep_previous): (Instant, Duration),
        (epoch, expected): (u32, u64),
        id_len: usize,
        packet: &mut [u8],
    ) -> Option<Opened> {
        let tag_at = packet.len().checked_sub(self.tag_len())?;
        let (front, tag) = packet.split_at_mut(tag_at);
        if let Self::Keys(keys) = self {
            let header = front.get_mut(id_len..)?;
            unmask(&keys.recv_mask, tag, header)?;
        }
        let header = Header::read(front.get(id_len..)?, expected)?;
        let place = Place { epoch, number: header.number };
        let frames = id_len.checked_add(header.len)?..tag_at;
        match self {
            Self::Keys(keys) => {
                let (aad, sealed) = packet.split_at_mut_checked(frames.start)?;
                keys.recv.open((now, keep_previous), header.phase, (place, aad), sealed)?;
            }
            Self::CheckSum => {
                let (front, rest) = packet.split_at_checked(frames.start)?;
                let (plain, sum) = rest.split_last_chunk::<CRC_LEN>()?;
                if *sum != check_sum(place, front, plain) {
                    return None;
                }
            }
        }
        Some(Opened { number: header.number, ack_now: header.ack_now, frames })
    }
}

/// Without keys an id hides nothing; it only tells epochs apart.
fn plain_id(epoch: u32) -> ConnectionId {
    u64::from(epoch).to_be_bytes()
}

fn check_sum(place: Place, front: &[u8], frames: &[u8]) -> [u8; CRC_LEN] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&place.octets());
    sum.update(front);
    sum.update(frames);
    sum.finalize().to_be_bytes()
}

/// AP-40: covers the first octet and the number.
fn mask(key: &HeaderProtectionKey, tag: &[u8], header: &mut [u8]) -> Option<()> {
    let mask = key.new_mask(tag).ok()?;
    header.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    Some(())
}

/// Takes the mask off the first octet, which says how many more are under it.
fn unmask(key: &HeaderProtectionKey, tag: &[u8], header: &mut [u8]) -> Option<()> {
    let mask = key.new_mask(tag).ok()?;
    let ([first_mask], mask) = mask.split_first_chunk()?;
    let (first, rest) = header.split_first_mut()?;
    *first ^= first_mask;
    let number_len = packet::number_len_of(*first);
    rest.iter_mut().take(number_len).zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    Some(())
}

/// Opens frames and tag with one key. A failure leaves garbage in the buffer.
fn open_with(key: &LessSafeKey, place: Place, aad: &[u8], sealed: &mut [u8]) -> bool {
    key.open_in_place(place.nonce(), Aad::from(aad), sealed).is_ok()
}

#[cfg(test)]
mod tests;
