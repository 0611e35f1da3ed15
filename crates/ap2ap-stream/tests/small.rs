//! How few octets the first request takes, and that nothing is lost where datagrams must shrink.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::{Duration, Instant};

use ap2ap_stream::{Config, PathEvent, StreamId};
use common::{Duo, Fate, MS, PATH, PAYLOAD_MAX, SECOND, patterned};
use tunnel_proto::{Answer, Open, Target};

/// What the issue allows, in octets of datagrams before armour.
const UP_MAX: usize = 300;
const DOWN_MAX: usize = 240;

const REQUEST: [u8; 100] = [b'x'; 100];

/// What a client says first on a stream: where to, and the request at once.
fn opening() -> Vec<u8> {
    let target: Target = "192.0.2.7:443".parse().unwrap();
    let mut octets = Vec::new();
    Open::connect(target).encode(&mut octets);
    octets.extend_from_slice(&REQUEST);
    octets
}

fn octets(sent: &[(Instant, Vec<u8>)]) -> usize {
    sent.iter().map(|(_, datagram)| datagram.len()).sum()
}

/// The octets each way from nothing until the client has read the echo, when the target takes so long
/// to be reached and again to echo.
fn first_request(seed: [u8; 32], target_takes: Duration) -> (usize, usize) {
    let mut duo = Duo::with(Config::default(), Config::default(), seed);
    let id = duo.client.open();
    assert_eq!(duo.client.write(id, &opening()), Ok(opening().len()));
    duo.add_path();
    let mut answer = Vec::new();
    Answer::connected("198.51.100.1:40000".parse().unwrap()).encode(&mut answer);
    let expected = [&answer[..], &REQUEST].concat();
    let (mut asked, mut echoed) = (Vec::new(), Vec::new());
    let (mut answer_at, mut echo_at) = (None, None);
    let end = duo.now + 10 * SECOND;
    let is_read = duo.run_until(end, |duo| {
        let now = duo.now;
        if let Some(bridge) = &mut duo.bridge {
            asked.extend(bridge.read(id).0);
            if answer_at.is_none() && asked == opening() {
                answer_at = Some(now + target_takes);
                echo_at = Some(now + 2 * target_takes);
            }
            for (at, octets) in [(&mut answer_at, &answer[..]), (&mut echo_at, &REQUEST)] {
                if at.is_some_and(|at| at <= now) {
                    assert_eq!(bridge.write(id, octets), Ok(octets.len()));
                    *at = Some(end + SECOND);
                }
            }
        }
        duo.alarm = [answer_at, echo_at].into_iter().flatten().filter(|at| *at > now).min();
        echoed.extend(duo.client.read(id).0);
        echoed == expected
    });
    assert!(is_read, "the echo came");
    (octets(&duo.up.sent), octets(&duo.down.sent))
}

/// From nothing to the first echo, whatever the padding (AP-20): over a hundred seeds, with a target
/// that answers at once and with ones that are away.
#[test]
fn the_first_request_and_its_echo_take_few_octets() {
    for target_takes in [Duration::ZERO, MS, 40 * MS] {
        let all: Vec<(usize, usize)> =
            (0..100).map(|seed| first_request([seed; 32], target_takes)).collect();
        let (up, down) = all.iter().fold((0, 0), |(up, down), (u, d)| (up.max(*u), down.max(*d)));
        let mean = |sum: usize| sum / all.len();
        let (mean_up, mean_down) =
            (mean(all.iter().map(|it| it.0).sum()), mean(all.iter().map(|it| it.1).sum()));
        println!(
            "target {target_takes:?} away: up {mean_up}, at most {up}; down {mean_down}, at most {down}"
        );
        assert!(up <= UP_MAX, "{up} up");
        assert!(down <= DOWN_MAX, "{down} down");
    }
}

const RATE: f64 = 64_000.0;

/// A relay that lets so many octets through in a second and queues what comes faster.
fn relay(start: Instant) -> impl FnMut(usize, &[u8], Instant) -> Fate {
    let mut free_at = start;
    move |_, datagram, now| {
        free_at = free_at.max(now) + Duration::from_secs_f64(datagram.len() as f64 / RATE);
        vec![(free_at - now, datagram.to_vec())]
    }
}

/// How the client learns that its datagrams must be shorter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Learns {
    Told,
    Refused,
}

/// A bulk transfer: octets that are there and that have arrived.
struct Transfer {
    id: StreamId,
    text: Vec<u8>,
    written: usize,
    read: usize,
}

impl Transfer {
    /// Goes on for so long; how much arrived meanwhile, as a share of what the relay carries.
    fn go_on(&mut self, duo: &mut Duo, time: Duration) -> f64 {
        let (end, before) = (duo.now + time, self.read);
        duo.run_until(end, |duo| {
            self.written += duo.client.write(self.id, &self.text[self.written..]).unwrap_or(0);
            let octets = duo.bridge().read(self.id).0;
            assert_eq!(octets, self.text[self.read..self.read + octets.len()]);
            self.read += octets.len();
            false
        });
        (self.read - before) as f64 / (RATE * time.as_secs_f64())
    }
}

/// In mid-transfer the path carries 15 % less than before: every octet arrives all the same, nothing
/// counts as lost, and the rate stays.
#[test]
fn a_payload_limit_that_falls_loses_nothing_and_cuts_no_rate() {
    let shorter = PAYLOAD_MAX * 85 / 100;
    for learns in [Learns::Told, Learns::Refused] {
        let mut duo = Duo::connected();
        duo.up.timed(relay(duo.now));
        let text = patterned(3, 0, 4_000_000);
        let mut transfer = Transfer { id: duo.client.open(), text, written: 0, read: 0 };
        transfer.go_on(&mut duo, 15 * SECOND);
        let before = transfer.go_on(&mut duo, 10 * SECOND);
        let rate_before = duo.client.connection.stats().rate;
        let falls_at = duo.up.sent.len();
        match learns {
            Learns::Told => {
                let changed = PathEvent::Changed { payload_max: shorter };
                duo.client.connection.handle_path(duo.now, PATH, changed);
            }
            Learns::Refused => duo.client.carrier_max = shorter,
        }
        let after = transfer.go_on(&mut duo, 10 * SECOND);
        let stats = duo.client.connection.stats();
        println!(
            "{learns:?}: share {before:.3} before and {after:.3} after, rate {rate_before} and {}",
            stats.rate
        );
        assert!(duo.up.sent[falls_at..].iter().all(|(_, octets)| octets.len() <= shorter));
        assert_eq!(duo.client.refusals, usize::from(learns == Learns::Refused));
        assert_eq!(stats.packets_lost, 0);
        assert!(stats.rate as f64 >= 0.97 * rate_before as f64, "the rate fell to {}", stats.rate);
        // A tag and a header more for every 1,020 octets is all that it costs.
        assert!(after >= before - 0.01, "{after:.3} after {before:.3}");
        duo.assert_nobody_closed();
    }
}
