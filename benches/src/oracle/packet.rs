//! The oracle's packets: as long as encrypted ones would be.

/// Marks a datagram as the oracle's.
const MARK: u8 = 0xa7;
/// Header and tag of a packet with its first chunk's place: what an encrypted one needs.
pub(super) const HEADER_OCTETS: usize = 24;
/// Mark, flag, number, how many chunks and ranges.
const FIXED_OCTETS: usize = 8;
const CHUNK_OCTETS: usize = 7;
const RANGE_OCTETS: usize = 4;
/// A packet without data has no chunk's place.
const PURE_HEADER_OCTETS: usize = HEADER_OCTETS - CHUNK_OCTETS;
/// What an acknowledgement takes beside its ranges: the largest number, and how long ago it came.
const ACK_OCTETS: usize = 6;
/// About what a packet of nothing but an acknowledgement takes.
pub(super) const PURE_ACK_OCTETS: f64 = 35.0;

/// Which data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Bulk,
    Sparse,
}

/// A piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chunk {
    pub(super) kind: Kind,
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    /// For how long the newest packet has waited for this, in units of 0.1 ms.
    pub(super) delay: u16,
    /// First and last numbers, newest first.
    pub(super) ranges: Vec<(u32, u32)>,
}

/// A datagram without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) number: u32,
    pub(super) wants_ack: bool,
    pub(super) ack: Option<Ack>,
    pub(super) chunks: Vec<Chunk>,
}

impl Ack {
    pub(super) const fn octets(ranges: usize) -> usize {
        ACK_OCTETS + ranges * RANGE_OCTETS
    }
}

impl Packet {
    pub(super) fn encode(&self, buf: &mut Vec<u8>, payload: impl Fn(Chunk) -> Vec<u8>) {
        let ranges = self.ack.as_ref().map_or(&[][..], |ack| &ack.ranges);
        let [chunk_count, range_count] =
            [self.chunks.len(), ranges.len()].map(|len| u8::try_from(len).unwrap_or(u8::MAX));
        buf.extend([MARK, u8::from(self.wants_ack)]);
        buf.extend(self.number.to_be_bytes());
        buf.extend([chunk_count, range_count]);
        for chunk in &self.chunks {
            buf.extend_from_slice(chunk.offset.to_be_bytes().get(3..).unwrap_or_default());
            let kind = if chunk.kind == Kind::Sparse { 0x8000 } else { 0 };
            buf.extend((u16::try_from(chunk.len).unwrap_or(0) | kind).to_be_bytes());
        }
        let further = self.chunks.len().saturating_sub(1) * CHUNK_OCTETS;
        let header = if self.chunks.is_empty() { PURE_HEADER_OCTETS } else { HEADER_OCTETS };
        buf.resize(header + further, 0);
        if let Some(ack) = &self.ack {
            let largest = ranges.first().map_or(0, |(_, last)| *last);
            buf.extend(largest.to_be_bytes());
            buf.extend(ack.delay.to_be_bytes());
            let mut above = largest;
            for (first, last) in ranges {
                buf.extend(u16::try_from(above - last).unwrap_or(u16::MAX).to_be_bytes());
                buf.extend(u16::try_from(last - first).unwrap_or(u16::MAX).to_be_bytes());
                above = *first;
            }
        }
        self.chunks.iter().for_each(|chunk| buf.extend(payload(*chunk)));
    }

    /// The packet, and the payload of its chunks.
    pub(super) fn decode(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let mut head = Reader(datagram);
        let [MARK, wants_ack] = head.take()? else { return None };
        let number = u32::from_be_bytes(head.take()?);
        let [chunk_count, range_count] = head.take()?;
        let mut chunks = Vec::new();
        for _ in 0..chunk_count {
            let [a, b, c, d, e] = head.take()?;
            let len = u16::from_be_bytes(head.take()?);
            let kind = if len & 0x8000 == 0 { Kind::Bulk } else { Kind::Sparse };
            let offset = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
            chunks.push(Chunk { kind, offset, len: usize::from(len & 0x7fff) });
        }
        let first = usize::from(chunk_count > 0) * CHUNK_OCTETS;
        let mut rest = Reader(head.0.get(PURE_HEADER_OCTETS + first - FIXED_OCTETS - first..)?);
        let ack = if range_count == 0 { None } else { Some(Ack::decode(&mut rest, range_count)?) };
        Some((Self { number, wants_ack: wants_ack != 0, ack, chunks }, rest.0))
    }
}

impl Ack {
    fn decode(octets: &mut Reader<'_>, range_count: u8) -> Option<Self> {
        let mut above = u32::from_be_bytes(octets.take()?);
        let delay = u16::from_be_bytes(octets.take()?);
        let mut ranges = Vec::new();
        for _ in 0..range_count {
            let last = above.checked_sub(u16::from_be_bytes(octets.take()?).into())?;
            let first = last.checked_sub(u16::from_be_bytes(octets.take()?).into())?;
            ranges.push((first, last));
            above = first;
        }
        Some(Self { delay, ranges })
    }
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_was_written_and_takes_what_it_says() {
        let chunk = Chunk { kind: Kind::Sparse, offset: 5_000_000_000, len: 3 };
        let ack = Ack { delay: 17, ranges: vec![(900, 1000), (700, 800)] };
        let whole = Packet { number: 77, wants_ack: true, ack: Some(ack), chunks: vec![chunk] };
        let pure = Packet { chunks: Vec::new(), ..whole.clone() };
        let bare = Packet { ack: None, ..whole.clone() };
        for (packet, octets) in [(whole, 24 + 14 + 3), (pure, 17 + 14), (bare, 24 + 3)] {
            let mut buf = Vec::new();
            packet.encode(&mut buf, |chunk| vec![7; chunk.len]);
            let payload = vec![7; 3 * packet.chunks.len()];
            assert_eq!(Packet::decode(&buf), Some((packet, &payload[..])));
            assert_eq!(buf.len(), octets);
        }
    }
}
