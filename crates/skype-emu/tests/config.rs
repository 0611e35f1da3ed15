//! What the overlay's configuration takes and how it says no.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::time::Duration;

use relay_sim::population::{Lifetime, preset};
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
fn relays_are_as_the_preset_says_and_as_is_said_beside_it() {
    let preset = |name: &str| format!("[relays]\npreset = \"{name}\"\n");
    let population = |rest: &str| {
        let config = read(rest);
        config.check().unwrap();
        config.relays.unwrap().population()
    };
    assert_eq!(population("[relays]"), preset::constant());
    assert_eq!(population(&preset("two-classes")), preset::two_classes());
    assert_eq!(population(&preset("mixed")), preset::mixed());
    assert_eq!(population(&preset("diurnal")), preset::diurnal());
    let at = Duration::from_secs(60);
    let failure = population(&format!("{}failure_at_s = 60", preset("failure-of-2010")));
    assert_eq!(failure, preset::failure_of_2010(at));
    let concentration = population(&preset("concentration-of-2012"));
    assert_eq!(concentration, preset::concentration_of_2012());
    let fixed = population("[relays]\ncount = 8\nrate = 3000\nrtt_ms = 200\nlifetime_s = 0");
    assert_eq!((fixed.relays, fixed.throttles), (8, preset::constant().throttles));
    assert_eq!(fixed.classes[0].session, Lifetime::FOR_EVER);
    let brief = population(&format!("{}lifetime_s = 60", preset("two-classes")));
    assert_eq!((brief.classes[1].session.median, brief.classes[1].session.sigma), (at, 1.5));
}

#[test]
fn names_what_is_wrong_with_relays_censors_and_events() {
    refuses("[relays]\ncount = 0", "relays.count = 0: must be from 1 to 100000");
    refuses("[relays]\nburst = 1399", "relays.burst");
    refuses("[relays]\nburst = 4000", "relays.burst has no meaning without relays.rate");
    refuses("[relays]\nthrottle = \"policer\"", "without relays.rate");
    refuses("[relays]\nfailure_at_s = 1", "without relays.preset = \"failure-of-2010\"");
    refuses("[relays]\ngap_ms_min = 5\ngap_ms_max = 4", "relays.gap_ms_min = 5");
    refuses("[relays]\nlifetime_s = -1", "relays.lifetime_s = -1");
    refuses(
        "[censor]\nblock_per_hour = 0.5",
        "censor.block_per_hour has no meaning without [relays]",
    );
    refuses("[relays]\n[censor]\nblock_per_hour = 1.5", "censor.block_per_hour = 1.5");
    refuses(
        "[relays]\n[censor]\nblock_per_hour = 0.5\nblock_class = \"hosted\"",
        "censor.block_class cannot stand beside censor.block_per_hour",
    );
    refuses("[censor]\nlogins = [\"eve\"]", "censor.logins names \"eve\"");
    refuses("[censor]\nloss_burst = 3", "censor.loss_burst has no meaning without censor.loss");
    refuses("[censor]\nloss_above = 3", "censor.loss_above has no meaning without censor.loss");
    refuses("[censor]\nloss = 0.1\nloss_burst = 3\nloss_above = 3", "cannot stand beside");
    let event = |rest: &str| format!("[[event]]\nwhat = {rest}");
    refuses(&event("\"outage\"\nat_s = -1\nfor_s = 1"), "event[0].at_s = -1");
    refuses(&event("\"outage\"\nat_s = 1\nfor_s = 0"), "event[0].for_s = 0");
    refuses(&event("\"outage\"\nat_s = 1\nfor_s = 9\nevery_s = 9"), "event[0].every_s = 9");
    refuses(&event("\"outage\"\nat_s = 1\nfor_s = 9\nshare = 0.5"), "event[0].share");
    refuses(
        &event("\"block\"\nat_s = 1\nfor_s = 9"),
        "event[0].what has no meaning without [relays]",
    );
    refuses(
        &event("\"skype-dies\"\nat_s = 1\nfor_s = 9\nlogins = [\"eve\"]"),
        "event[0].logins names \"eve\"",
    );
}

#[test]
fn a_censor_of_bursts_drops_the_share_that_it_was_told() {
    let drops = read("[censor]\nloss = 0.1\nloss_burst = 4").censor.unwrap().spec().drops;
    assert!((drops.mean() - 0.1).abs() < 1e-9, "{drops:?}");
    let Loss::GilbertElliott { bad_to_good, .. } = drops else { panic!("{drops:?}") };
    assert!((bad_to_good - 0.25).abs() < 1e-9);
}

#[test]
fn refuses_keys_it_does_not_know() {
    for rest in [
        "[link]\nspeed = 1",
        "[[link_between]]\nlogins = [\"a\", \"b\"]\nspeed = 1",
        "[x]",
        "[relays]\nspeed = 1",
        "[censor]\nspeed = 1",
        "[[event]]\nwhat = \"outage\"\nat_s = 1\nfor_s = 1\nspeed = 1",
    ] {
        let error = toml::from_str::<OverlayConfig>(&format!("{LOGINS}{rest}")).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}
