//! The days that are counted are held against minutes that are lived: real connections over real links.

use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Output, PathEvent, PathId, SecretKey, StreamId,
};
use benches::availability::{ENOUGH_OCTETS, GOODPUT_SHARE, rows, scenes, table};
use relay_sim::censor::{Censor, CensorSpec, Hunt, Manner, Verdict};
use relay_sim::paths::{PathPolicy, Plan, User, run};
use relay_sim::population::{
    Choice, Chooser, Class, ClassSpec, Lifetime, Population, PopulationSpec, Relay, preset,
};
use relay_sim::{Link, Loss};

/// When so many probes in a row have left ap2ap-stream would rather have another path, and so does the client here.
const SILENT_PROBES: u32 = 2;
const PAYLOAD_MAX: usize = 1200;
const WALL: Duration = Duration::from_secs(1_800_000_000);
const TIME: Duration = Duration::from_mins(10);
const SEEDS: u64 = 8;

/// So few relays that a censor who blocks the one in use three times a minute has half of them after ten minutes:
/// each run sees thirty losses at the same times, and as many vain attempts as luck will have it.
fn few() -> PopulationSpec {
    let session = Lifetime { median: Duration::from_hours(100), sigma: 0.1 };
    let class = ClassSpec { class: Class::Passing, share: 1.0, session, returns: None };
    PopulationSpec { relays: 60, classes: vec![class], ..preset::constant() }
}

const CENSOR: CensorSpec = CensorSpec {
    hunt: Hunt::Seen { every: Duration::from_secs(20) },
    manner: Manner::Silent,
    login_blocked_from: None,
    rate_max: None,
    drops: Loss::None,
};

/// A path as it is: a relay, and a link each way.
struct Way {
    id: PathId,
    relay: Relay,
    up: Link,
    down: Link,
    /// When its relay went down or was found blocked.
    lost: Option<Duration>,
    answered: Answered,
}

/// Whether anything ever came back over a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Once,
    Never,
}

