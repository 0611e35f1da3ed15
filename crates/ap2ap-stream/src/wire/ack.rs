//! The acknowledgement frame: what arrived, when, and when this was written.
//!
//! ```text
//!   [epoch]          varint   the path whose packets these are (type 0x0b; 0x03: the one this is on)
//!   largest          varint   the largest packet number received
//!   written at       24 bits  the receiver's clock, in units of 100 µs
//!   octets           32 bits  octets of all datagrams received on the path
//!   counts           varint   64 x ranges after the first + arrivals
//!   first range      varint   numbers below `largest` that arrived without a gap
//!     gap, range     varints  missing numbers less one; present numbers less one     (repeated)
//!     back, earlier  varints  numbers back and time earlier than the arrival before  (repeated)
//! ```
//!
//! Arrivals run from the latest to the earliest, and each is told by its distance from the one before;
//! the first by its distance from `largest` and `written at`. Packets overtake each other, so `back`
//! has a sign (0, -1, 1, -2, 2 … are 0, 1, 2, 3, 4 …). In a stream of packets without a gap an arrival
//! takes two or three octets.
//!
//! `written at` and `octets` are the low bits of longer counters: `recovery::report` completes them.
//! Arrival times are what the sender learns the relay's rate from: the two clocks need not agree,
//! they only must not drift apart within seconds.

use std::ops::RangeInclusive;

use super::reader::{Malformed, Reader};
use super::varint;
use super::writer::Writer;
use crate::num;

/// At most this many ranges are written: older gaps have been repaired or given up long before.
pub(crate) const RANGES_MAX: usize = 16;

/// AP-71: at most this many arrival times are written: thinner samples suffice for a rate.
pub(crate) const ARRIVALS_MAX: usize = 32;

/// A range says no more packets than may be in flight: two octets, however long the connection lasts.
const RANGE_PACKETS_MAX: u64 = 1 << 14;

/// Ages are below this, some 28 minutes: `written at` has no more bits either.
pub(crate) const AGE_END: u64 = 1 << WRITTEN_AT_BITS;

/// Bits of the receiver's clock that are written.
pub(crate) const WRITTEN_AT_BITS: u32 = 24;

/// One datagram's arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    /// Units of 100 µs before the acknowledgement was written.
    pub(crate) age: u64,
}

/// An acknowledgement, as it is written. Ranges run from the newest number to the oldest, arrivals
/// from the latest to the earliest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The epoch of the path whose packets these are, if it is not the path that this travels on.
    pub(crate) epoch: Option<u32>,
    pub(crate) largest: u64,
    /// The low [`WRITTEN_AT_BITS`] of the receiver's clock, in units of 100 µs.
    pub(crate) written_at: u32,
    /// The low 32 bits of the count of octets received.
    pub(crate) octets: u32,
    pub(crate) ranges: Vec<RangeInclusive<u64>>,
    pub(crate) arrivals: Vec<Arrival>,
}

