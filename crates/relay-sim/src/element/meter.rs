//! The laws by which relays ration octets: when may the next packet go?

use std::time::{Duration, Instant};

use super::dice::{Dice, Thrower};
use crate::spec::Throttle;
use crate::time::nanos;

/// Nano-octets in an octet: rates in octets per second are exact over nanoseconds.
const NANO: u64 = 1_000_000_000;

/// A bucket holds at most this; the nano-octets of 1 GB are far from overflow.
const BURST_OCTETS_MAX: u64 = 1_000_000_000;

/// What both window laws count in.
const WINDOW: Duration = Duration::from_secs(1);

/// One law with its state.
#[derive(Debug)]
pub(super) enum Meter {
    Open,
    Bucket(TokenBucket),
    Window(Window),
    Allowance(Allowance),
}

impl Meter {
    pub(super) fn new(throttle: Throttle, seed: u64) -> Self {
        match throttle {
            Throttle::None => Self::Open,
            Throttle::Shaper { rate, burst } | Throttle::Policer { rate, burst } => {
                Self::Bucket(TokenBucket::new(rate, burst))
            }
            Throttle::WindowPolicer { rate } => Self::Window(Window::new(rate, seed)),
            Throttle::PausingReader { rate } => Self::Allowance(Allowance::new(rate)),
        }
    }

    /// Takes another law while a packet of `waiting_octets` waits, or none, of 0. A bucket that
    /// stays one keeps its tokens.
    pub(super) fn retune(&mut self, now: Instant, waiting_octets: u64, law: Self) {
        match (self, law) {
            (Self::Bucket(old), Self::Bucket(new)) => old.retune(now, waiting_octets, &new),
            (meter, law) => *meter = law,
        }
    }

    /// When a packet that waits since `since` may go, if ever. Packets are asked about in the
    /// order in which they go, each from when it became the first.
    pub(super) fn ready_at(&mut self, since: Instant, octets: u64) -> Option<Instant> {
        match self {
            Self::Open => Some(since),
            Self::Bucket(bucket) => bucket.ready_at(since, octets),
            Self::Window(window) => window.ready_at(since, octets),
            Self::Allowance(allowance) => allowance.ready_at(since),
        }
    }

    /// The packet goes at `at`, which is not before it was ready.
    pub(super) fn spend(&mut self, at: Instant, octets: u64) {
        match self {
            Self::Open => {}
            Self::Bucket(bucket) => bucket.spend(at, octets),
            Self::Window(window) => window.spend(at, octets),
            Self::Allowance(allowance) => allowance.spend(at, octets),
        }
    }
}

/// Tokens flow in at `rate` up to `burst`; a packet needs as many as it has octets.
///
/// The first packet finds the bucket full. While a packet larger than the bucket waits, the bucket
/// is as large as the packet: so a bucket of one octet is a strict serialiser.
#[derive(Debug)]
pub(super) struct TokenBucket {
    /// Octets per second, which are nano-octets per nanosecond.
    rate: u64,
    burst_nano: u64,
    /// As of `as_of`; full as long as there is no `as_of`.
    tokens_nano: u64,
    as_of: Option<Instant>,
}

impl TokenBucket {
    fn new(rate: u64, burst: u64) -> Self {
        let burst_nano = burst.min(BURST_OCTETS_MAX) * NANO;
        Self { rate, burst_nano, tokens_nano: burst_nano, as_of: None }
    }

    fn retune(&mut self, now: Instant, waiting_octets: u64, new: &Self) {
        let room = self.burst_nano.max(waiting_octets.saturating_mul(NANO));
        self.accrue(now, room);
        self.rate = new.rate;
        self.burst_nano = new.burst_nano;
    }

    fn ready_at(&mut self, since: Instant, octets: u64) -> Option<Instant> {
        self.accrue(since, self.burst_nano);
        let missing = octets.saturating_mul(NANO).saturating_sub(self.tokens_nano);
        if missing == 0 {
            return Some(since);
        }
        if self.rate == 0 {
            return None;
        }
        self.as_of?.checked_add(Duration::from_nanos(missing.div_ceil(self.rate)))
    }