/// One client, one bridge, one path at a time.
struct World {
    start: Instant,
    now: Instant,
    population: Population,
    chooser: Chooser,
    censor: Censor,
    client: Connection,
    acceptor: Acceptor,
    bridge: Option<Connection>,
    ways: Vec<Way>,
    /// When the stream that is being opened is there.
    set_up: Option<Instant>,
    upload: StreamId,
    seconds: Vec<u64>,
    /// From a path's loss to when that was noticed, or from its first datagram if it never answered.
    silences: Vec<(Answered, Duration)>,
    /// The same until the first question, on paths that had answered.
    doubts: Vec<Duration>,
    /// Questions that were asked of a path that was not lost.
    in_vain: u32,
    /// Whether a question is without an answer.
    is_asking: bool,
    seed: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let start = Instant::now();
        let key = SecretKey::from_octets([42; 32]);
        let octet = u8::try_from(seed).expect("few seeds");
        let config = Config::default;
        let mut client = Connection::connect(key.public(), config(), [octet; 32], WALL, start);
        let upload = client.open().expect("the first stream");
        let identity = BridgeIdentity::new(key, Duration::ZERO);
        let mut world = Self {
            start,
            now: start,
            population: Population::new(few(), seed),
            chooser: Chooser::new(Choice::default(), seed),
            censor: Censor::new(CENSOR, seed),
            client,
            acceptor: Acceptor::new(identity, config(), [octet + 100; 32]),
            bridge: None,
            ways: Vec::new(),
            set_up: Some(start),
            upload,
            seconds: vec![0; usize::try_from(TIME.as_secs()).expect("minutes")],
            silences: Vec::new(),
            doubts: Vec::new(),
            in_vain: 0,
            is_asking: false,
            seed,
        };
        world.add_way();
        world
    }

    fn at(&self) -> Duration {
        self.now - self.start
    }

    /// The overlay gives a relay.
    fn relay(&mut self) -> Relay {
        let in_use: Vec<_> = self.ways.iter().map(|way| way.relay.id).collect();
        let id = self.chooser.choose(&self.population, &in_use).expect("there are relays");
        self.population.relay(id).expect("it is up").clone()
    }

    /// A stream is set up: it takes the place of the one before.
    fn add_way(&mut self) {
        self.set_up = None;
        let relay = self.relay();
        let id = PathId(self.ways.last().map_or(0, |way| way.id.0 + 1));
        self.client.handle_path(self.now, id, PathEvent::Added { payload_max: PAYLOAD_MAX });
        if let Some(before) = self.ways.pop() {
            self.client.handle_path(self.now, before.id, PathEvent::Removed);
        }
        let link = self.censor.narrowed(relay.link());
        let is_blocked = self.censor.verdict(self.at(), &relay) != Verdict::Passes;
        let lost = is_blocked.then(|| self.at());
        let (up, down) = (link.build(2 * self.seed), link.build(2 * self.seed + 1));
        self.ways.push(Way { id, relay, up, down, lost, answered: Answered::Never });
    }

    /// Relays go and are blocked; what was in them is gone with them.
    fn pass_time(&mut self) {
        let at = self.at();
        while self.population.advance(at).is_some() {}
        let seen: Vec<_> = self.ways.iter().map(|way| way.relay.id).collect();
        self.censor.sweep(at, &seen);
        for way in &mut self.ways {
            let is_up = self.population.relay(way.relay.id).is_some();
            if !is_up || self.censor.verdict(at, &way.relay) != Verdict::Passes {
                way.lost.get_or_insert(at);
            }
        }
    }

    fn deliver(&mut self) {
        let Some(way) = self.ways.last_mut() else { return };
        while let Some(datagram) = way.up.pop(self.now) {
            if way.lost.is_some() {
                continue;
            }
            match &mut self.bridge {
                None => {
                    let on = (way.id, PAYLOAD_MAX);
                    self.bridge = self.acceptor.handle_first(self.now, WALL, on, &datagram).ok();
                    let added = PathEvent::Added { payload_max: PAYLOAD_MAX };
                    if let Some(bridge) = &mut self.bridge {
                        bridge.handle_path(self.now, way.id, added);
                    }
                }
                Some(bridge) => {
                    if bridge.is_ours(&datagram) {
                        let added = PathEvent::Added { payload_max: PAYLOAD_MAX };
                        bridge.handle_path(self.now, way.id, added);
                    }
                    bridge.handle_datagram(self.now, way.id, &datagram);
                }
            }
        }
        while let Some(datagram) = way.down.pop(self.now) {
            if way.lost.is_none() {
                way.answered = Answered::Once;
                self.client.handle_datagram(self.now, way.id, &datagram);
            }
        }
    }

    /// Bulk without end; what is not read is not asked for.
    fn work(&mut self) {
        let octets = [7; 4096];
        if let Some(mut stream) = self.client.stream(self.upload) {
            while stream.write(&octets).is_ok_and(|taken| taken > 0) {}
        }
        let at = self.at();
        let Some(bridge) = &mut self.bridge else { return };
        while let Ok(Some(read)) = bridge.read_rest(self.upload, 64 * 1024) {
            let second = usize::try_from(at.as_secs()).expect("minutes");
            if let Some(octets) = self.seconds.get_mut(second) {
                *octets += u64::try_from(read.len()).expect("short");
            }
        }
    }

    /// When the two ends next want to be woken.
    fn transmit(&mut self) -> Option<Instant> {
        let mut buf = [0; 2048];
        let mut wake = None;
        for is_client in [true, false] {
            let end = if is_client { Some(&mut self.client) } else { self.bridge.as_mut() };
            let Some(end) = end else { continue };
            loop {
                match end.poll_output(self.now, &mut buf) {
                    Output::Event(_) => {}
                    Output::Wait(at) => {
                        wake = [wake, at].into_iter().flatten().min();
                        break;
                    }
                    Output::Transmit { path, len } => {
                        let on = self.ways.iter_mut().find(|way| way.id == path);
                        let Some(way) = on else { continue };
                        let link = if is_client { &mut way.up } else { &mut way.down };
                        link.push(self.now, buf.get(..len).expect("it fits"));
                    }
                }
            }
        }
        wake
    }

    /// Two questions in a row: another relay.
    fn notice(&mut self) {
        let was_asking = self.is_asking;
        self.is_asking = self.client.probes_unanswered() > 0;
        let current = self.ways.last().filter(|way| way.answered == Answered::Once);
        if let Some(way) = current.filter(|_| self.is_asking && !was_asking) {
            let at = self.at();
            match way.lost {
                Some(lost) => self.doubts.push(at - lost),
                None => self.in_vain += 1,
            }
        }
        let is_silent = self.client.probes_unanswered() >= SILENT_PROBES;
        if is_silent && self.set_up.is_none() {
            self.set_up = Some(self.now + PathPolicy::default().set_up);
            let lost = self.ways.last().and_then(|way| Some((way.answered, way.lost?)));
            let (answered, lost) = lost.expect("two questions are never asked for nothing");
            self.silences.push((answered, self.at() - lost));
        }
    }

    fn run(&mut self) {
        while self.at() < TIME {
            assert!(!self.client.is_closed(), "a connection outlives its relays");
            self.pass_time();
            if self.set_up.is_some_and(|at| at <= self.now) {
                self.add_way();
            }
            self.deliver();
            self.work();
            let wake = self.transmit();
            self.notice();
            let links = self.ways.iter().flat_map(|way| [way.up.next_at(), way.down.next_at()]);
            let outside = [self.population.next_at(), self.censor.next_sweep()];
            let outside = outside.into_iter().flatten().min().map(|at| self.start + at);
            let next = links.chain([wake, outside, self.set_up]).flatten().min();
            let least = self.now + Duration::from_micros(1);
            self.now = next.map_or(least, |next| next.max(least));
        }
    }

    fn served(&self) -> f64 {
        let enough = self.seconds.iter().filter(|octets| as_f64(**octets) >= ENOUGH_OCTETS);
        as_f64(u64::try_from(enough.count()).expect("few")) / TIME.as_secs_f64()
    }

    fn rate(&self) -> f64 {
        as_f64(self.seconds.iter().sum()) / TIME.as_secs_f64()
    }
}

