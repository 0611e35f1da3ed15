//! A connection's handle: streams, readiness, the end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ap2ap_stream::congestion::Congestion;
use ap2ap_stream::{ErrorCode, OpenError, PathMemory, PublicKey, SendDatagramError, Stats, Ticket};
use bytes::Bytes;
use carrier::PeerId;
use tracing::Span;

use crate::carrier_id::CarrierId;
use crate::clock;
use crate::error::{ConnectionError, OpenPathError};
use crate::paths::{PathKey, PathReport};
use crate::shared::{Handle, Shared};
use crate::stream::Stream;

/// A connection to one peer. Clones are the same connection.
///
/// When the last clone and the last [`Stream`] are gone, the connection closes: at once if no
/// stream is open, otherwise once what was written and finished has arrived, within 30 seconds.
#[derive(Clone, Debug)]
pub struct Connection {
    handle: Arc<Handle>,
}

/// A way back to a [`Connection`] that does not keep it open: for whoever only watches.
#[derive(Clone, Debug)]
pub struct WeakConnection {
    handle: Weak<Handle>,
}

impl WeakConnection {
    /// The connection, as long as somebody else holds it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Connection> {
        self.handle.upgrade().map(|handle| Connection { handle })
    }
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Opens a stream, as soon as the peer allows one more. The peer hears of it by the first octet
    /// that is written, or by its end.
    ///
    /// On a connection that is not up yet, a stream can be opened and written: the first octets
    /// ride in the first message.
    ///
    /// # Errors
    /// [`ConnectionError`] if the connection is over.
    pub async fn open_stream(&self) -> Result<Stream, ConnectionError> {
        loop {
            let openable = self.shared().openable.notified();
            {
                let mut state = self.shared().lock();
                if let Some(end) = &state.end {
                    return Err(end.clone());
                }
                match state.core.open() {
                    Ok(id) => return Ok(Stream::new(&self.handle, id)),
                    // On `Closed` the event that says why is on its way, and notifies too.
                    Err(OpenError::Blocked | OpenError::Closed) => state.is_used = true,
                }
            }
            self.shared().ring();
            openable.await;
        }
    }

    /// The next stream that the peer opened; `None` when the connection is over.
    pub async fn accept_stream(&self) -> Option<Stream> {
        self.shared().mark_used();
        loop {
            let opened = self.shared().opened.notified();
            {
                let mut state = self.shared().lock();
                if state.end.is_some() {
                    return None;
                }
                if let Some(id) = state.arrivals.pop_front() {
                    return Some(Stream::new(&self.handle, id));
                }
            }
            opened.await;
        }
    }

    /// Sends octets that arrive once or not at all, if a packet takes them before `expires_after` is
    /// over. It never waits: when too many are queued, the oldest is dropped.
    ///
    /// # Errors
    /// [`SendDatagramError::TooLarge`] for more than [`datagram_max`](Self::datagram_max),
    /// [`SendDatagramError::Closed`] when the connection is over.
    pub fn send_datagram(
        &self,
        octets: impl Into<Bytes>,
        expires_after: Option<Duration>,
    ) -> Result<(), SendDatagramError> {
        let now = clock::now();
        // A time too long for the clock is never.
        let expires = expires_after.and_then(|after| now.checked_add(after));
        {
            let mut state = self.shared().lock();
            if state.end.is_some() {
                return Err(SendDatagramError::Closed);
            }
            state.core.send_datagram(now, octets, expires)?;
            state.is_used = true;
        }
        self.shared().ring();
        Ok(())
    }

    /// The longest unreliable datagram that the path in use carries, in octets. It may change.
    #[must_use]
    pub fn datagram_max(&self) -> usize {
        self.shared().lock().core.datagram_max()
    }

    /// The next unreliable datagram that arrives, or has arrived and was not read. Who reads too
    /// seldom misses the oldest.
    ///
    /// # Errors
    /// [`ConnectionError`] when the connection is over.
    pub async fn recv_datagram(&self) -> Result<Bytes, ConnectionError> {
        self.shared().mark_used();
        loop {
            let arrived = self.shared().datagram.notified();
            {
                let mut state = self.shared().lock();
                if let Some(octets) = state.core.recv_datagram() {
                    return Ok(octets);
                }
                if let Some(end) = &state.end {
                    return Err(end.clone());
                }
            }
            arrived.await;
        }
    }

    /// Waits until the handshake is through.
    ///
    /// # Errors
    /// [`ConnectionError`] says why it never will be, or that the connection is over by now.
    pub async fn ready(&self) -> Result<(), ConnectionError> {
        self.shared().mark_used();
        loop {
            let news = self.shared().news.notified();
            {
                let state = self.shared().lock();
                if let Some(end) = &state.end {
                    return Err(end.clone());
                }
                if state.is_connected {
                    return Ok(());
                }
            }
            news.await;
        }
    }

    /// Waits until the connection is over and says why.
    pub async fn closed(&self) -> ConnectionError {
        self.shared().mark_used();
        loop {
            let news = self.shared().news.notified();
            if let Some(end) = &self.shared().lock().end {
                return end.clone();
            }
            news.await;
        }
    }

    /// Waits until the peer was asked `probes` times in a row, about once a round trip, and gave no
    /// answer. It may only be slow: see [`answered`](Self::answered). Pending for ever once the
    /// connection is over.
    pub async fn unanswered(&self, probes: u32) {
        self.until_probes(|unanswered| unanswered >= probes).await;
    }

    /// Waits until no question is open that the peer had to be asked again. Pending for ever once the
    /// connection is over.
    pub async fn answered(&self) {
        self.until_probes(|unanswered| unanswered == 0).await;
    }

    /// Closes the connection. What was not delivered is lost; the peer is told `code` and the first
    /// 100 octets of `reason`.
    pub fn close(&self, code: ErrorCode, reason: &str) {
        self.shared().close(code, reason);
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<ConnectionError> {
        self.shared().lock().end.clone()
    }

    /// Counters and estimates.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().lock().core.stats()
    }

    /// At a bridge that lets only some clients in: the key of the one at the other end.
    #[must_use]
    pub fn client_key(&self) -> Option<PublicKey> {
        self.shared().lock().core.client_key()
    }

    /// The newest ticket that the bridge gave, if it gives any and this one was not taken yet: for the
    /// early data of one more connection to the same bridge ([`Credentials::with_ticket`]).
    ///
    /// [`Credentials::with_ticket`]: crate::Credentials::with_ticket
    #[must_use]
    pub fn take_ticket(&self) -> Option<Ticket> {
        self.shared().lock().ticket.take()
    }

    /// Asks a carrier of the endpoint for one more path to the peer, at whichever of its names. What comes of it,
    /// [`paths`](Self::paths) tells. The first path that opens carries the handshake, each further one joins.
    ///
    /// # Errors
    /// [`OpenPathError`] if there are too many, or the connection is over.
    pub fn open_path(&self, carrier: CarrierId, peer: PeerId) -> Result<PathKey, OpenPathError> {
        let mut state = self.shared().lock();
        if let Some(end) = &state.end {
            return Err(OpenPathError::Connection(end.clone()));
        }
        let key = state.paths.open(clock::now(), carrier, peer)?;
        drop(state);
        self.shared().ring();
        Ok(key)
    }

    /// Gives a path back, whatever became of it, and forgets it. What was under way on it goes over another one.
    pub fn close_path(&self, key: PathKey) {
        self.shared().lock().paths.close(key);
        self.shared().ring();
    }

    /// Asks the peer for a sign of life on every path that owes none: who only receives finds out by this that nobody
    /// is there any more.
    pub fn ask(&self) {
        self.shared().lock().core.ask();
        self.shared().ring();
    }

    /// Lets other controllers decide when data goes: for who does not transfer but measures, and paces by
    /// itself. What the old ones had learned is lost.
    pub fn set_congestion(&self, congestion: Congestion) {
        self.shared().lock().core.set_congestion(congestion);
        self.shared().ring();
    }

    /// The paths that are known, the oldest first; at a bridge those that its client made.
    #[must_use]
    pub fn paths(&self) -> Vec<PathReport> {
        let state = self.shared().lock();
        state.paths.report(clock::now(), &state.core)
    }

    /// What was learned of a path at another time. It counts if it is said before the path opens.
    pub fn remember_path(&self, key: PathKey, memory: PathMemory) {
        self.shared().lock().paths.remember(key, memory);
    }

    /// Waits until a path opens or ends, or until it becomes known that its peer answers, or does not; also when
    /// the connection ends. What happens once the future is made counts, so make it before asking for
    /// [`paths`](Self::paths).
    pub fn paths_changed(&self) -> impl Future<Output = ()> + '_ {
        self.shared().path_news.notified()
    }

    /// A handle that does not keep the connection open.
    #[must_use]
    pub fn downgrade(&self) -> WeakConnection {
        WeakConnection { handle: Arc::downgrade(&self.handle) }
    }

    /// Whether the handshake is through and the connection is not over.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let state = self.shared().lock();
        state.is_connected && state.end.is_none()
    }

    /// Streams that are open on at least one side.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        let state = self.shared().lock();
        if state.end.is_some() { 0 } else { state.core.streams_open() }
    }

    /// The span `conn{id}` of what is logged about this connection, for what its user logs. It is
    /// inside the one in which the endpoint was made.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.shared().span
    }

    async fn until_probes(&self, is_met: impl Fn(u32) -> bool) {
        loop {
            let news = self.shared().news.notified();
            {
                let state = self.shared().lock();
                if state.end.is_none() && is_met(state.probes_unanswered) {
                    return;
                }
            }
            news.await;
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}