impl Ack {
    /// Reads what follows the type octet of a frame that names an epoch.
    pub(crate) fn read_with_epoch(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { epoch: Some(reader.epoch()?), ..Self::read(reader)? })
    }

    /// Reads what follows the type octet of a frame without an epoch.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let largest = reader.varint()?;
        let written_at = read_fixed(reader, WRITTEN_AT_LEN)?;
        let octets = read_fixed(reader, OCTETS_LEN)?;
        let counts = reader.varint()?;
        let (more_ranges, arrivals) = (num::to_usize(counts >> 6), num::to_usize(counts & 0x3f));
        if more_ranges >= RANGES_MAX || arrivals > ARRIVALS_MAX {
            return Err(Malformed);
        }
        let ranges = read_ranges(reader, largest, more_ranges)?;
        let arrivals = read_arrivals(reader, largest, arrivals)?;
        Ok(Self { epoch: None, largest, written_at, octets, ranges, arrivals })
    }

    /// Writes what follows the type octet, as much of it as fits: the oldest ranges and arrivals are
    /// left out first. The caller has made sure of [`ACK_LEN_MIN`] octets of room, the type included.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        if let Some(epoch) = self.epoch {
            writer.varint(u64::from(epoch));
        }
        writer.varint(self.largest);
        write_fixed(writer, self.written_at, WRITTEN_AT_LEN);
        write_fixed(writer, self.octets, OCTETS_LEN);
        let mut room = writer.room().saturating_sub(COUNTS_LEN_MAX);
        let ranges = fitting(self.range_fields().take(RANGES_MAX), &mut room, 1);
        let arrivals = fitting(self.arrival_fields().take(ARRIVALS_MAX), &mut room, 0);
        let more_ranges = num::len_u64(ranges.saturating_sub(1));
        writer.varint((more_ranges << 6) | num::len_u64(arrivals));
        for (index, (gap, more)) in self.range_fields().take(ranges).enumerate() {
            if index > 0 {
                writer.varint(gap);
            }
            writer.varint(more);
        }
        for (back, earlier) in self.arrival_fields().take(arrivals) {
            writer.varint(back);
            writer.varint(earlier);
        }
    }

    /// Room that the whole frame needs, type included, with all ranges and so many arrivals: its
    /// length, or two octets more.
    pub(crate) fn room_for(&self, arrivals: usize) -> usize {
        let epoch = self.epoch.map_or(0, |epoch| varint::len(u64::from(epoch)));
        let fixed = 1 + epoch + varint::len(self.largest) + WRITTEN_AT_LEN + OCTETS_LEN;
        let of_pair = |(one, other): (u64, u64)| varint::len(one) + varint::len(other);
        let ranges: usize = self.range_fields().take(RANGES_MAX).map(of_pair).sum();
        let arrivals: usize = self.arrival_fields().take(arrivals).map(of_pair).sum();
        fixed + COUNTS_LEN_MAX + ranges + arrivals
    }

    /// The gap before each range, which the first one does not have, and its packets less one.
    fn range_fields(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut lowest = self.largest.saturating_add(2);
        self.ranges.iter().map(move |range| {
            let gap = lowest.saturating_sub(*range.end()).saturating_sub(2);
            let more = range.end().saturating_sub(*range.start()).min(RANGE_PACKETS_MAX - 1);
            // What is left out of a long range counts as part of the gap behind it.
            lowest = range.end().saturating_sub(more);
            (gap, more)
        })
    }

    fn arrival_fields(&self) -> impl Iterator<Item = (u64, u64)> {
        let (mut number, mut age) = (self.largest, 0);
        self.arrivals.iter().map(move |arrival| {
            let back = if arrival.number <= number {
                (number - arrival.number) << 1
            } else {
                ((arrival.number - number - 1) << 1) | 1
            };
            let earlier = arrival.age.saturating_sub(age);
            (number, age) = (arrival.number, arrival.age);
            (back, earlier)
        })
    }
}

const WRITTEN_AT_LEN: usize = 3;
const OCTETS_LEN: usize = 4;
/// 64 x 15 + 32 is a varint of two octets.
const COUNTS_LEN_MAX: usize = 2;

/// An acknowledgement of one range without arrivals fits into this: the type, an epoch, and so on.
pub(crate) const ACK_LEN_MIN: usize = 1 + 4 + 8 + WRITTEN_AT_LEN + OCTETS_LEN + COUNTS_LEN_MAX + 8;

/// How many of the pairs fit; the first `at_least` of them do by what the caller has made sure of.
fn fitting(pairs: impl Iterator<Item = (u64, u64)>, room: &mut usize, at_least: usize) -> usize {
    let mut count = 0;
    for (one, other) in pairs {
        let len = varint::len(one) + varint::len(other);
        if count >= at_least && len > *room {
            break;
        }
        *room = room.saturating_sub(len);
        count += 1;
    }
    count
}

