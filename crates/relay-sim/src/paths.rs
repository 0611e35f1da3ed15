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
mod run;

use std::time::Duration;

pub use run::{Counted, Plan, User, run};

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
}

impl Default for PathPolicy {
    /// One path, given up after two questions without an answer, or one if there are several paths and none
    /// answers. That is as long as ap2ap-stream takes to ask so often over a relay of 3 KB/s and 200 ms that is
    /// busy, on average (`benches/tests/availability.rs` measures it). A path that carries is asked once after
    /// 0.85 s, for nothing every eight seconds, and a second time after 2.1 s, never for nothing.
    fn default() -> Self {
        Self {
            warm: 1,
            set_up: Duration::from_secs(1),
            silence: Duration::from_millis(2_100),
            silence_of_all: Duration::from_millis(850),
            no_answer: Duration::from_millis(2_600),
            refusal: Duration::from_millis(200),
        }
    }
}
