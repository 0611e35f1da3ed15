//! The frames: one type octet each, then the fields that the variant shows, in that order.

use super::ack::Ack;
use super::reader::{Malformed, Reader};
use super::varint;
use super::writer::{Writer, length_len};
use crate::id::{ErrorCode, StreamId};
use crate::num;
use crate::path::epochs::EPOCH_END;

/// The longest close reason, in octets: a sentence.
pub(crate) const REASON_LEN_MAX: usize = 100;

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x03;
const RESET: u8 = 0x04;
const STOP: u8 = 0x05;
const MAX_DATA: u8 = 0x06;
const MAX_STREAM_DATA: u8 = 0x07;
const MAX_STREAMS: u8 = 0x08;
const CLOSE: u8 = 0x09;
const PATH_LEAVE: u8 = 0x0a;
/// The low bits of a stream frame's type: 1 = last of the stream, 2 = has a length field.
const STREAM: u8 = 0x10;
const STREAM_FIN: u8 = 0x01;
const STREAM_LEN: u8 = 0x02;

/// One frame, its octets borrowed from the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Asks for nothing; makes a packet longer.
    Padding,
    /// Asks for an acknowledgement.
    Ping,
    Ack(Ack),
    /// A piece of a stream. It is the last frame of its packet if it has no length field.
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
            RESET => Frame::Reset {
                id: read_id(reader)?,
                code: read_code(reader)?,
                final_size: reader.varint()?,
            },
            STOP => Frame::Stop { id: read_id(reader)?, code: read_code(reader)? },
            MAX_DATA => Frame::MaxData(reader.varint()?),
            MAX_STREAM_DATA => Frame::MaxStreamData { id: read_id(reader)?, max: reader.varint()? },
            MAX_STREAMS => Frame::MaxStreams(reader.varint()?),
            PATH_LEAVE => Frame::PathLeave(read_epoch(reader)?),
            CLOSE => {
                let code = read_code(reader)?;
                let len = reader.length()?;
                if len > REASON_LEN_MAX {
                    return Err(Malformed);
                }
                Frame::Close { code, reason: reader.octets(len)? }
            }
            _ if kind & !(STREAM_FIN | STREAM_LEN) == STREAM => read_stream(reader, kind)?,
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
                writer.u8(ACK);
                ack.write(writer);
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

/// What stands before a stream frame's data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamHeader {
    pub(crate) id: StreamId,
    pub(crate) offset: u64,
}

impl StreamHeader {
    /// How many octets of data fit behind this header into `room`.
    pub(crate) const fn data_room(&self, room: usize) -> usize {
        let fixed = 1 + varint::len(self.id.to_wire()) + varint::len(self.offset);
        room.saturating_sub(fixed)
    }

    /// Writes the header for `len` octets. The length field is left out when the data fills the
    /// room exactly; otherwise there is one, and the answer is true.
    pub(crate) fn write(&self, writer: &mut Writer<'_>, len: usize, fin: bool) -> bool {
        let fills_room = self.data_room(writer.room()) == len;
        let mut kind = STREAM;
        if fin {
            kind |= STREAM_FIN;
        }
        if !fills_room {
            kind |= STREAM_LEN;
        }
        writer.u8(kind);
        writer.varint(self.id.to_wire());
        writer.varint(self.offset);
        if !fills_room {
            writer.varint(num::len_u64(len));
        }
        !fills_room
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

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Malformed> {
    Ok(StreamId::from_wire(reader.varint()?))
}

fn read_epoch(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    let epoch = u32::try_from(reader.varint()?).map_err(|_| Malformed)?;
    if epoch < EPOCH_END { Ok(epoch) } else { Err(Malformed) }
}

fn read_code(reader: &mut Reader<'_>) -> Result<ErrorCode, Malformed> {
    u32::try_from(reader.varint()?).map(ErrorCode).map_err(|_| Malformed)
}

fn read_stream<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<Frame<'a>, Malformed> {
    let id = read_id(reader)?;
    let offset = reader.varint()?;
    let data = if kind & STREAM_LEN == 0 {
        reader.rest()
    } else {
        let len = reader.length()?;
        reader.octets(len)?
    };
    let end = offset.checked_add(num::len_u64(data.len())).ok_or(Malformed)?;
    if end > varint::VARINT_MAX {
        return Err(Malformed);
    }
    Ok(Frame::Stream { id, offset, data, fin: kind & STREAM_FIN != 0 })
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
        (0..1_u64 << 40).prop_map(StreamId::from_wire)
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
                Frame::Close { code, reason: &reason },
            ];
            for frame in frames {
                check_round_trip(&frame, 1024);
            }
        }

        #[test]
        fn stream_frames_round_trip_with_and_without_a_length(
            id in any_id(), offset in 0..1_u64 << 60, fin: bool,
            data in prop::collection::vec(any::<u8>(), 0..300), room in 30..400_usize,
        ) {
            let header = StreamHeader { id, offset };
            let fitting = header.fitting(room, data.len());
            let frame = Frame::Stream { id, offset, data: &data[..fitting], fin };
            check_round_trip(&frame, room);
        }

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

    #[test]
    fn a_stream_that_would_end_past_the_largest_offset_is_malformed() {
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf);
        writer.u8(STREAM);
        writer.varint(0);
        writer.varint(varint::VARINT_MAX);
        writer.u8(b'x');
        let len = writer.len();
        assert_eq!(Frame::read(&mut Reader::new(&buf[..len])), Err(Malformed));
    }
}
