//! Somebody on the way who drops, repeats, delays and adds datagrams as will hurt most.
//!
//! All that he sees is what a relay sees: sizes, ways and times. What he may drop is a share of the datagrams of
//! each way that he attacks, never more than a round trip's at once; he begins when the handshake is over.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use relay_sim::{Element, Ledger, LinkSpec, Packet, Tally};

use crate::jobs::in_parallel;
use crate::luck::Luck;
use crate::{Load, Run};

/// The handshake is over, and the start.
const BEGINS: Duration = Duration::from_secs(2);
/// Sizes that he compares a datagram with.
const SIZES: usize = 64;
/// Datagrams that he saves up for.
const SAVED_MAX: f64 = 5.0;
/// A replayed datagram comes again after so long.
const REPLAY_DELAY: Duration = Duration::from_millis(700);

/// Which datagrams he touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any: what chance would do.
    AtRandom,
    /// The largest.
    Largest,
    /// The smallest: probes, requests, acknowledgements.
    Smallest,
    /// Those of the client.
    Up,
    /// Those of the bridge.
    Down,
    /// All of a round trip, then none for long.
    InBursts,
    /// Those of the bridge beside an upload, which are acknowledgements but for a few echoes; the share is of the
    /// datagrams of both ways, spent on this one.
    Acks,
}

/// What he does to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// They never arrive.
    Drop,
    /// They arrive a second time, later.
    Replay,
    /// They arrive late by up to a round trip.
    Delay,
    /// They arrive, and something made up beside them.
    Inject,
}

/// Who tampers.
#[derive(Clone, Copy, Debug)]
pub struct Adversary {
    /// With which.
    pub choice: Choice,
    /// How.
    pub deed: Deed,
    /// With how many, as a share.
    pub share: f64,
    /// What he takes for the round trip.
    pub round_trip: Duration,
}

/// Which way a link goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the bridge.
    Up,
    /// To the client.
    Down,
}

impl Adversary {
    /// His hands on one link.
    #[must_use]
    pub fn element(self, way: Way, start: Instant, seed: u64) -> Box<dyn Element> {
        let salt = if way == Way::Up { 1 } else { 2 };
        Box::new(Hands {
            adversary: self,
            way,
            begins: start + BEGINS,
            luck: Luck::new(seed.wrapping_mul(4).wrapping_add(salt)),
            budget: 0.0,
            sizes: VecDeque::new(),
            held: BinaryHeap::new(),
            count: 0,
            ledger: Ledger::default(),
        })
    }
}

/// A datagram that waits, ordered by its time and then by its turn.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held(Instant, u64, Vec<u8>);

#[derive(Debug)]
struct Hands {
    adversary: Adversary,
    way: Way,
    begins: Instant,
    luck: Luck,
    /// Datagrams that he may touch by now.
    budget: f64,
    sizes: VecDeque<usize>,
    held: BinaryHeap<Reverse<Held>>,
    count: u64,
    ledger: Ledger,
}

impl Hands {
    /// Whether this datagram is among those he wants, and he may.
    fn wants(&mut self, packet: &Packet) -> bool {
        let Adversary { choice, share, round_trip, .. } = self.adversary;
        let size = packet.octets().len();
        let bounds = self.note_size(size);
        let Some(since) = packet.at().checked_duration_since(self.begins) else { return false };
        match choice {
            Choice::AtRandom => self.luck.draw() < share,
            Choice::Up => self.way == Way::Up && self.luck.draw() < share,
            Choice::Down => self.way == Way::Down && self.luck.draw() < share,
            Choice::InBursts => {
                let period = round_trip.as_secs_f64() / share;
                since.as_secs_f64() % period < round_trip.as_secs_f64()
            }
            Choice::Largest => self.spend(share, size >= bounds.1),
            Choice::Smallest => self.spend(share, size <= bounds.0),
            Choice::Acks => self.spend(2.0 * share, self.way == Way::Down),
        }
    }

    /// The tenth and the half of the sizes seen of late, with this one.
    fn note_size(&mut self, size: usize) -> (usize, usize) {
        self.sizes.push_back(size);
        if self.sizes.len() > SIZES {
            self.sizes.pop_front();
        }
        let mut sorted: Vec<usize> = self.sizes.iter().copied().collect();
        sorted.sort_unstable();
        let at = |index: usize| sorted.get(index).copied().unwrap_or(size);
        (at(sorted.len() / 10), at(sorted.len() / 2))
    }

    /// He may touch `share` more datagrams with each that he sees, and touches this one if he wants to.
    fn spend(&mut self, share: f64, wanted: bool) -> bool {
        self.budget = (self.budget + share).min(SAVED_MAX);
        let does = wanted && self.budget >= 1.0;
        if does {
            self.budget -= 1.0;
        }
        does
    }

    fn hold(&mut self, at: Instant, octets: Vec<u8>) {
        self.count += 1;
        self.held.push(Reverse(Held(at, self.count, octets)));
    }

