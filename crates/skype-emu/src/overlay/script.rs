//! What befalls logins at set times, and the sweeps of censors.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use relay_sim::censor::Censor;
use relay_sim::population::RelayId;
use skype_api::{UserHandle, UserStatus};
use tracing::debug;

use super::pair::{Leg, PairId, Side, Way};
use super::relays::luck;
use super::timers::Timer;
use super::{Overlay, Turn};
use crate::config::{EventConfig, Happening, OverlayConfig, meant};

/// What draws from the seed, so that it has nobody else's luck.
const PICK_DICE: u64 = 5 << 32;

/// The events of an overlay.
#[derive(Debug)]
pub(super) struct Script {
    scenes: Vec<Scene>,
    seed: u64,
}

/// One event.
#[derive(Debug)]
struct Scene {
    what: Happening,
    logins: BTreeSet<UserHandle>,
    length: Duration,
    every: Option<Duration>,
    /// Of the relays, what it concerns.
    share: f64,
    /// How often it has begun.
    begun: u64,
    is_on: bool,
}

/// Which event, and which end of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cue {
    Begin(usize),
    End(usize),
}

impl Script {
    pub(super) fn new(config: &OverlayConfig, all: &BTreeSet<UserHandle>) -> Self {
        let scene = |event: &EventConfig| Scene {
            what: event.what,
            logins: meant(&event.logins, all),
            length: event.length(),
            every: event.every(),
            share: event.share.unwrap_or(1.0),
            begun: 0,
            is_on: false,
        };
        Self { scenes: config.events.iter().map(scene).collect(), seed: config.seed }
    }

    /// Whether nothing passes between these two.
    pub(super) fn is_out(&self, logins: &[UserHandle; 2]) -> bool {
        let mut on = self.scenes.iter().filter(|scene| scene.is_on);
        on.any(|scene| scene.what == Happening::Outage && scene.concerns(logins))
    }

    /// Whether a relay that is given to a stream of these two now is blocked.
    pub(super) fn blocks(&self, logins: &[UserHandle; 2], relay: RelayId) -> bool {
        let mut on = self.scenes.iter().enumerate().filter(|(_, scene)| scene.is_on);
        on.any(|(index, scene)| self.hits(index, scene, logins, relay))
    }

    /// Each time anew, by the relay alone.
    fn hits(&self, index: usize, scene: &Scene, logins: &[UserHandle; 2], relay: RelayId) -> bool {
        let number = u64::try_from(index).unwrap_or(u64::MAX).wrapping_shl(32) ^ scene.begun;
        scene.what == Happening::Block
            && scene.concerns(logins)
            && luck(self.seed ^ number, relay.0) < scene.share
    }
}

impl Scene {
    fn concerns(&self, logins: &[UserHandle; 2]) -> bool {
        logins.iter().any(|login| self.logins.contains(login))
    }
}

/// A censor that drops some datagrams of those that are longer than others.
#[derive(Debug)]
pub(super) struct Picker {
    logins: BTreeSet<UserHandle>,
    above: u64,
    share: f64,
    seed: u64,
    /// How many were long enough so far.
    seen: u64,
}

impl Picker {
    pub(super) fn new(config: &OverlayConfig, all: &BTreeSet<UserHandle>) -> Option<Self> {
        let censor = config.censor.as_ref()?;
        let (above, share) = censor.picks()?;
        let seed = config.seed ^ PICK_DICE;
        Some(Self { logins: meant(&censor.logins, all), above, share, seed, seen: 0 })
    }

    /// Whether it drops this one.
    pub(super) fn picks(&mut self, logins: &[UserHandle; 2], octets: &[u8]) -> bool {
        let is_long = super::writes::octets(octets.len()) > self.above;
        if !is_long || !logins.iter().any(|login| self.logins.contains(login)) {
            return false;
        }
        self.seen += 1;
        luck(self.seed, self.seen) < self.share
    }
}

/// A censor for each line that one watches. All of them have found the same relays.
pub(super) fn censors(
    config: &OverlayConfig,
    all: &BTreeSet<UserHandle>,
) -> BTreeMap<UserHandle, Censor> {
    let Some(censor) = &config.censor else { return BTreeMap::new() };
    let spec = censor.spec();
    let watched = meant(&censor.logins, all).into_iter();
    watched.map(|login| (login, Censor::new(spec, config.seed))).collect()
}

