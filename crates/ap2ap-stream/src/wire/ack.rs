//! The acknowledgement frame: what arrived, when, and when this was written.
//!
//! ```text
//!   largest          varint   the largest packet number received
//!   written at       varint   the receiver's clock, in units of 100 µs since its start
//!   range count      varint   ranges after the first
//!   first range      varint   numbers below `largest` that arrived without a gap
//!     gap, range     varints  missing numbers less one; present numbers less one     (repeated)
//!   arrival count    varint
//!     back, age      varints  number = largest - back; arrived `age` before `written at`
//! ```
//!
//! Arrival times are what the sender learns the relay's rate from (docs/wire.md): the clocks need
//! not agree, they only must not drift apart within seconds.

use std::ops::RangeInclusive;

use super::reader::{Malformed, Reader};
use super::varint;
use super::writer::Writer;
use crate::num;

/// At most this many ranges are written: older gaps have been repaired or given up long before.
pub(crate) const RANGES_MAX: usize = 16;

/// At most this many arrival times are written: thinner samples suffice for a rate.
pub(crate) const ARRIVALS_MAX: usize = 32;

/// One datagram's arrival, on the receiver's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    /// Units of 100 µs since the receiver's start.
    pub(crate) at: u64,
}

/// An acknowledgement, parsed. Ranges and arrivals run from the newest number to the oldest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) largest: u64,
    /// Units of 100 µs since the receiver's start.
    pub(crate) written_at: u64,
    pub(crate) ranges: Vec<RangeInclusive<u64>>,
    pub(crate) arrivals: Vec<Arrival>,
}

impl Ack {
    /// Reads what follows the frame's type octet.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let largest = reader.varint()?;
        let written_at = reader.varint()?;
        let range_count = num::to_usize(reader.varint()?);
        if range_count >= RANGES_MAX {
            return Err(Malformed);
        }
        let ranges = read_ranges(reader, largest, range_count)?;
        let arrival_count = num::to_usize(reader.varint()?);
        if arrival_count > ARRIVALS_MAX {
            return Err(Malformed);
        }
        let mut arrivals = Vec::with_capacity(arrival_count);
        for _ in 0..arrival_count {
            let number = largest.checked_sub(reader.varint()?).ok_or(Malformed)?;
            let at = written_at.checked_sub(reader.varint()?).ok_or(Malformed)?;
            arrivals.push(Arrival { number, at });
        }
        Ok(Self { largest, written_at, ranges, arrivals })
    }

    /// Writes what follows the frame's type octet, as much of it as fits: the oldest ranges and
    /// arrivals are left out first. The caller has made sure of [`ACK_LEN_MIN`] octets of room,
    /// the type octet included.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.varint(self.largest);
        writer.varint(self.written_at);
        let mut room = writer.room().saturating_sub(COUNTS_LEN);
        let ranges = self.fitting_ranges(&mut room);
        writer.varint(num::len_u64(ranges.len().saturating_sub(1)));
        let mut lowest = self.largest;
        for (index, range) in ranges.iter().enumerate() {
            if index > 0 {
                writer.varint(lowest.saturating_sub(*range.end()).saturating_sub(2));
            }
            writer.varint(range.end().saturating_sub(*range.start()));
            lowest = *range.start();
        }
        let arrivals = self.fitting_arrivals(&mut room);
        writer.varint(num::len_u64(arrivals.len()));
        for arrival in arrivals {
            writer.varint(self.largest.saturating_sub(arrival.number));
            writer.varint(self.written_at.saturating_sub(arrival.at));
        }
    }

    fn fitting_ranges(&self, room: &mut usize) -> &[RangeInclusive<u64>] {
        let mut lowest = self.largest;
        let mut fitting = 0;
        for range in self.ranges.iter().take(RANGES_MAX) {
            let gap = lowest.saturating_sub(*range.end());
            let len = varint::len(gap) + varint::len(range.end().saturating_sub(*range.start()));
            if fitting > 0 && len > *room {
                break;
            }
            *room = room.saturating_sub(len);
            lowest = *range.start();
            fitting += 1;
        }
        self.ranges.get(..fitting).unwrap_or_default()
    }

    fn fitting_arrivals(&self, room: &mut usize) -> &[Arrival] {
        let mut fitting = 0;
        for arrival in self.arrivals.iter().take(ARRIVALS_MAX) {
            let back = self.largest.saturating_sub(arrival.number);
            let age = self.written_at.saturating_sub(arrival.at);
            let len = varint::len(back) + varint::len(age);
            if len > *room {
                break;
            }
            *room = room.saturating_sub(len);
            fitting += 1;
        }
        self.arrivals.get(..fitting).unwrap_or_default()
    }
}

