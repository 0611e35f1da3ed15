//! Why a path cannot be opened or a datagram cannot be handed over.

/// Why a path cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The peer belongs to another overlay.
    #[error("this carrier reaches {expected} peers only")]
    OtherOverlay {
        /// The scheme that this carrier takes, as in `skype:LOGIN`.
        expected: &'static str,
    },
    /// The peer's address does not fit the overlay's grammar.
    #[error("the peer's address is malformed: {why}")]
    Malformed {
        /// What was expected.
        why: &'static str,
    },
    /// As many paths are open as the carrier keeps.
    #[error("all {limit} paths of this carrier are in use")]
    TooMany {
        /// The carrier's limit.
        limit: usize,
    },
    /// The overlay cannot be reached any more.
    #[error("the carrier is closed: {why}")]
    Closed {
        /// What ended it.
        why: String,
    },
}

/// Why a datagram was not handed to the overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The way to the overlay is full; [`Writable`](crate::CarrierEvent::Writable) follows.
    #[error("the carrier is full")]
    Full,
    /// The datagram is longer than the path takes.
    #[error("the datagram is longer than {max} octets")]
    TooLarge {
        /// The most octets that fit now.
        max: usize,
    },
    /// The path is down or was never up.
    #[error("the path is gone")]
    Gone,
}
