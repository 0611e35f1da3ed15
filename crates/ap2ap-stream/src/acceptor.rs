//! What comes before a connection at a bridge: who knows its key, who may come, who was here before.
//!
//! ```text
//!   datagram ─► its length? ─► MAC right? ─► Noise opens it? ─► on the list? ─► seen before? ─► Connection
//!                   │ no           │ no           │ no              │ no             │ yes
//!                   ▼              ▼              ▼                 ▼                ▼
//!                silence        silence        silence           silence          silence
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
use crate::protection::Secret;
use crate::replay::Verdict;
use crate::ticket::{self, Ticket, TicketName};
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
    /// It was here before, or its time is hours off: somebody recorded it, or the clocks are wrong.
    #[error("seen before, or out of its time")]
    Recorded,
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
        let ticket = self.draw_ticket();
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
        let verdict = self.identity.seen().judge(wall, header.made_at(), first.mac);
        let mut shown = None;
        let frames = match verdict {
            Verdict::Silence => return Err(Silence::Recorded),
            // AP-21: a ticket is used once, so no clock is asked.
            Verdict::Take | Verdict::Refuse if header.has_ticket() => {
                let opened = self.identity.open_with_ticket(now, frames);
                shown = opened.as_ref().and_then(|_| frames.first_chunk()).copied().map(TicketName);
                opened
            }
            Verdict::Take => Some(frames.to_vec()),
            Verdict::Refuse => None,
        };
        let early_data = if frames.is_some() { EarlyData::Taken } else { EarlyData::Refused };
        debug!(?early_data, "first message");
        let answering = Answering {
            keys: None,
            handshake: Some(handshake),
            first: datagram.to_vec(),
            early_data,
            version,
            answer: None,
            answer_due: true,
            ticket: self.identity.tickets().cloned().map(|known| (ticket, known)),
        };
        let state = State::Answering(Box::new(answering));
        let mut connection = Connection::new(Side::Bridge, (self.config.clone(), seed), state, now);
        connection.client = client;
        connection.ticket_names.shown = shown;
        connection.begin(now, path, datagram.len(), &frames.unwrap_or_default());
        Ok(connection)
    }

    /// AP-23: a ticket follows from nothing of the session in which it is given.
    fn draw_ticket(&mut self) -> Ticket {
        let (mut id, mut secret) = (ticket::Id::default(), Secret::default());
        self.seeds.fill_bytes(&mut id);
        self.seeds.fill_bytes(&mut *secret);
        Ticket::new(id, secret, ticket::LIFETIME)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::credentials::Credentials;
    use crate::event::{CloseReason, Output};
    use crate::key::SecretKey;
    use crate::replay::REPLAY_CACHE_MAX;
    use crate::wire::handshake::{AnswerPayloadHeader, VERSION_MAX};
    use zerocopy::IntoBytes;

    const PATH: PathId = PathId(0);
    const WALL: Duration = Duration::from_secs(1_000_000);

    #[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
    fn now() -> Instant {
        Instant::now()
    }

    fn identity() -> BridgeIdentity {
        BridgeIdentity::new(SecretKey::from_octets([3; 32]), Duration::ZERO)
    }

    fn drain(connection: &mut Connection) -> (Vec<Vec<u8>>, Vec<Event>) {
        let (mut datagrams, mut events, mut buf) = (Vec::new(), Vec::new(), [0; 2048]);
        loop {
            match connection.poll_output(now(), &mut buf) {
                Output::Transmit { len, .. } => datagrams.push(buf[..len].to_vec()),
                Output::Event(event) => events.push(event),
                Output::Wait(_) => return (datagrams, events),
            }
        }
    }

    /// A first message by hand, with a payload header as an attacker or the future may write it.
    fn first(header: FirstPayloadHeader) -> (Handshake, Vec<u8>) {
        let mut client = Handshake::client(&identity().public_key().into(), [1; 32]);
        let mut first = Vec::new();
        client.write(header.as_bytes(), &mut first).unwrap();
        let mac = first_mac(&identity().public_key(), identity().pattern(), &first);
        first.extend_from_slice(&mac);
        (client, first)
    }

    /// AP-13
    #[test]
    fn a_client_of_a_later_version_is_answered_in_this_one_and_one_of_none_not_at_all() {
        let mut acceptor = Acceptor::new(identity(), Config::default(), [2; 32]);
        let mut ask = |version| {
            let (client, first) = first(FirstPayloadHeader::new(WALL, version));
            let bridge = acceptor.handle_first(now(), WALL, (PATH, 1200), &first);
            (client, bridge)
        };
        let (mut client, bridge) = ask(VERSION_MAX + 6);
        let (datagrams, _) = drain(&mut bridge.unwrap());
        let payload = client.read(&datagrams[0]).unwrap();
        let (header, _) = split_payload::<AnswerPayloadHeader>(&payload).unwrap();
        assert_eq!(header.version(VERSION_MAX + 6), Ok(VERSION_MAX));
        assert_eq!(ask(0).1.map(|_| ()).unwrap_err(), Silence::Malformed);
    }

    /// AP-13
    #[test]
    fn a_client_takes_no_version_that_it_did_not_offer() {
        for version in [0, VERSION_MAX + 1, 0x7f] {
            let key = identity().public_key();
            let mut client = Connection::connect(key, Config::default(), [1; 32], WALL, now());
            client.handle_path(now(), PATH, PathEvent::Added { payload_max: 1200 });
            let first = drain(&mut client).0.remove(0);
            let mut bridge = Handshake::bridge(&identity(), [2; 32]);
            bridge.read(First::split(&first).unwrap().noise).unwrap();
            let header = AnswerPayloadHeader::new(EarlyData::Taken, version);
            let mut answer = Vec::new();
            bridge.write(header.as_bytes(), &mut answer).unwrap();
            client.handle_datagram(now(), PATH, &answer);
            let (_, events) = drain(&mut client);
            let broken = CloseReason::Protocol("a version that was not offered");
            assert_eq!(events, [Event::Closed(broken)]);
        }
    }

    /// AP-15
    #[test]
    fn with_a_full_cache_a_first_message_is_answered_and_its_early_data_refused() {
        let identity = identity();
        for number in 0..u128::try_from(REPLAY_CACHE_MAX).unwrap() {
            let verdict = identity.seen().judge(WALL, WALL, &number.to_be_bytes());
            assert_eq!(verdict, Verdict::Take);
        }
        let mut acceptor = Acceptor::new(identity, Config::default(), [2; 32]);
        let mut answered = |wall| {
            let (mut client, first) = first(FirstPayloadHeader::new(wall, VERSION_MAX));
            let bridge = acceptor.handle_first(now(), wall, (PATH, 1200), &first);
            let payload = client.read(&drain(&mut bridge.unwrap()).0[0]).unwrap();
            let (header, _) = split_payload::<AnswerPayloadHeader>(&payload).unwrap();
            header.early_data()
        };
        assert_eq!(answered(WALL), EarlyData::Refused);
        let later = WALL + Duration::from_secs(1);
        assert_eq!(answered(later), EarlyData::Taken, "newer than what was forgotten");
    }

    /// AP-22: what the bridge's secret key alone opens does not hold the request.
    #[test]
    fn early_data_under_a_ticket_is_not_readable_with_the_bridges_key() {
        const REQUEST: &[u8] = b"nobody reads this later";
        let ticket = Ticket::new([5; 16], Secret::new([6; 32]), ticket::LIFETIME);
        let recorded = |credentials: Credentials| {
            let mut client =
                Connection::connect(credentials, Config::default(), [1; 32], WALL, now());
            let id = client.open().unwrap();
            client.stream(id).unwrap().write(REQUEST).unwrap();
            client.handle_path(now(), PATH, PathEvent::Added { payload_max: 1200 });
            let first = drain(&mut client).0.remove(0);
            let noise = First::split(&first).unwrap().noise.to_vec();
            Handshake::bridge(&identity(), [2; 32]).read(&noise).unwrap()
        };
        let reads = |payload: &[u8]| payload.windows(REQUEST.len()).any(|part| part == REQUEST);
        let credentials = Credentials::new(identity().public_key());
        assert!(reads(&recorded(credentials.clone())));
        assert!(!reads(&recorded(credentials.with_ticket(ticket))));
    }
}