/// Room for the two counts.
const COUNTS_LEN: usize = 2;

/// An acknowledgement of one range without arrivals fits into this: type, three varints, two counts.
pub(crate) const ACK_LEN_MIN: usize = 1 + 3 * 8 + COUNTS_LEN;

fn read_ranges(
    reader: &mut Reader<'_>,
    largest: u64,
    more: usize,
) -> Result<Vec<RangeInclusive<u64>>, Malformed> {
    let mut ranges = Vec::with_capacity(more + 1);
    let mut lowest = largest.checked_sub(reader.varint()?).ok_or(Malformed)?;
    ranges.push(lowest..=largest);
    for _ in 0..more {
        let gap = reader.varint()?.checked_add(2).ok_or(Malformed)?;
        let end = lowest.checked_sub(gap).ok_or(Malformed)?;
        lowest = end.checked_sub(reader.varint()?).ok_or(Malformed)?;
        ranges.push(lowest..=end);
    }
    Ok(ranges)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Acknowledgements as a receiver makes them: disjoint falling ranges, arrivals within them.
    pub(crate) fn any_ack() -> impl Strategy<Value = Ack> {
        let steps = prop::collection::vec((0..200_u64, 0..300_u64), 1..=RANGES_MAX);
        let ages = prop::collection::vec(0..60_000_u64, 0..=ARRIVALS_MAX);
        (1_000_000..1_u64 << 39, steps, ages).prop_map(|(largest, steps, ages)| {
            let mut ranges = Vec::new();
            let mut top = largest;
            for (len, gap) in steps {
                let start = top.saturating_sub(len);
                ranges.push(start..=top);
                top = start.saturating_sub(gap + 2);
            }
            let numbers = ranges.clone().into_iter().flatten_rev();
            let written_at = 100_000;
            let arrivals = ages
                .into_iter()
                .zip(numbers)
                .map(|(age, number)| Arrival { number, at: written_at - age })
                .collect();
            Ack { largest, written_at, ranges, arrivals }
        })
    }

    trait FlattenRev: Iterator<Item = RangeInclusive<u64>> + Sized {
        fn flatten_rev(self) -> impl Iterator<Item = u64> {
            self.flat_map(Iterator::rev)
        }
    }
    impl<I: Iterator<Item = RangeInclusive<u64>>> FlattenRev for I {}

    fn written(ack: &Ack, room: usize) -> Vec<u8> {
        let mut buf = vec![0; room];
        let mut writer = Writer::new(&mut buf);
        ack.write(&mut writer);
        let len = writer.len();
        buf.truncate(len);
        buf
    }

    proptest! {
        #[test]
        fn round_trips_when_there_is_room(ack in any_ack()) {
            let octets = written(&ack, 1024);
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(Ack::read(&mut reader), Ok(ack));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn little_room_leaves_out_the_oldest(ack in any_ack(), room in ACK_LEN_MIN..200) {
            let octets = written(&ack, room);
            let read = Ack::read(&mut Reader::new(&octets)).unwrap();
            prop_assert!(ack.ranges.starts_with(&read.ranges));
            prop_assert!(ack.arrivals.starts_with(&read.arrivals));
        }

        #[test]
        fn the_least_room_holds_any_range(largest in 0..1_u64 << 61, at in 0..1_u64 << 61) {
            let ack = Ack { largest, written_at: at, ranges: vec![0..=largest], arrivals: vec![] };
            let octets = written(&ack, ACK_LEN_MIN - 1);
            prop_assert_eq!(Ack::read(&mut Reader::new(&octets)), Ok(ack));
        }

        #[test]
        fn no_prefix_is_a_frame(ack in any_ack()) {
            let octets = written(&ack, 1024);
            for cut in 0..octets.len() {
                prop_assert_eq!(Ack::read(&mut Reader::new(&octets[..cut])), Err(Malformed));
            }
        }
    }
}
