//! How two ends that measure talk: probes as datagrams, and two messages on the stream that began it.
//!
//! ```text
//! probe, a datagram; the rest of it is zeros
//!   +------------+------------------+------------------------+
//!   | train, 2   | number, 4        | sent, 4                |     sent: units of 10 us, modulo 2^32
//!   +------------+------------------+------------------------+
//!
//! ask, client to bridge: send this train
//!   +------------+------------+-------------------+----------+
//!   | train, 2   | octets, 2  | interval, 4 (1 us)| count, 4 |
//!   +------------+------------+-------------------+----------+
//!
//! heard, bridge to client: this probe came
//!   +------------+------------------+-------------+----------+
//!   | train, 2   | number, 4        | sent, 4     | at, 4    |
//!   +------------+------------------+-------------+----------+
//! ```
//!
//! All numbers are big-endian. Both messages have a fixed length, so that a stream of them needs no framing.

use std::time::Duration;

use thiserror::Error;

use crate::record::Arrival;
use crate::train::Train;

/// The least length of a probe, in octets.
pub const PROBE_LEN: usize = 10;

/// The length of an [`ask`](encode_ask), in octets.
pub const ASK_LEN: usize = 12;

/// The length of a [`heard`](encode_heard), in octets.
pub const HEARD_LEN: usize = 14;

/// Ticks of the clock that probes carry, in a second.
const TICKS_PER_SECOND: f64 = 100_000.0;

/// What a bridge sends for one train at the most, in octets; a prober asks for no more.
pub const TRAIN_OCTETS_MAX: u64 = 12_100_000;

/// The fastest train that a bridge sends, in octets a second.
pub const TRAIN_RATE_MAX: u64 = 17_000_000;

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// It would cost more than anybody may ask for.
    #[error("a train of {0} octets was asked for, more than a bridge sends")]
    TooMuch(u64),
    /// It would be a flood.
    #[error("a train was asked for that is faster than a bridge sends")]
    TooFast,
    /// A probe carries its own number, and a train has one probe at least.
    #[error("a train was asked for whose probes are too short, or none")]
    Empty,
}

/// Seconds as a probe carries them.
#[must_use]
pub fn ticks(since: Duration) -> u32 {
    let ticks = since.as_micros() / 10;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// A clock of ticks that turn over after eleven hours, as seconds that do not.
#[derive(Debug, Default)]
pub struct Unwrap {
    last: Option<(u32, f64)>,
}

impl Unwrap {
    /// The seconds of `ticks`, on from or back from the last ones by no more than half a turn.
    pub fn seconds(&mut self, ticks: u32) -> f64 {
        let (last, base) = self.last.unwrap_or((ticks, 0.0));
        let ahead = ticks.wrapping_sub(last);
        let back = last.wrapping_sub(ticks);
        let step = if ahead <= back { f64::from(ahead) } else { -f64::from(back) };
        let now = base + step / TICKS_PER_SECOND;
        self.last = Some((ticks, now));
        now
    }
}

/// A probe of `octets` octets, at least [`PROBE_LEN`].
pub fn encode_probe(train: u16, number: u32, sent: u32, octets: usize, out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(&train.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&sent.to_be_bytes());
    out.resize(from + octets.max(PROBE_LEN), 0);
}

/// Train, number and sending time of a probe; `None` if the octets are none.
#[must_use]
pub fn decode_probe(octets: &[u8]) -> Option<(u16, u32, u32)> {
    let (train, rest) = octets.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (sent, _) = rest.split_first_chunk()?;
    let (train, number) = (u16::from_be_bytes(*train), u32::from_be_bytes(*number));
    Some((train, number, u32::from_be_bytes(*sent)))
}

/// Asks the other end to send a train. An interval of more than an hour is cut.
pub fn encode_ask(train: &Train, out: &mut Vec<u8>) {
    let interval = u32::try_from(train.interval.as_micros()).unwrap_or(u32::MAX);
    out.extend_from_slice(&train.id.to_be_bytes());
    out.extend_from_slice(&train.octets.to_be_bytes());
    out.extend_from_slice(&interval.to_be_bytes());
    out.extend_from_slice(&train.count.to_be_bytes());
}

/// The train that the other end asks for.
///
/// # Errors
/// It is more than an end sends because another asks.
pub fn decode_ask(octets: &[u8; ASK_LEN]) -> Result<Train, WireError> {
    let [t0, t1, o0, o1, i0, i1, i2, i3, c0, c1, c2, c3] = *octets;
    let train = Train {
        id: u16::from_be_bytes([t0, t1]),
        octets: u16::from_be_bytes([o0, o1]),
        interval: Duration::from_micros(u32::from_be_bytes([i0, i1, i2, i3]).into()),
        count: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    if usize::from(train.octets) < PROBE_LEN || train.count == 0 {
        return Err(WireError::Empty);
    }
    if train.cost() > TRAIN_OCTETS_MAX {
        return Err(WireError::TooMuch(train.cost()));
    }
    let micros = u128::from(train.octets) * 1_000_000;
    if train.interval.as_micros() * u128::from(TRAIN_RATE_MAX) < micros {
        return Err(WireError::TooFast);
    }
    Ok(train)
}

/// Tells of a probe that came; times in [`ticks`].
pub fn encode_heard((train, number, sent): (u16, u32, u32), at: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&train.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&sent.to_be_bytes());
    out.extend_from_slice(&at.to_be_bytes());
}

/// The probe that the other end tells of, and when it came there.
#[must_use]
pub fn decode_heard(octets: &[u8; HEARD_LEN]) -> ((u16, u32, u32), u32) {
    let [t0, t1, n0, n1, n2, n3, s0, s1, s2, s3, a0, a1, a2, a3] = *octets;
    let train = u16::from_be_bytes([t0, t1]);
    let number = u32::from_be_bytes([n0, n1, n2, n3]);
    let sent = u32::from_be_bytes([s0, s1, s2, s3]);
    ((train, number, sent), u32::from_be_bytes([a0, a1, a2, a3]))
}

/// Both clocks of one direction.
#[derive(Debug, Default)]
pub struct Clocks {
    sent: Unwrap,
    at: Unwrap,
}

impl Clocks {
    /// A probe that left and came at these [`ticks`] of each end.
    pub fn arrival(&mut self, (train, number, sent): (u16, u32, u32), at: u32) -> Arrival {
        Arrival { train, number, sent: self.sent.seconds(sent), at: self.at.seconds(at) }
    }
}
