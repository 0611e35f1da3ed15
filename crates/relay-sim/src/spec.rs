//! What one direction of a path is like, as plain data.

use std::time::Duration;

use crate::chance::scaled;
use crate::element::{Bottleneck, Delay, Duplicate, Element, Jitter, RandomLoss, Reorder};
use crate::link::Link;

/// The queue of a [`LinkSpec`] that does not say: 5 s at 13 KB/s, as relays are.
const QUEUE_OCTETS: u64 = 65_536;

/// One direction of a path, as plain data. The default neither throttles nor delays nor loses.
///
/// ```text
/// in ─► early loss ─► throttle, queue ─► random loss ─► reorder ─► duplicate ─► delay ─► jitter ─► out
/// ```
///
/// Random loss falls behind the bottleneck: a lost datagram has cost link time, so the capacity is
/// rate * (1 - loss). Early loss costs none: who sends more fills the link all the same.
///
/// ```
/// use std::time::Duration;
/// use relay_sim::{LinkSpec, Loss, Throttle};
///
/// let relayed = LinkSpec {
///     throttle: Throttle::Shaper { rate: 3_000, burst: 1_500 },
///     delay: Duration::from_millis(100),
///     loss: Loss::Bernoulli { probability: 0.01 },
///     queue_octets: 16_000,
///     ..LinkSpec::default()
/// };
/// assert_eq!(relayed.capacity(), Some(2_970.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// The bottleneck.
    pub throttle: Throttle,
    /// One way, for every packet.
    pub delay: Duration,
    /// Further delay, uniform below this, for each packet by itself; it reorders.
    pub jitter: Duration,
    /// Random loss before the throttle.
    pub early_loss: Loss,
    /// Random loss behind the throttle.
    pub loss: Loss,
    /// Packets that are overtaken.
    pub reorder: Reordering,
    /// The probability that a packet arrives twice.
    pub duplicate: f64,
    /// What may wait before a shaper or a pausing reader; what is beyond is dropped.
    pub queue_octets: u64,
}

/// How a relay holds traffic down. Rates are octets per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Throttle {
    /// Not at all.
    #[default]
    None,
    /// Token bucket with a queue: what finds no tokens waits for them. A bucket of 1 octet is a
    /// strict serialiser.
    Shaper {
        /// Tokens per second.
        rate: u64,
        /// What the bucket holds; it is full at first.
        burst: u64,
    },
    /// Token bucket without a queue: what finds no tokens is dropped.
    Policer {
        /// Tokens per second.
        rate: u64,
        /// What the bucket holds; no larger datagram ever passes.
        burst: u64,
    },
    /// So many octets in each second of the relay's clock, and what is beyond is dropped, as
    /// coturn's `max-bps` does. The seed says when its second turns.
    WindowPolicer {
        /// Octets per second; no larger datagram ever passes.
        rate: u64,
    },
    /// Reads all there is until a second's budget is spent, then nothing until the next second; an
    /// overdraft is carried over. Delays only, until the queue is full.
    PausingReader {
        /// Octets per second.
        rate: u64,
    },
}

/// Loss that has nothing to do with how much is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Nothing is lost.
    #[default]
    None,
    /// Each packet alike.
    Bernoulli {
        /// Of the loss of a packet.
        probability: f64,
    },
    /// A channel with two states; before each packet it may change from one to the other.
    GilbertElliott {
        /// The probability of a change while good.
        good_to_bad: f64,
        /// The probability of a change while bad; a burst is 1 / this many packets long.
        bad_to_good: f64,
        /// The probability of loss while good.
        good: f64,
        /// The probability of loss while bad.
        bad: f64,
    },
}

/// How many packets are overtaken, and by how much. The default: none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reordering {
    /// The probability that a packet is late.
    pub probability: f64,
    /// A late packet is late by a uniform time below this.
    pub late_max: Duration,
}

impl Default for LinkSpec {
    fn default() -> Self {
        Self {
            throttle: Throttle::None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            early_loss: Loss::None,
            loss: Loss::None,
            reorder: Reordering::default(),
            duplicate: 0.0,
            queue_octets: QUEUE_OCTETS,
        }
    }
}

impl LinkSpec {
    /// A link that is like this for ever. Same seed, same luck; the two directions of a path want
    /// different seeds.
    #[must_use]
    pub fn build(&self, seed: u64) -> Link {
        Link::new(elements(std::slice::from_ref(self), seed))
    }

    /// Octets per second that get through when as much is sent as the throttle lets pass; `None`
    /// if nothing throttles.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        let rate = self.throttle.rate()?;
        // Two halves that each fit what converts without loss.
        let upper = u32::try_from(rate >> 32).unwrap_or(u32::MAX);
        let lower = u32::try_from(rate & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let rate = f64::from(upper) * 4_294_967_296.0 + f64::from(lower);
        Some(rate * (1.0 - self.loss.mean()))
    }
}

impl Throttle {
    /// Octets per second in the long run; `None` if nothing throttles.
    #[must_use]
    pub const fn rate(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Shaper { rate, .. }
            | Self::Policer { rate, .. }
            | Self::WindowPolicer { rate }
            | Self::PausingReader { rate } => Some(rate),
        }
    }

    /// The same with another rate: this one times `factor`, at least an octet a second.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        match &mut self {
            Self::None => {}
            Self::Shaper { rate, .. }
            | Self::Policer { rate, .. }
            | Self::WindowPolicer { rate }
            | Self::PausingReader { rate } => {
                *rate = scaled(Duration::from_secs(*rate), factor).as_secs().max(1);
            }
        }
        self
    }
}

impl Loss {
    /// The share of packets that is lost in the long run.
    #[must_use]
    pub fn mean(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Bernoulli { probability } => probability,
            Self::GilbertElliott { good_to_bad, bad_to_good, good, bad } => {
                if good_to_bad <= 0.0 {
                    return good;
                }
                let share_bad = good_to_bad / (good_to_bad + bad_to_good);
                good + share_bad * (bad - good)
            }
        }
    }
}

/// The elements of a link that is as the first spec says, and has a place for what any of them
/// may say later.
pub(crate) fn elements(specs: &[LinkSpec], seed: u64) -> Vec<Box<dyn Element>> {
    let Some(first) = specs.first() else { return Vec::new() };
    let any = |differs: fn(&LinkSpec) -> bool| specs.iter().any(differs);
    let mut elements: Vec<Box<dyn Element>> = Vec::new();
    if any(|spec| spec.early_loss != Loss::None) {
        elements.push(Box::new(RandomLoss::early(first.early_loss, seed)));
    }
    if any(|spec| spec.throttle != Throttle::None) {
        elements.push(Box::new(Bottleneck::new(first.throttle, first.queue_octets, seed)));
    }
    if any(|spec| spec.loss != Loss::None) {
        elements.push(Box::new(RandomLoss::new(first.loss, seed)));
    }
    if any(|spec| spec.reorder.probability > 0.0) {
        elements.push(Box::new(Reorder::new(first.reorder, seed)));
    }
    if any(|spec| spec.duplicate > 0.0) {
        elements.push(Box::new(Duplicate::new(first.duplicate, seed)));
    }
    if any(|spec| !spec.delay.is_zero()) {
        elements.push(Box::new(Delay::new(first.delay)));
    }
    if any(|spec| !spec.jitter.is_zero()) {
        elements.push(Box::new(Jitter::new(first.jitter, seed)));
    }
    elements
}
