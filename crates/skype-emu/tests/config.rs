//! What the overlay's configuration takes and how it says no.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::time::Duration;

use relay_sim::{Loss, Throttle};
use skype_emu::{OverlayConfig, ThrottleKind};

const LOGINS: &str = r#"
    [[login]]
    name = "alice"
    socket = "alice.sock"
    [[login]]
    name = "bob"
    socket = "bob.sock"
"#;

fn read(rest: &str) -> OverlayConfig {
    toml::from_str(&format!("{LOGINS}{rest}")).unwrap()
}

#[track_caller]
fn refuses(rest: &str, words: &str) {
    let error = read(rest).check().unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn neither_throttles_nor_loses_by_default() {
    let spec = read("").link.spec();
    assert_eq!((spec.throttle, spec.loss), (Throttle::None, Loss::None));
    assert_eq!(read("[link]\nrate = 0").link.spec().throttle, Throttle::None);
}

#[test]
fn reads_every_kind_of_throttle() {
    for (name, kind) in [
        ("shaper", ThrottleKind::Shaper),
        ("policer", ThrottleKind::Policer),
        ("window-policer", ThrottleKind::WindowPolicer),
        ("pausing-reader", ThrottleKind::PausingReader),
    ] {
        let link = read(&format!("[link]\nrate = 3000\nthrottle = \"{name}\"")).link;
        assert_eq!(link.throttle, Some(kind));
        assert_eq!(link.spec().throttle.rate(), Some(3000));
    }
}

#[test]
fn halves_the_round_trip_for_each_direction() {
    assert_eq!(read("[link]\nrtt_ms = 151").link.spec().delay, Duration::from_micros(75_500));
}

#[test]
fn fills_a_particular_link_from_the_common_one() {
    let config = read(
        "[link]\nrate = 9000\nloss = 0.1\n[[link_between]]\nlogins = [\"bob\", \"alice\"]\nrate = 3000",
    );
    config.check().unwrap();
    let spec = config.links_between[0].link.over(config.link).spec();
    assert_eq!(spec.throttle.rate(), Some(3000));
    assert_eq!(spec.loss, Loss::Bernoulli { probability: 0.1 });
}

#[test]
fn names_the_key_of_a_value_that_cannot_be() {
    refuses("[link]\nloss = 1.5", "link.loss = 1.5: must be from 0 to 1");
    refuses("[link]\nloss = nan", "link.loss = NaN");
    refuses("[link]\nburst = 100", "link.burst = 100: must be from 1400");
    refuses("[link]\nrtt_ms = 60001", "link.rtt_ms");
    refuses("[[link_between]]\nlogins = [\"alice\", \"bob\"]\nqueue = 1", "link_between[0].queue");
    refuses("[[link_between]]\nlogins = [\"alice\", \"eve\"]", "\"eve\"");
    refuses("[[link_between]]\nlogins = [\"alice\", \"Alice\"]", "twice");
    refuses("[[login]]\nname = \"a b\"\nsocket = \"x\"", "login[2].name = \"a b\"");
    refuses(
        "[[login]]\nname = \"BOB\"\nsocket = \"x\"",
        "login[2].name = \"BOB\" stands there twice",
    );
    refuses("[[login]]\nname = \"eve\"\nsocket = \"bob.sock\"", "login[2].socket");
    assert!(OverlayConfig::default().check().unwrap_err().to_string().contains("[[login]]"));
}

#[test]
fn refuses_keys_it_does_not_know() {
    for rest in ["[link]\nspeed = 1", "[[link_between]]\nlogins = [\"a\", \"b\"]\nspeed = 1", "[x]"]
    {
        let error = toml::from_str::<OverlayConfig>(&format!("{LOGINS}{rest}")).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}
