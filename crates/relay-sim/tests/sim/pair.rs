//! Two nodes in virtual time.

use std::time::{Duration, Instant};

use relay_sim::{LinkSpec, Node, Pair, Throttle};

use crate::{ms, origin};

/// Sends `ping` on each tick and answers whatever comes with an echo, if it is told to.
#[derive(Debug, Default)]
struct Peer {
    next_ping: Option<Instant>,
    echoes: Option<u32>,
    to_echo: Vec<Vec<u8>>,
    heard: u64,
    last_heard: Option<Instant>,
}

impl Peer {
    fn pinging(start: Instant) -> Self {
        Self { next_ping: Some(start), ..Self::default() }
    }

    fn echoing() -> Self {
        Self { echoes: Some(1), ..Self::default() }
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.heard += 1;
        self.last_heard = Some(now);
        for _ in 0..self.echoes.unwrap_or(0) {
            self.to_echo.push(datagram.to_vec());
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        assert!(buf.is_empty());
        if let Some(echo) = self.to_echo.pop() {
            buf.extend_from_slice(&echo);
            return true;
        }
        let Some(due) = self.next_ping.filter(|due| *due <= now) else { return false };
        self.next_ping = Some(due + ms(1_000));
        buf.extend_from_slice(b"ping");
        true
    }

    fn next_at(&self) -> Option<Instant> {
        self.next_ping
    }
}

/// Always has something to say, and always wanted to say it earlier.
struct Flood(Instant, u64);

impl Node for Flood {
    fn handle_datagram(&mut self, _now: Instant, _datagram: &[u8]) {
        self.1 += 1;
    }

    fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> bool {
        buf.extend_from_slice(b"flood");
        true
    }

    fn next_at(&self) -> Option<Instant> {
        Some(self.0)
    }
}

fn delayed(delay: Duration) -> LinkSpec {
    LinkSpec { delay, ..LinkSpec::default() }
}

#[test]
fn a_day_of_pings_passes_in_a_blink() {
    let start = origin();
    let links = (delayed(ms(100)).build(1), delayed(ms(100)).build(2));
    let mut pair = Pair::new(start, Peer::pinging(start), Peer::echoing(), links.0, links.1);
    pair.run_until(start + Duration::from_hours(24));
    assert_eq!(pair.now(), start + Duration::from_hours(24));
    assert_eq!(pair.b.heard, 86_400);
    assert_eq!(pair.a.heard, 86_400);
    assert_eq!(pair.a_to_b().stats().entered.packets, 86_401);
    assert_eq!(pair.nudges(), 0);
}

#[test]
fn the_clock_jumps_from_event_to_event() {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Peer::pinging(start + ms(7)),
        Peer::echoing(),
        delayed(ms(30)).build(1),
        delayed(ms(50)).build(2),
    );
    let times: Vec<Duration> =
        std::iter::from_fn(|| pair.step().then(|| pair.now() - start)).take(4).collect();
    assert_eq!(times, [ms(7), ms(37), ms(87), ms(1_007)]);
}

#[test]
fn nothing_to_do_is_the_end() {
    let start = origin();
    let (there, back) = (delayed(ms(1)).build(1), delayed(ms(1)).build(2));
    let mut pair = Pair::new(start, Peer::echoing(), Peer::echoing(), there, back);
    assert!(!pair.step());
    pair.run_until(start + ms(500));
    assert_eq!(pair.now(), start + ms(500));
    pair.run_until(start);
    assert_eq!(pair.now(), start + ms(500));
}

#[test]
fn run_while_stops_at_the_instant_at_which_the_predicate_fails() {
    let start = origin();
    let (there, back) = (delayed(ms(100)).build(1), delayed(ms(100)).build(2));
    let mut pair = Pair::new(start, Peer::pinging(start), Peer::echoing(), there, back);
    assert!(pair.run_while(start + ms(60_000), |pair| pair.a.heard < 3));
    assert_eq!(pair.now(), start + ms(2_200));
    assert_eq!(pair.a.last_heard, Some(pair.now()));
    assert!(!pair.run_while(start + ms(3_000), |pair| pair.a.heard < 10));
    assert_eq!(pair.now(), start + ms(3_000));
}

#[test]
fn what_is_due_at_the_deadline_is_done() {
    let start = origin();
    let (there, back) = (delayed(ms(100)).build(1), delayed(ms(100)).build(2));
    let mut pair = Pair::new(start, Peer::pinging(start), Peer::echoing(), there, back);
    pair.run_until(start + ms(200));
    assert_eq!(pair.a.heard, 1);
}

#[test]
fn nodes_that_never_pause_do_not_stop_time() {
    let start = origin();
    for spec in [LinkSpec::default(), delayed(ms(1))] {
        let (there, back) = (spec.build(1), spec.build(2));
        let mut pair = Pair::new(start, Flood(start, 0), Flood(start, 0), there, back);
        pair.run_until(start + Duration::from_micros(3));
        assert_eq!(pair.now(), start + Duration::from_micros(3));
        assert!(pair.nudges() >= 3);
        assert!(pair.a_to_b().stats().in_flight.octets < 32 * 1024 * 1024);
    }
}

#[test]
fn an_echo_of_an_echo_over_no_distance_does_not_stop_time() {
    let start = origin();
    let (there, back) = (LinkSpec::default().build(1), LinkSpec::default().build(2));
    let mut a = Peer::echoing();
    a.next_ping = Some(start);
    let mut pair = Pair::new(start, a, Peer::echoing(), there, back);
    pair.run_until(start + Duration::from_micros(2));
    assert_eq!(pair.now(), start + Duration::from_micros(2));
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let start = origin();
    let spec = LinkSpec {
        throttle: Throttle::Shaper { rate: 500, burst: 100 },
        jitter: ms(300),
        loss: relay_sim::Loss::Bernoulli { probability: 0.2 },
        ..delayed(ms(100))
    };
    let heard = |seed| {
        let (there, back) = (spec.build(seed), spec.build(seed + 1));
        let mut pair = Pair::new(start, Peer::pinging(start), Peer::echoing(), there, back);
        pair.run_until(start + Duration::from_hours(1));
        (pair.a.heard, pair.a.last_heard, pair.b.last_heard, pair.b_to_a().stats())
    };
    assert_eq!(heard(1), heard(1));
    assert_ne!(heard(1), heard(5));
}
