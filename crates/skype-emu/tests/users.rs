//! Contacts, presence and Skype's ways against the overlay, in virtual time.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

mod world;

use std::time::Duration;

use skype_emu::{ConfigError, OverlayConfig};
use world::{CONFIG, World};

fn with(skype: &str) -> String {
    format!("{CONFIG}\n[skype]\n{skype}")
}

const STRANGERS: &str = "contacts = \"listed\"";

#[test]
fn who_asks_waits_until_authorised_and_then_both_are_told() {
    let mut world = World::new(&with(STRANGERS));
    let (alice, bob) = (world.attached("alice"), world.attached("bob"));
    world.expect_answer(alice, "SEARCH FRIENDS", "USERS ");
    world.expect_answer(
        alice,
        "GET USER bob ONLINESTATUS",
        "USER bob ONLINESTATUS OFFLINE", // V045
    );
    world.say(alice, "#7 SET USER bob BUDDYSTATUS 2 let me in");
    world.expect(alice, &["#7 USER bob BUDDYSTATUS 2", "USER bob BUDDYSTATUS 2"]);
    world.expect(bob, &["USER alice RECEIVEDAUTHREQUEST let me in"]);
    world.expect_answer(bob, "SEARCH USERSWAITINGMYAUTHORIZATION", "USERS alice");
    world.say(bob, "#8 SET USER alice ISAUTHORIZED TRUE"); // V050
    world.expect(bob, &["#8 USER alice ISAUTHORIZED TRUE", "USER alice ISAUTHORIZED TRUE"]);
    world.expect(alice, &["USER bob BUDDYSTATUS 3", "USER bob ONLINESTATUS ONLINE"]);
    world.expect_answer(alice, "SEARCH FRIENDS", "USERS bob");
    world.expect_answer(bob, "SEARCH USERSWAITINGMYAUTHORIZATION", "USERS ");
}

#[test]
fn whose_user_accepts_at_once_needs_no_program() {
    let mut world = World::new(&with(&format!("{STRANGERS}\naccepts = [\"bob\"]")));
    let alice = world.attached("alice");
    world.say(alice, "SET USER bob BUDDYSTATUS 2 please"); // V048
    let told = ["USER bob BUDDYSTATUS 2", "USER bob BUDDYSTATUS 2", "USER bob BUDDYSTATUS 3"];
    assert_eq!(world.heard[&alice][..3], told);
    world.heard.clear();
    world.expect_answer(
        alice,
        "SET USER bob BUDDYSTATUS 9",
        "ERROR 518 Invalid status given for BUDDYSTATUS",
    );
    world.expect_answer(
        alice,
        "SET USER nobody BUDDYSTATUS 2",
        "ERROR 519 Updating BUDDYSTATUS failed",
    );
}

#[test]
fn who_blocks_hears_and_shows_nothing() {
    let mut world = World::new(CONFIG);
    let (alice, bob) = (world.attached("alice"), world.attached("bob"));
    world.say(bob, "SET USER alice ISBLOCKED TRUE");
    world.expect(bob, &["USER alice ISBLOCKED TRUE", "USER alice ISBLOCKED TRUE"]);
    world.expect(alice, &["USER bob ONLINESTATUS OFFLINE"]);
    world.say(alice, "ALTER APPLICATION a CONNECT bob");
    world.sleep(Duration::from_secs(1));
    world.expect(
        alice,
        &[
            "ALTER APPLICATION a CONNECT bob",
            "APPLICATION a CONNECTING bob",
            "APPLICATION a CONNECTING ",
        ],
    );
    world.expect(bob, &[]);
}

#[test]
fn an_old_skype_connects_contacts_only() {
    let mut world = World::new(&with(&format!("{STRANGERS}\ncontacts_only = true")));
    let (alice, _bob) = (world.attached("alice"), world.attached("bob"));
    world.say(alice, "ALTER APPLICATION a CONNECT bob");
    world.sleep(Duration::from_secs(1));
    let heard = world.heard.remove(&alice).unwrap();
    assert!(!heard.iter().any(|line| line.contains("STREAMS")), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "APPLICATION a CONNECTING ");
}

