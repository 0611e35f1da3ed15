//! Transcripts of the Skype desktop API against the overlay, in virtual time. The ids are those of
//! the project's collection; replies are compared word for word.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

mod world;

use std::time::Duration;

use skype_emu::{Consent, OverlayConfig, STREAM_IDLE};
use world::{CONFIG, World};

#[test]
fn greets_a_program_as_skype_for_linux_did() {
    let mut world = World::new(CONFIG); // V002, V009
    let alice = world.program("alice");
    world.expect_answer(alice, "#0 NAME t1", "#0 OK");
    world.say(alice, "PROTOCOL 7");
    world.expect(
        alice,
        &[
            "PROTOCOL 7",
            "CONNSTATUS ONLINE",
            "CURRENTUSERHANDLE alice",
            "USERSTATUS ONLINE",
            "USER bob ONLINESTATUS ONLINE",
        ],
    );
    world.say(alice, "PROTOCOL 999"); // V003
    assert_eq!(world.heard[&alice][0], "PROTOCOL 8");
}

#[test]
fn serves_nobody_who_has_not_said_a_name() {
    let mut world = World::new(CONFIG); // V011
    let alice = world.program("alice");
    world.expect_answer(alice, "#4 FOCUS", "#4 ERROR 68");
    world.expect_answer(alice, "CREATE APPLICATION a", "ERROR 68");
    world.expect_answer(alice, "PING", "PONG");
}

#[test]
fn asks_the_user_for_consent() {
    let config =
        |consent: &str| CONFIG.replacen("\"alice.sock\"", &format!("\"alice.sock\"\n{consent}"), 1);
    let mut world = World::new(&config("consent = \"refuse\"")); // V006
    let alice = world.program("alice");
    world.expect_answer(alice, "NAME test", "ERROR 68");
    world.expect_answer(alice, "GET USERSTATUS", "ERROR 68");

    let mut world = World::new(&config("consent_ms = 5000")); // V010
    let alice = world.program("alice");
    world.say(alice, "#1 NAME test");
    world.sleep(Duration::from_millis(4999));
    world.expect(alice, &[]);
    world.sleep(Duration::from_millis(1));
    world.expect(alice, &["#1 OK"]);

    let mut world = World::new(&config("consent = \"pending\""));
    let alice = world.program("alice");
    world.say(alice, "NAME test");
    world.sleep(Duration::from_secs(3600));
    world.expect(alice, &[]);
    let parsed: OverlayConfig = toml::from_str(&config("")).unwrap();
    assert_eq!(parsed.logins[0].consent, Consent::Ok);
}

#[test]
fn answers_general_commands() {
    let mut world = World::new(CONFIG);
    let alice = world.attached("alice");
    for (said, answer) in [
        ("#AB GET USERSTATUS", "#AB USERSTATUS ONLINE"), // V015
        ("#50 PING", "#50 PONG"),                        // V018
        ("GET CURRENTUSERHANDLE ", "CURRENTUSERHANDLE alice"), // V025
        ("RESETIDLETIMER", "RESETIDLETIMER"),            // V033
        ("#3 SEARCH FRIENDS", "#3 USERS bob"),           // V036
        ("GET CONNSTATUS", "CONNSTATUS ONLINE"),
        ("GET USER no_such_user_x ONLINESTATUS", "USER no_such_user_x ONLINESTATUS UNKNOWN"),
        ("GET USER bob BUDDYSTATUS", "USER bob BUDDYSTATUS 3"), // V046
        ("GET USER bob isauthorized", "USER bob isauthorized TRUE"),
        ("GET APPLICATION a CONNECTABLE", "APPLICATION a CONNECTABLE "),
        ("#1 GET APPLICATION a STREAMS", "#1 APPLICATION a STREAMS "), // V109
    ] {
        world.expect_answer(alice, said, answer);
    }
}

