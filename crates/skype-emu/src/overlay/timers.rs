//! What happens later.

use std::collections::BTreeMap;
use std::time::Instant;

use skype_api::{AppName, UserHandle};

use super::ClientId;
use super::pair::{PairId, Side};
use super::relays::TrunkKey;
use super::script::Cue;

/// What happens when its time has come.
#[derive(Debug)]
pub(super) enum Timer {
    /// The user answers a program's NAME.
    Consent { client: ClientId, id: Option<String> },
    /// A CONNECT has gone there and back.
    Connected { login: UserHandle, app: AppName, user: UserHandle },
    /// This end learns that the other one hung up.
    HungUp { pair: PairId, side: Side },
    /// Something arrives on the stream, or it was idle for too long.
    Pair(PairId),
    /// Something comes out of a relay.
    Trunk(TrunkKey),
    /// The stream is given a relay.
    Relay(PairId),
    /// A relay comes or goes.
    Relays,
    /// A censor blocks what this login's line exchanges datagrams with.
    Sweep(UserHandle),
    /// An event begins or ends.
    Cue(Cue),
    /// A reply that took its time.
    Say { client: ClientId, line: String },
}

/// Names a timer; earlier ones order first, and those of one instant as they were set.
pub(super) type TimerKey = (Instant, u64);

/// The timers, in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeMap<TimerKey, Timer>,
    next: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) -> TimerKey {
        let key = (at, self.next);
        self.next += 1;
        self.set.insert(key, timer);
        key
    }

    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.set.remove(&key);
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.set.keys().next().map(|&(at, _)| at)
    }
}
