//! When a path may be sent on: the trait between loss recovery and a rate controller.

mod delivery;
mod growth;
mod pacer;
mod policer;
mod queue_sensor;
pub(crate) mod relay_rate;
mod train;

use std::fmt;

/// Seconds since the connection began, on the local clock unless said otherwise. Only differences
/// of times from one clock mean anything.
pub(crate) type Seconds = f64;

/// A packet that left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) now: Seconds,
    pub(crate) number: u64,
    pub(crate) octets: f64,
    /// What becomes of it will be told.
    pub(crate) is_tracked: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) number: u64,
    pub(crate) sent_at: Seconds,
    pub(crate) octets: f64,
    /// All octets sent on the path up to and including this packet.
    pub(crate) position: f64,
    /// When it arrived, on the receiver's clock; not every acknowledged packet is timed.
    pub(crate) arrived_at: Option<Seconds>,
}

/// The round trips of a path, as seen when an acknowledgement came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    /// Least round trip without the peer's delay.
    pub(crate) least: f64,
    /// Smoothed round trip with the peer's delay: how long an answer really takes.
    pub(crate) smoothed_raw: f64,
}

/// Whether a datagram of bulk data may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Permission {
    Now,
    /// At that time, if nothing changes before.
    At(Seconds),
    /// When an acknowledgement or a loss has made room.
    AfterAck,
}

/// Decides when bulk data may go and how large its datagrams are.
pub(crate) trait Controller: fmt::Debug + Send {
    /// A packet left, of whatever kind: everything uses the link.
    fn on_sent(&mut self, sent: Sent);
    /// Packets were acknowledged, in the order of their numbers.
    fn on_acked(&mut self, now: Seconds, acked: &[Outcome], round_trip: RoundTrip);
    /// Packets were found lost by later ones that arrived.
    fn on_lost(&mut self, now: Seconds, lost: &[Outcome]);
    /// Nothing arrives at all: what is lost in a silence says nothing about the rate.
    fn on_silence(&mut self, now: Seconds);
    /// Bulk data was there but used up before the controller stopped it.
    fn on_application_limited(&mut self);
    /// Whether a bulk datagram of `octets` may go, with so much in flight.
    fn permission(&mut self, now: Seconds, octets: f64, in_flight: f64) -> Permission;
    /// The peer should acknowledge the packet that is now made without delay.
    fn wants_ack_now(&self, octets: f64) -> bool;
    /// How large bulk datagrams should be, in octets.
    fn datagram_octets(&self) -> f64;
    /// Octets a second, once learned.
    fn rate(&self) -> Option<f64>;
    /// The share of packets that chance takes.
    fn chance(&self) -> f64;
    /// Octets that may be useful to have in flight.
    fn window(&self) -> f64;
}
