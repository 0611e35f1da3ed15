//! A node whose clock runs fast or slow.

use std::time::{Duration, Instant};

use crate::node::Node;

const MILLION: i128 = 1_000_000;

/// A node that counts time by a clock of its own, so many millionths too fast. Quartz clocks are off
/// by up to 100 of them; what two ends say of their clocks then no longer fits after a while.
///
/// ```
/// use relay_sim::Drift;
/// # use std::time::{Duration, Instant};
/// # struct Alarm(Instant);
/// # impl relay_sim::Node for Alarm {
/// #     fn handle_datagram(&mut self, _: Instant, _: &[u8]) {}
/// #     fn poll_transmit(&mut self, _: Instant, _: &mut Vec<u8>) -> bool { false }
/// #     fn next_at(&self) -> Option<Instant> { Some(self.0) }
/// # }
/// use relay_sim::Node as _;
///
/// let start = Instant::now();
/// let hour = Duration::from_secs(3600);
/// let fast = Drift::new(Alarm(start + hour), start, 100);
/// let rings = fast.next_at().expect("it is set");
/// assert_eq!((start + hour - rings).as_millis(), 359);
/// ```
#[derive(Debug)]
pub struct Drift<N> {
    /// The node.
    pub node: N,
    origin: Instant,
    millionths: i32,
}

impl<N> Drift<N> {
    /// `node` with a clock that is right at `origin` and gains `millionths` from then on; below 0, it
    /// loses, but no more than half, so that time always passes.
    #[must_use]
    pub const fn new(node: N, origin: Instant, millionths: i32) -> Self {
        const HALF: i32 = 500_000;
        let millionths = if millionths < -HALF { -HALF } else { millionths };
        Self { node, origin, millionths }
    }

    /// What the node's clock shows.
    fn shown(&self, now: Instant) -> Instant {
        let true_time = i128::try_from(now.saturating_duration_since(self.origin).as_nanos());
        let true_time = true_time.unwrap_or(i128::MAX / MILLION / 2);
        self.after(true_time * (MILLION + i128::from(self.millionths)) / MILLION)
    }

    /// When the node's clock shows `shown`, or has just done so.
    fn when(&self, shown: Instant) -> Instant {
        let time = i128::try_from(shown.saturating_duration_since(self.origin).as_nanos());
        let time = time.unwrap_or(i128::MAX / MILLION / 2);
        let speed = MILLION + i128::from(self.millionths);
        self.after((time * MILLION + speed - 1) / speed)
    }

    fn after(&self, nanos: i128) -> Instant {
        let by = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        crate::time::later(self.origin, by)
    }
}

impl<N: Node> Node for Drift<N> {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.node.handle_datagram(self.shown(now), datagram);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.node.poll_transmit(self.shown(now), buf)
    }

    fn next_at(&self) -> Option<Instant> {
        self.node.next_at().map(|at| self.when(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin; its value is unused")]
    fn a_node_that_is_woken_at_its_time_sees_that_time_or_a_nanosecond_more() {
        let origin = Instant::now();
        for millionths in [-100, 0, 1, 100, 333_333] {
            let clock = Drift::new((), origin, millionths);
            for nanos in (0..5_000_000_000).step_by(7_777_777) {
                let at = origin + Duration::from_nanos(nanos);
                let seen = clock.shown(clock.when(at));
                let over = seen.duration_since(at).as_nanos();
                assert!(seen >= at && over <= 1, "{millionths} at {nanos}: {over}");
            }
        }
    }
}