fn read_fixed(reader: &mut Reader<'_>, len: usize) -> Result<u32, Malformed> {
    Ok(reader.octets(len)?.iter().fold(0, |value, octet| (value << 8) | u32::from(*octet)))
}

fn write_fixed(writer: &mut Writer<'_>, value: u32, len: usize) {
    let octets = value.to_be_bytes();
    writer.octets(octets.get(4_usize.saturating_sub(len)..).unwrap_or_default());
}

fn read_ranges(
    reader: &mut Reader<'_>,
    largest: u64,
    more: usize,
) -> Result<Vec<RangeInclusive<u64>>, Malformed> {
    let mut ranges = Vec::with_capacity(more + 1);
    let mut lowest = largest.checked_sub(read_packets(reader)?).ok_or(Malformed)?;
    ranges.push(lowest..=largest);
    for _ in 0..more {
        let gap = reader.varint()?.checked_add(2).ok_or(Malformed)?;
        let end = lowest.checked_sub(gap).ok_or(Malformed)?;
        lowest = end.checked_sub(read_packets(reader)?).ok_or(Malformed)?;
        ranges.push(lowest..=end);
    }
    Ok(ranges)
}

/// The packets of a range, less one.
fn read_packets(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let more = reader.varint()?;
    if more < RANGE_PACKETS_MAX { Ok(more) } else { Err(Malformed) }
}

