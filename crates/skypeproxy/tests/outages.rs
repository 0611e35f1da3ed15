//! A minute without any way through, under a running transfer, with real processes: what comes next, and when.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use common::inside::say;
use common::place::{LOST, Place, count};
use common::transfer::{Transfer, now};
use common::{Running, octets, web_server};

/// Half a minute's worth at the rate of these links: neither begun nor over when the outage comes.
const LEN: usize = 700_000;
const LINK: &str = "rtt_ms = 0\n[relays]\ncount = 40\nrate = 25000\nrtt_ms = 40\nlifetime_s = 0\n\
                    set_up_ms = 50\n";

/// Begins late enough for everything to be up on a machine that has other things to do.
const AT_S: u64 = 12;
const AWAY_S: u64 = 60;
const AWAY: Duration = Duration::from_secs(AWAY_S);

/// What was under way when it began has come by then, and what comes after it has not so much earlier.
const MARGIN: Duration = Duration::from_secs(5);

const LOOK_EVERY: Duration = Duration::from_millis(20);

fn event(what: &str, more: &str) -> String {
    format!("[[event]]\nwhat = \"{what}\"\nat_s = {AT_S}\nfor_s = {AWAY_S}\n{more}")
}

/// An overlay that tells what befalls it, a bridge, a client, and a transfer that runs.
struct Run {
    place: Place,
    overlay: Option<Running>,
    bridge: Running,
    client: Running,
    transfer: Transfer,
}

impl Run {
    fn start(link: &str, paths: &str) -> Self {
        let web: SocketAddr = web_server(octets(LEN));
        let mut place = Place::new(link, &[web]);
        place.set("RUST_LOG", "info,skype_emu=debug");
        place.set("SKYPEPROXY_PATHS", paths);
        let overlay = Some(place.overlay_alike());
        let bridge = place.bridge();
        let (client, socks) = place.client();
        let transfer = Transfer::begin(&socks, web);
        Self { place, overlay, bridge, client, transfer }
    }

    /// The moment at which the overlay has said these words, one after the other.
    fn when(&self, words: &[&str]) -> Instant {
        let deadline = now() + 3 * AWAY;
        loop {
            let log = self.overlay.as_ref().unwrap().stderr();
            let rest = words
                .iter()
                .try_fold(log.as_str(), |rest, word| rest.split_once(word).map(|(_, rest)| rest));
            if rest.is_some() {
                return now();
            }
            assert!(now() < deadline, "never said {words:?}:\n{log}");
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Everything arrives over the session that there was, although nothing came for a minute; `gone` is when
    /// that began, `back` when it was over. Of `words` the last says that a stream was given a good relay.
    fn goes_on(self, what: &str, [gone, back]: [Instant; 2], words: &[&str]) {
        let given = self.when(words);
        let Self { transfer, bridge, client, overlay, place: _place } = self;
        let [before, at_last] =
            [gone + MARGIN, gone + AWAY - MARGIN].map(|moment| transfer.arrived_by(moment));
        assert!(0 < before && before < LEN, "{before} octets: begun too late, or over");
        assert_eq!(at_last, before, "something passed meanwhile");
        let next = transfer.assert_whole(&octets(LEN), given, &[&client, &bridge]);
        say(&format!(
            "{what} for a minute: a stream is given a good relay {:.1} s after that, the next octet comes \
             {:.1} s later",
            given.duration_since(back).as_secs_f64(),
            next.as_secs_f64()
        ));
        assert_eq!(count(&client.stderr(), LOST), 0, "{}", client.stderr());
        for one in [client, bridge] {
            assert!(one.stop().success());
        }
        drop(overlay);
    }

    /// The same, when the overlay says what happens.
    fn goes_on_after_event(self, what: &str) {
        let gone = self.when(&["cue=Begin"]);
        let back = self.when(&["cue=Begin", "cue=End"]);
        self.goes_on(what, [gone, back], &["cue=End", "relay given"]);
    }
}

#[test]
#[ignore = "two minutes: cargo xtask test --all"]
fn a_transfer_outlives_a_minute_in_which_all_relays_are_blocked() {
    let run = Run::start(&(LINK.to_owned() + &event("block", "")), "2");
    run.goes_on_after_event("all relays blocked");
}

#[test]
#[ignore = "two minutes: cargo xtask test --all"]
fn a_transfer_outlives_a_minute_without_the_client_s_skype() {
    let link = LINK.to_owned() + &event("skype-dies", "logins = [\"alice\"]\n");
    let run = Run::start(&link, "1");
    run.goes_on_after_event("the client's Skype gone");
}

#[test]
#[ignore = "two minutes: cargo xtask test --all"]
fn a_transfer_outlives_a_minute_without_the_bridge_s_skype() {
    let link = LINK.to_owned() + &event("skype-dies", "logins = [\"bob\"]\n");
    let run = Run::start(&link, "1");
    run.goes_on_after_event("the bridge's Skype gone");
}

#[test]
#[ignore = "two minutes: cargo xtask test --all"]
fn a_transfer_outlives_a_minute_without_an_overlay() {
    let mut run = Run::start(LINK, "1");
    thread::sleep(Duration::from_secs(AT_S));
    let gone = now();
    drop(run.overlay.take());
    thread::sleep(AWAY);
    let back = now();
    run.overlay = Some(run.place.overlay_alike());
    run.goes_on("the overlay killed", [gone, back], &["relay given"]);
}
