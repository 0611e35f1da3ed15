//! Streams over a population of relays, a censor and a script, in virtual time.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use skype_emu::{AttachError, ClientId, Output, Overlay, OverlayConfig};

const LOGINS: &str = r#"
    seed = 7
    [[login]]
    name = "alice"
    socket = "alice.sock"
    [[login]]
    name = "bob"
    socket = "bob.sock"
"#;

/// A datagram of 100 octets.
const TEXT: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// Alice, Bob, and what each heard and nobody looked at.
struct World {
    overlay: Overlay,
    now: Instant,
    alice: ClientId,
    bob: ClientId,
    heard: BTreeMap<ClientId, Vec<String>>,
    turns: Vec<String>,
}

impl World {
    fn new(rest: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        let config: OverlayConfig = toml::from_str(&format!("{LOGINS}{rest}")).unwrap();
        let mut overlay = Overlay::new(now, &config).unwrap();
        let [alice, bob] =
            ["alice", "bob"].map(|name| overlay.attach(name.parse().unwrap()).unwrap());
        let mut world =
            Self { overlay, now, alice, bob, heard: BTreeMap::new(), turns: Vec::new() };
        for client in [alice, bob] {
            world.greet(client);
        }
        world
    }

    fn greet(&mut self, client: ClientId) {
        for line in ["NAME test", "PROTOCOL 7", "CREATE APPLICATION a"] {
            self.say(client, line);
        }
        self.heard.clear();
    }

    fn say(&mut self, client: ClientId, line: &str) {
        self.overlay.handle_line(self.now, client, line);
        self.settle();
    }

    fn settle(&mut self) -> Option<Instant> {
        loop {
            match self.overlay.poll_output(self.now) {
                Output::Send { client, line, .. } => {
                    self.heard.entry(client).or_default().push(line)
                }
                Output::Quit { login } => self.turns.push(format!("{login} quits")),
                Output::Start { login } => self.turns.push(format!("{login} starts")),
                Output::Wait(until) => return until,
            }
        }
    }

    fn sleep(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(due) = self.settle().filter(|due| *due <= end) {
            self.now = self.now.max(due);
        }
        self.now = end;
        self.settle();
    }

    /// Opens a stream to Bob; says how many Alice has then.
    fn open(&mut self) -> usize {
        self.say(self.alice, "ALTER APPLICATION a CONNECT bob");
        self.sleep(2.0);
        self.overlay.streams().len()
    }

    /// How many of Alice's datagrams on this stream Bob hears within five seconds of each.
    fn passes(&mut self, stream: u32, count: usize) -> usize {
        self.heard.clear();
        for _ in 0..count {
            self.say(self.alice, &format!("ALTER APPLICATION a DATAGRAM bob:{stream} {TEXT}"));
            self.sleep(5.0);
        }
        let heard = self.heard.remove(&self.bob).unwrap_or_default();
        heard.iter().filter(|line| line.contains(" DATAGRAM alice:")).count()
    }

    /// The relay of each stream.
    fn relays(&self) -> Vec<Option<u64>> {
        self.overlay.streams().iter().map(|stream| stream.relay).collect()
    }

    /// Octets a second that arrive at Bob when streams offer twice what a relay gives.
    fn throughput(&mut self, streams: u32) -> f64 {
        self.heard.clear();
        let before = self.arrived();
        // Every 16 ms 100 octets on each: 6,250 a second.
        for _ in 0..1_875 {
            for stream in 1..=streams {
                self.say(self.alice, &format!("ALTER APPLICATION a DATAGRAM bob:{stream} {TEXT}"));
            }
            self.sleep(0.016);
        }
        let octets = u32::try_from(self.arrived() - before).unwrap();
        f64::from(octets) / 30.0
    }

    fn arrived(&self) -> u64 {
        self.overlay.stats().iter().map(|route| route.octets_out).sum()
    }

    fn assert_books_balance(&mut self) {
        self.sleep(60.0);
        for route in self.overlay.stats() {
            assert_eq!(route.datagrams_in, route.datagrams_out + route.datagrams_lost, "{route:?}");
        }
    }
}

