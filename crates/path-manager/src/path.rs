//! One path as the manager sees it.
//!
//! ```text
//!   Opening ── opened ──► Asking ── answered ──► Answering ─┬─ questions without answers ─► given up
//!      │                    │                        ▲      │
//!      └─ opening_max       └─ no_answer             └──────┘ answered
//! ```

use std::time::{Duration, Instant};

use crate::policy::Policy;
use crate::route::RouteId;

/// Names a path; never used twice by a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathNumber(pub(crate) u64);

/// What is heard of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The overlay says that datagrams can be sent.
    Opened,
    /// The bridge answered over it, and owes no answer.
    Answered,
    /// The bridge was asked so often in a row, about once a round trip, and gave no answer.
    Unanswered {
        /// How often.
        probes: u32,
    },
    /// What it carries, in octets a second, as the rate controller has it.
    Rate(u64),
    /// The overlay says that it goes straight to the peer.
    Direct,
}

/// How a path ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It could not be opened.
    Refused,
    /// The other side or the overlay closed it.
    Closed,
    /// This side's carrier is gone.
    CarrierGone,
}

/// Why a path is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The overlay did not say in time whether it opens.
    OpeningTooLong,
    /// It opened, and nobody ever answered.
    NeverAnswered,
    /// It answered once, and does not any more.
    Silent,
    /// It is the slowest by far, and another relay may be better.
    Slowest,
    /// It shows the bridge's address.
    Direct,
    /// Its login has used up its day.
    Spent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Opening,
    Asking,
    Answering { unanswered: u32 },
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) route: RouteId,
    pub(crate) state: State,
    /// Since when it is in this state; of one that answers, since its first answer.
    pub(crate) since: Instant,
    pub(crate) rate: Option<u64>,
    pub(crate) is_direct: bool,
    /// The policy's `no_answer`, as long as this route's history makes it.
    no_answer: Duration,
}

impl Path {
    pub(crate) fn new(now: Instant, route: RouteId, no_answer: Duration) -> Self {
        Self { route, state: State::Opening, since: now, rate: None, is_direct: false, no_answer }
    }

    /// True with the first answer.
    pub(crate) fn hear(&mut self, now: Instant, sign: Sign) -> bool {
        match (sign, self.state) {
            (Sign::Opened, State::Opening) => (self.state, self.since) = (State::Asking, now),
            (Sign::Answered, State::Opening | State::Asking) => {
                (self.state, self.since) = (State::Answering { unanswered: 0 }, now);
                return true;
            }
            (Sign::Answered, State::Answering { .. }) => {
                self.state = State::Answering { unanswered: 0 };
            }
            (Sign::Unanswered { probes }, State::Answering { .. }) => {
                self.state = State::Answering { unanswered: probes };
            }
            (Sign::Rate(rate), _) => self.rate = Some(rate),
            (Sign::Direct, _) => self.is_direct = true,
            (Sign::Opened | Sign::Unanswered { .. }, _) => {}
        }
        false
    }

    /// Somebody answers, or did when last asked.
    pub(crate) fn answers(&self) -> bool {
        self.state == State::Answering { unanswered: 0 }
    }

    pub(crate) const fn has_answered(&self) -> bool {
        matches!(self.state, State::Answering { .. })
    }

    /// When it is given up if nothing more is heard of it.
    pub(crate) fn expires_at(&self, policy: &Policy) -> Option<Instant> {
        match self.state {
            State::Opening => Some(self.since + policy.opening_max),
            State::Asking => Some(self.since + self.no_answer),
            State::Answering { .. } => None,
        }
    }

    /// Why it is to be given up now, `is_all_silent` if no other path answers either.
    pub(crate) fn fault(
        &self,
        now: Instant,
        policy: &Policy,
        is_all_silent: bool,
    ) -> Option<CloseReason> {
        match self.state {
            State::Opening if self.expires_at(policy) <= Some(now) => {
                Some(CloseReason::OpeningTooLong)
            }
            State::Asking if self.expires_at(policy) <= Some(now) => {
                Some(CloseReason::NeverAnswered)
            }
            State::Answering { unanswered } => {
                let enough = if is_all_silent {
                    policy.silent_probes_of_all.min(policy.silent_probes)
                } else {
                    policy.silent_probes
                };
                (unanswered >= enough.max(1)).then_some(CloseReason::Silent)
            }
            State::Opening | State::Asking => None,
        }
    }
}