impl Overlay {
    /// Sets the timers of all that is to come.
    pub(super) fn expect_all(&mut self, events: &[EventConfig]) {
        for (index, event) in events.iter().enumerate() {
            self.timers.set(self.origin + event.at(), Timer::Cue(Cue::Begin(index)));
        }
        let logins: Vec<UserHandle> = self.censors.keys().copied().collect();
        logins.into_iter().for_each(|login| self.expect_sweep(login));
        self.expect_change();
    }

    pub(super) fn play(&mut self, now: Instant, cue: Cue) {
        let (Cue::Begin(index) | Cue::End(index)) = cue;
        let Some(scene) = self.script.scenes.get_mut(index) else { return };
        let (what, logins) = (scene.what, scene.logins.clone());
        match cue {
            Cue::Begin(_) => {
                scene.is_on = true;
                scene.begun += 1;
                self.timers.set(now + scene.length, Timer::Cue(Cue::End(index)));
                if let Some(every) = scene.every {
                    self.timers.set(now + every, Timer::Cue(cue));
                }
            }
            Cue::End(_) => scene.is_on = false,
        }
        debug!(event = index, ?what, ?cue, "event");
        match (what, cue) {
            (Happening::Outage, _) | (Happening::Block, Cue::End(_)) => {}
            (Happening::Block, Cue::Begin(_)) => self.block(index),
            (Happening::SkypeDies, Cue::Begin(_)) => {
                logins.into_iter().for_each(|login| self.quit(login));
            }
            (Happening::SkypeDies, Cue::End(_)) => {
                logins.into_iter().for_each(|login| self.start(now, login));
            }
        }
    }

    /// What streams were given before an event is blocked by it.
    fn block(&mut self, index: usize) {
        let Some(scene) = self.script.scenes.get(index) else { return };
        for pair in self.pairs.values_mut() {
            let logins = pair.logins();
            if let Way::Relayed(Leg { relay: Some(relay), is_blocked, .. }) = &mut pair.way {
                *is_blocked |= self.script.hits(index, scene, &logins, *relay);
            }
        }
    }

    /// A login's Skype dies: nobody says goodbye, and partners keep streams that lead nowhere.
    fn quit(&mut self, login: UserHandle) {
        let Some(skype) = self.logins.get_mut(&login).filter(|skype| skype.is_running) else {
            return;
        };
        skype.is_running = false;
        skype.status = UserStatus::LoggedOut;
        let apps = std::mem::take(&mut skype.apps);
        let clients = std::mem::take(&mut skype.clients);
        self.outbox.retain(|said| !clients.contains(&said.client));
        self.clients.retain(|id, _| !clients.contains(id));
        let legs: Vec<(PairId, Side)> =
            apps.into_values().flat_map(|app| app.streams.into_values()).collect();
        legs.into_iter().for_each(|(pair, side)| self.abandon(pair, side));
        self.turns.push_back(Turn::Quit(login));
    }

    /// A login's Skype is started, and logs in if nobody prevents it.
    fn start(&mut self, now: Instant, login: UserHandle) {
        let is_in = self.lets_log_in(now, login);
        let Some(skype) = self.logins.get_mut(&login).filter(|skype| !skype.is_running) else {
            return;
        };
        skype.is_running = true;
        skype.status = if is_in { UserStatus::Online } else { UserStatus::LoggedOut };
        self.turns.push_back(Turn::Start(login));
    }

    pub(super) fn lets_log_in(&self, now: Instant, login: UserHandle) -> bool {
        let at = self.at(now);
        self.censors.get(&login).is_none_or(|censor| censor.lets_log_in(at))
    }

    /// A censor blocks what a login's line exchanges datagrams with.
    pub(super) fn sweep(&mut self, now: Instant, login: UserHandle) {
        let (at, seen) = (self.at(now), self.in_use(login).into_keys().collect::<Vec<_>>());
        if let Some(censor) = self.censors.get_mut(&login) {
            debug!(relays = seen.len(), "a censor blocks what it sees");
            censor.sweep(at, &seen);
        }
        self.expect_sweep(login);
    }

    fn expect_sweep(&mut self, login: UserHandle) {
        let next = self.censors.get(&login).and_then(Censor::next_sweep);
        if let Some(at) = next.and_then(|next| self.origin.checked_add(next)) {
            self.timers.set(at, Timer::Sweep(login));
        }
    }
}
