//! A run of some work over some relay, and its figures.

use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, PathEvent, PathId, PathMemory, Scheduler,
    SecretKey, Stats,
};
use relay_sim::{Drift, LinkPlan, Node, Pair};

use crate::adversary::{Adversary, Way};
use crate::endpoint::{Dress, Endpoint};
use crate::oracle::{Oracle, Told};
use crate::peers::kcp::{KcpEnd, Tuning};
use crate::peers::quic::{Cipher, Congestion, Quic};
use crate::work::{ENDLESS, End, Load, PING_INTERVAL, Ping};

/// What carries the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// `ap2ap-stream`, which is told nothing.
    Ours,
    /// A small transport that is told the relay's rate: as good as can be.
    Oracle,
    /// QUIC with CUBIC.
    QuinnCubic,
    /// QUIC with BBR.
    QuinnBbr,
    /// KCP as it comes; not encrypted.
    KcpDefault,
    /// KCP without a congestion window; not encrypted.
    KcpTurbo,
}

/// A run to be made.
#[derive(Clone, Debug)]
pub struct Run {
    /// What carries the work.
    pub stack: Stack,
    /// Client to bridge.
    pub up: LinkPlan,
    /// Bridge to client.
    pub down: LinkPlan,
    /// What is done.
    pub load: Load,
    /// For how long.
    pub time: Duration,
    /// From request to request, of ours and the oracle's.
    pub interval: Duration,
    /// Whether a bridge of ours takes what comes with a first message.
    pub takes_early_data: bool,
    /// How datagrams of ours look on the link; those of others are as they are.
    pub dress: Dress,
    /// The longest datagram, in octets.
    pub payload_max: usize,
    /// How many millionths the bridge's clock runs fast.
    pub drift: i32,
    /// Who tampers with the datagrams, if anybody does.
    pub adversary: Option<Adversary>,
    /// Octets of bulk of ours.
    pub octets: u64,
    /// How long a connection of ours waits for an answer on any path.
    pub answer_timeout: Duration,
    /// Which of several paths data of ours is offered to first.
    pub scheduler: Scheduler,
    /// What our client remembers of the path.
    pub memory: Option<PathMemory>,
    /// All randomness.
    pub seed: u64,
}

/// The figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Bulk octets delivered in order at the bridge, and at the client.
    pub delivered: (u64, u64),
    /// Octets of datagrams that entered each link.
    pub wire: (u64, u64),
    /// Datagrams that each link lost.
    pub dropped: (u64, u64),
    /// How long each request took, in milliseconds, sorted; an unanswered one counts with its age.
    pub pings_ms: Vec<f64>,
    /// How many of them were never answered.
    pub unanswered: usize,
    /// When bulk octets arrived, since the start.
    pub deliveries: Vec<(Duration, u64)>,
    /// The acknowledgements that the client and the bridge sent alone, if they are ours.
    pub acks_alone: (Vec<AckAlone>, Vec<AckAlone>),
    /// The client's and the bridge's counters, if they are ours.
    pub stats: (Stats, Stats),
    /// What the client would remember of the path, if it is ours.
    pub memory: Option<PathMemory>,
    /// What must never happen, if it did.
    pub fault: Option<String>,
}

/// A datagram that holds an acknowledgement and nothing else, as an onlooker sees it.
#[derive(Clone, Copy, Debug)]
pub struct AckAlone {
    /// When it left, since the start.
    pub at: Duration,
    /// The octets of the datagram.
    pub octets: usize,
}

/// A bridge that is made of the first message.
#[derive(Debug)]
pub(crate) struct Bridge {
    acceptor: Acceptor,
    endpoint: Option<Endpoint>,
    dress: Dress,
    payload_max: usize,
    duplex: bool,
}

/// The wall clock of both ends.
const WALL: Duration = Duration::from_secs(1_800_000_000);

impl Run {
    /// The usual run over one kind of link: a minute of it.
    #[must_use]
    pub fn new(link: impl Into<LinkPlan>, load: Load) -> Self {
        let up = link.into();
        Self {
            stack: Stack::Ours,
            down: up.clone(),
            up,
            load,
            time: Duration::from_secs(60),
            interval: PING_INTERVAL,
            takes_early_data: true,
            dress: Dress::Plain,
            payload_max: 1200,
            drift: 0,
            adversary: None,
            octets: ENDLESS,
            answer_timeout: Config::default().answer_timeout,
            scheduler: Scheduler::default(),
            memory: None,
            seed: 1,
        }
    }

