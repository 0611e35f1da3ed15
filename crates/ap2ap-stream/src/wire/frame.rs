//! The frames: one type octet each, then the fields that the variant shows, in that order.

use super::ack::Ack;
use super::reader::{Malformed, Reader};
use super::varint;
use super::writer::{Writer, length_len};
use crate::id::{ErrorCode, StreamId};
use crate::num;
use crate::ticket;

/// The longest close reason, in octets: a sentence.
pub(crate) const REASON_LEN_MAX: usize = 100;

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x03;
const ACK_OF_EPOCH: u8 = 0x0b;
const RESET: u8 = 0x04;
const STOP: u8 = 0x05;
const MAX_DATA: u8 = 0x06;
const MAX_STREAM_DATA: u8 = 0x07;
const MAX_STREAMS: u8 = 0x08;
const CLOSE: u8 = 0x09;
const PATH_LEAVE: u8 = 0x0a;
const TICKET: u8 = 0x0e;
const DATAGRAM: u8 = 0x0c;
const DATAGRAM_LEN: u8 = 0x0d;
/// A stream frame's type says what follows:
///
/// ```text
///   1 F L O O I I I    F    the stream ends with this piece
///                      L    a length field; without it, the data reaches to the packet's end
///                      OO   octets of the offset: 0 (the offset is zero), 2, 4 or 6
///                      III  the stream's number; 7: a varint of it follows
/// ```
const STREAM: u8 = 0x80;
const STREAM_FIN: u8 = 0x40;
const STREAM_LEN: u8 = 0x20;
const STREAM_OFFSET_SHIFT: u32 = 3;
const STREAM_ID_BITS: u8 = 0x07;

/// AP-52: a stream carries no more octets: every offset, its end's as well, has at most 48 bits.
pub(crate) const STREAM_OCTETS_MAX: u64 = (1 << 48) - 1;

/// One frame, its octets borrowed from the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Asks for nothing; makes a packet longer.
    Padding,
    /// Asks for an acknowledgement.
    Ping,
    Ack(Ack),
    /// Octets that arrive once or not at all. Without a length field they are the packet's last.
    Datagram(&'a [u8]),
    /// AP-51: a piece of a stream. It is the last frame of its packet if it has no length field.
    Stream {
        id: StreamId,
        offset: u64,
        data: &'a [u8],
        fin: bool,
    },
    /// The sender gives the stream up; it would have been `final_size` octets long so far.
    Reset {
        id: StreamId,
        code: ErrorCode,
        final_size: u64,
    },
    /// The receiver wants no more of the stream.
    Stop {
        id: StreamId,
        code: ErrorCode,
    },
    /// All streams together may carry this many octets.
    MaxData(u64),
    /// The stream may carry this many octets.
    MaxStreamData {
        id: StreamId,
        max: u64,
    },
    /// The peer may open this many streams, counted from the beginning.
    MaxStreams(u64),
    /// The path with this epoch is not used any more.
    PathLeave(u32),
    /// A bridge gives a secret for the next connection's early data (AP-23).
    Ticket {
        id: &'a [u8; ticket::ID_LEN],
        secret: &'a [u8; ticket::SECRET_LEN],
        lifetime_s: u64,
    },
    /// The connection is over.
    Close {
        code: ErrorCode,
        reason: &'a [u8],
    },
}

