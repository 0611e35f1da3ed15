//! The relays of an overlay: who is up, who was given which, and the links through them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use relay_sim::population::{Change, Chooser, MassFailure, Population, Relay, RelayId};
use relay_sim::{Link, LinkPlan};
use skype_api::UserHandle;

use super::pair::{PairId, Side};
use super::scramble;
use super::trunk::Trunk;
use crate::config::{RelaysConfig, WhenGone};

/// What draws from the seed, so that none has another's luck.
const CHOICE_DICE: u64 = 1 << 32;
const LINK_DICE: u64 = 2 << 32;
const DIRECT_DICE: u64 = 3 << 32;
const GAP_DICE: u64 = 4 << 32;

/// A relay's direction: that of what the callers of streams send, or the other.
pub(super) type TrunkKey = (RelayId, Side);

/// What the relays did so far, and what they do now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// Relays that are up.
    pub up: usize,
    /// Those that streams were given.
    pub used: usize,
    /// How often a stream was given one.
    pub given: u64,
    /// How often that was another one, under a stream that went on.
    pub switched: u64,
}

/// A population in real time, and its use by streams.
#[derive(Debug)]
pub(super) struct Relays {
    config: RelaysConfig,
    population: Population,
    choosers: BTreeMap<UserHandle, Chooser>,
    /// Which streams each relay was given to. None is empty.
    users: BTreeMap<RelayId, BTreeSet<PairId>>,
    trunks: BTreeMap<TrunkKey, Trunk>,
    seed: u64,
    origin: Instant,
    given: u64,
    switched: u64,
}

impl Relays {
    pub(super) fn new(
        config: RelaysConfig,
        seed: u64,
        origin: Instant,
        logins: &BTreeSet<UserHandle>,
    ) -> Self {
        let chooser = |(number, &login): (u64, &UserHandle)| {
            (login, Chooser::new(config.choice(), scramble(seed ^ (CHOICE_DICE + number))))
        };
        Self {
            population: Population::new(config.population(), seed),
            choosers: (0..).zip(logins).map(chooser).collect(),
            users: BTreeMap::new(),
            trunks: BTreeMap::new(),
            config,
            seed,
            origin,
            given: 0,
            switched: 0,
        }
    }

    /// Lets relays come and go until `at`; says which of those that went were in use.
    pub(super) fn advance(&mut self, at: Duration) -> Vec<RelayId> {
        let mut gone = Vec::new();
        while let Some((_, change)) = self.population.advance(at) {
            match change {
                Change::Down(relay) if self.users.contains_key(&relay) => gone.push(relay),
                Change::Down(_) | Change::Up(_) => {}
            }
        }
        gone
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.population.next_at()
    }

    /// A relay for a stream of `caller`: one of those that it uses least, so that several streams have
    /// several relays as long as there are enough.
    pub(super) fn choose(
        &mut self,
        caller: UserHandle,
        in_use: &BTreeMap<RelayId, u32>,
    ) -> Option<RelayId> {
        let chooser = self.choosers.get_mut(&caller)?;
        for uses in 0..=in_use.values().copied().max().unwrap_or(0) {
            let avoid: Vec<RelayId> =
                in_use.iter().filter(|(_, count)| **count > uses).map(|(&id, _)| id).collect();
            if let Some(relay) = chooser.choose(&self.population, &avoid) {
                return Some(relay);
            }
        }
        None
    }

    /// A stream goes through a relay from now on.
    pub(super) fn give(&mut self, relay: RelayId, pair: PairId, is_switch: bool) {
        self.users.entry(relay).or_default().insert(pair);
        self.given += 1;
        self.switched += u64::from(is_switch);
    }

    /// A stream no longer goes through a relay; with the last one, its links are forgotten.
    pub(super) fn leave(&mut self, relay: RelayId, pair: PairId) -> Vec<Trunk> {
        let Some(users) = self.users.get_mut(&relay) else { return Vec::new() };
        users.remove(&pair);
        if !users.is_empty() {
            return Vec::new();
        }
        self.users.remove(&relay);
        let sides = [Side::Caller, Side::Called];
        sides.into_iter().filter_map(|side| self.trunks.remove(&(relay, side))).collect()
    }

    /// The streams that a relay was given to.
    pub(super) fn users(&self, relay: RelayId) -> impl Iterator<Item = PairId> + use<> {
        self.users.get(&relay).cloned().unwrap_or_default().into_iter()
    }

    /// The link through a relay that is up and in use.
    pub(super) fn trunk(&mut self, key: TrunkKey) -> Option<&mut Trunk> {
        if !self.trunks.contains_key(&key) {
            let relay = self.population.relay(key.0).filter(|_| self.users.contains_key(&key.0))?;
            let link = self.link(relay, key);
            self.trunks.insert(key, Trunk::new(link));
        }
        self.trunks.get_mut(&key)
    }

    pub(super) fn relay(&self, id: RelayId) -> Option<&Relay> {
        self.population.relay(id)
    }

    pub(super) fn set_up(&self) -> Duration {
        self.config.set_up()
    }

    pub(super) const fn switches(&self) -> bool {
        match self.config.when_gone {
            None | Some(WhenGone::Switch) => true,
            Some(WhenGone::Silence) => false,
        }
    }

    /// Whether a new stream finds a way without a relay.
    pub(super) fn goes_direct(&self, pair: PairId) -> bool {
        self.luck(DIRECT_DICE, pair.0) < self.config.direct.unwrap_or(0.0)
    }

    /// How long a stream that lost its relay is without one.
    pub(super) fn gap(&self, pair: PairId, switches: u64) -> Duration {
        let (min, max) = self.config.gap();
        let luck = self.luck(GAP_DICE, scramble(pair.0) ^ switches);
        min + (max - min).mul_f64(luck)
    }

    pub(super) fn stats(&self) -> RelayStats {
        RelayStats {
            up: self.population.relays().len(),
            used: self.users.len(),
            given: self.given,
            switched: self.switched,
        }
    }

    /// What a relay does to datagrams, now and when many fail.
    fn link(&self, relay: &Relay, (id, side): TrunkKey) -> Link {
        let mut spec = relay.link();
        spec.queue_octets = self.config.queue.unwrap_or(spec.queue_octets);
        let changes = self.population.spec().failure.map_or_else(Vec::new, |failure| {
            let MassFailure { at, length, .. } = failure;
            let weak = failure.weakened(spec.clone());
            vec![(at, weak), (at.saturating_add(length), spec.clone())]
        });
        let place = match side {
            Side::Caller => 0,
            Side::Called => 1,
        };
        let seed = scramble(self.seed ^ (LINK_DICE + 2 * id.0 + place));
        LinkPlan { changes, ..LinkPlan::from(spec) }.build(seed, self.origin)
    }

    /// From 0 to below 1.
    fn luck(&self, dice: u64, number: u64) -> f64 {
        luck(self.seed ^ dice, number)
    }
}

/// From 0 to below 1, by `seed` and `number` alone.
pub(crate) fn luck(seed: u64, number: u64) -> f64 {
    let drawn = u32::try_from(scramble(scramble(seed) ^ number) >> 32).unwrap_or(u32::MAX);
    f64::from(drawn) / 4_294_967_296.0
}
