//! Whose turn it is: deficit round robin among the connections of one carrier, and their timers.
//!
//! ```text
//!            wake, timer due                      quantum used up
//!   resting ────────────────► ready ─► its turn ──────────────────► ready
//!      ▲                                  │ nothing to send
//!      └──────────────────────────────────┘
//! ```
//!
//! A datagram's length is known only once it is made, so a turn may overdraw; what was overdrawn is
//! paid back in the next turn (as in surplus round robin).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::bell::ConnId;
use crate::config::QUANTUM_OCTETS;

/// Turns and timers of all connections. Its work is logarithmic in their number.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    slots: BTreeMap<ConnId, Slot>,
    /// Each slot that is ready stands here once; a removed one may linger until its turn.
    ready: VecDeque<ConnId>,
    timers: BTreeSet<(Instant, ConnId)>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Octets that may still be sent in this turn.
    credit: i64,
    is_ready: bool,
    due: Option<Instant>,
}

/// What a connection may do after it has sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    GoesOn,
    IsOver,
}

impl Schedule {
    pub(crate) fn add(&mut self, id: ConnId) {
        self.slots.insert(id, Slot::default());
        self.wake(id);
    }

    pub(crate) fn remove(&mut self, id: ConnId) {
        if let Some(due) = self.slots.remove(&id).and_then(|slot| slot.due) {
            self.timers.remove(&(due, id));
        }
    }

    /// The connection may have something to do.
    pub(crate) fn wake(&mut self, id: ConnId) {
        if let Some(slot) = self.slots.get_mut(&id)
            && !slot.is_ready
        {
            slot.is_ready = true;
            self.ready.push_back(id);
        }
    }

    pub(crate) fn wake_due(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.due = None;
            }
            self.wake(id);
        }
    }

    /// Begins the next connection's turn.
    pub(crate) fn next(&mut self) -> Option<ConnId> {
        loop {
            let id = self.ready.pop_front()?;
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.credit = slot.credit.saturating_add(QUANTUM_OCTETS);
                return Some(id);
            }
        }
    }

    /// The connection sent a datagram. When its turn is over it is ready for the next one.
    pub(crate) fn charge(&mut self, id: ConnId, octets: usize) -> Turn {
        let Some(slot) = self.slots.get_mut(&id) else { return Turn::IsOver };
        slot.credit = slot.credit.saturating_sub(i64::try_from(octets).unwrap_or(i64::MAX));
        if slot.credit > 0 {
            return Turn::GoesOn;
        }
        self.ready.push_back(id);
        Turn::IsOver
    }

    /// The connection has nothing to send until it is woken or `due`. Credit is not saved up.
    pub(crate) fn rest(&mut self, id: ConnId, due: Option<Instant>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.is_ready = false;
        slot.credit = slot.credit.min(0);
        if slot.due == due {
            return;
        }
        if let Some(old) = slot.due {
            self.timers.remove(&(old, id));
        }
        slot.due = due;
        if let Some(due) = due {
            self.timers.insert((due, id));
        }
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    /// Lets each connection send datagrams of its own length and counts octets.
    fn serve(schedule: &mut Schedule, turns: usize, lens: [usize; 2]) -> [usize; 2] {
        let mut sent = [0, 0];
        for _ in 0..turns {
            let id = schedule.next().unwrap();
            let who = usize::from(id == B);
            loop {
                sent[who] += lens[who];
                if schedule.charge(id, lens[who]) == Turn::IsOver {
                    break;
                }
            }
        }
        sent
    }

    #[test]
    fn long_and_short_datagrams_get_the_same_share() {
        let mut schedule = Schedule::default();
        schedule.add(A);
        schedule.add(B);
        let [long, short] = serve(&mut schedule, 1000, [2000, 90]);
        assert!(long.abs_diff(short) < 5000, "{long} {short}");
    }

    #[test]
    fn a_rest_saves_no_credit_and_a_debt_stays() {
        let mut schedule = Schedule::default();
        schedule.add(A);
        for _ in 0..10 {
            schedule.wake(A);
            assert_eq!(schedule.next(), Some(A));
            schedule.rest(A, None);
        }
        schedule.wake(A);
        schedule.next();
        assert_eq!(schedule.charge(A, 2399), Turn::GoesOn);
        assert_eq!(schedule.charge(A, 2399), Turn::IsOver);
        schedule.next();
        assert_eq!(schedule.charge(A, 2), Turn::IsOver);
    }

    #[test]
    fn timers_wake_once_and_a_newer_one_takes_the_place_of_an_older() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some origin")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::default();
        schedule.add(A);
        schedule.next();
        schedule.rest(A, Some(at(5)));
        schedule.rest(A, Some(at(9)));
        assert_eq!(schedule.next_due(), Some(at(9)));
        schedule.wake_due(at(8));
        assert!(!schedule.has_ready());
        schedule.wake_due(at(9));
        assert_eq!((schedule.next(), schedule.next_due()), (Some(A), None));
        schedule.remove(A);
        assert_eq!(schedule.next(), None);
    }
}
