//! The relays of an overlay: they come up, throttle, and go, most of them after hours.
//!
//! A population is a list of relays that changes at known times; nothing here moves a datagram. What a relay does to
//! datagrams is [`Relay::link`], a [`LinkSpec`]. Times are offsets from an origin, so that the same history runs
//! in virtual time, in real time, or is only counted.
//!
//! ```
//! use std::time::Duration;
//! use relay_sim::population::{Change, Choice, Chooser, Population, preset};
//!
//! let mut population = Population::new(preset::constant(), 1);
//! let relay = Chooser::new(Choice::default(), 1).choose(&population, &[]).expect("48,000 are up");
//! let day = Duration::from_hours(24);
//! while let Some((at, change)) = population.advance(day) {
//!     if change == Change::Down(relay) {
//!         println!("the relay was up for another {} s", at.as_secs());
//!     }
//! }
//! ```

mod choice;
pub mod preset;
mod spec;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

pub use choice::{Choice, Chooser, Rule};
pub use spec::{
    Class, ClassSpec, Diurnal, Lifetime, MassFailure, PopulationSpec, Returns, RoundTrip,
};

use crate::chance::{Chance, scaled};
use crate::spec::{LinkSpec, Loss, Throttle};

/// Streams of one seed: what befalls relays does not depend on who chooses or blocks them.
const HISTORY_STREAM: u64 = 101;
pub(crate) const CHOICE_STREAM: u64 = 102;
pub(crate) const CENSOR_STREAM: u64 = 103;

/// What waits before a relay: so many seconds of its rate.
const QUEUE_SECONDS: u64 = 5;
/// ... but a few datagrams at least.
const QUEUE_OCTETS_MIN: u64 = 8_000;

/// An address at which there is a relay, or was. A censor who blocks it blocks the relay whenever it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayId(pub u64);

/// A relay that is up, or is away and will be back.
#[derive(Clone, Debug, PartialEq)]
pub struct Relay {
    /// Its address.
    pub id: RelayId,
    /// On what kind of machine it runs.
    pub class: Class,
    /// How it holds down what it forwards, each way.
    pub throttle: Throttle,
    /// Through it to the other end and back.
    pub round_trip: Duration,
    /// What it loses at random.
    pub loss: Loss,
    /// When the address was first used; zero if before the origin.
    pub known_since: Duration,
    /// Which of the classes.
    kind: usize,
    /// When the session ends.
    ends: Duration,
    /// When the address is used for the last time, if it comes back until then.
    retires: Option<Duration>,
}

/// What happened to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It can be chosen.
    Up(RelayId),
    /// It forwards nothing any more, without a word.
    Down(RelayId),
}

/// What is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// An address comes into use, in this class.
    Arrival(usize),
    /// A session ends.
    End(RelayId),
    /// An absence may end.
    Return(RelayId),
    /// An absence ends whatever the hour.
    Recovery(RelayId),
    /// Many fail.
    Failure,
}

/// The relays that are up, and what will befall them. Memory goes with [`PopulationSpec::relays`].
#[derive(Debug)]
pub struct Population {
    spec: PopulationSpec,
    chance: Chance,
    addresses: u64,
    up: Vec<Relay>,
    /// Where in `up` each is.
    places: BTreeMap<RelayId, usize>,
    away: BTreeMap<RelayId, Relay>,
    /// In order; the number sets apart what is due at one time.
    due: BinaryHeap<Reverse<(Duration, u64, Due)>>,
    numbered: u64,
    /// What happened and was not told.
    untold: VecDeque<(Duration, Change)>,
}

impl Relay {
    /// One direction through it: the throttle with a queue of 5 s, and half of the round trip.
    #[must_use]
    pub fn link(&self) -> LinkSpec {
        let queue_octets = self.throttle.rate().unwrap_or(0).saturating_mul(QUEUE_SECONDS);
        LinkSpec {
            throttle: self.throttle,
            delay: self.round_trip / 2,
            loss: self.loss,
            queue_octets: queue_octets.max(QUEUE_OCTETS_MIN),
            ..LinkSpec::default()
        }
    }
}