fn as_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("counts of minutes"))
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / as_f64(u64::try_from(values.len()).expect("few"))
}

/// The same relays, counted.
fn counted(seed: u64) -> (f64, f64) {
    let plan = Plan {
        population: few(),
        warm_up: Duration::ZERO,
        time: TIME,
        goodput_share: GOODPUT_SHARE,
        enough_octets: ENOUGH_OCTETS,
        seed,
    };
    let user = User { censor: CENSOR, ..User::default() };
    run(&plan, &[user]).first().map_or((0.0, 0.0), |user| (user.availability(), user.rate))
}

/// A seed of what the bench prints twenty of.
#[test]
fn what_is_asked_of_paths_behind_censors_is_reached() {
    let mut scenes = scenes();
    for scene in &mut scenes {
        scene.watched.retain(|watched| !watched.asked.is_empty());
    }
    scenes.retain(|scene| !scene.watched.is_empty());
    let rows = rows(&scenes, 1);
    println!("{}", table(&rows));
    let asked: Vec<_> = rows.iter().filter(|row| row.bound.is_some()).collect();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|row| row.is_met()));
}

#[test]
fn what_is_counted_is_what_real_connections_live_through() {
    let worlds: Vec<World> = (1..=SEEDS)
        .map(|seed| {
            let mut world = World::new(seed);
            world.run();
            world
        })
        .collect();
    let lived = (mean(worlds.iter().map(World::served)), mean(worlds.iter().map(World::rate)));
    let counted: Vec<(f64, f64)> = (1..=SEEDS).map(counted).collect();
    let counted = (mean(counted.iter().map(|run| run.0)), mean(counted.iter().map(|run| run.1)));
    println!("share of seconds, octets a second: lived {lived:.3?}, counted {counted:.3?}");
    assert!((lived.0 - counted.0).abs() < 0.03, "lived {lived:?}, counted {counted:?}");
    assert!((lived.1 / counted.1 - 1.0).abs() < 0.1, "lived {lived:?}, counted {counted:?}");

    // What PathPolicy says by default is what one question and two of them take.
    let policy = PathPolicy::default();
    let doubts = worlds.iter().flat_map(|world| &world.doubts).map(Duration::as_secs_f64);
    let doubt = mean(doubts);
    let in_vain: u32 = worlds.iter().map(|world| world.in_vain).sum();
    println!("the first question after {doubt:.2} s, and {in_vain} for nothing");
    assert!((doubt / policy.silence_of_all.as_secs_f64() - 1.0).abs() < 0.25, "{doubt}");
    for (kind, expected) in [(Answered::Once, policy.silence), (Answered::Never, policy.no_answer)]
    {
        let all = worlds.iter().flat_map(|world| &world.silences);
        let of_kind: Vec<f64> = all
            .filter(|(answered, _)| *answered == kind)
            .map(|(_, silence)| silence.as_secs_f64())
            .collect();
        println!("{} silences, answered {kind:?}: {:.2} s", of_kind.len(), mean(of_kind.clone()));
        assert!(of_kind.len() > 50);
        assert!((mean(of_kind) / expected.as_secs_f64() - 1.0).abs() < 0.25);
    }
}
