//! How paths are kept, as plain data.

use std::time::Duration;

/// A connection uses no more paths at once.
pub(crate) const WARM_MAX: u8 = 8;

/// How paths are kept. The default is that of one relayed path; the times are those that
/// `relay_sim::paths` counts with, for a relay of 3 KB/s and a round trip of 200 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Paths that are kept up at once, 1 to 8. Each may be given a relay of its own.
    pub warm: u8,
    /// A path that answered before is given up after so many questions in a row without an answer.
    pub silent_probes: u32,
    /// The same where there are several paths and none of them answers: that is no chance, so one will do.
    pub silent_probes_of_all: u32,
    /// A path that is up and never answered is given up after this long. It grows by a half with each in a row on
    /// the same route, twice at the most: the route may only be slow.
    pub no_answer: Duration,
    /// A path that the overlay says nothing of is given up after this long.
    pub opening_max: Duration,
    /// A route that failed is tried again after this long, then after twice as long each time.
    pub retry_first: Duration,
    /// ... but after no longer than this while another path answers,
    pub retry_max: Duration,
    /// and than this while none does.
    pub retry_down: Duration,
    /// A path that was up for less than this is no reason to hope: the next wait is longer all the same.
    pub stable_after: Duration,
    /// How often the slowest path is looked at, to be given another relay. `None`: never.
    pub renew_slowest: Option<Duration>,
    /// It is given up if it carries less than this share of what the middle one of the others does.
    pub slowest_share: f64,
    /// Below this rate, in octets a second, a path counts as throttled.
    pub throttled_below: u64,
    /// Whether the overlay may go straight to the bridge.
    pub directness: Directness,
    /// What each login may do in a day.
    pub budget: Budget,
}

/// Whether a path may show the bridge's address to who watches the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directness {
    /// Whatever the overlay chooses.
    #[default]
    Any,
    /// Relayed paths only. One is given up that the overlay says goes straight, or that carries more than this,
    /// in octets a second, which no relay does: AP2AP does not tell.
    RelayedOnly {
        /// What no relay carries.
        relay_rate_max: u64,
    },
}

/// The most that is done under one login in any 24 hours: what stands out gets noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Octets, in both directions together. `None`: any number.
    pub octets: Option<u64>,
    /// Paths opened, whatever became of them. `None`: any number.
    pub openings: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            warm: 1,
            silent_probes: 2,
            silent_probes_of_all: 1,
            no_answer: Duration::from_millis(2_600),
            opening_max: Duration::from_secs(30),
            retry_first: Duration::from_millis(250),
            retry_max: Duration::from_secs(60),
            retry_down: Duration::from_secs(2),
            stable_after: Duration::from_secs(5),
            renew_slowest: None,
            slowest_share: 0.5,
            throttled_below: 8_000,
            directness: Directness::Any,
            budget: Budget::default(),
        }
    }
}

impl Policy {
    /// Paths at once, within what a connection takes.
    pub(crate) fn warm(&self) -> usize {
        usize::from(self.warm.clamp(1, WARM_MAX))
    }
}