#[test]
fn a_search_and_a_question_to_the_user_take_their_time_and_ping_is_served() {
    let mut world = World::new(&with("search_ms = 10000\nconfirm_ms = 4500")); // V021, V032
    let alice = world.attached("alice");
    world.say(alice, "#0 SEARCH USERS bo");
    world.say(alice, "SET SILENT_MODE ON");
    world.expect_answer(alice, "PING", "PONG");
    world.sleep(Duration::from_secs(5));
    world.expect(alice, &["SILENT_MODE ON"]);
    world.sleep(Duration::from_secs(5));
    world.expect(alice, &["#0 USERS bob"]);
    world.expect_answer(alice, "SET AUTOAWAY BANANA", "ERROR 53 SET AUTOAWAY invalid value"); // V034
    world.expect_answer(alice, "SEARCH USERS", "ERROR 4 Empty target not allowed");
}

#[test]
fn connecting_ends_as_this_skype_does_it() {
    let ends = |how: &str| -> Vec<String> {
        let mut world = World::new(&with(&format!("connecting_end = \"{how}\"")));
        let (alice, _bob) = (world.attached("alice"), world.attached("bob"));
        world.say(alice, "ALTER APPLICATION a CONNECT bob");
        world.sleep(Duration::from_secs(1));
        let heard = world.heard.remove(&alice).unwrap();
        heard.iter().skip(2).map(|line| line.replace("APPLICATION a ", "")).collect()
    };
    assert_eq!(ends("after"), ["STREAMS bob:1", "CONNECTING "]);
    assert_eq!(ends("before"), ["CONNECTING ", "STREAMS bob:1"]);
    assert_eq!(ends("absent"), ["STREAMS bob:1"]);
}

#[test]
fn news_may_come_before_the_reply_that_brought_it() {
    let mut world = World::new(&with("news_first = true"));
    let (alice, bob) = (world.attached("alice"), world.attached("bob"));
    world.say(bob, "#1 SET USERSTATUS AWAY");
    world.expect(bob, &["USERSTATUS AWAY", "#1 USERSTATUS AWAY"]);
    world.expect(alice, &["USER bob ONLINESTATUS AWAY"]);
    world.expect_answer(alice, "#2 PING", "#2 PONG");
}

#[test]
fn an_older_skype_says_so_and_drops_idle_streams_sooner() {
    let skype = with("version = \"1.4.0.99\"\nprotocol = 6\nidle_s = 60\nlist_blank = false");
    let (mut world, alice, bob) = World::connected_in(&skype);
    world.expect_answer(alice, "GET SKYPEVERSION", "SKYPEVERSION 1.4.0.99");
    world.say(alice, "PROTOCOL 7");
    assert_eq!(world.heard.remove(&alice).unwrap()[0], "PROTOCOL 6");
    world.sleep(Duration::from_secs(61));
    world.expect(alice, &["APPLICATION a STREAMS"]);
    world.expect(bob, &["APPLICATION a STREAMS"]);
}

#[test]
fn what_cannot_be_is_named() {
    let check = |rest: &str| {
        let config: OverlayConfig = toml::from_str(&format!("{CONFIG}\n{rest}")).unwrap();
        config.check().map_err(|error| error.key().to_owned())
    };
    assert_eq!(check("[skype]\nprotocol = 9"), Err("skype.protocol".to_owned()));
    assert_eq!(check("[skype]\nversion = \"a b\""), Err("skype.version".to_owned()));
    assert_eq!(check("[skype]\naccepts = [\"zoe\"]"), Err("skype.accepts".to_owned()));
    let contact = "[[contact]]\nlogins = [\"alice\", \"bob\"]";
    assert_eq!(check(contact), Err("contact[0]".to_owned()));
    assert_eq!(check(&format!("{contact}\n[skype]\n{STRANGERS}")), Ok(()));
    let unknown: Result<OverlayConfig, _> =
        toml::from_str(&format!("{CONFIG}\n[skype]\ncolour = 1"));
    assert!(unknown.is_err());
    let refused = ConfigError::Text { key: "skype.version".to_owned(), at: 1 };
    assert_eq!(refused.to_string(), "skype.version: a blank or a control character at octet 1");
}