#[test]
fn answers_errors_by_the_table() {
    let (mut world, alice, _) = World::connected();
    for (said, code) in [
        (" ", 1), // V023
        ("# PING", 1),
        ("GRT USERSTATUS", 2),  // V024
        ("GET XZY", 7),         // V016
        ("PROTOCOL -12,9", 27), // V005
        ("SET USERSTATUS BANANA", 28),
        ("SEARCH FRIENDS mike", 67),   // V039
        ("CREATE", 536),               // V060
        ("CREATE APPLICATION", 540),   // V062
        ("CREATE APPLICATION a", 541), // V059
        ("DELETE APPLICATION nosuch", 542),
        ("GET APPLICATION nosuch STREAMS", 543), // V113
        ("GET APPLICATION a BANANA", 544),
        ("ALTER APPLICATION nosuch CONNECT bob", 545), // V075
        ("ALTER APPLICATION a JUMP", 546),
        ("ALTER APPLICATION a CONNECT", 547),
        ("ALTER APPLICATION a DISCONNECT bob:99", 548), // V117
        ("ALTER APPLICATION a WRITE bob:99 x", 549),    // V091
        ("ALTER APPLICATION a READ bob:99", 550),
        ("ALTER APPLICATION a DATAGRAM bob:99 x", 551), // V102
        ("ALTER APPLICATION a DATAGRAM bob:1", 541),    // V103
        ("ALTER APPLICATION a WRITE bob:1", 541),
    ] {
        world.say(alice, said);
        let heard = world.heard.remove(&alice).unwrap();
        assert_eq!(heard.len(), 1, "{said}");
        assert!(heard[0].starts_with(&format!("ERROR {code} ")), "{said}: {}", heard[0]);
    }
    let long = "a".repeat(1401); // V104
    let answer = "#5 ERROR 541 APPLICATION: operation failed";
    world.expect_answer(alice, &format!("#5 ALTER APPLICATION a DATAGRAM bob:1 {long}"), answer);
    let long = "a".repeat(65_536); // V096
    world.expect_answer(alice, &format!("#5 ALTER APPLICATION a WRITE bob:1 {long}"), answer);
}

#[test]
fn connects_two_logins() {
    let mut world = World::new(CONFIG); // V071, in the order both client libraries need
    let (alice, bob) = (world.attached("alice"), world.attached("bob"));
    world.say(alice, "#ID1 alter application a connect bob");
    world.expect(alice, &["#ID1 ALTER APPLICATION a CONNECT bob", "APPLICATION a CONNECTING bob"]);
    world.sleep(Duration::from_millis(100));
    world.expect(alice, &["APPLICATION a STREAMS bob:1", "APPLICATION a CONNECTING "]);
    world.expect(bob, &["APPLICATION a STREAMS alice:1"]);
}

#[test]
fn numbers_streams_at_each_end_by_itself() {
    let (mut world, alice, bob) = World::connected();
    world.say(alice, "ALTER APPLICATION a DISCONNECT bob:1");
    world.say(bob, "DELETE APPLICATION a");
    world.say(bob, "CREATE APPLICATION a");
    world.sleep(Duration::from_secs(1));
    world.heard.clear();
    world.say(bob, "ALTER APPLICATION a CONNECT alice");
    world.sleep(Duration::from_secs(1));
    assert_eq!(world.heard[&alice], ["APPLICATION a STREAMS bob:2"]); // V084
    assert!(world.heard[&bob].contains(&"APPLICATION a STREAMS alice:1".to_owned()));
}

#[test]
fn never_says_why_there_is_no_stream() {
    for prepare in [None, Some("DELETE APPLICATION a"), Some("SET USERSTATUS OFFLINE")] {
        let mut world = World::new(CONFIG);
        let (alice, bob) = (world.attached("alice"), world.attached("bob"));
        if let Some(line) = prepare {
            world.say(bob, line);
        }
        world.heard.clear();
        let user = if prepare.is_none() { "nobody" } else { "bob" };
        world.say(alice, &format!("ALTER APPLICATION a CONNECT {user}"));
        world.sleep(Duration::from_secs(60));
        let lines = [
            format!("ALTER APPLICATION a CONNECT {user}"),
            format!("APPLICATION a CONNECTING {user}"),
            "APPLICATION a CONNECTING ".to_owned(),
        ];
        assert_eq!(world.heard[&alice], lines);
        world.expect(bob, &[]);
    }
}