    fn spend(&mut self, at: Instant, octets: u64) {
        let tokens = self.tokens_nano.saturating_add(self.inflow(at));
        self.tokens_nano = tokens.saturating_sub(octets.saturating_mul(NANO)).min(self.burst_nano);
        self.as_of = Some(at);
    }

    /// Brings the tokens up to `now`, if that is later, and at most to what there is room for.
    fn accrue(&mut self, now: Instant, room_nano: u64) {
        let inflow = self.inflow(now);
        if inflow > 0 {
            self.tokens_nano = self.tokens_nano.saturating_add(inflow).min(room_nano);
        }
        self.as_of = Some(self.as_of.map_or(now, |as_of| as_of.max(now)));
    }

    fn inflow(&self, now: Instant) -> u64 {
        let elapsed = self.as_of.map_or(0, |as_of| nanos(now.saturating_duration_since(as_of)));
        elapsed.saturating_mul(self.rate)
    }
}

/// At most `rate` octets in each second of the relay's own clock: coturn's `max-bps`.
#[derive(Debug)]
pub(super) struct Window {
    rate: u64,
    clock: Seconds,
    /// Octets that passed in the current second; never above `rate`.
    used: u64,
}

impl Window {
    fn new(rate: u64, seed: u64) -> Self {
        // The relay's second turns at an instant that is nobody's choice.
        let phase = Dice::new(seed, Thrower::Meter).up_to(WINDOW);
        Self { rate, clock: Seconds::new(phase), used: 0 }
    }

    fn ready_at(&mut self, since: Instant, octets: u64) -> Option<Instant> {
        if self.clock.turn(since) > 0 {
            self.used = 0;
        }
        if self.used.saturating_add(octets) <= self.rate {
            return Some(since);
        }
        if octets > self.rate { None } else { self.clock.start_of(1) }
    }

    fn spend(&mut self, at: Instant, octets: u64) {
        if self.clock.turn(at) > 0 {
            self.used = 0;
        }
        self.used = self.used.saturating_add(octets);
    }
}

/// Reads as long as anything is left of this second's allowance; what it read beyond, the next
/// seconds lack. Prosody's and iroh-relay's way.
#[derive(Debug)]
pub(super) struct Allowance {
    rate: u64,
    clock: Seconds,
    /// Octets that may still be read in the current second.
    left: u64,
    /// Octets that were read beyond the allowance; 0 if anything is left.
    owed: u64,
}

impl Allowance {
    fn new(rate: u64) -> Self {
        Self { rate, clock: Seconds::new(Duration::ZERO), left: rate, owed: 0 }
    }

    fn ready_at(&mut self, since: Instant) -> Option<Instant> {
        self.turn(since);
        if self.left > 0 {
            return Some(since);
        }
        self.clock.start_of(self.owed.checked_div(self.rate)? + 1)
    }

    fn spend(&mut self, at: Instant, octets: u64) {
        self.turn(at);
        self.owed = self.owed.saturating_add(octets.saturating_sub(self.left));
        self.left = self.left.saturating_sub(octets);
    }

    fn turn(&mut self, now: Instant) {
        let turned = self.clock.turn(now);
        if turned == 0 {
            return;
        }
        let granted = self.rate.saturating_mul(turned);
        self.left = self.left.saturating_add(granted).saturating_sub(self.owed).min(self.rate);
        self.owed = self.owed.saturating_sub(granted);
    }
}

/// A clock of whole seconds that starts when it is first looked at.
#[derive(Debug)]
struct Seconds {
    /// How far the first second has gone when the clock is first looked at.
    phase: Duration,
    started: Option<Instant>,
    current: u64,
}

impl Seconds {
    const fn new(phase: Duration) -> Self {
        Self { phase, started: None, current: 0 }
    }

    /// How many seconds began since it was last looked at.
    fn turn(&mut self, now: Instant) -> u64 {
        let started = *self.started.get_or_insert(now);
        let second = (now.saturating_duration_since(started) + self.phase).as_secs();
        let turned = second.saturating_sub(self.current);
        self.current += turned;
        turned
    }

    /// When the second begins that is `ahead` of the current one.
    fn start_of(&self, ahead: u64) -> Option<Instant> {
        let second = Duration::from_secs(self.current.checked_add(ahead)?);
        self.started?.checked_add(second.saturating_sub(self.phase))
    }
}
