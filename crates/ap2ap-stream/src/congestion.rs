//! When a path may be sent on: the trait between a connection and what controls a path's rate.
//!
//! Which controller a connection's paths have is said in [`Config::congestion`](crate::Config). The one
//! that this crate is made for learns the rate of a throttled relay ([`Congestion::RelayRate`]);
//! [`Congestion::NewReno`] is the baseline to compare it with, and [`Congestion::Custom`] takes one of
//! yours. Each path has a controller of its own.
//!
//! A connection asks its controller about *bulk data* only. Acknowledgements, probes, control frames and
//! sparse streams (of which little is written, so that somebody waits for it) go when they are there: the
//! controller is told of them, and makes bulk data pay for them.
//!
//! ```text
//!            on_payload_max                         before anything else, and when it changes
//!   bulk ──► permission ── Now ──► on_sent          for each datagram
//!                 │  ▲     At ───► asked again then, or before if something happens
//!                 │  │     AfterAck ► asked again when something was acknowledged or lost
//!                 ▼  │
//!     acknowledgement comes ──► on_acked, then on_lost; each only if there is something to tell
//!     nothing comes at all  ──► on_silence          after two probes, and after each further one
//! ```
//!
//! Octets and seconds are floats here: a controller multiplies and divides them, counts of octets are
//! exact up to 2^53, and times of two clocks, whose origins differ, are subtracted from each other.

mod choice;
mod delivery;
mod growth;
mod new_reno;
mod pacer;
mod policer;
mod queue_sensor;
mod relay_rate;
mod train;
mod trial;

pub use choice::{Congestion, ControllerFactory};

use std::fmt;

use crate::path_memory::{LossClass, PathMemory};

/// Seconds since the connection began, on the local clock unless said otherwise. Only differences
/// of times from one clock mean anything.
pub type Seconds = f64;

/// A datagram that left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// When it left.
    pub now: Seconds,
    /// Its packet number: one more than the last one's.
    pub number: u64,
    /// Its length, in octets of the carrier's datagram.
    pub octets: f64,
    /// What becomes of it will be told. It is not for acknowledgements alone, and they do not count as in
    /// flight.
    pub is_tracked: bool,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// As in [`Sent`].
    pub number: u64,
    /// When it left.
    pub sent_at: Seconds,
    /// Its length, in octets.
    pub octets: f64,
    /// All octets sent on the path up to and including this datagram.
    pub position: f64,
    /// When it arrived, on the receiver's clock, to 100 µs; not every acknowledged datagram is timed, and none
    /// that was lost.
    pub arrived_at: Option<Seconds>,
}

/// The round trips of a path, as seen when an acknowledgement came, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrip {
    /// Least round trip without the time that the peer held its acknowledgement.
    pub least: f64,
    /// Smoothed round trip with that time: how long an answer really takes.
    pub smoothed: f64,
    /// After so long without an answer the peer is asked for one (RFC 9002 section 6.2, with the peer's own
    /// delay as it was seen).
    pub probe_timeout: f64,
}

/// Whether a datagram of bulk data may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Permission {
    /// It may.
    Now,
    /// At that time, which lies in the future, if nothing changes before.
    At(Seconds),
    /// When an acknowledgement or a loss has made room. Never while nothing is in flight: nothing would
    /// ever make room then.
    AfterAck,
}

/// Decides when bulk data may go on a path, and how large its datagrams are.
///
/// Calls come in the order of time: no `now` is less than one before. Nothing here may fail or block; a
/// controller that answers nonsense makes its path slow or a nuisance, and nothing else.
pub trait Controller: fmt::Debug + Send {
    /// A datagram left, of whatever kind, permitted or not: everything uses the link. A carrier that
    /// refuses a datagram does so afterwards; nothing is then told of what became of it.
    fn on_sent(&mut self, sent: Sent);

    /// Nothing is under way, nor has been for some seconds: a controller may give back what only a busy path needs.
    fn rest(&mut self) {}

