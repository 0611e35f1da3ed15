//! What a path can do, as far as its carrier knows.

use std::time::Duration;

/// What a path can do. It may change while the path is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The longest datagram that fits, in octets.
    pub payload_max: usize,
    /// Whether datagrams can be lost and overtake each other.
    pub delivery: Delivery,
    /// The overlay drops the path after this long without traffic, if it is known to.
    pub idle_max: Option<Duration>,
    /// Whether the overlay takes the direct way.
    pub route: Route,
}

/// What the overlay promises about datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// They may be lost, repeated, late or out of order.
    Lossy,
    /// They arrive once and in order while the path is up.
    Ordered,
}

/// The way the overlay takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Straight to the peer: the peer's address is visible on the network.
    Direct,
    /// Through somebody else's machine.
    Relayed,
    /// The overlay does not tell, as AP2AP does not.
    Unknown,
}