fn read_arrivals(
    reader: &mut Reader<'_>,
    largest: u64,
    count: usize,
) -> Result<Vec<Arrival>, Malformed> {
    let mut arrivals = Vec::with_capacity(count);
    let (mut number, mut age) = (largest, 0_u64);
    for _ in 0..count {
        let back = reader.varint()?;
        number = if back & 1 == 0 {
            number.checked_sub(back >> 1).ok_or(Malformed)?
        } else {
            number.checked_add((back >> 1) + 1).ok_or(Malformed)?
        };
        age = age.checked_add(reader.varint()?).ok_or(Malformed)?;
        if number > largest || age >= AGE_END {
            return Err(Malformed);
        }
        arrivals.push(Arrival { number, age });
    }
    Ok(arrivals)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Acknowledgements as a receiver makes them: disjoint falling ranges, arrivals within them, some
    /// overtaken by others.
    pub(crate) fn any_ack() -> impl Strategy<Value = Ack> {
        let steps = prop::collection::vec((0..200_u64, 0..300_u64), 1..=RANGES_MAX);
        let times = prop::collection::vec((0..9000_u64, 0..40_u64), 0..=ARRIVALS_MAX);
        let counters = (prop::option::of(0..1_u32 << 24), 0..1_u32 << 24, any::<u32>());
        (1_000_000..1_u64 << 39, steps, times, counters).prop_map(
            |(largest, steps, times, counters)| {
                let mut ranges = Vec::new();
                let mut top = largest;
                for (len, gap) in steps {
                    let start = top.saturating_sub(len);
                    ranges.push(start..=top);
                    top = start.saturating_sub(gap + 2);
                }
                let mut age = 0;
                let mut arrival = |(earlier, back): (u64, u64)| {
                    age += earlier;
                    Arrival { number: largest - back, age }
                };
                let arrivals = times.into_iter().map(&mut arrival).collect();
                let (epoch, written_at, octets) = counters;
                Ack { epoch, largest, written_at, octets, ranges, arrivals }
            },
        )
    }

    fn written(ack: &Ack, room: usize) -> Vec<u8> {
        let mut buf = vec![0; room];
        let mut writer = Writer::new(&mut buf);
        ack.write(&mut writer);
        let len = writer.len();
        buf.truncate(len);
        buf
    }

    fn read(ack: &Ack, octets: &[u8]) -> (Result<Ack, Malformed>, bool) {
        let mut reader = Reader::new(octets);
        let read = if ack.epoch.is_some() { Ack::read_with_epoch } else { Ack::read };
        (read(&mut reader), reader.is_empty())
    }

    proptest! {
        #[test]
        fn round_trips_when_there_is_room(ack in any_ack()) {
            let octets = written(&ack, 1024);
            let room = ack.room_for(ack.arrivals.len());
            prop_assert!((octets.len() + 1..=octets.len() + 3).contains(&room));
            prop_assert_eq!(&written(&ack, room - 1), &octets);
            prop_assert_eq!(read(&ack, &octets), (Ok(ack), true));
        }

        #[test]
        fn little_room_leaves_out_the_oldest(ack in any_ack(), room in ACK_LEN_MIN..200) {
            let octets = written(&ack, room);
            let read = read(&ack, &octets).0.unwrap();
            prop_assert!(ack.ranges.starts_with(&read.ranges));
            prop_assert!(ack.arrivals.starts_with(&read.arrivals));
        }

        /// AP-74: what is left out of a long range moves no other range.
        #[test]
        fn a_long_range_is_cut_and_those_behind_it_stay_where_they_are(
            long in 0..5 * RANGE_PACKETS_MAX, gap in 2..100_u64, short in 0..100_u64,
        ) {
            let first = 1_000_000 - long..=1_000_000;
            let second = first.start() - gap - short..=first.start() - gap;
            let ranges = vec![first.clone(), second.clone()];
            let ack = Ack {
                epoch: None, largest: 1_000_000, written_at: 0, octets: 0, ranges, arrivals: vec![],
            };
            let octets = written(&ack, 200);
            let read = Ack::read(&mut Reader::new(&octets)).unwrap();
            let cut = long.min(RANGE_PACKETS_MAX - 1);
            prop_assert_eq!(read.ranges, [1_000_000 - cut..=1_000_000, second]);
        }

        #[test]
        fn the_least_room_holds_any_range(largest in 0..1_u64 << 61, more in 0..RANGE_PACKETS_MAX) {
            let ranges = vec![largest.saturating_sub(more)..=largest];
            let (epoch, arrivals) = (Some((1 << 24) - 1), vec![]);
            let ack = Ack { epoch, largest, written_at: 0xff_ffff, octets: 7, ranges, arrivals };
            let octets = written(&ack, ACK_LEN_MIN - 1);
            prop_assert_eq!(read(&ack, &octets), (Ok(ack), true));
        }

        #[test]
        fn no_prefix_is_a_frame(ack in any_ack()) {
            let octets = written(&ack, 1024);
            for cut in 0..octets.len() {
                prop_assert_eq!(read(&ack, &octets[..cut]).0, Err(Malformed));
            }
        }
    }

    /// AP-71: what a receiver of bulk says about each datagram is two or three octets long.
    #[test]
    fn an_arrival_without_a_gap_takes_three_octets() {
        let arrivals = (0..10).map(|back| Arrival { number: 100 - back, age: back * 4000 });
        let ack = Ack {
            epoch: None,
            largest: 100,
            written_at: 9,
            octets: 9,
            ranges: vec![0..=100],
            arrivals: arrivals.collect(),
        };
        assert_eq!(written(&ack, 200).len(), 2 + 3 + 4 + 1 + 2 + 2 + 9 * 3);
    }

    /// AP-50: what a receiver cannot have seen is malformed.
    #[test]
    fn refuses_numbers_above_the_largest_and_ages_beyond_the_clock() {
        let frame = |back: u64, earlier: u64| {
            let mut buf = [0; 64];
            let mut writer = Writer::new(&mut buf);
            writer.varint(9);
            writer.octets(&[0; WRITTEN_AT_LEN + OCTETS_LEN]);
            for field in [1, 9, back, earlier] {
                writer.varint(field);
            }
            let len = writer.len();
            Ack::read(&mut Reader::new(&buf[..len]))
        };
        assert!(frame(0, AGE_END - 1).is_ok() && frame(18, 0).is_ok());
        assert_eq!(frame(1, 0), Err(Malformed), "number 10");
        assert_eq!(frame(20, 0), Err(Malformed), "number -1");
        assert_eq!(frame(0, AGE_END), Err(Malformed));
    }
}
