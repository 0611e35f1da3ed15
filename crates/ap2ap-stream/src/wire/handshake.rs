//! The layouts of a client's first message and of the bridge's answer.
//!
//! ```text
//!   first   | 0x80 | ephemeral key 32 | AEAD: wall time 8, frames … | tag 16 | MAC 16 |
//!   answer  | 0x81 | ephemeral key 32 | AEAD: early data 1, frames … | tag 16 |
//! ```

use zerocopy::byteorder::{BigEndian, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::TAG_LEN;
use super::packet::KIND_FIRST;
use super::reader::Malformed;
use crate::key::KEY_LEN;

/// Octets of the MAC that ends a first message.
pub(crate) const MAC_LEN: usize = 16;

/// Octets of a first message around its payload's frames.
pub(crate) const FIRST_OVERHEAD: usize =
    1 + KEY_LEN + size_of::<FirstPayloadHeader>() + TAG_LEN + MAC_LEN;

/// Octets of an answer around its payload's frames.
pub(crate) const ANSWER_OVERHEAD: usize = 1 + KEY_LEN + size_of::<AnswerPayloadHeader>() + TAG_LEN;

/// What stands before the frames in a first message's payload.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FirstPayloadHeader {
    /// Milliseconds since 1970-01-01 on the client's wall clock.
    pub(crate) wall_ms: U64<BigEndian>,
}

/// What stands before the frames in an answer's payload.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AnswerPayloadHeader {
    /// [`EARLY_DATA_TAKEN`] or [`EARLY_DATA_REFUSED`].
    pub(crate) early_data: u8,
}

/// The frames of the first message took effect.
pub(crate) const EARLY_DATA_TAKEN: u8 = 1;
/// The frames of the first message were ignored; the client sends them again.
pub(crate) const EARLY_DATA_REFUSED: u8 = 0;

/// A first message, cut into what the MAC covers and the Noise message inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First<'a> {
    pub(crate) covered: &'a [u8],
    pub(crate) noise: &'a [u8],
    pub(crate) mac: &'a [u8; MAC_LEN],
}

impl<'a> First<'a> {
    pub(crate) fn split(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.len() < FIRST_OVERHEAD {
            return Err(Malformed);
        }
        let (covered, mac) = datagram.split_last_chunk().ok_or(Malformed)?;
        match covered.split_first() {
            Some((&KIND_FIRST, noise)) => Ok(Self { covered, noise, mac }),
            Some(_) | None => Err(Malformed),
        }
    }
}

/// Cuts a decrypted payload into its fixed header and the frames behind it.
pub(crate) fn split_payload<H>(payload: &[u8]) -> Result<(&H, &[u8]), Malformed>
where
    H: FromBytes + Immutable + KnownLayout + Unaligned,
{
    H::ref_from_prefix(payload).map_err(|_| Malformed)
}
