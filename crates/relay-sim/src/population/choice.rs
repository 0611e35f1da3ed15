//! Which relay a client is given: the overlay's choice, not the user's.

use std::time::Duration;

use super::{Population, Relay, RelayId};
use crate::chance::Chance;

/// Draws in vain after which there is nothing to choose: all that is up is avoided, or next to all.
const DRAWS_MAX: u32 = 64;

/// How the overlay picks among the relays that a client hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// By what.
    pub rule: Rule,
    /// How many it hears of for each choice; they are others each time. A host cache held 200 (Baset,
    /// Schulzrinne 2004).
    pub known: u16,
}

/// By what a relay is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Any.
    Uniform,
    /// In proportion to its rate.
    ByRate,
    /// The one with the shortest round trip.
    Nearest,
}

impl Default for Choice {
    /// Any relay: the choice knows nothing, of blocks in particular.
    fn default() -> Self {
        Self { rule: Rule::Uniform, known: 1 }
    }
}

/// Chooses for one client. It never looks at whether a relay answers.
#[derive(Debug)]
pub struct Chooser {
    choice: Choice,
    chance: Chance,
}

impl Chooser {
    /// Same seed, same choices, and a population is not changed by being chosen from.
    #[must_use]
    pub fn new(choice: Choice, seed: u64) -> Self {
        Self { choice, chance: Chance::new(seed, super::CHOICE_STREAM) }
    }

    /// A relay that is up and not one of `avoid`: what a stream that is opened anew is given. `None`
    /// if there seems to be none.
    pub fn choose(&mut self, population: &Population, avoid: &[RelayId]) -> Option<RelayId> {
        let mut best: Option<(&Relay, f64)> = None;
        let mut drawn = 0;
        for _ in 0..DRAWS_MAX.max(self.choice.known.into()) {
            let relays = population.relays();
            let relay = relays.get(self.chance.index(relays.len())?)?;
            if avoid.contains(&relay.id) {
                continue;
            }
            let merit = self.merit(relay);
            if best.is_none_or(|(_, highest)| merit > highest) {
                best = Some((relay, merit));
            }
            drawn += 1;
            if drawn >= self.choice.known.max(1) {
                break;
            }
        }
        best.map(|(relay, _)| relay.id)
    }

    fn merit(&mut self, relay: &Relay) -> f64 {
        match self.choice.rule {
            Rule::Uniform => 0.0,
            // The largest of u^(1/w) falls on each in proportion to its w (Efraimidis, Spirakis 2006).
            Rule::ByRate => self.chance.uniform().ln() / rate(relay),
            Rule::Nearest => -relay.round_trip.max(Duration::ZERO).as_secs_f64(),
        }
    }
}

/// Octets a second, as a weight; what does not throttle weighs as 10 MB/s.
fn rate(relay: &Relay) -> f64 {
    let rate = relay.throttle.rate().and_then(|rate| u32::try_from(rate).ok());
    f64::from(rate.unwrap_or(10_000_000).max(1))
}
