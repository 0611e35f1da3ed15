//! What a carrier tells its owner.

use crate::{Caps, CarrierPath, PeerId};

/// What a carrier tells its owner, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CarrierEvent {
    /// A peer opened a path to us. Answer with `accept` or `reject`.
    Incoming {
        /// The new path.
        path: CarrierPath,
        /// Who opened it, as the overlay says.
        peer: PeerId,
    },
    /// A path can be used.
    Up {
        /// The path.
        path: CarrierPath,
        /// What it can do.
        caps: Caps,
    },
    /// A path changed in what it can do.
    Changed {
        /// The path.
        path: CarrierPath,
        /// What it can do now.
        caps: Caps,
    },
    /// A datagram came; it stands at the front of the buffer that was given to `poll`.
    Datagram {
        /// The path on which it came.
        path: CarrierPath,
        /// Its length in octets.
        len: usize,
    },
    /// A path that answered [`Full`](crate::SendError::Full) takes datagrams again.
    Writable {
        /// The path.
        path: CarrierPath,
    },
    /// The overlay says what rate the path has.
    Hint {
        /// The path.
        path: CarrierPath,
        /// Octets of datagram payload a second.
        octets_per_s: u64,
    },
    /// A path ended, or could not be opened.
    Down {
        /// The path.
        path: CarrierPath,
        /// Why.
        reason: DownReason,
    },
    /// The overlay's client is gone, and every path with it. Nothing follows.
    Closed {
        /// What ended it, for people.
        why: String,
    },
}

/// Why a path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// The overlay found no way to the peer: unknown, off line, or not listening. AP2AP does not
    /// say which.
    Unreachable,
    /// The other side or the overlay closed it.
    ClosedByPeer,
    /// The way to the overlay itself broke.
    CarrierLost,
}
