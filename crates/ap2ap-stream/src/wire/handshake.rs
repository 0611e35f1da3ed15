//! The layouts of a client's first message and of the bridge's answer.
//!
//! ```text
//!   first   | e 32, masked | AEAD: time 6, version 1, frames … | tag 16 | MAC 16 |
//!           | e 32, masked | sealed static key 48 | AEAD: …    | tag 16 | MAC 16 |   (IK)
//!
//!   with a ticket, in the place of frames: | ticket 16 | salt 8 | sealed frames … | tag 16 |
//!
//!   answer  | e 32, masked | AEAD: version 1, frames … | tag 16 |
//! ```
//!
//! The first message always has the layout of version 1, so that every bridge can read it.

use std::time::Duration;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::TAG_LEN;
use super::reader::Malformed;
use crate::key::KEY_LEN;
use crate::path::PAYLOAD_MIN;

/// AP-2: the first message and the answer are no longer, in octets. They are repeated as they are,
/// so they must fit every path, whatever becomes of it, and pass the narrowest relay there is: one
/// that lets 500 octets of AP2AP text through a second.
pub(crate) const HANDSHAKE_DATAGRAM_MAX: usize = PAYLOAD_MIN;

/// Octets of the MAC that ends a first message.
pub(crate) const MAC_LEN: usize = 16;

/// Octets of a client's static key under its tag.
pub(crate) const SEALED_KEY_LEN: usize = KEY_LEN + TAG_LEN;

/// Octets of a first message of a client without a key, around its payload's frames.
pub(crate) const FIRST_OVERHEAD: usize =
    KEY_LEN + size_of::<FirstPayloadHeader>() + TAG_LEN + MAC_LEN;

/// Octets of an answer around its payload's frames.
pub(crate) const ANSWER_OVERHEAD: usize = KEY_LEN + size_of::<AnswerPayloadHeader>() + TAG_LEN;

/// The newest version of the wire that is spoken here.
pub(crate) const VERSION_MAX: u8 = 1;

/// The version octet keeps its upper bit for something else.
const VERSION_BITS: u8 = 0x7f;

/// In a first message: a ticket's name and frames sealed with it follow, instead of frames.
const HAS_TICKET: u8 = 0x80;

/// In an answer: the frames of the first message took effect.
const EARLY_DATA_TAKEN: u8 = 0x80;

/// What stands before the frames in a first message's payload.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FirstPayloadHeader {
    /// AP-12: milliseconds since 1970-01-01 on the client's wall clock, big-endian: until the year
    /// 10889.
    made_at_ms: [u8; 6],
    version: u8,
}

impl FirstPayloadHeader {
    /// Made at this wall time by a client that speaks the versions up to `version_max`.
    pub(crate) fn new(made_at: Duration, version_max: u8) -> Self {
        let ms = u64::try_from(made_at.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
        let made_at_ms = if ms.starts_with(&[0, 0]) {
            ms.last_chunk().copied().unwrap_or_default()
        } else {
            [0xff; 6]
        };
        Self { made_at_ms, version: version_max & VERSION_BITS }
    }

    /// The same, with frames that are sealed with a ticket behind it.
    pub(crate) const fn with_ticket(self) -> Self {
        Self { version: self.version | HAS_TICKET, ..self }
    }

    pub(crate) const fn has_ticket(&self) -> bool {
        self.version & HAS_TICKET != 0
    }

    /// The wall time on the client's clock.
    pub(crate) fn made_at(&self) -> Duration {
        let ms = self.made_at_ms.iter().fold(0, |ms, octet| (ms << 8) | u64::from(*octet));
        Duration::from_millis(ms)
    }

    /// AP-13: the version to speak, the newest that both ends know.
    pub(crate) fn choose_version(&self) -> Result<u8, Malformed> {
        let offered = self.version & VERSION_BITS;
        if offered == 0 { Err(Malformed) } else { Ok(offered.min(VERSION_MAX)) }
    }
}

/// What stands before the frames in an answer's payload.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AnswerPayloadHeader(u8);

/// What became of the first message's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyData {
    /// They took effect.
    Taken,
    /// They were ignored; the client sends them again.
    Refused,
}

impl AnswerPayloadHeader {
    pub(crate) const fn new(early_data: EarlyData, version: u8) -> Self {
        let taken = match early_data {
            EarlyData::Taken => EARLY_DATA_TAKEN,
            EarlyData::Refused => 0,
        };
        Self(taken | (version & VERSION_BITS))
    }

    pub(crate) const fn early_data(self) -> EarlyData {
        if self.0 & EARLY_DATA_TAKEN == 0 { EarlyData::Refused } else { EarlyData::Taken }
    }

    /// AP-13: the version chosen, which a client that offered those up to `version_max` must know.
    pub(crate) fn version(self, version_max: u8) -> Result<u8, Malformed> {
        let chosen = self.0 & VERSION_BITS;
        if (1..=version_max).contains(&chosen) { Ok(chosen) } else { Err(Malformed) }
    }
}

/// A first message, cut into what the MAC covers, a Noise message, and the MAC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First<'a> {
    pub(crate) noise: &'a [u8],
    pub(crate) mac: &'a [u8; MAC_LEN],
}

impl<'a> First<'a> {
    /// Cuts a datagram if its length is one that a first message can have.
    pub(crate) fn split(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if !(FIRST_OVERHEAD..=HANDSHAKE_DATAGRAM_MAX).contains(&datagram.len()) {
            return Err(Malformed);
        }
        let (noise, mac) = datagram.split_last_chunk().ok_or(Malformed)?;
        Ok(Self { noise, mac })
    }
}

/// Cuts a decrypted payload into its fixed header and the frames behind it.
pub(crate) fn split_payload<H>(payload: &[u8]) -> Result<(&H, &[u8]), Malformed>
where
    H: FromBytes + Immutable + KnownLayout + Unaligned,
{
    H::ref_from_prefix(payload).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AP-12
    #[test]
    fn a_time_survives_to_the_millisecond_and_a_strange_one_becomes_the_last() {
        let header = |ms| FirstPayloadHeader::new(Duration::from_millis(ms), 1);
        for ms in [0, 1, 1_800_000_000_123, (1 << 48) - 1] {
            assert_eq!(header(ms).made_at(), Duration::from_millis(ms));
        }
        assert_eq!(header(1 << 48).made_at(), Duration::from_millis((1 << 48) - 1));
        assert_eq!(FirstPayloadHeader::new(Duration::MAX, 1).made_at(), header(1 << 60).made_at());
    }

    /// AP-13
    #[test]
    fn the_newest_version_that_both_know_is_chosen_and_nothing_else_is_taken() {
        let chosen = |offered| FirstPayloadHeader::new(Duration::ZERO, offered).choose_version();
        assert_eq!(chosen(0), Err(Malformed));
        assert_eq!(chosen(1), Ok(1));
        assert_eq!(chosen(2), Ok(VERSION_MAX), "a newer client comes down to this bridge's");
        let answered = |version| AnswerPayloadHeader::new(EarlyData::Taken, version);
        assert_eq!(answered(2).version(3), Ok(2));
        assert_eq!(answered(2).version(1), Err(Malformed), "above what was offered");
        assert_eq!(answered(0).version(1), Err(Malformed));
    }

    #[test]
    fn an_answer_says_what_became_of_the_early_data_beside_the_version() {
        for early_data in [EarlyData::Taken, EarlyData::Refused] {
            let header = AnswerPayloadHeader::new(early_data, 0x7f);
            assert_eq!((header.early_data(), header.version(0x7f)), (early_data, Ok(0x7f)));
        }
    }
}