impl<'a> Frame<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let kind = reader.u8()?;
        let frame = match kind {
            PADDING => Frame::Padding,
            PING => Frame::Ping,
            ACK => Frame::Ack(Ack::read(reader)?),
            ACK_OF_EPOCH => Frame::Ack(Ack::read_with_epoch(reader)?),
            RESET => Frame::Reset {
                id: read_id(reader)?,
                code: read_code(reader)?,
                final_size: reader.varint()?,
            },
            STOP => Frame::Stop { id: read_id(reader)?, code: read_code(reader)? },
            MAX_DATA => Frame::MaxData(reader.varint()?),
            MAX_STREAM_DATA => Frame::MaxStreamData { id: read_id(reader)?, max: reader.varint()? },
            MAX_STREAMS => Frame::MaxStreams(reader.varint()?),
            PATH_LEAVE => Frame::PathLeave(reader.epoch()?),
            TICKET => Frame::Ticket {
                id: read_array(reader)?,
                secret: read_array(reader)?,
                lifetime_s: reader.varint()?,
            },
            CLOSE => {
                let code = read_code(reader)?;
                let len = reader.length()?;
                if len > REASON_LEN_MAX {
                    return Err(Malformed);
                }
                Frame::Close { code, reason: reader.octets(len)? }
            }
            DATAGRAM => Frame::Datagram(reader.rest()),
            DATAGRAM_LEN => {
                let len = reader.length()?;
                Frame::Datagram(reader.octets(len)?)
            }
            _ if kind & STREAM != 0 => read_stream(reader, kind)?,
            // AP-50
            _ => return Err(Malformed),
        };
        Ok(frame)
    }

    /// Writes the frame; the caller has made sure that it fits.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Frame::Padding => writer.u8(PADDING),
            Frame::Ping => writer.u8(PING),
            Frame::Ack(ack) => {
                writer.u8(if ack.epoch.is_some() { ACK_OF_EPOCH } else { ACK });
                ack.write(writer);
            }
            Frame::Datagram(data) if writer.room() == data.len() + 1 => {
                writer.u8(DATAGRAM);
                writer.octets(data);
            }
            Frame::Datagram(data) => {
                writer.u8(DATAGRAM_LEN);
                writer.varint(num::len_u64(data.len()));
                writer.octets(data);
            }
            Frame::Stream { id, offset, data, fin } => {
                let header = StreamHeader { id: *id, offset: *offset };
                let with_len = header.write(writer, data.len(), *fin);
                debug_assert!(with_len || writer.room() == data.len());
                writer.octets(data);
            }
            Frame::Reset { id, code, final_size } => {
                writer.u8(RESET);
                writer.varint(id.to_wire());
                writer.varint(u64::from(code.0));
                writer.varint(*final_size);
            }
            Frame::Stop { id, code } => {
                writer.u8(STOP);
                writer.varint(id.to_wire());
                writer.varint(u64::from(code.0));
            }
            Frame::MaxData(max) => {
                writer.u8(MAX_DATA);
                writer.varint(*max);
            }
            Frame::MaxStreamData { id, max } => {
                writer.u8(MAX_STREAM_DATA);
                writer.varint(id.to_wire());
                writer.varint(*max);
            }
            Frame::MaxStreams(max) => {
                writer.u8(MAX_STREAMS);
                writer.varint(*max);
            }
            Frame::PathLeave(epoch) => {
                writer.u8(PATH_LEAVE);
                writer.varint(u64::from(*epoch));
            }
            Frame::Ticket { id, secret, lifetime_s } => {
                writer.u8(TICKET);
                writer.octets(*id);
                writer.octets(*secret);
                writer.varint(*lifetime_s);
            }
            Frame::Close { code, reason } => {
                writer.u8(CLOSE);
                writer.varint(u64::from(code.0));
                writer.varint(num::len_u64(reason.len()));
                writer.octets(reason);
            }
        }
    }

    /// Whether the peer acknowledges a packet for this frame's sake.
    pub(crate) const fn is_ack_eliciting(&self) -> bool {
        !matches!(self, Frame::Padding | Frame::Ack(_) | Frame::Close { .. })
    }
}

/// The most octets that a control frame takes: a type, two numbers and a code.
pub(crate) const CONTROL_LEN_MAX: usize = 1 + 3 * 8;

/// The most octets that a ticket takes.
pub(crate) const TICKET_LEN_MAX: usize = 1 + ticket::ID_LEN + ticket::SECRET_LEN + 8;

