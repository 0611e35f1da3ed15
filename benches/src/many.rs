//! One session over many relays, in virtual time.

pub mod table;
pub mod worlds;

use std::time::{Duration, Instant};

use ap2ap_stream::{PathId, Scheduler};
use relay_sim::{Link, LinkPlan, Node};

use crate::endpoint::Endpoint;
use crate::run::{Bridge, origin, pings_ms};
use crate::work::{ENDLESS, End, Load};
use crate::{Outcome, Run};

/// A session outlives all its paths for so long, as the binary's does.
const SESSION_KEPT: Duration = Duration::from_secs(600);

/// A relay, and the paths that go through it.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Client to bridge.
    pub up: LinkPlan,
    /// Bridge to client.
    pub down: LinkPlan,
    /// When the client is given each path through it.
    pub joins: Vec<Duration>,
}

impl Relay {
    /// One path through a relay of its own, from the start on.
    #[must_use]
    pub fn new(link: impl Into<LinkPlan>) -> Self {
        let up = link.into();
        Self { down: up.clone(), up, joins: vec![Duration::ZERO] }
    }
}

/// A session over many relays, to be run.
#[derive(Clone, Debug)]
pub struct ManyRun {
    /// What it goes through.
    pub relays: Vec<Relay>,
    /// When the client loses a path again, by the path's number: in the order of the relays, and of their joins.
    pub leaves: Vec<(Duration, u64)>,
    /// What is done.
    pub load: Load,
    /// How many octets of bulk.
    pub octets: u64,
    /// For how long.
    pub time: Duration,
    /// Which path is offered data first.
    pub scheduler: Scheduler,
    /// All randomness.
    pub seed: u64,
}

/// The links of one relay.
#[derive(Debug)]
struct Links {
    up: Link,
    down: Link,
}

/// A run under way.
#[derive(Debug)]
pub struct Many {
    now: Instant,
    start: Instant,
    client: Endpoint,
    bridge: Bridge,
    links: Vec<Links>,
    /// The relay of each path, by the path's number.
    relay_of: Vec<usize>,
    /// Paths that the client is still to be given, soonest last.
    joins: Vec<(Instant, u64)>,
    /// Paths that it is to lose, soonest last.
    leaves: Vec<(Instant, u64)>,
    payload_max: usize,
}

impl ManyRun {
    /// How long a run takes.
    pub const TIME: Duration = Duration::from_secs(300);

    /// Five minutes of one upload beside requests.
    #[must_use]
    pub fn new(relays: Vec<Relay>) -> Self {
        Self {
            relays,
            leaves: Vec::new(),
            load: Load::Interactive,
            octets: ENDLESS,
            time: Self::TIME,
            scheduler: Scheduler::default(),
            seed: 1,
        }
    }

    /// Before anything happens.
    #[must_use]
    pub fn begin(&self) -> Many {
        let start = origin();
        let mut run = Run::new(LinkPlan::default(), self.load);
        (run.scheduler, run.seed, run.time) = (self.scheduler, self.seed, self.time);
        (run.answer_timeout, run.octets) = (SESSION_KEPT, self.octets);
        let (mut relay_of, mut joins) = (Vec::new(), Vec::new());
        for (index, relay) in self.relays.iter().enumerate() {
            for at in &relay.joins {
                joins.push((start + *at, u64::try_from(relay_of.len()).unwrap_or(u64::MAX)));
                relay_of.push(index);
            }
        }
        let leaves = self.leaves.iter().map(|(at, path)| (start + *at, *path));
        let mut leaves: Vec<(Instant, u64)> = leaves.collect();
        leaves.sort_by_key(|(at, path)| std::cmp::Reverse((*at, *path)));
        joins.sort_by_key(|(at, path)| std::cmp::Reverse((*at, *path)));
        let links = (0u64..)
            .zip(&self.relays)
            .map(|(index, relay)| Links {
                up: relay.up.build(1000 * self.seed + 2 * index, start),
                down: relay.down.build(1000 * self.seed + 2 * index + 1, start),
            })
            .collect();
        let (client, bridge) = run.ours_unconnected(start);
        Many {
            now: start,
            start,
            client,
            bridge,
            links,
            relay_of,
            joins,
            leaves,
            payload_max: run.payload_max,
        }
    }

    /// Makes the run.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut many = self.begin();
        let end = many.start + self.time;
        many.run_until(end);
        many.outcome(end, self.load)
    }
}

impl Many {
    /// The client's end.
    #[must_use]
    pub const fn client(&self) -> &Endpoint {
        &self.client
    }

