//! Paths over a population of relays, counted and not simulated: when a client has which, and what arrives.
//!
//! A day of eight paths is some thousand events here and some million datagrams in [`Pair`](crate::Pair). What
//! decides is how long a path takes to set up, how long its death goes unnoticed, and what the relay gives;
//! those are parameters, and a test of `benches` holds the result against real connections over real links.
//!
//! ```text
//! opened ── set_up ──► asks ── round trip ──► carries ........ lost ── silence ──► opened anew
//!                       └──────────────── no_answer ────────────────────────────────┘
//! ```

mod client;
mod keeper;
mod run;

use std::time::Duration;

pub use keeper::{Carried, Keeper, rate_of};
pub use run::{Counted, Plan, User, run, run_with};

/// How a client keeps its paths: what a path manager does, as plain data.
///
/// It keeps `warm` paths at all times. Each stands by itself: it is opened, and once the stream to the peer is set
/// up it is asked whether anybody is there; with the first answer it carries. A path that does not answer for too
/// long, or is refused, is closed and opened again at once, over another relay. Nothing is kept in reserve and
/// nothing is opened ahead of need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    /// Paths at once; a connection has no more than 8.
    pub warm: u8,
    /// From opening a stream to when datagrams may be sent over it.
    pub set_up: Duration,
    /// From a path's loss to giving it up.
    pub silence: Duration,
    /// The same if no other path answers either: several that are silent at once are not so by chance. Of no use to
    /// a client with one path.
    pub silence_of_all: Duration,
    /// From the first question on a path that never answered to giving it up.
    pub no_answer: Duration,
    /// The same where a refusal comes back.
    pub refusal: Duration,
    /// On average a stream is opened no more often than this, though some can be saved up; `None`: whenever
    /// one is missing.
    pub opens_every: Option<Duration>,
}

impl Default for PathPolicy {
    /// One path, given up when a second question in a row has to be asked, or the first if there are several paths
    /// and all of them are asked. The times are those of ap2ap-stream over a busy relay of 3 KB/s and 200 ms, as
    /// `benches/tests/availability.rs` measures them: the first question leaves 0.7 to 0.85 s after a loss (and about
    /// every eight seconds without one), the second after 1.8 to 2.1 s (and never without one).
    fn default() -> Self {
        Self {
            warm: 1,
            set_up: Duration::from_secs(1),
            silence: Duration::from_millis(2_100),
            silence_of_all: Duration::from_millis(850),
            no_answer: Duration::from_millis(2_600),
            refusal: Duration::from_millis(200),
            opens_every: None,
        }
    }
}