impl Population {
    /// The population at the origin, when it has been there for long. Same seed, same history. A swing with the
    /// hours is not yet in it: that takes a day or two.
    #[must_use]
    pub fn new(spec: PopulationSpec, seed: u64) -> Self {
        let mut population = Self {
            chance: Chance::new(seed, HISTORY_STREAM),
            addresses: 0,
            up: Vec::new(),
            places: BTreeMap::new(),
            away: BTreeMap::new(),
            due: BinaryHeap::new(),
            numbered: 0,
            untold: VecDeque::new(),
            spec,
        };
        for kind in 0..population.spec.classes.len() {
            population.fill(kind);
        }
        if let Some(failure) = population.spec.failure {
            population.expect(failure.at, Due::Failure);
        }
        population
    }

    /// The next change until `until`, and when; `None` when all until then are told. The relays are as they are
    /// after it.
    pub fn advance(&mut self, until: Duration) -> Option<(Duration, Change)> {
        loop {
            if let Some(change) = self.untold.pop_front() {
                return Some(change);
            }
            let Reverse((at, _, due)) = *self.due.peek().filter(|next| next.0.0 <= until)?;
            self.due.pop();
            self.happen(at, due);
        }
    }

    /// When [`advance`](Self::advance) may next tell something.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        let told = self.untold.front().map(|(at, _)| *at);
        told.or_else(|| self.due.peek().map(|next| next.0.0))
    }

    /// All that are up, in no order that means anything.
    #[must_use]
    pub fn relays(&self) -> &[Relay] {
        &self.up
    }

    /// The relay at this address, if it is up.
    #[must_use]
    pub fn relay(&self, id: RelayId) -> Option<&Relay> {
        self.places.get(&id).and_then(|place| self.up.get(*place))
    }

    /// What it was made of.
    #[must_use]
    pub const fn spec(&self) -> &PopulationSpec {
        &self.spec
    }

    /// The relays of a class at the origin, those that are away, and the first arrival.
    fn fill(&mut self, kind: usize) {
        let Some(class) = self.spec.classes.get(kind).copied() else { return };
        let up = class.share * f64::from(self.spec.relays);
        let away = up * (class.addresses_for_each_up() - 1.0);
        for _ in rounded(up) {
            let mut relay = self.address(Duration::ZERO, kind, class);
            relay.ends = class.session.draw_remaining(&mut self.chance);
            self.begin(relay);
        }
        for _ in rounded(away) {
            let relay = self.address(Duration::ZERO, kind, class);
            self.leave(Duration::ZERO, relay);
        }
        self.expect_arrival(Duration::ZERO, kind);
    }

    fn happen(&mut self, at: Duration, due: Due) {
        match due {
            Due::Arrival(kind) => {
                self.expect_arrival(at, kind);
                let Some(class) = self.spec.classes.get(kind).copied() else { return };
                if self.is_the_hour(at) {
                    let relay = self.address(at, kind, class);
                    self.come(at, relay);
                }
            }
            Due::End(id) => {
                // Whoever failed in between ends at another time.
                if self.relay(id).is_some_and(|relay| relay.ends == at)
                    && let Some(relay) = self.go(at, id)
                {
                    self.leave(at, relay);
                }
            }
            Due::Return(id) if !self.is_the_hour(at) => self.expect_return(at, id),
            Due::Return(id) | Due::Recovery(id) => {
                if let Some(relay) = self.away.remove(&id) {
                    self.come(at, relay);
                }
            }
            Due::Failure => self.fail(at),
        }
    }

    /// A new address of a class.
    fn address(&mut self, at: Duration, kind: usize, class: ClassSpec) -> Relay {
        let id = RelayId(self.addresses);
        self.addresses += 1;
        let throttle = self.throttle();
        let life = class.returns.map(|returns| self.chance.wait(returns.residual_life));
        Relay {
            id,
            class: class.class,
            throttle,
            loss: self.spec.loss,
            round_trip: self.spec.round_trip.draw(&mut self.chance),
            known_since: at,
            kind,
            ends: at,
            retires: life.map(|life| at.saturating_add(life)),
        }
    }

    /// By weight.
    fn throttle(&mut self) -> Throttle {
        let total: f64 = self.spec.throttles.iter().map(|(weight, _)| weight).sum();
        let mut left = total * self.chance.uniform();
        let found = self.spec.throttles.iter().find(|(weight, _)| {
            left -= weight;
            left <= 0.0
        });
        found.map_or(Throttle::None, |(_, throttle)| *throttle)
    }

    /// A session begins, if the address is still used.
    fn come(&mut self, at: Duration, mut relay: Relay) {
        let Some(class) = self.spec.classes.get(relay.kind).copied() else { return };
        if relay.retires.is_some_and(|retires| retires <= at) {
            return;
        }
        relay.ends = at.saturating_add(class.session.draw(&mut self.chance));
        self.untold.push_back((at, Change::Up(relay.id)));
        self.begin(relay);
    }

    fn begin(&mut self, mut relay: Relay) {
        relay.ends = relay.retires.map_or(relay.ends, |retires| relay.ends.min(retires));
        self.expect(relay.ends, Due::End(relay.id));
        self.places.insert(relay.id, self.up.len());
        self.up.push(relay);
    }

    /// A session ends.
    fn go(&mut self, at: Duration, id: RelayId) -> Option<Relay> {
        let place = self.places.remove(&id)?;
        let relay = self.up.swap_remove(place);
        if let Some(moved) = self.up.get(place) {
            self.places.insert(moved.id, place);
        }
        self.untold.push_back((at, Change::Down(id)));
        Some(relay)
    }

    /// After a session: the address comes back, or is forgotten.
    fn leave(&mut self, at: Duration, relay: Relay) {
        if relay.retires.is_some_and(|retires| retires > at) {
            let id = relay.id;
            self.away.insert(id, relay);
            self.expect_return(at, id);
        }
    }

    /// A share goes down; all of them are back together.
    fn fail(&mut self, at: Duration) {
        let Some(failure) = self.spec.failure else { return };
        let chance = &mut self.chance;
        let fails = |_: &&Relay| chance.happens(failure.share);
        let failed: Vec<RelayId> = self.up.iter().filter(fails).map(|relay| relay.id).collect();
        for id in failed {
            if let Some(relay) = self.go(at, id) {
                self.away.insert(id, relay);
                self.expect(at.saturating_add(failure.length), Due::Recovery(id));
            }
        }
    }

    /// Arrivals of a class have no memory; those that fall into a quiet hour are left out as they are due.
    fn expect_arrival(&mut self, at: Duration, kind: usize) {
        let Some(class) = self.spec.classes.get(kind) else { return };
        if class.session == Lifetime::FOR_EVER {
            return;
        }
        let addresses = class.share * f64::from(self.spec.relays) * class.addresses_for_each_up();
        if addresses > 0.0 {
            let mean = scaled(class.address_life(), self.mean_of_highest() / addresses);
            let wait = self.chance.wait(mean);
            self.expect(at.saturating_add(wait), Due::Arrival(kind));
        }
    }

    fn expect_return(&mut self, at: Duration, id: RelayId) {
        let class = self.away.get(&id).and_then(|relay| self.spec.classes.get(relay.kind));
        let Some(returns) = class.and_then(|class| class.returns) else { return };
        let wait = self.chance.wait(scaled(returns.absence, self.mean_of_highest()));
        self.expect(at.saturating_add(wait), Due::Return(id));
    }

    /// The mean rate of arrivals / the highest.
    fn mean_of_highest(&self) -> f64 {
        self.spec.diurnal.map_or(1.0, |diurnal| 1.0 / (1.0 + diurnal.amplitude))
    }

    /// Whether what falls to this hour comes to pass.
    fn is_the_hour(&mut self, at: Duration) -> bool {
        let Some(diurnal) = self.spec.diurnal else { return true };
        self.chance.happens(diurnal.of_highest(at))
    }

    fn expect(&mut self, at: Duration, due: Due) {
        self.due.push(Reverse((at, self.numbered, due)));
        self.numbered += 1;
    }
}

/// As many as `count` says, to the nearest.
fn rounded(count: f64) -> impl Iterator<Item = u32> {
    (0..u32::MAX).take_while(move |number| f64::from(*number) + 0.5 < count)
}
