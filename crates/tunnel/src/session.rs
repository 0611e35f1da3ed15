//! One connection to the bridge, kept up: made when it is first wanted, made again when it is lost.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ap2ap_stream::PublicKey;
use ap2ap_tokio::{ConnectError, Connection, Endpoint};
use carrier::PeerId;
use tokio::time::sleep;
use tracing::{info, warn};

/// After a failure the next attempt waits this long, then ever longer.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The bridge, and the ways to it.
#[derive(Debug)]
pub struct Session {
    /// Endpoints by the scheme of the peers that they reach.
    endpoints: Vec<(String, Endpoint)>,
    peers: Vec<PeerId>,
    key: PublicKey,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    connection: Option<Connection>,
    /// Which peer is tried next.
    next_peer: usize,
}

/// Why a session cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no way to begin with.
    #[error("no peer: a bridge needs at least one address")]
    NoPeer,
    /// No carrier reaches a peer.
    #[error("no carrier reaches {scheme} peers: add --carrier {scheme}:...")]
    NoCarrier {
        /// The peer's scheme.
        scheme: String,
    },
    /// The carrier refused to begin.
    #[error("cannot open a path to the bridge")]
    Open(#[from] ConnectError),
}

impl Session {
    /// A session with the bridge that has `key` and is reached at any of `peers`, each through the
    /// endpoint of its scheme.
    ///
    /// # Errors
    /// [`SessionError`] if there is no peer, or one that no endpoint reaches.
    pub fn new(
        endpoints: Vec<(String, Endpoint)>,
        peers: Vec<PeerId>,
        key: PublicKey,
    ) -> Result<Self, SessionError> {
        if peers.is_empty() {
            return Err(SessionError::NoPeer);
        }
        let reaches = |peer: &&PeerId| endpoints.iter().any(|(scheme, _)| scheme == peer.scheme());
        if let Some(stranger) = peers.iter().find(|peer| !reaches(peer)) {
            return Err(SessionError::NoCarrier { scheme: stranger.scheme().to_owned() });
        }
        Ok(Self { endpoints, peers, key, current: Mutex::default() })
    }

    /// How many addresses the bridge has.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// The connection as it is, or a new one to the next of the bridge's addresses. A new one may be
    /// used at once: what is written first travels in the first message.
    ///
    /// # Errors
    /// [`SessionError::Open`] if the carrier cannot even begin.
    pub fn connection(&self) -> Result<Connection, SessionError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = &current.connection
            && connection.close_reason().is_none()
        {
            return Ok(connection.clone());
        }
        let index = current.next_peer % self.peers.len().max(1);
        current.next_peer = index.saturating_add(1);
        let peer = self.peers.get(index).ok_or(SessionError::NoPeer)?;
        let (_, endpoint) = self
            .endpoints
            .iter()
            .find(|(scheme, _)| scheme == peer.scheme())
            .ok_or_else(|| SessionError::NoCarrier { scheme: peer.scheme().to_owned() })?;
        let connection = endpoint.connect(peer.clone(), self.key)?;
        current.connection = Some(connection.clone());
        Ok(connection)
    }

    /// Keeps a connection up, so that requests find one, until every carrier is gone.
    pub(crate) async fn keep_up(&self) {
        let mut wait = RETRY_AFTER;
        let mut ended = 0_usize;
        while ended < self.peers.len() {
            match self.follow_one().await {
                Followed::WasUp => (wait, ended) = (RETRY_AFTER, 0),
                Followed::NeverUp => ended = 0,
                Followed::CarrierGone => ended = ended.saturating_add(1),
            }
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_AFTER_MAX);
        }
    }

    /// Says all endpoints goodbye.
    pub async fn shutdown(&self) {
        for (_, endpoint) in &self.endpoints {
            endpoint.shutdown(crate::code::STOPPING, "the client stops").await;
        }
    }

    /// Follows a connection to its end.
    async fn follow_one(&self) -> Followed {
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(error) => {
                warn!(error = %with_sources(&error), "no connection to the bridge");
                return match error {
                    SessionError::Open(ConnectError::Ended) => Followed::CarrierGone,
                    SessionError::Open(_)
                    | SessionError::NoPeer
                    | SessionError::NoCarrier { .. } => Followed::NeverUp,
                };
            }
        };
        let span = connection.span();
        if let Err(reason) = connection.ready().await {
            warn!(parent: span, reason = %with_sources(&reason), "no connection to the bridge");
            return Followed::NeverUp;
        }
        info!(parent: span, "connected to the bridge");
        let reason = connection.closed().await;
        warn!(parent: span, reason = %with_sources(&reason), "the connection to the bridge is lost");
        Followed::WasUp
    }
}

/// What became of a connection.
enum Followed {
    WasUp,
    NeverUp,
    CarrierGone,
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
