//! What a client remembers from one process to the next.

use std::fmt;

use ap2ap_tokio::{PathMemory, PublicKey, Ticket};
use carrier::PeerId;

/// Where a client keeps what the next process is to know. Each call returns at once: whoever writes to a disk does it
/// elsewhere. A memory that fails says so itself, and is asked again.
pub trait Memory: fmt::Debug + Send + Sync + 'static {
    /// Takes the ticket that the bridge with this key gave last, if an earlier process left one. It is used once.
    fn take_ticket(&self, bridge: &PublicKey) -> Option<Ticket>;

    /// Keeps the bridge's newest ticket.
    fn keep_ticket(&self, bridge: &PublicKey, ticket: Ticket);

    /// What was learned of paths to the peer.
    fn path(&self, peer: &PeerId) -> Option<PathMemory>;

    /// Keeps what was learned of a path to the peer.
    fn keep_path(&self, peer: &PeerId, memory: PathMemory);
}

/// A memory that remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Memory for Forgetful {
    fn take_ticket(&self, _bridge: &PublicKey) -> Option<Ticket> {
        None
    }

    fn keep_ticket(&self, _bridge: &PublicKey, _ticket: Ticket) {}

    fn path(&self, _peer: &PeerId) -> Option<PathMemory> {
        None
    }

    fn keep_path(&self, _peer: &PeerId, _memory: PathMemory) {}
}
