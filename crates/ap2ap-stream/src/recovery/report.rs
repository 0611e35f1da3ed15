//! What the peer counts and tells the low bits of: its clock, and the octets that arrived there.

use std::time::Instant;

use crate::wire::ack::{Ack, WRITTEN_AT_BITS};

/// The newest that acknowledgements told, completed to whole numbers.
///
/// A clock's value is taken to be the one nearest to what the last acknowledgement said and the time
/// since: right unless the two clocks part by 14 minutes between two acknowledgements.
#[derive(Debug, Default)]
pub(crate) struct PeerReport {
    clock: Option<Known>,
    octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    written_at: u64,
    heard_at: Instant,
}

impl PeerReport {
    /// Takes an acknowledgement that came `now`: when it was written, on the peer's clock in units of
    /// 100 µs. The clock's origin is arbitrary, but the same for all acknowledgements of a path.
    pub(crate) fn take(&mut self, now: Instant, ack: &Ack) -> u64 {
        self.octets = self.octets.max(nearest(u64::from(ack.octets), u32::BITS, self.octets));
        let expected = match self.clock {
            // One turn in, so that the clock may also run back.
            None => (1 << WRITTEN_AT_BITS) + u64::from(ack.written_at),
            Some(known) => {
                let elapsed = now.saturating_duration_since(known.heard_at).as_micros() / 100;
                known.written_at.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
            }
        };
        let written_at = nearest(u64::from(ack.written_at), WRITTEN_AT_BITS, expected);
        if self.clock.is_none_or(|known| known.written_at < written_at) {
            self.clock = Some(Known { written_at, heard_at: now });
        }
        written_at
    }

    /// Octets of datagrams that have arrived at the peer, at least.
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }
}

/// The number nearest to `expected` whose low `bits` are `low`.
const fn nearest(low: u64, bits: u32, expected: u64) -> u64 {
    let window = 1_u64 << bits;
    let candidate = (expected & !(window - 1)) | (low & (window - 1));
    if candidate.saturating_add(window / 2) < expected {
        candidate.saturating_add(window)
    } else if candidate > expected.saturating_add(window / 2) && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ack(clock: u64, octets: u64) -> Ack {
        let written_at = u32::try_from(clock & 0xff_ffff).unwrap();
        let octets = u32::try_from(octets & 0xffff_ffff).unwrap();
        let (ranges, arrivals) = (vec![0..=0], Vec::new());
        Ack { epoch: None, largest: 0, written_at, octets, ranges, arrivals }
    }

    proptest! {
        /// However the clock and the counter wrap, and however late an acknowledgement is: differences
        /// of times are right, and the count is the largest that was told.
        #[test]
        fn differences_are_right_across_wraps(
            begin in 0..1_u64 << 40,
            steps in prop::collection::vec((0..5_000_000_u64, 0..100_000_u64, 0..1_u64 << 31), 1..60),
        ) {
            let mut report = PeerReport::default();
            let start = Instant::now();
            let origin = report.take(start, &ack(begin, 0));
            let (mut elapsed, mut octets) = (0, 0);
            for (step, late, more) in steps {
                elapsed += step;
                octets += more;
                let now = start + Duration::from_micros(100 * (elapsed + late));
                let at = report.take(now, &ack(begin + elapsed, octets));
                prop_assert_eq!(at - origin, elapsed);
                prop_assert_eq!(report.octets(), octets);
                // One that was overtaken on the way changes nothing.
                let before = elapsed.saturating_sub(70_000);
                let overtaken = ack(begin + before, octets.saturating_sub(1 << 30));
                prop_assert_eq!(report.take(now, &overtaken), origin + before);
                prop_assert_eq!(report.octets(), octets);
            }
        }
    }
}