const FOUR_FOR_EVER: &str = "[relays]\ncount = 4\nrate = 3000\nlifetime_s = 0\n";

#[test]
fn four_relays_carry_four_times_what_one_does_and_eight_streams_no_more() {
    let mut world = World::new(FOUR_FOR_EVER);
    assert_eq!(world.open(), 1);
    let one = world.throughput(1);
    assert!((2_950.0..=3_100.0).contains(&one), "{one}");
    for _ in 1..4 {
        world.open();
    }
    let distinct: BTreeSet<_> = world.relays().into_iter().collect();
    assert_eq!(distinct.len(), 4, "{:?}", world.relays());
    let four = world.throughput(4);
    assert!((11_900.0..=12_400.0).contains(&four), "{four}");
    for _ in 4..8 {
        world.open();
    }
    // All relays have two streams now, and share their rate.
    let mut counts: BTreeMap<Option<u64>, usize> = BTreeMap::new();
    world.relays().into_iter().for_each(|relay| *counts.entry(relay).or_default() += 1);
    assert!(counts.values().all(|count| *count == 2), "{counts:?}");
    let eight = world.throughput(8);
    assert!((11_900.0..=12_400.0).contains(&eight), "{eight}");
    world.assert_books_balance();
}

#[test]
fn a_stream_whose_relay_goes_has_another_one_after_a_gap_and_nobody_is_told() {
    let mut world = World::new(
        "[relays]\ncount = 200\nlifetime_s = 20\ngap_ms_min = 2000\ngap_ms_max = 2000\n",
    );
    world.open();
    let first = world.relays();
    world.heard.clear();
    let (mut silent, mut heard) = (0.0, Vec::new());
    for _ in 0..50_000 {
        world.say(world.alice, "ALTER APPLICATION a DATAGRAM bob:1 here");
        world.sleep(0.1);
        silent += if world.relays() == [None] { 0.1 } else { 0.0 };
        heard.append(world.heard.get_mut(&world.alice).unwrap_or(&mut Vec::new()));
        if world.overlay.relay_stats().switched == 3 {
            break;
        }
    }
    assert!((5.6..=6.3).contains(&silent), "{silent}");
    assert_ne!(world.relays(), first);
    assert!(!heard.iter().any(|line: &String| line.contains("STREAMS")));
    let stats = world.overlay.relay_stats();
    assert_eq!((stats.given, stats.switched, stats.used), (4, 3, 1));
    world.assert_books_balance();
}

#[test]
fn where_relays_go_for_good_a_stream_falls_silent_and_a_new_one_works() {
    let mut world = World::new("[relays]\ncount = 200\nlifetime_s = 20\nwhen_gone = \"silence\"\n");
    world.open();
    while world.relays() != [None] {
        world.sleep(1.0);
    }
    world.sleep(100.0);
    assert_eq!((world.relays(), world.passes(1, 2)), (vec![None], 0));
    world.open();
    assert_eq!(world.passes(2, 1), 1);
    world.assert_books_balance();
}

