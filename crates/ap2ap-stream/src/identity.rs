//! A bridge as its clients know it: its key, who may come, and what it has seen.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::key::{PublicKey, SecretKey};
use crate::outer::Pattern;
use crate::replay::ReplayCache;
use crate::ticket::TicketTable;

/// A bridge's key and all that there must be once for each key.
///
/// Clones share what they have seen. Give one to every [`Acceptor`](crate::Acceptor) of the key, on
/// whichever carrier (AP-17): made twice, two of them would each take a copy of the same first
/// message for new. For the same reason one key cannot be used by two processes or on two hosts.
#[derive(Clone)]
pub struct BridgeIdentity {
    key: SecretKey,
    public: PublicKey,
    allowed: Option<Arc<BTreeSet<PublicKey>>>,
    seen: Arc<Mutex<ReplayCache>>,
    tickets: Option<SharedTickets>,
}

/// The tickets of one bridge.
pub(crate) type SharedTickets = Arc<Mutex<TicketTable>>;

impl BridgeIdentity {
    /// The identity that belongs to `key`, in a process that began at the wall time `started`, since
    /// 1970-01-01.
    ///
    /// Nothing remembers what an earlier process has seen, so for the first
    /// [`REPLAY_WINDOW`](crate::REPLAY_WINDOW) no early data is taken: a request costs one round trip
    /// more. If clocks can go back over a restart, keep a mark:
    /// [`resuming_from`](Self::resuming_from).
    #[must_use]
    pub fn new(key: SecretKey, started: Duration) -> Self {
        let public = key.public();
        let seen = Arc::new(Mutex::new(ReplayCache::new(started)));
        Self { key, public, allowed: None, seen, tickets: None }
    }

    /// Only clients with one of these keys are answered; everybody else hears nothing, clients
    /// without a key included (AP-18). An empty list lets nobody in.
    #[must_use]
    pub fn allowing(self, clients: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { allowed: Some(Arc::new(clients.into_iter().collect())), ..self }
    }

    /// Gives each client a ticket for its next connection
    /// ([`Credentials::with_ticket`](crate::Credentials::with_ticket)): one for an hour, 4,096 in all,
    /// in memory only (AP-23).
    #[must_use]
    pub fn giving_tickets(self) -> Self {
        Self { tickets: Some(SharedTickets::default()), ..self }
    }

    /// Takes no early data that was made until the wall time `mark`, and none that was made later than
    /// what [`promise_until`](Self::promise_until) says: the two are what one process leaves to the
    /// next in a file (AP-16). [`Duration::ZERO`] if there is no such file yet.
    #[must_use]
    pub fn resuming_from(self, mark: Duration) -> Self {
        self.seen().resume_from(mark);
        self
    }

    /// The next process of this key will be told to [resume from](Self::resuming_from) this wall time,
    /// or a later one, whatever happens to this process: call it when that is on the disk. It should
    /// stay more than [`REPLAY_WINDOW`](crate::REPLAY_WINDOW) ahead of the clock.
    pub fn promise_until(&self, mark: Duration) {
        self.seen().promise_until(mark);
    }

    /// The key that clients must know.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// First messages that are remembered at this time, at most
    /// [`REPLAY_CACHE_MAX`](crate::REPLAY_CACHE_MAX).
    #[must_use]
    pub fn first_messages_seen(&self) -> usize {
        self.seen().len()
    }

    pub(crate) const fn secret(&self) -> &SecretKey {
        &self.key
    }

    pub(crate) const fn pattern(&self) -> Pattern {
        if self.allowed.is_some() { Pattern::Ik } else { Pattern::Nk }
    }

    /// Whether whoever showed this key may come in.
    pub(crate) fn allows(&self, client: Option<&PublicKey>) -> bool {
        match (&self.allowed, client) {
            (None, _) => true,
            (Some(allowed), Some(client)) => allowed.contains(client),
            (Some(_), None) => false,
        }
    }

    /// Where tickets are known, if any are given.
    pub(crate) const fn tickets(&self) -> Option<&SharedTickets> {
        self.tickets.as_ref()
    }

    /// AP-21: opens early data that was sealed with one of this bridge's tickets, and forgets it.
    pub(crate) fn open_with_ticket(&self, now: Instant, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut tickets = self.tickets.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.open(now, sealed)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, ReplayCache> {
        // A cache is whole after each of its calls, whoever panics elsewhere.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BridgeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = self.allowed.as_ref().map(|allowed| allowed.len());
        f.debug_struct("BridgeIdentity").field("allowed", &allowed).finish_non_exhaustive()
    }
}
