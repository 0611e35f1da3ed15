//! Tickets: a secret that a bridge gives a client for the early data of its next connection.
//!
//! ```text
//!   first message's payload   | time 6 | 0x80 + version 1 | ticket 16 | salt 8 | sealed frames … | tag 16 |
//! ```
//!
//! A ticket's secret is random and follows from nothing of the session in which it is given. Early data
//! sealed with it is forward secret as soon as the bridge has forgotten the secret, and taken at most
//! once whatever clocks say: the bridge forgets a ticket when it is used (AP-21). The handshake around
//! it is the same as ever, with new keys; a ticket that the bridge does not know costs a round trip.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use blake2::Blake2sMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, Update};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::protection::Secret;
use crate::wire::TAG_LEN;
use crate::wire::frame::Frame;

/// AP-23: a bridge remembers a ticket for this long. Longer ones would make early data readable for
/// longer to whoever gets the bridge's memory.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// AP-23: and so many; the oldest goes. Some 120 octets each.
pub(crate) const TICKETS_MAX: usize = 4096;

/// Octets of a ticket's name, and of its secret.
pub(crate) const ID_LEN: usize = 16;
pub(crate) const SECRET_LEN: usize = 32;

/// Octets that keep two uses of one ticket apart, should there be two.
pub(crate) const SALT_LEN: usize = 8;

/// Octets of a first message that stand around frames sealed with a ticket.
pub(crate) const OVERHEAD: usize = ID_LEN + SALT_LEN + TAG_LEN;

/// Sets the key that seals early data apart from every other.
const LABEL: &[u8; 8] = b"ap2ap1rs";

pub(crate) type Id = [u8; ID_LEN];

/// What a ticket is called: not secret by itself, though it links two sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketName(pub(crate) Id);

/// A bridge's tickets, the one that it gives in a connection and the one that it was shown there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TicketNames {
    pub(crate) given: Option<TicketName>,
    pub(crate) shown: Option<TicketName>,
}

/// What a bridge gave for the early data of one more connection
/// ([`Event::Ticket`](crate::Event::Ticket)). Use it once, with the same bridge, and only when the connection that it
/// was given in is over, which the bridge may take its use for (AP-24):
/// [`Credentials::with_ticket`](crate::Credentials::with_ticket).
#[derive(Clone)]
pub struct Ticket {
    id: Id,
    secret: Secret,
    lifetime: Duration,
}

impl Ticket {
    pub(crate) fn new(id: Id, secret: Secret, lifetime: Duration) -> Self {
        Self { id, secret, lifetime }
    }

    /// All of it, for a process that is to take over from this one. Whoever has it can take over as well, and read early
    /// data that is sealed with it: keep it where only its user can read.
    #[must_use]
    pub fn to_octets(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut octets = Zeroizing::new([0; Self::LEN]);
        let (id, secret) = octets.split_at_mut(ID_LEN);
        id.copy_from_slice(&self.id);
        secret.copy_from_slice(&*self.secret);
        octets
    }

    /// What [`to_octets`](Self::to_octets) gave. Any other octets are a ticket that no bridge knows.
    #[must_use]
    pub fn from_octets(octets: &[u8; Self::LEN]) -> Self {
        let (mut id, mut secret) = (Id::default(), Secret::default());
        let (front, back) = octets.split_at(ID_LEN);
        id.copy_from_slice(front);
        secret.copy_from_slice(back);
        Self::new(id, secret, LIFETIME)
    }

    /// Octets of a ticket.
    pub const LEN: usize = ID_LEN + SECRET_LEN;

    pub(crate) const fn name(&self) -> TicketName {
        TicketName(self.id)
    }

