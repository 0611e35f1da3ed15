//! Who opens and closes a user's paths: the model's own policy, or a program's that is put in its place.

use std::time::Duration;

use crate::censor::Censor;
use crate::population::{Population, Relay, RelayId};

/// A path has carried so much, from when to when.
#[derive(Clone, Copy, Debug)]
pub struct Carried {
    /// When the first answer was there.
    pub from: Duration,
    /// When it was lost, or closed.
    pub to: Duration,
    /// Octets a second that the relay passes.
    pub rate: f64,
}

/// The paths of one user. Times are offsets from the origin and never go back.
pub trait Keeper {
    /// When [`act`](Self::act) has something to do.
    fn next_at(&self) -> Option<Duration>;

    /// Gives up what is lost, and opens what is missing.
    fn act(&mut self, at: Duration, overlay: (&Population, &Censor), carried: &mut Vec<Carried>);

    /// A relay is gone: whatever went through it is lost, in silence.
    fn lose(&mut self, at: Duration, relay: RelayId);

    /// The censor blocked something in a sweep.
    fn lose_blocked(&mut self, at: Duration, overlay: (&Population, &Censor));

    /// Closes all, and opens nothing until `again`.
    fn close(&mut self, at: Duration, again: Option<Duration>, carried: &mut Vec<Carried>);

    /// What the line exchanges datagrams with.
    fn in_use(&self) -> Vec<RelayId>;

    /// How many paths were opened.
    fn opened(&self) -> u64;
}

/// What a path over a relay carries, in octets a second; without any throttle, more than anybody counts.
#[must_use]
pub fn rate_of(relay: &Relay, censor: &Censor) -> f64 {
    let link = censor.narrowed(relay.link());
    link.capacity().map_or(f64::MAX, |rate| rate * (1.0 - link.early_loss.mean()))
}
