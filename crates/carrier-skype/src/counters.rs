//! What is dropped, counted.

/// What a [`SkypeCarrier`](crate::SkypeCarrier) dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams that are no armour: written by another program, or cut.
    pub undecodable: u64,
    /// Datagrams that did not fit the owner's buffer.
    pub too_long: u64,
    /// Datagrams on streams that have no path, such as one that was just closed.
    pub stray: u64,
    /// Streams for which the table had no room.
    pub no_room: u64,
    /// Datagrams without octets, which Skype does not carry.
    pub empty: u64,
    /// Lines that were no message.
    pub nonsense: u64,
}

pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
