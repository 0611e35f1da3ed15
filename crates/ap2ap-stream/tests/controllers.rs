//! Connections with other controllers: the baseline, and one that is written here with the public API alone.
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::sync::{Arc, Mutex};

use ap2ap_stream::congestion::{
    Congestion, Controller, Outcome, Permission, RoundTrip, Seconds, Sent,
};
use ap2ap_stream::{Config, PathEvent, PathMemory};
use common::{Duo, Fate, PATH, PAYLOAD_MAX, SECOND, patterned};

/// What the relay below carries, in octets a second, and how much waits there before it drops.
const RELAY: f64 = 16_000.0;
const QUEUE: f64 = 6_000.0;

/// A fixed rate, whatever happens: the smallest controller there is.
#[derive(Debug)]
struct FixedRate {
    rate: f64,
    /// When what was sent will have gone through.
    free_at: Seconds,
    payload_max: f64,
    seen: Arc<Mutex<Seen>>,
}

/// What the controller was told, in the end.
#[derive(Debug, Default)]
struct Seen {
    numbers: Vec<u64>,
    now: Seconds,
    acked: f64,
    lost: f64,
    least: f64,
    remembered: Option<PathMemory>,
}

impl Seen {
    fn at(&mut self, now: Seconds) {
        assert!(now >= self.now, "time goes on");
        self.now = now;
    }
}

impl FixedRate {
    fn new(rate: f64, seen: Arc<Mutex<Seen>>) -> Self {
        Self { rate, free_at: 0.0, payload_max: 0.0, seen }
    }
}

impl Controller for FixedRate {
    fn on_sent(&mut self, sent: Sent) {
        assert!(self.payload_max >= sent.octets, "the path's size is told first");
        self.free_at = self.free_at.max(sent.now) + sent.octets / self.rate;
        let mut seen = self.seen.lock().unwrap();
        seen.at(sent.now);
        assert_eq!(sent.number, seen.numbers.len() as u64);
        seen.numbers.push(sent.number);
    }

    fn on_acked(&mut self, now: Seconds, acked: &[Outcome], round_trip: RoundTrip) {
        assert!(acked.windows(2).all(|two| two[0].number < two[1].number) && !acked.is_empty());
        let mut seen = self.seen.lock().unwrap();
        seen.at(now);
        seen.acked += acked.iter().map(|packet| packet.octets).sum::<f64>();
        seen.least = round_trip.least;
    }

    fn on_lost(&mut self, now: Seconds, lost: &[Outcome]) {
        assert!(lost.iter().all(|packet| packet.sent_at <= now && packet.arrived_at.is_none()));
        let mut seen = self.seen.lock().unwrap();
        seen.at(now);
        seen.lost += lost.iter().map(|packet| packet.octets).sum::<f64>();
    }

    fn on_silence(&mut self, _now: Seconds) {}

    fn on_payload_max(&mut self, octets: f64) {
        self.payload_max = octets;
    }

    fn permission(&mut self, now: Seconds, octets: f64, in_flight: f64) -> Permission {
        assert!(octets <= self.payload_max);
        if in_flight > 0.0 && in_flight + octets > self.window() {
            return Permission::AfterAck;
        }
        if self.free_at <= now { Permission::Now } else { Permission::At(self.free_at) }
    }

    fn datagram_octets(&self) -> f64 {
        self.payload_max
    }

    fn rate(&self) -> Option<f64> {
        Some(self.rate)
    }

    fn window(&self) -> f64 {
        2.0 * self.rate
    }

    fn memory(&self) -> Option<PathMemory> {
        self.seen.lock().unwrap().remembered
    }

    fn state(&self) -> &'static str {
        "fixed"
    }
}

/// A shaper with a short queue, which it knows by its own clock.
fn relay() -> impl FnMut(usize, &[u8], std::time::Instant) -> Fate {
    let mut free_at = None;
    move |_, datagram, now| {
        let free = free_at.unwrap_or(now).max(now);
        if (free - now).as_secs_f64() * RELAY > QUEUE {
            return Vec::new();
        }
        let gone_at = free + std::time::Duration::from_secs_f64(datagram.len() as f64 / RELAY);
        free_at = Some(gone_at);
        vec![(gone_at - now, datagram.to_vec())]
    }
}

/// Uploads over the relay for 20 seconds: the ends, and the share of what it carries that arrived as payload.
fn upload(congestion: Congestion, memory: Option<PathMemory>) -> (Duo, f64) {
    let mut config = Config::default();
    config.congestion = congestion;
    let mut duo = Duo::with(config, Config::default(), [7; 32]);
    duo.up.timed(relay());
    duo.add_path();
    if let Some(memory) = memory {
        duo.client.connection.handle_path(duo.now, PATH, PathEvent::Remembered(memory));
    }
    let id = duo.client.open();
    let text = patterned(1, 0, 400_000);
    let (mut written, mut read) = (0, 0);
    let end = duo.now + 20 * SECOND;
    duo.run_until(end, |duo| {
        written += duo.client.write(id, &text[written..]).unwrap_or(0);
        if let Some(bridge) = &mut duo.bridge {
            let (octets, _) = bridge.read(id);
            assert_eq!(octets, text[read..read + octets.len()]);
            read += octets.len();
        }
        false
    });
    duo.assert_nobody_closed();
    (duo, read as f64 / (20.0 * RELAY))
}

