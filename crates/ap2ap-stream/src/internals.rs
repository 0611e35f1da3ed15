//! Parts of the wire by themselves, for this project's fuzz targets, vectors and benches. **Not part
//! of the API**: behind the feature `internals`, which promises nothing from one version to the next.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::id::Side;
use crate::path::DATAGRAM_MAX;
use crate::protection::{Place, Protection, Secret};
use crate::wire::frame::Frame;
use crate::wire::packet::Header;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The protection of one end's packets, from the secrets that a handshake would give.
#[derive(Debug)]
pub struct Packets(Protection);

impl Packets {
    /// One end's packets: `up` is the client's secret, `down` the bridge's.
    #[must_use]
    pub fn new(side: Side, up: [u8; 32], down: [u8; 32]) -> Self {
        Self(Protection::new(side, Secret::new(up), Secret::new(down)))
    }

    /// Packets without keys.
    #[must_use]
    pub const fn unauthenticated() -> Self {
        Self(Protection::CheckSum)
    }

    /// Seals frames into `packet`, as the packet with this number of this epoch, and says how long it
    /// is; `None` where it does not fit.
    pub fn seal(
        &mut self,
        (epoch, number): (u32, u64),
        unacked: u64,
        frames: &[u8],
        packet: &mut [u8],
    ) -> Option<usize> {
        let header =
            Header { phase: self.0.generation() & 1 == 1, ..Header::shortest(number, unacked) };
        let mut writer = Writer::new(packet);
        if writer.room() < header.len.checked_add(frames.len())? {
            return None;
        }
        header.write(&mut writer);
        writer.octets(frames);
        self.0.seal(Place { epoch, number }, (0, header.len), frames.len(), packet)
    }

    /// Opens a packet in place: its number, and where its frames stand.
    pub fn open(
        &mut self,
        now: Instant,
        (epoch, expected): (u32, u64),
        packet: &mut [u8],
    ) -> Option<(u64, std::ops::Range<usize>)> {
        if packet.len() > DATAGRAM_MAX {
            return None;
        }
        let opened = self.0.open((now, Duration::from_secs(3)), (epoch, expected), 0, packet)?;
        Some((opened.number, opened.frames))
    }
}

/// Reads frames to the end or to the first that is none, and checks that each is written as it can be
/// read again. How many there were.
///
/// # Panics
/// If a frame that was read is written as something else.
#[must_use]
pub fn frames(octets: &[u8]) -> usize {
    let mut reader = Reader::new(octets);
    let mut count = 0;
    while !reader.is_empty() {
        let Ok(frame) = Frame::read(&mut reader) else { break };
        // An octet of room more than it needs, so that a last stream frame has a length and can be told
        // from what follows.
        let mut buf = [0; 2 * DATAGRAM_MAX];
        let mut writer = Writer::new(&mut buf);
        frame.write(&mut writer);
        let len = writer.len();
        let written = buf.get(..len).unwrap_or_default();
        assert_eq!(Frame::read(&mut Reader::new(written)), Ok(frame), "read and written");
        count += 1;
    }
    count
}

/// A packet on the first path with any frames and the number, sealed with the keys of `from` as if it
/// had said that itself. `None` without keys, or where the frames are too long.
pub fn forge(from: &mut Connection, number: u64, frames: &[u8]) -> Option<Vec<u8>> {
    let keys = from.protection()?;
    let mut packet = vec![0; DATAGRAM_MAX];
    let phase = keys.generation() & 1 == 1;
    let header = Header { phase, ..Header::shortest(number, number.saturating_sub(1 << 20)) };
    let mut writer = Writer::new(&mut packet);
    if writer.room() < header.len.checked_add(frames.len())? {
        return None;
    }
    header.write(&mut writer);
    writer.octets(frames);
    let len = keys.seal(Place { epoch: 0, number }, (0, header.len), frames.len(), &mut packet)?;
    packet.truncate(len);
    Some(packet)
}