#[test]
fn the_same_seed_gives_the_same_relays_and_another_one_others() {
    let history = |seed: u64| {
        let mut world = World::new("[relays]\npreset = \"mixed\"\ncount = 5000\n");
        let config =
            format!("{}[relays]\npreset = \"mixed\"\n", LOGINS.replace('7', &seed.to_string()));
        world.overlay = Overlay::new(world.now, &toml::from_str(&config).unwrap()).unwrap();
        world.alice = world.overlay.attach("alice".parse().unwrap()).unwrap();
        world.bob = world.overlay.attach("bob".parse().unwrap()).unwrap();
        world.greet(world.alice);
        world.greet(world.bob);
        (0..4).for_each(|_| assert!(world.open() > 0));
        world.relays()
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}

#[test]
fn some_streams_go_direct_and_all_do_without_relays() {
    let mut world = World::new("[relays]\ncount = 50\ndirect = 0.5\n");
    for _ in 0..20 {
        world.open();
    }
    let direct = world.relays().iter().filter(|relay| relay.is_none()).count();
    assert!((4..=16).contains(&direct), "{direct}");
    let mut world = World::new("");
    world.open();
    assert_eq!((world.relays(), world.passes(1, 1)), (vec![None], 1));
}

#[test]
fn a_censor_that_watches_blocks_what_is_used_and_a_new_stream_has_a_minute() {
    let mut world = World::new(
        "[relays]\ncount = 500\nlifetime_s = 0\n[censor]\nlogins = [\"alice\"]\nblock_seen_every_s = 60\n",
    );
    world.open();
    assert_eq!(world.passes(1, 1), 1);
    world.sleep(60.0);
    assert_eq!(world.passes(1, 2), 0);
    world.open();
    assert_eq!(world.passes(2, 1), 1);
    world.sleep(60.0);
    assert_eq!(world.passes(2, 1), 0);
    world.assert_books_balance();
}

#[test]
fn a_loud_block_ends_the_stream_at_its_first_datagram() {
    let mut world =
        World::new("[relays]\ncount = 5\n[censor]\nblock_class = \"passing\"\nmanner = \"loud\"\n");
    assert_eq!(world.open(), 1);
    assert_eq!(world.passes(1, 1), 0);
    assert!(world.overlay.streams().is_empty());
    let heard = world.heard.remove(&world.alice).unwrap_or_default();
    assert!(heard.iter().any(|line| line == "APPLICATION a STREAMS "), "{heard:?}");
}

#[test]
fn a_censor_who_knows_half_of_all_relays_blocks_half_of_the_streams() {
    let mut world =
        World::new("[relays]\ncount = 2000\nlifetime_s = 0\n[censor]\nblock_per_hour = 0.5\n");
    world.sleep(3_600.0);
    let passing: usize = (1..=60)
        .map(|stream| {
            world.open();
            world.passes(stream, 1)
        })
        .sum();
    assert!((18..=42).contains(&passing), "{passing} of 60");
}

#[test]
fn a_censor_throttles_and_drops_on_the_lines_that_it_watches_only() {
    let relays = "[relays]\ncount = 4\nrate = 0\nlifetime_s = 0\n";
    for (login, watched) in [("alice", true), ("carol", false)] {
        let carol = "[[login]]\nname = \"carol\"\nsocket = \"carol.sock\"\n";
        let censor = format!("[censor]\nlogins = [\"{login}\"]\nrate_max = 1000\nloss = 0.2\n");
        let mut world = World::new(&format!("{carol}{relays}{censor}"));
        world.open();
        let rate = world.throughput(1);
        assert_eq!((900.0..=1_100.0).contains(&rate), watched, "{rate}");
    }
}

#[test]
fn a_censor_that_looks_at_lengths_spares_what_is_short() {
    let mut world = World::new("[censor]\nloss = 0.99\nloss_above = 50\n");
    world.open();
    let long = world.passes(1, 200);
    assert!(long <= 10, "{long} of 200");
    world.heard.clear();
    for _ in 0..50 {
        world.say(world.alice, "ALTER APPLICATION a DATAGRAM bob:1 short");
    }
    world.sleep(1.0);
    let heard = world.heard.remove(&world.bob).unwrap();
    assert_eq!(heard.iter().filter(|line| line.ends_with(" short")).count(), 50);
    world.assert_books_balance();
}

#[test]
fn in_an_outage_nothing_passes_and_afterwards_all_does_until_the_next_one() {
    let event = "[[event]]\nwhat = \"outage\"\nat_s = 50\nfor_s = 60\nevery_s = 100\n";
    let mut world = World::new(event);
    world.open();
    world.sleep(8.0);
    // At 10, 60, 115, 165 and 220 s: five seconds are waited for each datagram.
    for expected in [1, 0, 1, 0, 1] {
        assert_eq!(world.passes(1, 1), expected);
        world.sleep(if expected == 1 { 45.0 } else { 50.0 });
    }
}

#[test]
fn a_block_of_all_relays_is_for_good_and_those_given_after_it_are_well() {
    let event = "[[event]]\nwhat = \"block\"\nat_s = 30\nfor_s = 60\n";
    let mut world = World::new(&format!("{FOUR_FOR_EVER}{event}"));
    world.open();
    assert_eq!(world.passes(1, 1), 1);
    world.sleep(30.0);
    assert_eq!(world.passes(1, 1), 0);
    world.open();
    assert_eq!(world.passes(2, 1), 0);
    world.sleep(60.0);
    assert_eq!((world.passes(1, 1), world.passes(2, 1)), (0, 0));
    world.open();
    assert_eq!(world.passes(3, 1), 1);
    world.assert_books_balance();
}

#[test]
fn a_block_of_half_of_the_relays_leaves_the_others() {
    let event = "[[event]]\nwhat = \"block\"\nat_s = 100\nfor_s = 1\nshare = 0.5\n";
    let mut world = World::new(&format!("[relays]\ncount = 40\nlifetime_s = 0\n{event}"));
    for _ in 0..20 {
        world.open();
    }
    world.sleep(100.0);
    let blocked = world.overlay.streams().iter().filter(|stream| stream.blocked).count();
    assert!((4..=16).contains(&blocked), "{blocked}");
    let passing: usize = (1..=20).map(|stream| world.passes(stream, 1)).sum();
    assert_eq!(passing, 20 - blocked);
}

#[test]
fn a_skype_that_dies_forgets_all_and_its_partners_keep_streams_that_lead_nowhere() {
    let event = "[[event]]\nwhat = \"skype-dies\"\nat_s = 30\nfor_s = 60\nlogins = [\"alice\"]\n";
    let mut world = World::new(&format!("{FOUR_FOR_EVER}{event}"));
    world.open();
    world.sleep(28.5);
    assert_eq!(world.turns, ["alice quits"]);
    let attached = world.overlay.attach("alice".parse().unwrap());
    assert_eq!(attached, Err(AttachError::NotRunning));
    world.say(world.bob, "GET APPLICATION a STREAMS");
    let heard = world.heard.remove(&world.bob).unwrap();
    assert_eq!(heard.last().unwrap(), "APPLICATION a STREAMS alice:1");
    world.sleep(60.0);
    assert_eq!(world.turns, ["alice quits", "alice starts"]);
    world.alice = world.overlay.attach("alice".parse().unwrap()).unwrap();
    world.greet(world.alice);
    world.open();
    assert_eq!(world.passes(1, 1), 1);
}

#[test]
fn who_is_logged_in_stays_so_and_a_skype_that_is_started_again_does_not_get_in() {
    let event = "[[event]]\nwhat = \"skype-dies\"\nat_s = 90\nfor_s = 1\nlogins = [\"alice\"]\n";
    let mut world = World::new(&format!("{event}[censor]\nlogin_blocked_from_s = 10\n"));
    world.open();
    world.sleep(20.0);
    assert_eq!(world.passes(1, 1), 1);
    world.sleep(100.0);
    world.alice = world.overlay.attach("alice".parse().unwrap()).unwrap();
    world.heard.clear();
    world.say(world.alice, "NAME test");
    assert_eq!(world.heard.remove(&world.alice).unwrap(), ["CONNSTATUS OFFLINE"]);
}

#[test]
fn what_is_written_goes_through_a_relay_that_loses_a_fifth() {
    let mut world = World::new("[relays]\ncount = 4\nrate = 3000\nloss = 0.2\nlifetime_s = 0\n");
    world.open();
    for _ in 0..10 {
        world.say(world.alice, &format!("ALTER APPLICATION a WRITE bob:1 {TEXT}"));
    }
    world.sleep(300.0);
    world.heard.clear();
    for _ in 0..10 {
        world.say(world.bob, "ALTER APPLICATION a READ alice:1");
    }
    let heard = world.heard.remove(&world.bob).unwrap();
    assert_eq!(heard.iter().filter(|line| line.ends_with(TEXT)).count(), 10, "{heard:?}");
}