/// The baseline works end to end; what it reaches beside a relay's short queue is its own business.
#[test]
fn a_connection_with_new_reno_carries_bulk_data_through_a_relay() {
    let (mut duo, share) = upload(Congestion::NewReno, None);
    assert!(share > 0.7, "{share}");
    assert!(duo.client.connection.stats().packets_lost > 0, "it fills the queue");
    // After an outage it goes on.
    let before = duo.bridge().connection.stats().octets_received;
    duo.up.become_(|_, _| Vec::new());
    duo.run_for(5 * SECOND);
    duo.up.timed(relay());
    duo.run_for(10 * SECOND);
    duo.assert_nobody_closed();
    let after = duo.bridge().connection.stats().octets_received;
    assert!(after > before, "{before} and {after}");
}

#[test]
fn a_connection_with_a_controller_of_the_caller_does_as_it_says() {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let for_paths = Arc::clone(&seen);
    let congestion =
        Congestion::custom(move |_| Box::new(FixedRate::new(0.9 * RELAY, Arc::clone(&for_paths))));
    let (duo, share) = upload(congestion, None);
    assert!((0.8..0.9).contains(&share), "{share}");
    let stats = duo.client.connection.stats();
    assert_eq!(stats.rate, 14_400);
    let seen = seen.lock().unwrap();
    assert_eq!((seen.lost, stats.packets_lost), (0.0, 0), "below the relay's rate nothing is lost");
    assert!(seen.acked > 200_000.0 && (0.09..0.2).contains(&seen.least), "{seen:?}");
    let longest = duo.up.sent.iter().map(|(_, datagram)| datagram.len()).max();
    assert_eq!(longest, Some(PAYLOAD_MAX));
}

#[test]
fn another_controller_takes_over_a_path_in_use() {
    let (mut duo, _) = upload(Congestion::default(), None);
    assert!(duo.client.connection.stats().rate > 0, "it has learned the relay's");
    duo.client.connection.set_congestion(Congestion::custom(|_| Box::new(Still)));
    assert_eq!(duo.client.connection.stats().rate, 0, "what was learned is gone");
    let id = duo.client.open();
    duo.client.write(id, &patterned(1, 0, 100_000)).unwrap();
    duo.run_for(SECOND);
    let before = duo.up.sent.len();
    duo.run_for(5 * SECOND);
    assert!(duo.up.sent.len() - before < 20, "bulk data waits for the new one's permission");
    duo.assert_nobody_closed();
}

/// Lets no bulk data go.
#[derive(Debug)]
struct Still;

impl Controller for Still {
    fn on_sent(&mut self, _sent: Sent) {}

    fn on_acked(&mut self, _now: Seconds, acked: &[Outcome], _round_trip: RoundTrip) {
        assert!(!acked.is_empty());
    }

    fn on_lost(&mut self, _now: Seconds, _lost: &[Outcome]) {}

    fn on_silence(&mut self, _now: Seconds) {}

    fn on_payload_max(&mut self, _octets: f64) {}

    fn permission(&mut self, now: Seconds, _octets: f64, _in_flight: f64) -> Permission {
        Permission::At(now + 1_000.0)
    }

    fn datagram_octets(&self) -> f64 {
        1_000.0
    }

    fn rate(&self) -> Option<f64> {
        None
    }

    fn window(&self) -> f64 {
        65_536.0
    }

    fn state(&self) -> &'static str {
        "still"
    }
}

/// Too fast for the relay, it is told of the losses; the streams arrive whole all the same.
#[test]
fn a_controller_that_is_too_fast_is_told_what_is_lost() {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let for_paths = Arc::clone(&seen);
    let congestion =
        Congestion::custom(move |_| Box::new(FixedRate::new(2.0 * RELAY, Arc::clone(&for_paths))));
    let (_, share) = upload(congestion, None);
    let seen = seen.lock().unwrap();
    assert!(seen.lost > 0.5 * seen.acked, "{seen:?}");
    assert!(share > 0.5, "{share}");
}

#[test]
fn what_is_remembered_of_a_path_reaches_the_controller_that_is_made_for_it() {
    let memory = "rate=3000 burst=1500 rtt_us=100000 loss=queue chance_ppm=0".parse().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let for_paths = Arc::clone(&seen);
    let congestion = Congestion::custom(move |memory| {
        for_paths.lock().unwrap().remembered = memory;
        Box::new(FixedRate::new(RELAY, Arc::clone(&for_paths)))
    });
    let (mut duo, _) = upload(congestion, Some(memory));
    assert_eq!(seen.lock().unwrap().remembered, Some(memory));
    assert_eq!(duo.client.connection.path_memory(PATH), Some(memory));
    // Later it is too late.
    let other = "rate=9000 burst=1500 rtt_us=100000 loss=queue chance_ppm=0".parse().unwrap();
    duo.client.connection.handle_path(duo.now, PATH, PathEvent::Remembered(other));
    assert_eq!(duo.client.connection.path_memory(PATH), Some(memory));
}
