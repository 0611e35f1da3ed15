//! What one direction of a path is like over time: changes and outages at given offsets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::link::Link;
use crate::spec::{LinkSpec, elements};
use crate::time::{earlier, later};

/// Outages repeat no faster than this, so that hours are caught up with in few steps.
const EVERY_MIN: Duration = Duration::from_millis(1);

/// A [`LinkSpec`] with a future. Offsets count from the origin that [`LinkPlan::build`] is given.
///
/// ```
/// use std::time::Duration;
/// use relay_sim::{LinkPlan, LinkSpec, Outage};
///
/// let near = LinkSpec { delay: Duration::from_millis(40), ..LinkSpec::default() };
/// let far = LinkSpec { delay: Duration::from_millis(150), ..LinkSpec::default() };
/// let plan = LinkPlan {
///     changes: vec![(Duration::from_secs(20), far)],
///     outages: vec![Outage::once(Duration::from_secs(60), Duration::from_secs(2))],
///     ..LinkPlan::from(near)
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkPlan {
    /// How it starts.
    pub spec: LinkSpec,
    /// What it becomes, and when. What waits in the queue stays there and leaves at the new rate;
    /// what is under way keeps its old delay.
    pub changes: Vec<(Duration, LinkSpec)>,
    /// When it is down.
    pub outages: Vec<Outage>,
}

/// A time in which everything is lost: what is sent then, and what waits or is under way when it
/// starts. A datagram that arrives at the very start still arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it starts, from the origin.
    pub start: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// From start to start, if it comes again; at least 1 ms.
    pub every: Option<Duration>,
}

impl Outage {
    /// One outage.
    #[must_use]
    pub const fn once(start: Duration, length: Duration) -> Self {
        Self { start, length, every: None }
    }
}

impl From<LinkSpec> for LinkPlan {
    fn from(spec: LinkSpec) -> Self {
        Self { spec, changes: Vec::new(), outages: Vec::new() }
    }
}

impl LinkPlan {
    /// A link whose time starts at `origin`. Same seed, same luck.
    #[must_use]
    pub fn build(&self, seed: u64, origin: Instant) -> Link {
        let mut changes = self.changes.clone();
        changes.sort_by_key(|(offset, _)| *offset);
        let mut specs = vec![self.spec.clone()];
        specs.extend(changes.iter().map(|(_, spec)| spec.clone()));

        let changes = changes.into_iter().map(|(offset, spec)| (later(origin, offset), spec));
        let outages = self.outages.iter().map(|outage| (later(origin, outage.start), *outage));
        let timeline =
            Timeline { changes: changes.collect(), outages: outages.collect(), down_until: None };
        Link::with_timeline(elements(&specs, seed), timeline)
    }
}

/// What is still to come of a plan.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// In order.
    changes: VecDeque<(Instant, LinkSpec)>,
    /// With their next starts, in no order.
    outages: Vec<(Instant, Outage)>,
    /// The latest end of an outage that began.
    down_until: Option<Instant>,
}

/// What befalls all elements of a link at once.
#[derive(Debug)]
pub(crate) enum Event {
    Change(Box<LinkSpec>),
    Down,
}

impl Timeline {
    /// The next event until `now`, which then is past.
    pub(crate) fn next_until(&mut self, now: Instant) -> Option<(Instant, Event)> {
        let at = self.next_at().filter(|at| *at <= now)?;
        if let Some((_, spec)) = self.changes.pop_front_if(|(change, _)| *change == at) {
            return Some((at, Event::Change(Box::new(spec))));
        }
        let index = self.outages.iter().position(|(start, _)| *start == at)?;
        let (_, outage) = self.outages.swap_remove(index);
        if let Some(every) = outage.every {
            self.outages.push((later(at, every.max(EVERY_MIN)), outage));
        }
        let until = later(at, outage.length);
        self.down_until = Some(self.down_until.map_or(until, |down| down.max(until)));
        Some((at, Event::Down))
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        let change = self.changes.front().map(|(at, _)| *at);
        self.outages.iter().fold(change, |next, (at, _)| earlier(next, Some(*at)))
    }

    /// Whether what is sent at `now` is lost; asked when all events until `now` are past.
    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }
}
