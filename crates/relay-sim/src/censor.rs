//! A censor on the client's line: what it blocks, and how that looks from within.
//!
//! It knows addresses, the time, and which addresses the line exchanges datagrams with; never what is in them, nor what
//! a relay is for. It never takes a block back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chance::{Chance, scaled};
use crate::population::{CENSOR_STREAM, Class, Relay, RelayId};
use crate::spec::{LinkSpec, Loss, Throttle};

const HOUR: Duration = Duration::from_hours(1);

/// What a throttle of the censor's lets wait: so many seconds of its rate.
const QUEUE_SECONDS: u64 = 1;
/// What its bucket holds, in octets: one datagram.
const BURST_OCTETS: u64 = 1_500;

/// What a censor does, as plain data. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CensorSpec {
    /// Whom it blocks.
    pub hunt: Hunt,
    /// How a block looks.
    pub manner: Manner,
    /// From when on nobody can log in; who is logged in stays so.
    pub login_blocked_from: Option<Duration>,
    /// Octets a second, each way, that it lets pass to one relay; `None`: all.
    pub rate_max: Option<u64>,
    /// What it drops of what passes, before any throttle.
    pub drops: Loss,
}

/// Whom a censor blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Hunt {
    /// Nobody.
    #[default]
    Nobody,
    /// Who crawls the overlay: each address is blocked within an hour with this probability, and whether it was
    /// blocked in one hour says nothing of the next.
    Share {
        /// Between 0 and 1.
        per_hour: f64,
    },
    /// Who watches the line: whatever it exchanges datagrams with, again and again.
    Seen {
        /// From sweep to sweep.
        every: Duration,
    },
    /// Who looks up whose addresses they are: all of one class, at once.
    Class(Class),
}

/// How a block looks to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Datagrams vanish.
    #[default]
    Silent,
    /// The first datagram is answered with a refusal.
    Loud,
}

/// What becomes of a datagram to a relay, or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes, slower perhaps.
    Passes,
    /// It is dropped without a word.
    Vanishes,
    /// It is dropped, and its sender is told.
    Refused,
}

/// A censor at work on one line. Its memory goes with the number of relays that the line used.
#[derive(Debug)]
pub struct Censor {
    spec: CensorSpec,
    seed: u64,
    next_sweep: Option<Duration>,
    /// What was blocked in sweeps, and since when.
    swept: BTreeMap<RelayId, Duration>,
}

impl Censor {
    /// A censor that begins at the origin. Same seed, same blocks.
    #[must_use]
    pub const fn new(spec: CensorSpec, seed: u64) -> Self {
        let next_sweep = match spec.hunt {
            Hunt::Seen { every } => Some(every),
            Hunt::Nobody | Hunt::Share { .. } | Hunt::Class(_) => None,
        };
        Self { spec, seed, next_sweep, swept: BTreeMap::new() }
    }

    /// Blocks what the line exchanges datagrams with at `at`, if a sweep is due.
    pub fn sweep(&mut self, at: Duration, seen: &[RelayId]) {
        let Hunt::Seen { every } = self.spec.hunt else { return };
        if self.next_sweep.is_some_and(|due| due <= at) {
            for id in seen {
                self.swept.entry(*id).or_insert(at);
            }
            // At least a nanosecond on: time must pass.
            self.next_sweep = Some(at.saturating_add(every.max(Duration::from_nanos(1))));
        }
    }

    /// When [`sweep`](Self::sweep) is to be called next.
    #[must_use]
    pub const fn next_sweep(&self) -> Option<Duration> {
        self.next_sweep
    }

    /// From when on a relay's address is blocked, as far as is settled; once blocked, always blocked.
    #[must_use]
    pub fn blocked_from(&self, relay: &Relay) -> Option<Duration> {
        match self.spec.hunt {
            Hunt::Nobody => None,
            Hunt::Share { per_hour } => {
                // Drawn from the address whenever it is asked for: nothing is kept for those nobody uses.
                let stream = relay.id.0.wrapping_mul(256).wrapping_add(CENSOR_STREAM);
                let rate = -(1.0 - per_hour.clamp(0.0, 1.0)).ln();
                let wait = Chance::new(self.seed, stream).wait(scaled(HOUR, 1.0 / rate));
                (rate > 0.0).then(|| relay.known_since.saturating_add(wait))
            }
            Hunt::Seen { .. } => self.swept.get(&relay.id).copied(),
            Hunt::Class(class) => (relay.class == class).then_some(Duration::ZERO),
        }
    }

    /// What becomes of a datagram between the line and a relay at `at`.
    #[must_use]
    pub fn verdict(&self, at: Duration, relay: &Relay) -> Verdict {
        if self.blocked_from(relay).is_none_or(|from| at < from) {
            return Verdict::Passes;
        }
        match self.spec.manner {
            Manner::Silent => Verdict::Vanishes,
            Manner::Loud => Verdict::Refused,
        }
    }

    /// Whether Skype's login servers can be reached.
    #[must_use]
    pub fn lets_log_in(&self, at: Duration) -> bool {
        self.spec.login_blocked_from.is_none_or(|from| at < from)
    }

    /// One direction through a relay that is not blocked, as the line has it. Where the censor's throttle is the
    /// narrower one it takes the place of the relay's.
    #[must_use]
    pub fn narrowed(&self, mut link: LinkSpec) -> LinkSpec {
        if let Some(rate) = self.spec.rate_max
            && link.throttle.rate().is_none_or(|of_relay| rate < of_relay)
        {
            link.throttle = Throttle::Shaper { rate, burst: BURST_OCTETS };
            link.queue_octets = rate.saturating_mul(QUEUE_SECONDS).max(2 * BURST_OCTETS);
        }
        if self.spec.drops != Loss::None {
            link.early_loss = self.spec.drops;
        }
        link
    }

    /// What it was made of.
    #[must_use]
    pub const fn spec(&self) -> &CensorSpec {
        &self.spec
    }
}