    /// For how long after it came the bridge will know it, at the most.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What tells a client of it.
    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame::Ticket { id: &self.id, secret: &self.secret, lifetime_s: self.lifetime.as_secs() }
    }

    /// AP-22: appends the ticket's name, the salt, and the frames sealed.
    pub(crate) fn seal(&self, salt: [u8; SALT_LEN], frames: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&salt);
        let mut sealed = frames.to_vec();
        // It fails for longer input than any datagram only.
        if key(&self.secret, salt)
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed)
            .is_ok()
        {
            out.extend_from_slice(&sealed);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// Two with one name are one ticket.
impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Ticket {}

/// The tickets that a bridge knows, in memory only.
#[derive(Default)]
pub(crate) struct TicketTable {
    secrets: BTreeMap<Id, (Secret, Instant)>,
    /// The oldest first; those that were used are still here.
    by_age: VecDeque<Id>,
}

impl TicketTable {
    pub(crate) fn insert(&mut self, now: Instant, ticket: &Ticket) {
        self.forget(now);
        while self.by_age.len() >= TICKETS_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.secrets.remove(&oldest);
        }
        self.secrets.insert(ticket.id, (ticket.secret.clone(), now));
        self.by_age.push_back(ticket.id);
    }

    /// AP-21: opens what a first message's payload has behind its header; the ticket is used up.
    pub(crate) fn open(&mut self, now: Instant, sealed: &[u8]) -> Option<Vec<u8>> {
        self.forget(now);
        let (id, rest) = sealed.split_first_chunk::<ID_LEN>()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT_LEN>()?;
        let (secret, _) = self.secrets.remove(id)?;
        let mut frames = sealed.to_vec();
        let len = key(&secret, *salt).open_in_place(nonce(), Aad::empty(), &mut frames).ok()?.len();
        frames.truncate(len);
        Some(frames)
    }

    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.front() {
            let is_known = self
                .secrets
                .get(oldest)
                .is_some_and(|(_, since)| now.saturating_duration_since(*since) < LIFETIME);
            if is_known {
                return;
            }
            self.secrets.remove(oldest);
            self.by_age.pop_front();
        }
    }
}

impl fmt::Debug for TicketTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketTable").field("tickets", &self.secrets.len()).finish()
    }
}

/// A key of its own for each use, so that its one nonce never comes twice.
fn key(secret: &Secret, salt: [u8; SALT_LEN]) -> LessSafeKey {
    let mut mac = Blake2sMac::<U32>::new_with_salt_and_personal(&**secret, &[], LABEL)
        .expect("a 32-octet key and an 8-octet label are within BLAKE2s's bounds");
    mac.update(&salt);
    let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize_fixed()));
    let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the cipher's keys have 32 octets");
    LessSafeKey::new(key)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
mod tests {
    use super::*;

    fn ticket(number: u128) -> Ticket {
        Ticket::new(number.to_be_bytes(), Zeroizing::new([7; 32]), LIFETIME)
    }

    fn sealed(ticket: &Ticket) -> Vec<u8> {
        let mut sealed = Vec::new();
        ticket.seal([1; SALT_LEN], b"frames", &mut sealed);
        assert_eq!(sealed.len(), OVERHEAD + b"frames".len());
        sealed
    }

    /// AP-21
    #[test]
    fn a_ticket_opens_once_what_was_sealed_with_it_and_nothing_changed() {
        let (now, mut table) = (Instant::now(), TicketTable::default());
        table.insert(now, &ticket(1));
        assert_eq!(table.open(now, &sealed(&ticket(1))).unwrap(), b"frames");
        assert_eq!(table.open(now, &sealed(&ticket(1))), None);
        for place in 0..OVERHEAD + 6 {
            table.insert(now, &ticket(2));
            let mut changed = sealed(&ticket(2));
            changed[place] ^= 1;
            assert_eq!(table.open(now, &changed), None, "octet {place}");
            assert_eq!(table.open(now, &sealed(&ticket(2))[..place]), None, "cut at {place}");
        }
    }

    /// AP-22
    #[test]
    fn two_uses_of_one_ticket_share_no_key() {
        let seal = |salt| {
            let mut sealed = Vec::new();
            ticket(1).seal([salt; SALT_LEN], &[0; 32], &mut sealed);
            sealed.split_off(ID_LEN + SALT_LEN)
        };
        assert_ne!(seal(1), seal(2));
    }

    /// AP-23
    #[test]
    fn a_ticket_is_forgotten_when_its_time_is_over_or_there_are_too_many() {
        let (now, mut table) = (Instant::now(), TicketTable::default());
        table.insert(now, &ticket(1));
        assert_eq!(table.open(now + LIFETIME, &sealed(&ticket(1))), None);
        for number in (0..).take(TICKETS_MAX + 1) {
            table.insert(now, &ticket(number));
        }
        assert_eq!(table.open(now, &sealed(&ticket(0))), None, "the oldest went");
        assert!(table.open(now, &sealed(&ticket(1))).is_some());
        assert_eq!((table.secrets.len(), table.by_age.len()), (TICKETS_MAX - 1, TICKETS_MAX));
        table.insert(now + 2 * LIFETIME, &ticket(7));
        assert_eq!((table.secrets.len(), table.by_age.len()), (1, 1));
    }
}
