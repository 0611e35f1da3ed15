//! The trait of what a link is made of, and the elements there are.

use std::fmt;
use std::time::Instant;

use crate::packet::{Ledger, Packet};
use crate::spec::LinkSpec;

mod bottleneck;
mod delay;
mod dice;
mod duplicate;
mod late;
mod meter;
mod random_loss;
mod timetable;

pub use bottleneck::Bottleneck;
pub use delay::Delay;
pub use duplicate::Duplicate;
pub use late::{Jitter, Reorder};
pub use random_loss::RandomLoss;

/// One thing that can happen to packets between two ends.
///
/// Elements go by [`Packet::at`], never by when they were asked: an element that is popped late
/// yields the same packets with the same instants as one that is popped in time. So a link in
/// real time, driven by a timer with slop, has the capacity and the delays of its model.
///
/// ```text
/// push(now, packet) ──► held, delayed, dropped, copied ──► pop(now) -> packet with its new `at`
///                        at <= now, in order of `at`        at <= now, in order of `at`
/// ```
pub trait Element: fmt::Debug + Send {
    /// A packet enters at `packet.at()`, which is not after `now` nor before that of the one
    /// before it. The element may drop it.
    fn push(&mut self, now: Instant, packet: Packet);

    /// The next packet that has left by `now`.
    fn pop(&mut self, now: Instant) -> Option<Packet>;

    /// When `pop` may next yield something; `None` if only after a push.
    fn next_at(&self) -> Option<Instant>;

    /// The element's books.
    fn ledger(&self) -> &Ledger;

    /// Loses everything it holds: the path went down at `now`, and what had left by then was
    /// popped.
    fn flush(&mut self, now: Instant);

    /// Takes its parameters from another specification; what it holds, it keeps. What had left by
    /// `now` was popped. Elements that have no place in a [`LinkSpec`] stay as they are.
    fn retune(&mut self, now: Instant, spec: &LinkSpec) {
        let _ = (now, spec);
    }

    /// Packets that this element lost so far.
    fn dropped(&self) -> u64 {
        self.ledger().dropped().packets
    }
}