    /// Makes the run.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut pair = self.pair();
        let start = pair.now();
        let end = start + self.time;
        pair.run_until(end);
        let (client, bridge) = (&*pair.a, &*pair.b.node);
        let (up, down) = (pair.a_to_b().stats(), pair.b_to_a().stats());
        let (to_bridge, to_client) = (bridge.delivered(), client.delivered());
        let receiver = if self.load.is_up() { to_bridge } else { to_client };
        let of_ours = |end: &dyn End| match end.ours() {
            Some(end) => (acks_alone(end, start), end.connection.stats()),
            None => <_>::default(),
        };
        let ((client_acks, client_stats), (bridge_acks, bridge_stats)) =
            (of_ours(client), of_ours(bridge));
        Outcome {
            delivered: (total(to_bridge), total(to_client)),
            wire: (up.entered.octets, down.entered.octets),
            dropped: (up.dropped().packets, down.dropped().packets),
            pings_ms: pings_ms(client.pings(), end),
            unanswered: client.pings().iter().filter(|ping| ping.answered.is_none()).count(),
            deliveries: receiver.iter().map(|(at, len)| (at.duration_since(start), *len)).collect(),
            acks_alone: (client_acks, bridge_acks),
            stats: (client_stats, bridge_stats),
            memory: client.ours().and_then(|end| end.connection.path_memory(PathId(0))),
            fault: client.fault().or_else(|| bridge.fault()),
        }
    }

    /// Both ends and the relay between them, before anything happens.
    #[must_use]
    pub fn pair(&self) -> Pair<Box<dyn End>, Drift<Box<dyn End>>> {
        let start = origin();
        let (mut up, mut down) =
            (self.up.build(2 * self.seed, start), self.down.build(2 * self.seed + 1, start));
        if let Some(adversary) = self.adversary {
            up = up.then(adversary.element(Way::Up, start, self.seed));
            down = down.then(adversary.element(Way::Down, start, self.seed));
        }
        let (client, bridge) = self.ends(start);
        Pair::new(start, client, Drift::new(bridge, start, self.drift), up, down)
    }

    /// The client and the bridge.
    #[must_use]
    pub fn ends(&self, start: Instant) -> (Box<dyn End>, Box<dyn End>) {
        let (load, seed) = (self.load, self.seed);
        let quic = |congestion| -> (Box<dyn End>, Box<dyn End>) {
            let client = Quic::client(start, (congestion, Cipher::Usual), load, seed);
            (Box::new(client), Box::new(Quic::bridge(congestion, load, seed)))
        };
        let kcp = |tuning| -> (Box<dyn End>, Box<dyn End>) {
            let client = KcpEnd::client(start, tuning, load);
            (Box::new(client), Box::new(KcpEnd::bridge(start, tuning, load)))
        };
        match self.stack {
            Stack::Ours => {
                let (client, bridge) = self.ours(start);
                (Box::new(client), Box::new(bridge))
            }
            Stack::Oracle => {
                let client =
                    Oracle::client(start, Told::of(&self.up, &self.down), load, self.interval);
                let bridge = Oracle::bridge(start, Told::of(&self.down, &self.up), load);
                (Box::new(client), Box::new(bridge))
            }
            Stack::QuinnCubic => quic(Congestion::Cubic),
            Stack::QuinnBbr => quic(Congestion::Bbr),
            Stack::KcpDefault => kcp(Tuning::Default),
            Stack::KcpTurbo => kcp(Tuning::Turbo),
        }
    }

    /// Our client, and what answers it.
    pub(crate) fn ours(&self, start: Instant) -> (Endpoint, Bridge) {
        let (mut client, bridge) = self.ours_unconnected(start);
        client.add_path(start, self.payload_max);
        if let Some(memory) = self.memory {
            client.connection.handle_path(start, PathId(0), PathEvent::Remembered(memory));
        }
        (client, bridge)
    }

    /// The same before the client has a path.
    pub(crate) fn ours_unconnected(&self, start: Instant) -> (Endpoint, Bridge) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        let key = SecretKey::from_octets([42; 32]);
        let mut config = Config::default();
        config.scheduler = self.scheduler;
        config.answer_timeout = self.answer_timeout;
        config.idle_timeout = config.idle_timeout.map(|after| after.max(self.answer_timeout));
        let connection = Connection::connect(key.public(), config.clone(), seed, WALL, start);
        let mut client = Endpoint::new(connection, self.dress);
        if self.load.is_up() {
            client.put(start, self.octets);
        } else if self.load.is_down() {
            client.get(start, self.octets);
        }
        if self.load.has_requests() {
            client.ping(start, self.interval);
        }
        seed[8] = 1;
        let refused_until = if self.takes_early_data { Duration::ZERO } else { WALL + self.time };
        let bridge = Bridge {
            acceptor: Acceptor::new(BridgeIdentity::new(key, refused_until), config, seed),
            endpoint: None,
            dress: self.dress,
            payload_max: self.payload_max,
            duplex: self.load == Load::Duplex,
        };
        (client, bridge)
    }
}