/// What stands before a stream frame's data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamHeader {
    pub(crate) id: StreamId,
    pub(crate) offset: u64,
}

impl StreamHeader {
    /// How many octets of data fit behind this header into `room`.
    pub(crate) const fn data_room(&self, room: usize) -> usize {
        let fixed = 1 + self.id_len() + offset_len(self.offset);
        room.saturating_sub(fixed)
    }

    /// Writes the header for `len` octets. The length field is left out when the data fills the
    /// room exactly; otherwise there is one, and the answer is true.
    pub(crate) fn write(&self, writer: &mut Writer<'_>, len: usize, fin: bool) -> bool {
        let fills_room = self.data_room(writer.room()) == len;
        let offset_len = offset_len(self.offset);
        let id_bits = u8::try_from(self.id.to_wire()).unwrap_or(u8::MAX).min(STREAM_ID_BITS);
        let mut kind = STREAM | offset_bits(offset_len) | id_bits;
        if fin {
            kind |= STREAM_FIN;
        }
        if !fills_room {
            kind |= STREAM_LEN;
        }
        writer.u8(kind);
        if id_bits == STREAM_ID_BITS {
            writer.varint(self.id.to_wire());
        }
        let offset = self.offset.to_be_bytes();
        writer.octets(offset.get(8_usize.saturating_sub(offset_len)..).unwrap_or_default());
        if !fills_room {
            writer.varint(num::len_u64(len));
        }
        !fills_room
    }

    /// Octets of the number's own field.
    const fn id_len(&self) -> usize {
        let id = self.id.to_wire();
        if id < 7 { 0 } else { varint::len(id) } // 7 is STREAM_ID_BITS
    }

    /// How many of `available` octets to put into `room`: as many as fit, with the length field
    /// where the data does not fill the room.
    pub(crate) const fn fitting(&self, room: usize, available: usize) -> usize {
        let most = self.data_room(room);
        if available >= most {
            return most;
        }
        let with_len = most.saturating_sub(length_len(available));
        if available < with_len { available } else { with_len }
    }
}

fn read_array<'a, const LEN: usize>(reader: &mut Reader<'a>) -> Result<&'a [u8; LEN], Malformed> {
    reader.octets(LEN)?.try_into().map_err(|_| Malformed)
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Malformed> {
    Ok(StreamId::from_wire(reader.varint()?))
}

fn read_code(reader: &mut Reader<'_>) -> Result<ErrorCode, Malformed> {
    u32::try_from(reader.varint()?).map(ErrorCode).map_err(|_| Malformed)
}

fn read_stream<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<Frame<'a>, Malformed> {
    let id = match kind & STREAM_ID_BITS {
        STREAM_ID_BITS => read_id(reader)?,
        short => StreamId::from_wire(u64::from(short)),
    };
    let offset_len = 2 * usize::from((kind >> STREAM_OFFSET_SHIFT) & 0x03);
    let octets = reader.octets(offset_len)?;
    let offset = octets.iter().fold(0_u64, |offset, octet| (offset << 8) | u64::from(*octet));
    let data = if kind & STREAM_LEN == 0 {
        reader.rest()
    } else {
        let len = reader.length()?;
        reader.octets(len)?
    };
    let end = offset.checked_add(num::len_u64(data.len())).ok_or(Malformed)?;
    if end > STREAM_OCTETS_MAX {
        return Err(Malformed);
    }
    Ok(Frame::Stream { id, offset, data, fin: kind & STREAM_FIN != 0 })
}

/// Octets that an offset takes in a stream frame.
const fn offset_len(offset: u64) -> usize {
    match offset {
        0 => 0,
        1..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 6,
    }
}

