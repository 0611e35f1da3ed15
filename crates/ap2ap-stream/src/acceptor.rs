//! What comes before a connection at a bridge: the key, the MAC, and who has been here before.
//!
//! ```text
//!   datagram ─► first message? ─► MAC right? ─► Noise opens it? ─► seen before? ─► Connection
//!                    │ no              │ no          │ no         (no early data)
//!                    ▼                 ▼             ▼
//!                 silence           silence       silence
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tracing::{debug, trace};

use crate::config::Config;
use crate::connection::{Answering, Connection, State};
use crate::event::{Event, PathEvent};
use crate::id::{PathId, Side};
use crate::key::{PublicKey, SecretKey};
use crate::noise::{Handshake, Seed, first_message_mac, macs_equal};
use crate::wire::handshake::{First, FirstPayloadHeader, MAC_LEN, split_payload};

/// A first message's early data is taken if its wall time is at most this far from the bridge's.
/// Whoever repeats it later has no effect.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(120);

/// First messages remembered within the window; with a full memory early data is refused, which
/// costs a round trip, and never taken unchecked. 24 octets each.
pub const REPLAY_CACHE_MAX: usize = 65_536;

/// The first message makes no connection. The sender hears nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It is no first message at all.
    #[error("no first message")]
    NotFirst,
    /// Its sender does not know the bridge's public key.
    #[error("the sender does not know the key")]
    WrongMac,
    /// Its sender knows the key, but the message was made wrongly.
    #[error("a malformed first message")]
    Malformed,
}

/// Makes connections of first messages: one for each bridge key.
#[derive(Debug)]
pub struct Acceptor {
    key: SecretKey,
    public: PublicKey,
    config: Config,
    seeds: ChaCha20Rng,
    seen: ReplayCache,
}

impl Acceptor {
    /// A bridge's acceptor. `seed` must come from a cryptographic source: every connection's
    /// secrets are drawn from it.
    #[must_use]
    pub fn new(key: SecretKey, config: Config, seed: Seed) -> Self {
        let public = key.public();
        let seeds = ChaCha20Rng::from_seed(seed);
        Self { key, public, config, seeds, seen: ReplayCache::default() }
    }

    /// The key that clients must know.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public
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
        let first = First::split(datagram).map_err(|_| Silence::NotFirst)?;
        if !macs_equal(first.mac, &first_message_mac(&self.public, first.covered)) {
            trace!("first message dropped, wrong MAC");
            return Err(Silence::WrongMac);
        }
        let mut seed = Seed::default();
        self.seeds.fill_bytes(&mut seed);
        let mut handshake = Handshake::bridge(&self.key, seed);
        let payload = handshake.read(first.noise).map_err(|_| Silence::Malformed)?;
        let (header, frames) =
            split_payload::<FirstPayloadHeader>(&payload).map_err(|_| Silence::Malformed)?;
        let made_at = Duration::from_millis(header.wall_ms.get());
        let early_data_taken = self.seen.is_fresh(wall, made_at, first.mac);
        debug!(early_data_taken, "first message");
        let answering = Answering {
            keys: None,
            handshake: Some(handshake),
            first_mac: *first.mac,
            early_data_taken,
            answer: None,
            answer_due: true,
            answered_at: None,
        };
        let state = State::Answering(Box::new(answering));
        let mut connection = Connection::new(Side::Bridge, self.config.clone(), state, now);
        connection.begin(now, path, datagram.len(), if early_data_taken { frames } else { &[] });
        Ok(connection)
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

/// The first messages of the last window, by time and MAC.
#[derive(Debug, Default)]
struct ReplayCache {
    seen: BTreeSet<(Duration, [u8; MAC_LEN])>,
    /// Messages made before this have been forgotten. It stays when the wall clock goes back:
    /// what was forgotten once is never fresh again.
    forgotten: Duration,
}

impl ReplayCache {
    /// Whether a message made at `made_at` is seen for the first time, as far as can be known.
    fn is_fresh(&mut self, wall: Duration, made_at: Duration, mac: &[u8; MAC_LEN]) -> bool {
        self.forgotten = self.forgotten.max(wall.saturating_sub(REPLAY_WINDOW));
        while self.seen.first().is_some_and(|(at, _)| *at < self.forgotten) {
            self.seen.pop_first();
        }
        let is_timely = made_at >= self.forgotten && made_at.abs_diff(wall) <= REPLAY_WINDOW;
        is_timely && self.seen.len() < REPLAY_CACHE_MAX && self.seen.insert((made_at, *mac))
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_000_000);

    #[test]
    fn a_first_message_is_fresh_once_and_only_in_its_time() {
        let mut cache = ReplayCache::default();
        assert!(cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(!cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(cache.is_fresh(WALL, WALL, &[2; 16]));
        let late = WALL + REPLAY_WINDOW + Duration::from_secs(1);
        assert!(!cache.is_fresh(late, WALL, &[1; 16]), "forgotten, but out of its time");
        assert!(cache.seen.is_empty());
    }

    #[test]
    fn a_wall_clock_that_goes_back_opens_no_window_for_replays() {
        let mut cache = ReplayCache::default();
        assert!(cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(!cache.is_fresh(WALL + 2 * REPLAY_WINDOW, WALL, &[1; 16]));
        assert!(!cache.is_fresh(WALL, WALL, &[1; 16]));
    }

    #[test]
    fn a_full_cache_refuses() {
        let mut cache = ReplayCache::default();
        for number in 0..REPLAY_CACHE_MAX as u128 {
            assert!(cache.is_fresh(WALL, WALL, &number.to_be_bytes()));
        }
        assert!(!cache.is_fresh(WALL, WALL, &[0xff; 16]));
        assert_eq!(cache.seen.len(), REPLAY_CACHE_MAX);
    }
}