impl Stack {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ours,
        Self::Oracle,
        Self::QuinnCubic,
        Self::QuinnBbr,
        Self::KcpDefault,
        Self::KcpTurbo,
    ];

    /// As in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ap2ap-stream",
            Self::Oracle => "oracle",
            Self::QuinnCubic => "quinn, CUBIC",
            Self::QuinnBbr => "quinn, BBR",
            Self::KcpDefault => "kcp, default",
            Self::KcpTurbo => "kcp, turbo",
        }
    }
}

impl Outcome {
    /// The time that a share of the requests took at most, in milliseconds.
    #[must_use]
    pub fn ping_ms(&self, share: f64) -> f64 {
        let last = self.pings_ms.len().saturating_sub(1);
        let index = share * f64::from(u32::try_from(last).unwrap_or(u32::MAX));
        #[expect(clippy::as_conversions, reason = "an index between 0 and the last")]
        self.pings_ms.get(index.round() as usize).copied().unwrap_or(f64::NAN)
    }
}

fn total(delivered: &[(Instant, u64)]) -> u64 {
    delivered.iter().map(|(_, octets)| octets).sum()
}

/// How long each request took, sorted; the age of those that are not answered at `end`.
pub(crate) fn pings_ms(pings: &[Ping], end: Instant) -> Vec<f64> {
    let took = |ping: &Ping| {
        ping.answered.unwrap_or(end).saturating_duration_since(ping.asked).as_secs_f64() * 1000.0
    };
    let mut pings_ms: Vec<f64> = pings.iter().map(took).collect();
    pings_ms.sort_by(f64::total_cmp);
    pings_ms
}

fn acks_alone(end: &Endpoint, start: Instant) -> Vec<AckAlone> {
    let since_start = |(at, octets): &(Instant, usize)| AckAlone {
        at: at.duration_since(start),
        octets: *octets,
    };
    end.acks_alone.iter().map(since_start).collect()
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin; its value is unused")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

impl Bridge {
    /// The connection that it accepted.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        self.endpoint.map(|endpoint| endpoint.connection)
    }

    /// The end that it made of the first message.
    pub(crate) const fn endpoint_mut(&mut self) -> Option<&mut Endpoint> {
        self.endpoint.as_mut()
    }

    pub(crate) fn accept(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        let mut octets = Vec::new();
        let first = match self.dress {
            Dress::Plain => datagram,
            Dress::Armoured => {
                let text = std::str::from_utf8(datagram).unwrap_or_default();
                if armour::decode(text, &mut octets).is_err() {
                    return;
                }
                &octets
            }
        };
        let way = (path, self.payload_max);
        if let Ok(connection) = self.acceptor.handle_first(now, WALL, way, first) {
            let mut endpoint = Endpoint::new(connection, self.dress);
            endpoint.add_path_named(now, path, self.payload_max);
            if self.duplex {
                endpoint.put(now, ENDLESS);
            }
            self.endpoint = Some(endpoint);
        }
    }
}

impl Node for Bridge {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match &mut self.endpoint {
            Some(endpoint) => endpoint.handle_datagram(now, datagram),
            None => self.accept(now, PathId(0), datagram),
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.endpoint.as_mut().is_some_and(|endpoint| endpoint.poll_transmit(now, buf))
    }

    fn next_at(&self) -> Option<Instant> {
        self.endpoint.as_ref().and_then(Node::next_at)
    }
}

impl End for Bridge {
    fn delivered(&self) -> &[(Instant, u64)] {
        self.endpoint.as_ref().map(End::delivered).unwrap_or_default()
    }

    fn pings(&self) -> &[Ping] {
        self.endpoint.as_ref().map(End::pings).unwrap_or_default()
    }

    fn fault(&self) -> Option<String> {
        self.endpoint.as_ref().and_then(End::fault)
    }

    fn ours(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }
}
