//! How streams meet relays: they are given one, lose it, and send their datagrams through it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use relay_sim::LinkSpec;
use relay_sim::censor::Verdict;
use relay_sim::population::RelayId;
use skype_api::UserHandle;
use tracing::{debug, trace};

use super::Overlay;
use super::pair::{Leg, Pair, PairId, Side, Way};
use super::relays::{RelayStats, TrunkKey};
use super::timers::Timer;
use super::trunk::Fate;

/// When a stream for which there was no relay looks again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where a stream goes, for whoever watches the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRoute {
    /// Who asked for the stream.
    pub caller: UserHandle,
    /// Who was asked.
    pub called: UserHandle,
    /// The number of its relay; none if it goes direct, or waits for one.
    pub relay: Option<u64>,
    /// How often it was given another one.
    pub switches: u64,
    /// Its relay was blocked by an event.
    pub blocked: bool,
}

impl Overlay {
    /// What the relays did so far; nothing where there are none.
    #[must_use]
    pub fn relay_stats(&self) -> RelayStats {
        self.relays.as_ref().map(super::Relays::stats).unwrap_or_default()
    }

    /// Where each stream goes that one end lists at least, in the order in which they came up.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamRoute> {
        let route = |pair: &Pair| {
            let (caller, called) = (pair.half(Side::Caller).login, pair.half(Side::Called).login);
            match pair.way {
                Way::Direct => {
                    StreamRoute { caller, called, relay: None, switches: 0, blocked: false }
                }
                Way::Relayed(Leg { relay, switches, is_blocked }) => {
                    let relay = relay.map(|id| id.0);
                    StreamRoute { caller, called, relay, switches, blocked: is_blocked }
                }
            }
        };
        self.pairs.values().map(route).collect()
    }

    /// What the line of a stream is like: the link, as the censors of both ends narrow it.
    pub(super) fn line(&self, caller: UserHandle, called: UserHandle) -> LinkSpec {
        let censors = [caller, called].into_iter().filter_map(|login| self.censors.get(&login));
        let link = self.links.spec(caller, called).clone();
        censors.fold(link, |link, censor| censor.narrowed(link))
    }

    /// How long a CONNECT takes.
    pub(super) fn set_up(&self, caller: UserHandle, called: UserHandle) -> Duration {
        let there_and_back = self.links.spec(caller, called).delay * 2;
        there_and_back + self.relays.as_ref().map(super::Relays::set_up).unwrap_or_default()
    }

    /// Which way a new stream takes, before it is given a relay.
    pub(super) fn way(&self, id: PairId) -> Way {
        match &self.relays {
            Some(relays) if !relays.goes_direct(id) => Way::Relayed(Leg::default()),
            Some(_) | None => Way::Direct,
        }
    }

    /// Gives a stream that has none a relay, or lets it look again later.
    pub(super) fn give_relay(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let Way::Relayed(leg) = pair.way else { return };
        let logins = pair.logins();
        let in_use = self.in_use(pair.half(Side::Caller).login);
        let Some(relays) = &mut self.relays else { return };
        if leg.relay.is_some() {
            return;
        }
        let Some(relay) = relays.choose(pair.half(Side::Caller).login, &in_use) else {
            debug!(stream = id.0, "no relay is up");
            self.timers.set(now + AGAIN, Timer::Relay(id));
            return;
        };
        debug!(stream = id.0, relay = relay.0, switches = leg.switches, "relay given");
        relays.give(relay, id, leg.switches > 0);
        let is_blocked = self.script.blocks(&logins, relay);
        if let Some(pair) = self.pairs.get_mut(&id) {
            pair.way = Way::Relayed(Leg { relay: Some(relay), is_blocked, ..leg });
        }
    }

    /// Relays came and went.
    pub(super) fn change_relays(&mut self, now: Instant) {
        let at = self.at(now);
        let Some(relays) = &mut self.relays else { return };
        for relay in relays.advance(at) {
            self.lose_relay(now, relay);
        }
        self.expect_change();
    }

    /// Sets the timer for the next relay that comes or goes.
    pub(super) fn expect_change(&mut self) {
        let next = self.relays.as_ref().and_then(super::Relays::next_at);
        if let Some(at) = next.and_then(|next| self.origin.checked_add(next)) {
            self.timers.set(at, Timer::Relays);
        }
    }

    /// A relay is gone, with all that is inside it, without a word.
    fn lose_relay(&mut self, now: Instant, relay: RelayId) {
        let Some(relays) = &self.relays else { return };
        for id in relays.users(relay) {
            self.leave_relay(id);
            let Some(relays) = &self.relays else { return };
            let Some(Pair { way: Way::Relayed(leg), .. }) = self.pairs.get_mut(&id) else {
                continue;
            };
            debug!(stream = id.0, relay = relay.0, "relay gone");
            if relays.switches() {
                leg.switches += 1;
                let gap = relays.gap(id, leg.switches);
                self.timers.set(now + gap, Timer::Relay(id));
            }
        }
    }

    /// A stream has no relay any more.
    pub(super) fn leave_relay(&mut self, id: PairId) {
        let Some(Pair { way: Way::Relayed(leg), .. }) = self.pairs.get_mut(&id) else { return };
        leg.is_blocked = false;
        let (Some(relay), Some(relays)) = (leg.relay.take(), &mut self.relays) else { return };
        for mut trunk in relays.leave(relay, id) {
            if let Some(wake) = trunk.wake.take() {
                self.timers.cancel(wake);
            }
            while let Some(Fate::Lost((of, from)) | Fate::Through((of, from), _)) = trunk.lost() {
                if let Some(pair) = self.pairs.get_mut(&of) {
                    pair.lose(from);
                }
            }
        }
    }

    /// A datagram has left the line of its sender.
    pub(super) fn forward(&mut self, now: Instant, id: PairId, from: Side, octets: &[u8]) {
        let mut verdict = self.verdict(now, id);
        if let (Some(picker), Some(pair)) = (&mut self.picker, self.pairs.get(&id))
            && picker.picks(&pair.logins(), octets)
        {
            verdict = Verdict::Vanishes;
        }
        let Some(pair) = self.pairs.get(&id).filter(|_| verdict == Verdict::Passes) else {
            return self.stop(id, from, verdict);
        };
        let Way::Relayed(leg) = pair.way else { return self.arrive(now, id, from, octets) };
        let key = leg.relay.map(|relay| (relay, from));
        let trunk = key.and_then(|key| Some((key, self.relays.as_mut()?.trunk(key)?)));
        let Some((key, trunk)) = trunk else { return self.stop(id, from, Verdict::Vanishes) };
        trunk.push(now, (id, from), octets);
        self.expect_trunk(key);
    }

    /// What a relay has let through by now, or lost.
    pub(super) fn serve_trunk(&mut self, now: Instant, key: TrunkKey) {
        let mut senders = BTreeSet::new();
        while let Some(fate) =
            self.relays.as_mut().and_then(|relays| relays.trunk(key)).and_then(|t| t.pop(now))
        {
            match fate {
                Fate::Through((id, from), octets) => {
                    senders.insert(id);
                    match self.verdict(now, id) {
                        Verdict::Passes => self.arrive(now, id, from, &octets),
                        verdict @ (Verdict::Vanishes | Verdict::Refused) => {
                            self.stop(id, from, verdict);
                        }
                    }
                }
                Fate::Lost((id, from)) => {
                    senders.insert(id);
                    self.stop(id, from, Verdict::Vanishes);
                }
            }
        }
        self.expect_trunk(key);
        // Who writes may have waited for this.
        for id in senders {
            self.serve_pair(now, id);
        }
    }

    /// Sets a relay's timer anew.
    fn expect_trunk(&mut self, key: TrunkKey) {
        let trunk = self.relays.as_mut().and_then(|relays| relays.trunk(key));
        let Some(trunk) = trunk else { return };
        let next = trunk.next_at();
        if trunk.wake.map(|(at, _)| at) == next {
            return;
        }
        if let Some(wake) = trunk.wake.take() {
            self.timers.cancel(wake);
        }
        trunk.wake = next.map(|at| self.timers.set(at, Timer::Trunk(key)));
    }

    /// What becomes of a datagram of a stream, wherever it is.
    fn verdict(&self, now: Instant, id: PairId) -> Verdict {
        let Some(pair) = self.pairs.get(&id) else { return Verdict::Vanishes };
        if self.script.is_out(&pair.logins()) {
            return Verdict::Vanishes;
        }
        let Way::Relayed(leg) = pair.way else { return Verdict::Passes };
        let relay = leg.relay.filter(|_| !leg.is_blocked);
        let relay = relay.and_then(|id| self.relays.as_ref()?.relay(id));
        let Some(relay) = relay else { return Verdict::Vanishes };
        let at = self.at(now);
        let censors = pair.logins().into_iter().filter_map(|login| self.censors.get(&login));
        let mut verdicts = censors.map(|censor| censor.verdict(at, relay));
        verdicts.find(|verdict| *verdict != Verdict::Passes).unwrap_or(Verdict::Passes)
    }

    /// A datagram goes no further.
    fn stop(&mut self, id: PairId, from: Side, verdict: Verdict) {
        trace!(stream = id.0, ?verdict, "datagram dropped");
        if let Some(pair) = self.pairs.get_mut(&id) {
            pair.lose(from);
        }
        if verdict == Verdict::Refused {
            debug!(stream = id.0, "relay refused by a censor");
            self.close(id, Side::Caller);
            self.close(id, Side::Called);
        }
    }

    /// How many streams of a login go through each relay.
    pub(super) fn in_use(&self, login: UserHandle) -> BTreeMap<RelayId, u32> {
        let mut in_use = BTreeMap::new();
        for pair in self.pairs.values().filter(|pair| pair.logins().contains(&login)) {
            if let Way::Relayed(Leg { relay: Some(relay), .. }) = pair.way {
                *in_use.entry(relay).or_default() += 1;
            }
        }
        in_use
    }
}