#[test]
fn carries_datagrams() {
    let (mut world, alice, bob) = World::connected(); // V100
    world.say(alice, "ALTER APPLICATION a DATAGRAM bob:1 BBBBBBBBBBBBBB");
    world.expect(
        alice,
        &[
            "ALTER APPLICATION a DATAGRAM bob:1",
            "APPLICATION a SENDING bob:1=14",
            "APPLICATION a SENDING ",
        ],
    );
    world.expect(bob, &[]);
    world.sleep(Duration::from_millis(50));
    world.expect(bob, &["APPLICATION a DATAGRAM alice:1 BBBBBBBBBBBBBB"]);
    world.say(bob, "ALTER APPLICATION a DATAGRAM alice:1  #5 ERROR 2 fake "); // V128, V129
    world.sleep(Duration::from_millis(50));
    world.expect(alice, &["APPLICATION a DATAGRAM bob:1  #5 ERROR 2 fake "]);
}

#[test]
fn keeps_the_rate_of_the_relay_and_counts_what_it_drops() {
    let config = CONFIG.replace("rtt_ms = 100", "rtt_ms = 100\nrate = 3000\nqueue = 3000");
    let (mut world, alice, bob) = World::connected_in(&config);
    let line = format!("ALTER APPLICATION a DATAGRAM bob:1 {}", "x".repeat(1000));
    for _ in 0..20 {
        world.say(alice, &line);
    }
    world.sleep(Duration::from_secs(60));
    let delivered = world.heard[&bob].len();
    // A burst of 4096, a queue of 3000 octets: the rest was dropped.
    assert!((6..=8).contains(&delivered), "{delivered}");
    let stats = world.overlay.stats();
    let route = stats.iter().find(|route| route.from.as_str() == "alice").unwrap();
    let (sent, arrived, lost) = (route.datagrams_in, route.datagrams_out, route.datagrams_lost);
    assert_eq!((sent, arrived + lost), (20, 20));
    assert_eq!(usize::try_from(arrived).unwrap(), delivered);
    assert_eq!(route.octets_in, 20_000);
}

#[test]
fn carries_writes_whole_and_in_order_over_a_link_that_loses() {
    let config = CONFIG.replace("rtt_ms = 100", "rtt_ms = 100\nloss = 0.2\njitter_ms = 30");
    let (mut world, alice, bob) = World::connected_in(&config);
    let long = "\u{e9}".repeat(10_000);
    world.say(alice, "#1 ALTER APPLICATION a WRITE bob:1 first");
    world.expect(alice, &["#1 ALTER APPLICATION a WRITE bob:1", "APPLICATION a SENDING bob:1=7"]);
    world.say(alice, &format!("ALTER APPLICATION a WRITE bob:1 {long}"));
    world.heard.clear();
    world.sleep(Duration::from_secs(300));
    assert_eq!(world.heard[&alice].last().unwrap(), "APPLICATION a SENDING ");
    let received = ["APPLICATION a RECEIVED alice:1=5", "APPLICATION a RECEIVED alice:1=20005"];
    world.expect(bob, &received); // V094
    world.say(bob, "#1 ALTER APPLICATION a READ alice:1");
    let told = "APPLICATION a RECEIVED alice:1=20000";
    world.expect(bob, &["#1 ALTER APPLICATION a READ alice:1 first", told]);
    world.say(bob, "ALTER APPLICATION a READ alice:1");
    let echo = format!("ALTER APPLICATION a READ alice:1 {long}");
    world.expect(bob, &[&echo, "APPLICATION a RECEIVED "]);
    world.expect_answer(
        bob,
        "ALTER APPLICATION a READ alice:1",
        "ALTER APPLICATION a READ alice:1 ",
    );
}

#[test]
fn disconnects_both_ends() {
    let (mut world, alice, bob) = World::connected(); // V115
    world.say(alice, "#ID2 alter application a disconnect bob:1");
    let echo = "#ID2 ALTER APPLICATION a DISCONNECT bob:1";
    world.expect(alice, &[echo, "APPLICATION a STREAMS "]);
    world.expect(bob, &[]);
    world.sleep(Duration::from_millis(50));
    world.expect(bob, &["APPLICATION a STREAMS "]);
    world.say(bob, "ALTER APPLICATION a DATAGRAM alice:1 x");
    assert!(world.heard[&bob][0].starts_with("ERROR 551"));
}

