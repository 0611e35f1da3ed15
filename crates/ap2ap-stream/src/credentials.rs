//! What a client has when it goes to a bridge.

use crate::key::{PublicKey, SecretKey};
use crate::outer::Pattern;
use crate::ticket::Ticket;

/// A bridge's public key, and the client's own key if the bridge lets only some clients in.
///
/// A client's key is for one bridge: two bridges that see the same key know the same client.
#[derive(Clone, Debug)]
pub struct Credentials {
    bridge: PublicKey,
    client: Option<SecretKey>,
    ticket: Option<Ticket>,
}

impl Credentials {
    /// For a bridge that takes everybody who knows its key. The client stays nobody in particular.
    #[must_use]
    pub const fn new(bridge: PublicKey) -> Self {
        Self { bridge, client: None, ticket: None }
    }

    /// For a bridge that has the public key of `key` on its list
    /// ([`BridgeIdentity::allowing`](crate::BridgeIdentity::allowing)). A bridge without a list does
    /// not answer to it.
    #[must_use]
    pub fn with_client_key(self, key: SecretKey) -> Self {
        Self { client: Some(key), ..self }
    }

    /// With a ticket that the same bridge gave: the early data is forward secret as soon as the bridge
    /// has forgotten the ticket, and is taken whatever the clocks say. For one connection; a ticket
    /// that is used up, or too old, costs a round trip.
    #[must_use]
    pub fn with_ticket(self, ticket: Ticket) -> Self {
        Self { ticket: Some(ticket), ..self }
    }

    pub(crate) const fn ticket(&self) -> Option<&Ticket> {
        self.ticket.as_ref()
    }

    /// The bridge's key.
    #[must_use]
    pub const fn bridge(&self) -> &PublicKey {
        &self.bridge
    }

    pub(crate) const fn client(&self) -> Option<&SecretKey> {
        self.client.as_ref()
    }

    pub(crate) const fn pattern(&self) -> Pattern {
        if self.client.is_some() { Pattern::Ik } else { Pattern::Nk }
    }
}

impl From<PublicKey> for Credentials {
    fn from(bridge: PublicKey) -> Self {
        Self::new(bridge)
    }
}