    /// When it began.
    #[must_use]
    pub const fn start(&self) -> Instant {
        self.start
    }

    /// Does everything that is due until then.
    pub fn run_until(&mut self, end: Instant) {
        while self.now <= end {
            while self.settle() {}
            match self.next_at().filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now + Duration::from_micros(1)),
                None => break,
            }
        }
        self.now = end;
    }

    /// The same, so long after the start.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.start + time);
    }

    /// False: nothing is due.
    fn settle(&mut self) -> bool {
        let (now, mut moved) = (self.now, false);
        while self.joins.last().is_some_and(|(at, _)| *at <= now)
            && let Some((_, path)) = self.joins.pop()
        {
            self.client.add_path_named(now, PathId(path), self.payload_max);
            moved = true;
        }
        while self.leaves.last().is_some_and(|(at, _)| *at <= now)
            && let Some((_, path)) = self.leaves.pop()
        {
            self.client.remove_path_named(now, PathId(path));
            moved = true;
        }
        for Links { up, down } in &mut self.links {
            while let Some(packet) = up.pop_packet(now) {
                let path = PathId(packet.tag());
                deliver(&mut self.bridge, now, path, packet.octets(), self.payload_max);
                moved = true;
            }
            while let Some(packet) = down.pop_packet(now) {
                self.client.handle_datagram_on(now, PathId(packet.tag()), packet.octets());
                moved = true;
            }
        }
        moved | self.transmit()
    }

    fn transmit(&mut self) -> bool {
        let (now, mut moved, mut buf) = (self.now, false, Vec::new());
        while let Some(path) = self.client.poll_transmit_any(now, &mut buf) {
            if let Some(links) = relay(&self.relay_of, &mut self.links, path) {
                links.up.push_tagged(now, path.0, &buf);
            }
            buf.clear();
            moved = true;
        }
        let Some(bridge) = self.bridge.endpoint_mut() else { return moved };
        while let Some(path) = bridge.poll_transmit_any(now, &mut buf) {
            if let Some(links) = relay(&self.relay_of, &mut self.links, path) {
                links.down.push_tagged(now, path.0, &buf);
            }
            buf.clear();
            moved = true;
        }
        moved
    }

    fn next_at(&self) -> Option<Instant> {
        let links = self.links.iter().flat_map(|links| [links.up.next_at(), links.down.next_at()]);
        let ends = [self.client.next_at(), self.bridge.next_at()];
        let changes = [&self.joins, &self.leaves];
        let changes = changes.into_iter().filter_map(|all| all.last().map(|(at, _)| *at));
        links.chain(ends).flatten().chain(changes).min()
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(&self, end: Instant, load: Load) -> Outcome {
        let (to_bridge, to_client) = (self.bridge.delivered(), self.client.delivered());
        let receiver = if load.is_up() { to_bridge } else { to_client };
        let total = |delivered: &[(Instant, u64)]| delivered.iter().map(|(_, len)| len).sum();
        let since = |(at, len): &(Instant, u64)| (at.duration_since(self.start), *len);
        let entered = |link: fn(&Links) -> &Link| {
            self.links.iter().map(|links| link(links).stats().entered.octets).sum()
        };
        let pings = self.client.pings();
        Outcome {
            delivered: (total(to_bridge), total(to_client)),
            wire: (entered(|links| &links.up), entered(|links| &links.down)),
            pings_ms: pings_ms(pings, end),
            unanswered: pings.iter().filter(|ping| ping.answered.is_none()).count(),
            deliveries: receiver.iter().map(since).collect(),
            stats: (self.client.connection.stats(), <_>::default()),
            fault: self.client.fault().or_else(|| self.bridge.fault()),
            ..Outcome::default()
        }
    }
}

fn relay<'a>(relay_of: &[usize], links: &'a mut [Links], path: PathId) -> Option<&'a mut Links> {
    let index = relay_of.get(usize::try_from(path.0).ok()?)?;
    links.get_mut(*index)
}

/// A path that the bridge does not know is announced to it with its first datagram.
fn deliver(bridge: &mut Bridge, now: Instant, path: PathId, octets: &[u8], payload_max: usize) {
    let Some(end) = bridge.endpoint_mut() else { return bridge.accept(now, path, octets) };
    if !end.connection.uses_path(path) && end.connection.is_ours(octets) {
        end.add_path_named(now, path, payload_max);
    }
    end.handle_datagram_on(now, path, octets);
}