#[test]
fn leaves_an_orphan_when_an_application_is_deleted() {
    let (mut world, alice, bob) = World::connected(); // V069
    world.expect_answer(alice, "#9 DELETE APPLICATION a", "#9 DELETE APPLICATION a");
    world.sleep(Duration::from_secs(60));
    world.expect(bob, &[]);
    world.expect_answer(bob, "GET APPLICATION a STREAMS", "APPLICATION a STREAMS alice:1");
    world.say(bob, "ALTER APPLICATION a DATAGRAM alice:1 x");
    assert_eq!(world.heard.remove(&bob).unwrap().len(), 3);
    world.sleep(STREAM_IDLE);
    world.expect(bob, &["APPLICATION a STREAMS "]);
    world.expect(alice, &[]);
}

#[test]
fn keeps_dead_streams_at_the_partner_of_a_user_who_left() {
    let (mut world, alice, bob) = World::connected(); // V119, V054
    world.say(bob, "SET USERSTATUS OFFLINE");
    world.expect(
        bob,
        &[
            "USERSTATUS OFFLINE",
            "USERSTATUS OFFLINE",
            "CONNSTATUS OFFLINE",
            "APPLICATION a STREAMS ",
        ],
    );
    world.expect(alice, &["USER bob ONLINESTATUS OFFLINE"]);
    world.expect_answer(alice, "GET APPLICATION a STREAMS", "APPLICATION a STREAMS bob:1");
    world.say(bob, "SET USERSTATUS INVISIBLE");
    world.expect(alice, &[]);
    world.say(bob, "SET USERSTATUS ONLINE");
    world.expect(alice, &["USER bob ONLINESTATUS ONLINE"]);
}

#[test]
fn drops_a_stream_after_eight_idle_minutes() {
    let (mut world, alice, bob) = World::connected(); // V118
    world.sleep(STREAM_IDLE - Duration::from_secs(1));
    world.say(alice, "ALTER APPLICATION a DATAGRAM bob:1 keep");
    world.heard.clear();
    world.sleep(STREAM_IDLE - Duration::from_secs(1));
    assert_eq!(world.heard.remove(&bob).unwrap().len(), 1);
    world.sleep(Duration::from_secs(2));
    world.expect(alice, &["APPLICATION a STREAMS "]);
    world.expect(bob, &["APPLICATION a STREAMS "]);
}

#[test]
fn tells_every_program_of_a_login_and_outlives_them() {
    let mut world = World::new(CONFIG);
    let first = world.attached("alice");
    let second = world.program("alice");
    let silent = world.program("alice");
    world.say(second, "NAME second");
    world.heard.clear();
    let bob = world.attached("bob");
    world.say(bob, "ALTER APPLICATION a CONNECT alice");
    world.sleep(Duration::from_secs(1));
    world.expect(first, &["APPLICATION a STREAMS bob:1"]);
    world.expect(second, &["APPLICATION a STREAMS bob:1"]);
    world.expect(silent, &[]);
    world.overlay.detach(first);
    world.overlay.detach(second);
    let heir = world.program("alice");
    world.say(heir, "NAME heir");
    world.heard.clear();
    let answer = "#2 ERROR 541 APPLICATION: operation failed";
    world.expect_answer(heir, "#2 CREATE APPLICATION a", answer); // V059
    world.expect_answer(heir, "GET APPLICATION a STREAMS", "APPLICATION a STREAMS bob:1");
}

#[test]
fn refuses_more_programs_than_it_serves() {
    let mut world = World::new(CONFIG);
    for _ in 0..skype_emu::CLIENTS_PER_LOGIN_MAX {
        world.program("alice");
    }
    assert!(world.overlay.attach("alice".parse().unwrap()).is_err());
    assert!(world.overlay.attach("nobody".parse().unwrap()).is_err());
    world.program("bob");
}

#[test]
fn repeats_itself_from_a_seed() {
    let run = |seed: &str| {
        let config = CONFIG.replace("rtt_ms = 100", "rtt_ms = 100\nloss = 0.5");
        let (mut world, alice, bob) = World::connected_in(&config.replace("seed = 7", seed));
        for number in 0..50 {
            world.say(alice, &format!("ALTER APPLICATION a DATAGRAM bob:1 {number}"));
        }
        world.sleep(Duration::from_secs(1));
        world.heard.remove(&bob).unwrap()
    };
    assert_eq!(run("seed = 1"), run("seed = 1"));
    assert_ne!(run("seed = 1"), run("seed = 2"));
}