    /// As long as a datagram that is seen, and nothing but noise.
    fn noise(&mut self, len: usize) -> Vec<u8> {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below 256"
        )]
        let octet = |luck: &mut Luck| (luck.draw() * 256.0) as u8;
        (0..len).map(|_| octet(&mut self.luck)).collect()
    }
}

fn tally(octets: &[u8]) -> Tally {
    Tally { packets: 1, octets: u64::try_from(octets.len()).unwrap_or(0) }
}

impl Element for Hands {
    fn push(&mut self, _now: Instant, packet: Packet) {
        let wants = self.wants(&packet);
        let (at, octets) = (packet.at(), packet.into_octets());
        match self.adversary.deed {
            _ if !wants => self.hold(at, octets),
            Deed::Drop => self.ledger.lost += tally(&octets),
            Deed::Replay => {
                self.ledger.duplicated += tally(&octets);
                self.hold(at, octets.clone());
                self.hold(at + REPLAY_DELAY, octets);
            }
            Deed::Delay => {
                let by = self.adversary.round_trip.mul_f64(self.luck.draw());
                self.hold(at + by, octets);
            }
            Deed::Inject => {
                let noise = self.noise(octets.len());
                self.ledger.duplicated += tally(&noise);
                self.hold(at, noise);
                self.hold(at, octets);
            }
        }
    }

    fn pop(&mut self, now: Instant) -> Option<Packet> {
        let Reverse(Held(at, ..)) = self.held.peek()?;
        if *at > now {
            return None;
        }
        let Reverse(Held(at, _, octets)) = self.held.pop()?;
        Some(Packet::new(at, octets))
    }

    fn next_at(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(Held(at, ..))| *at)
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn flush(&mut self, _now: Instant) {
        for Reverse(Held(_, _, octets)) in self.held.drain() {
            self.ledger.outage += tally(&octets);
        }
    }

    fn retune(&mut self, _now: Instant, _spec: &LinkSpec) {}
}

/// What an adversary costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Who.
    pub adversary: Adversary,
    /// 1 - bulk delivered / bulk delivered without him, each the mean over all seeds.
    pub cost: f64,
    /// 99 of 100 requests of all seeds take no longer, in milliseconds.
    pub p99_ms: f64,
}

/// All choices and deeds.
const ATTACKS: [(Choice, Deed); 10] = [
    (Choice::AtRandom, Deed::Drop),
    (Choice::Largest, Deed::Drop),
    (Choice::Smallest, Deed::Drop),
    (Choice::Up, Deed::Drop),
    (Choice::Down, Deed::Drop),
    (Choice::InBursts, Deed::Drop),
    (Choice::Acks, Deed::Drop),
    (Choice::AtRandom, Deed::Replay),
    (Choice::AtRandom, Deed::Delay),
    (Choice::AtRandom, Deed::Inject),
];

/// What each attack costs a minute of bulk beside requests over the relay of `run`, with these shares.
#[must_use]
pub fn costs(run: &Run, shares: &[f64], seeds: u64) -> Vec<Cost> {
    let round_trip = run.up.spec.delay + run.down.spec.delay;
    let attack = |share: f64| {
        ATTACKS.map(|(choice, deed)| Some(Adversary { choice, deed, share, round_trip }))
    };
    let attacks: Vec<Option<Adversary>> =
        [None].into_iter().chain(shares.iter().flat_map(|share| attack(*share))).collect();
    let jobs: Vec<(Option<Adversary>, u64)> =
        attacks.iter().flat_map(|attack| (1..=seeds).map(|seed| (*attack, seed))).collect();
    let outcomes = in_parallel(&jobs, |(adversary, seed)| {
        let run =
            Run { load: Load::Interactive, adversary: *adversary, seed: *seed, ..run.clone() };
        let outcome = run.run();
        assert_eq!(outcome.fault, None, "{adversary:?} with seed {seed}");
        (outcome.delivered.0, outcome.pings_ms)
    });
    let per_attack = usize::try_from(seeds).unwrap_or(1).max(1);
    let mut figures = outcomes.chunks(per_attack).map(|outcomes| {
        let delivered: u64 = outcomes.iter().map(|(delivered, _)| delivered).sum();
        let mut pings: Vec<f64> = outcomes.iter().flat_map(|(_, pings)| pings).copied().collect();
        pings.sort_by(f64::total_cmp);
        let p99 = pings.get(pings.len() * 99 / 100).copied().unwrap_or(f64::NAN);
        (u32::try_from(delivered).map_or(f64::NAN, f64::from), p99)
    });
    let (whole, _) = figures.next().unwrap_or((f64::NAN, f64::NAN));
    let attacks = attacks.into_iter().flatten();
    let cost = |(adversary, (delivered, p99_ms))| Cost {
        adversary,
        cost: 1.0 - delivered / whole,
        p99_ms,
    };
    attacks.zip(figures).map(cost).collect()
}
