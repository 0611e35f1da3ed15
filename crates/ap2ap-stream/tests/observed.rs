//! What can be seen of a path and of what waits to be sent, and how much of that there is.
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{Config, PathId, WriteError};
use common::{Duo, MS, PATH, PAYLOAD_MAX, SECOND, patterned};

/// What the relay below carries, in octets a second; a round trip takes 100 ms.
const RELAY: f64 = 200_000.0;

/// An upload over a relay of that rate, after some seconds of it, and the most that was unsent in the last.
fn upload(unsent_percent: u16) -> (Duo, u64) {
    let mut config = Config::default();
    config.unsent_percent = unsent_percent;
    let mut duo = Duo::with(config, Config::default(), [3; 32]);
    let mut free_at = duo.now;
    duo.up.timed(move |count, datagram, now| {
        free_at = free_at.max(now) + Duration::from_secs_f64(datagram.len() as f64 / RELAY);
        let is_lost = count > 10 && count % 50 == 0;
        if is_lost { Vec::new() } else { vec![(free_at - now, datagram.to_vec())] }
    });
    duo.add_path();
    let id = duo.client.open();
    let text = patterned(1, 0, 3_000_000);
    let (mut written, mut read, mut most) = (0, 0, 0);
    let start = duo.now;
    duo.run_until(start + 10 * SECOND, |duo| {
        let came = duo.client.write(id, &text[written..]);
        written += came.unwrap_or(0);
        assert!(matches!(came, Ok(_) | Err(WriteError::Blocked)));
        if let Some(bridge) = &mut duo.bridge {
            read += bridge.read(id).0.len();
        }
        if duo.now > start + 8 * SECOND {
            most = most.max(duo.client.connection.stream(id).unwrap().unsent());
        }
        false
    });
    assert!(read as f64 > 0.8 * 10.0 * RELAY, "{read}");
    (duo, most)
}

#[test]
fn a_stream_takes_as_much_unsent_as_is_asked_for() {
    let round_trip = 0.1 * RELAY;
    for percent in [50, 100, 200] {
        let (_, most) = upload(percent);
        let share = most as f64 / round_trip;
        let asked = f64::from(percent) / 100.0;
        assert!((0.8 * asked..1.3 * asked).contains(&share), "{share} where {asked} is asked for");
    }
}

/// None at all would be a writer that never gets anything away.
#[test]
fn a_stream_always_takes_two_datagrams() {
    let (_, most) = upload(0);
    assert_eq!(most, 2400);
}

#[test]
fn a_path_tells_what_it_carries_and_loses() {
    let (mut duo, _) = upload(100);
    let stats = duo.client.connection.path_stats(PATH).unwrap();
    let whole = duo.client.connection.stats();
    let rate = stats.rate.unwrap() as f64;
    assert!((0.9 * RELAY..1.1 * RELAY).contains(&rate), "{rate}");
    assert!(["cruise", "probe", "grow"].contains(&stats.state), "{}", stats.state);
    assert!(stats.rtt_min.unwrap() >= 100 * MS && stats.rtt.unwrap() >= stats.rtt_min.unwrap());
    assert_eq!((stats.rtt_min, stats.rtt), (whole.rtt_min, whole.rtt));
    assert_eq!(stats.lost.packets, whole.packets_lost);
    assert!(stats.lost.packets > 10 && stats.loss.chance_ppm > 1000, "{stats:?}");
    assert_eq!(stats.in_flight, whole.in_flight);
    assert_eq!((stats.datagram_octets, stats.payload_max), (1200, PAYLOAD_MAX as u64));
    let known = stats.acked.octets + stats.lost.octets + stats.in_flight;
    assert!(known <= stats.sent.octets && known * 10 > stats.sent.octets * 9, "{stats:?}");
    assert!(stats.sent.octets <= whole.octets_sent);
    assert_eq!(duo.client.connection.path_stats(PathId(7)), None);
    let told = duo.bridge().connection.path_stats(PATH).unwrap();
    assert_eq!((told.state, told.rate), ("start", None), "who only answers learns no rate");
}

/// AP-73, AP-116: acknowledgements say how long they were held, and the time-out waits for that. How long
/// is drawn each time, so now and then one is held for longer than ever before; without the announcement each
/// that is held for long would be asked about.
#[test]
fn an_acknowledgement_that_is_held_and_says_so_is_seldom_asked_about() {
    let mut duo = Duo::connected();
    let id = duo.client.open();
    let (mut held, mut asked) = (0, 0);
    for _ in 0..100 {
        duo.client.write(id, &[7; 40]).unwrap();
        let (start, mut probes) = (duo.now, 0);
        let is_acked = duo.run_until(start + 3 * SECOND, |duo| {
            probes = probes.max(duo.client.connection.probes_unanswered());
            duo.now > start && duo.client.connection.stats().in_flight == 0
        });
        assert!(is_acked);
        // A round trip of 100 ms, its variation and the timers' allowance are over.
        held += u32::from(duo.now - start > 200 * MS);
        asked += u32::from(probes > 0);
        duo.run_until(start + 3 * SECOND, |_| false);
    }
    assert!(held > 50, "{held} were held");
    assert!(asked * 3 < held, "{asked} of {held} were asked about");
}
