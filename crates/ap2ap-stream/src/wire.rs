//! Octets on the wire: datagrams, packets and frames, without any state.
//!
//! ```text
//!   datagram = first message | answer | packet        (told apart by what can be authenticated)
//!   packet   = header, AEAD(frame …), tag
//!   frame    = type octet, fields                     (docs/wire.md has them all)
//! ```

pub(crate) mod ack;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod packet;
pub(crate) mod reader;
pub(crate) mod varint;
pub(crate) mod writer;

/// Octets of the AEAD tag that every packet and handshake message ends with.
pub(crate) const TAG_LEN: usize = 16;

/// Octets of the check sum that stands for the tag where there are no keys.
pub(crate) const CRC_LEN: usize = 4;

/// Octets of a connection id.
pub(crate) const CONNECTION_ID_LEN: usize = 8;