    /// Bulk data goes over the path from now on, for the first time; until now it was one of several and carried
    /// little but requests and padding. A controller may forget what those told it.
    fn on_begin(&mut self) {}

    /// Somebody else's datagrams stand in the path's queue for so many seconds, once: bulk data had better wait for as
    /// long. What stood behind them is told without the time of its arrival.
    fn on_disturbed(&mut self, _now: Seconds, _queue: Seconds) {}

    /// Other paths of the connection have their bottleneck in common with this one: small packets of theirs pass
    /// through its queue.
    fn on_company(&mut self) {}

    /// Datagrams were acknowledged for the first time, in the order of their numbers; at least one. One
    /// that was told as lost and arrives after all is not told again.
    fn on_acked(&mut self, now: Seconds, acked: &[Outcome], round_trip: RoundTrip);

    /// Datagrams were found lost, in the order of their numbers, because ones that were sent later have
    /// arrived; at least one. It follows [`on_acked`](Self::on_acked) where one acknowledgement tells both.
    fn on_lost(&mut self, now: Seconds, lost: &[Outcome]);

    /// Two probes in a row had no answer, or one more: all that is in flight is given up, and is not told
    /// as lost. What a silence swallows may say nothing about the rate.
    fn on_silence(&mut self, now: Seconds);

    /// There was less bulk data than the controller would have let go.
    fn on_application_limited(&mut self) {}

    /// The path takes datagrams of up to so many octets, within 256 to 2,048. Said before anything else, and
    /// when a carrier changes it.
    fn on_payload_max(&mut self, _octets: f64) {}

    /// Whether a bulk datagram of `octets` may go while so many octets are in flight. Asked for each
    /// datagram, and again to set a timer: asked twice at one `now` with nothing between, it answers the
    /// same.
    ///
    /// `octets` is what [`datagram_octets`](Self::datagram_octets) answered; the datagram may turn out
    /// shorter.
    fn permission(&mut self, now: Seconds, octets: f64, in_flight: f64) -> Permission;

    /// Whether the peer should acknowledge the datagram of `octets` that is made now without delay.
    fn wants_ack_now(&self, _octets: f64) -> bool {
        false
    }

    /// How long bulk datagrams should be, in octets. The connection keeps them within 256 octets and what
    /// the path takes; a controller need not.
    fn datagram_octets(&self) -> f64;

    /// Octets a second that the path carries, once learned: how much unsent data is useful, and how often a
    /// sparse stream may go without permission, follow from it.
    fn rate(&self) -> Option<f64>;

    /// Whether the rate that was learned is kept to: it is not sought, tried or fought for just now, so that the path's
    /// queue is short.
    fn is_settled(&self) -> bool {
        self.rate().is_some()
    }

    /// The share of datagrams that chance takes, whatever is sent: where it is large, small datagrams that
    /// somebody waits for are sent more than once.
    fn chance(&self) -> f64 {
        0.0
    }

    /// How the path answers too much, as far as it was seen.
    fn loss_class(&self) -> LossClass {
        LossClass::Untold
    }

    /// How often the path was seen to lead elsewhere, by delays that changed for good.
    fn switches(&self) -> u64 {
        0
    }

    /// Seconds until the path has carried what was sent on it ahead of its rate: for how long a datagram that
    /// leaves now would stand behind it. So many octets are in flight.
    fn backlog(&self, _now: Seconds, _in_flight: f64) -> f64 {
        0.0
    }

    /// Octets that may be useful to have in flight; send buffers hold some such windows.
    fn window(&self) -> f64;

    /// What to remember of the path: given back, it makes the next beginning faster
    /// ([`PathEvent::Remembered`](crate::PathEvent)). `None` if nothing was learned, or never is.
    fn memory(&self) -> Option<PathMemory> {
        None
    }

    /// The state that it is in, in a word or two of lower case: for status displays and logs.
    fn state(&self) -> &'static str;
}
