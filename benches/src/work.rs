//! The work itself, the same for every stack: bulk data that can be checked, requests that are counted.

use std::fmt;
use std::time::{Duration, Instant};

use relay_sim::Node;

use crate::endpoint::Endpoint;

/// A request, and its echo, in octets.
pub const PING_OCTETS: usize = 100;

/// Bulk never ends within a run.
pub const ENDLESS: u64 = 1 << 40;

/// From request to request.
pub const PING_INTERVAL: Duration = Duration::from_millis(500);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// One bulk upload.
    Bulk,
    /// One bulk upload beside a 100-octet request and its echo every 500 ms.
    Interactive,
    /// Bulk in both directions.
    Duplex,
    /// One bulk download beside requests: what a browser does.
    Download,
    /// Requests alone.
    Requests,
}

impl Load {
    /// Whether the client sends bulk.
    #[must_use]
    pub const fn is_up(self) -> bool {
        !matches!(self, Self::Download | Self::Requests)
    }

    /// Whether the bridge sends bulk.
    #[must_use]
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Duplex | Self::Download)
    }

    /// Whether the client asks for echoes.
    #[must_use]
    pub const fn has_requests(self) -> bool {
        matches!(self, Self::Interactive | Self::Download | Self::Requests)
    }
}

/// A request and its echo.
#[derive(Clone, Copy, Debug)]
pub struct Ping {
    /// When the request was written.
    pub asked: Instant,
    /// When the whole echo had been read.
    pub answered: Option<Instant>,
}

/// What a run reads from an end when it is over, whatever stack it ran.
pub trait End: Node + fmt::Debug {
    /// When octets of bulk arrived in order, and how many.
    fn delivered(&self) -> &[(Instant, u64)];

    /// The requests so far.
    fn pings(&self) -> &[Ping];

    /// What must never happen, if it did: wrong octets, a connection that closed.
    fn fault(&self) -> Option<String>;

    /// The end itself, if it is ours.
    fn ours(&self) -> Option<&Endpoint> {
        None
    }
}

/// Requests at fixed times, whether the last one was answered or not.
#[derive(Debug, Default)]
pub struct Requests {
    /// The next one is due.
    due: Option<Instant>,
    interval: Duration,
    pings: Vec<Ping>,
    /// Octets that are due and not yet written to the stack.
    unsent: usize,
    echoed: usize,
}

impl Requests {
    /// One at `now`, and one each `interval` after it.
    #[must_use]
    pub fn starting(now: Instant, interval: Duration) -> Self {
        Self { due: Some(now), interval, ..Self::default() }
    }

    /// Makes the requests that are due by `now`.
    pub fn advance(&mut self, now: Instant) {
        while let Some(due) = self.due.filter(|due| *due <= now) {
            self.pings.push(Ping { asked: due, answered: None });
            self.unsent += PING_OCTETS;
            self.due = Some(due + self.interval);
        }
    }

    /// When the next one is due.
    #[must_use]
    pub const fn next_at(&self) -> Option<Instant> {
        self.due
    }

    /// What waits to be written.
    #[must_use]
    pub fn unsent(&self) -> Vec<u8> {
        vec![b'x'; self.unsent]
    }

    /// So many octets were written.
    pub const fn wrote(&mut self, octets: usize) {
        self.unsent = self.unsent.saturating_sub(octets);
    }

    /// So many octets came back.
    pub fn read(&mut self, now: Instant, octets: usize) {
        let before = self.echoed / PING_OCTETS;
        self.echoed += octets;
        let after = self.echoed / PING_OCTETS;
        for ping in self.pings.iter_mut().take(after).skip(before) {
            ping.answered = Some(now);
        }
    }

    /// The requests so far.
    #[must_use]
    pub fn pings(&self) -> &[Ping] {
        &self.pings
    }
}

/// Where bulk arrives: every octet is compared with the pattern.
#[derive(Debug, Default)]
pub struct Sink {
    read: u64,
    delivered: Vec<(Instant, u64)>,
    fault: Option<String>,
}

impl Sink {
    /// The next octets of the stream.
    pub fn read(&mut self, now: Instant, octets: &[u8]) {
        if octets != bulk(self.read, octets.len()) {
            self.fault = Some(format!("wrong octets after {}", self.read));
        }
        let len = u64::try_from(octets.len()).unwrap_or(0);
        self.read += len;
        self.delivered.push((now, len));
    }

    /// How many octets so far.
    #[must_use]
    pub const fn delivered_octets(&self) -> u64 {
        self.read
    }

    /// When octets arrived in order, and how many.
    #[must_use]
    pub fn delivered(&self) -> &[(Instant, u64)] {
        &self.delivered
    }

    /// Wrong octets, if there were any.
    #[must_use]
    pub const fn fault(&self) -> Option<&String> {
        self.fault.as_ref()
    }
}

/// So many octets of bulk from `offset` on.
#[must_use]
pub fn bulk(offset: u64, len: usize) -> Vec<u8> {
    let skipped = usize::try_from(offset % WORD).unwrap_or(0);
    let words = (skipped + len).div_ceil(8);
    let mut octets = Vec::with_capacity(8 * words);
    for number in (offset / WORD..).take(words) {
        octets.extend_from_slice(&word(number));
    }
    octets.drain(..skipped);
    octets.truncate(len);
    octets
}

/// Octets of bulk that are made at once.
const WORD: u64 = 8;

/// No short period, so that a piece in the wrong place shows.
fn word(number: u64) -> [u8; 8] {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).to_be_bytes()
}