/// The bits of a stream frame's type that say how long its offset is.
const fn offset_bits(offset_len: usize) -> u8 {
    let pairs = match offset_len {
        0 => 0,
        1..=2 => 1,
        3..=4 => 2,
        _ => 3,
    };
    pairs << STREAM_OFFSET_SHIFT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ack::tests::any_ack;

    fn any_code() -> impl Strategy<Value = ErrorCode> {
        any::<u32>().prop_map(ErrorCode)
    }

    fn any_id() -> impl Strategy<Value = StreamId> {
        prop_oneof![0..10_u64, 0..1_u64 << 40].prop_map(StreamId::from_wire)
    }

    fn any_offset() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..1_u64 << 17, 0..1_u64 << 33, 0..STREAM_OCTETS_MAX - 300]
    }

    fn check_round_trip(frame: &Frame<'_>, room: usize) {
        let mut buf = vec![0; room];
        let mut writer = Writer::new(&mut buf);
        frame.write(&mut writer);
        let len = writer.len();
        let mut reader = Reader::new(&buf[..len]);
        assert_eq!(Frame::read(&mut reader).as_ref(), Ok(frame));
        assert!(reader.is_empty());
    }

    proptest! {
        #[test]
        fn control_frames_round_trip(
            id in any_id(), code in any_code(), number in 0..=varint::VARINT_MAX,
            reason in prop::collection::vec(any::<u8>(), 0..REASON_LEN_MAX), ack in any_ack(),
        ) {
            let frames = [
                Frame::Padding, Frame::Ping, Frame::Ack(ack),
                Frame::Reset { id, code, final_size: number },
                Frame::Stop { id, code },
                Frame::MaxData(number),
                Frame::MaxStreamData { id, max: number },
                Frame::MaxStreams(number),
                Frame::Ticket { id: &[3; 16], secret: &[4; 32], lifetime_s: number },
                Frame::Close { code, reason: &reason },
            ];
            for frame in frames {
                check_round_trip(&frame, 1024);
            }
        }

        /// AP-51, AP-54.
        #[test]
        fn datagram_frames_round_trip_with_and_without_a_length(
            data in prop::collection::vec(any::<u8>(), 0..300), beside in 0..400_usize,
        ) {
            let bare = data.len() + 1;
            let room = if beside < 3 { bare } else { bare + beside };
            check_round_trip(&Frame::Datagram(&data), room);
        }

        /// AP-51.
        #[test]
        fn stream_frames_round_trip_with_and_without_a_length(
            id in any_id(), offset in any_offset(), fin: bool,
            data in prop::collection::vec(any::<u8>(), 0..300), room in 30..400_usize,
        ) {
            let header = StreamHeader { id, offset };
            let fitting = header.fitting(room, data.len());
            let frame = Frame::Stream { id, offset, data: &data[..fitting], fin };
            check_round_trip(&frame, room);
        }

        /// AP-50.
        #[test]
        fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&octets);
            while !reader.is_empty() {
                if Frame::read(&mut reader).is_err() {
                    break;
                }
            }
        }
    }

    /// AP-52.
    #[test]
    fn a_stream_that_would_end_past_the_largest_offset_is_malformed() {
        let frame = |low: u8, data: &[u8]| {
            let head = [STREAM | 3 << STREAM_OFFSET_SHIFT, 0xff, 0xff, 0xff, 0xff, 0xff, low];
            let octets = [&head[..], data].concat();
            Frame::read(&mut Reader::new(&octets)).map(|_| ())
        };
        assert_eq!(frame(0xff, b""), Ok(()));
        assert_eq!(frame(0xfe, b"x"), Ok(()));
        assert_eq!(frame(0xff, b"x"), Err(Malformed));
    }

    /// The first request's frame: what stands before its octets is one octet.
    #[test]
    fn a_first_piece_that_fills_its_packet_has_a_header_of_one_octet() {
        let mut buf = [0; 101];
        let frame =
            Frame::Stream { id: StreamId::from_wire(6), offset: 0, data: &[b'x'; 100], fin: true };
        frame.write(&mut Writer::new(&mut buf));
        assert_eq!(buf[0], 0b1100_0110);
    }
}
