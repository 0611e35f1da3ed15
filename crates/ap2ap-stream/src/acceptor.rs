//! What comes before a connection at a bridge: who knows its key, who may come, who was here before.
//!
//! ```text
//!   datagram ─► its length? ─► MAC right? ─► Noise opens it? ─► on the list? ─► seen before? ─► Connection
//!                   │ no           │ no           │ no              │ no       (no early data)
//!                   ▼              ▼              ▼                 ▼
//!                silence        silence        silence           silence
//! ```
//!
//! A stranger costs one BLAKE2s over at most 240 octets, and leaves nothing behind (AP-5). Only who
//! knows the bridge's public key makes it compute on the curve.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tracing::{debug, trace};

use crate::config::Config;
use crate::connection::{Answering, Connection, State};
use crate::event::{Event, PathEvent};
use crate::id::{PathId, Side};
use crate::identity::BridgeIdentity;
use crate::noise::{Handshake, Seed};
use crate::outer::{first_mac, macs_equal};
use crate::wire::handshake::{EarlyData, First, FirstPayloadHeader, split_payload};

/// The first message makes no connection. The sender hears nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It is too short or too long for a first message.
    #[error("no first message")]
    NotFirst,
    /// Its sender does not know the bridge's public key, or comes without a key of its own where one
    /// is asked for, or with one where none is.
    #[error("the sender does not know the key")]
    WrongMac,
    /// Its sender knows the key, but the message was made wrongly.
    #[error("a malformed first message")]
    Malformed,
    /// Its sender's own key is not on the bridge's list.
    #[error("the sender is not on the list")]
    NotAllowed,
}

/// Makes connections of first messages.
#[derive(Debug)]
pub struct Acceptor {
    identity: BridgeIdentity,
    config: Config,
    seeds: ChaCha20Rng,
}

impl Acceptor {
    /// An acceptor for the bridge that has this identity, which it shares with all others of the same
    /// key. `seed` must come from a cryptographic source: every connection's secrets are drawn from
    /// it.
    #[must_use]
    pub fn new(identity: BridgeIdentity, config: Config, seed: Seed) -> Self {
        Self { identity, config, seeds: ChaCha20Rng::from_seed(seed) }
    }

    /// Whose clients it takes.
    #[must_use]
    pub const fn identity(&self) -> &BridgeIdentity {
        &self.identity
    }

    /// Takes the first datagram of a path that may carry datagrams of `payload_max` octets.
    /// `wall` is the wall time since 1970-01-01.
    ///
    /// # Errors
    /// [`Silence`] says why there is no connection. Nobody else is to be told.
    pub fn handle_first(
        &mut self,
        now: Instant,
        wall: Duration,
        path: (PathId, usize),
        datagram: &[u8],
    ) -> Result<Connection, Silence> {
        let first = self.authentic(datagram)?;
        let mut seed = Seed::default();
        self.seeds.fill_bytes(&mut seed);
        let mut handshake = Handshake::bridge(&self.identity, seed);
        let payload = handshake.read(first.noise).map_err(|_| Silence::Malformed)?;
        let client = handshake.client_key();
        if !self.identity.allows(client.as_ref()) {
            trace!("first message dropped, its sender is not on the list");
            return Err(Silence::NotAllowed);
        }
        let (header, frames) =
            split_payload::<FirstPayloadHeader>(&payload).map_err(|_| Silence::Malformed)?;
        let version = header.choose_version().map_err(|_| Silence::Malformed)?;
        let is_fresh = self.identity.seen().is_fresh(wall, header.made_at(), first.mac);
        let (early_data, frames) =
            if is_fresh { (EarlyData::Taken, frames) } else { (EarlyData::Refused, [].as_slice()) };
        debug!(?early_data, "first message");
        let answering = Answering {
            keys: None,
            handshake: Some(handshake),
            first: datagram.to_vec(),
            early_data,
            version,
            answer: None,
            answer_due: true,
        };
        let state = State::Answering(Box::new(answering));
        let mut connection = Connection::new(Side::Bridge, self.config.clone(), state, now);
        connection.client = client;
        connection.begin(now, path, datagram.len(), frames);
        Ok(connection)
    }

    /// AP-11: the MAC is looked at before anything else, and before any curve operation.
    fn authentic<'a>(&self, datagram: &'a [u8]) -> Result<First<'a>, Silence> {
        let first = First::split(datagram).map_err(|_| Silence::NotFirst)?;
        let mac = first_mac(&self.identity.public_key(), self.identity.pattern(), first.noise);
        if !macs_equal(first.mac, &mac) {
            trace!("first message dropped, wrong MAC");
            return Err(Silence::WrongMac);
        }
        Ok(first)
    }
}

impl Connection {
    fn begin(
        &mut self,
        now: Instant,
        (path, payload_max): (PathId, usize),
        octets: usize,
        frames: &[u8],
    ) {
        self.handle_path(now, path, PathEvent::Added { payload_max });
        self.limit_first_path(octets);
        self.push_event(Event::Connected);
        if let Err(violation) = self.handle_frames(now, 0, frames) {
            self.violated(now, violation.0);
        }
    }
}
