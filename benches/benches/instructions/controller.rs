//! The rate controller by itself, over a link that is a few lines: what it takes to be told of one datagram.

use std::collections::VecDeque;
use std::hint::black_box;

use ap2ap_stream::congestion::{Congestion, Controller, Outcome, Permission, RoundTrip, Sent};

use super::{COUNT, WARM_UP, maybe_counted};

/// Octets a second of the link, one way of it in seconds, and the length of a datagram.
const RATE: f64 = 1e6;
const ONE_WAY: f64 = 0.05;
const OCTETS: f64 = 1_200.0;
const ROUND_TRIP: RoundTrip =
    RoundTrip { least: 2.0 * ONE_WAY, smoothed: 2.0 * ONE_WAY, probe_timeout: 0.3 };

/// Datagrams that one acknowledgement tells of.
const BATCH: usize = 32;
/// So long at most, in seconds of the link: a policer that is known drops little.
const TIME_S: f64 = 60.0;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A datagram permitted, sent, and acknowledged by itself.
    Datagram,
    /// An acknowledgement of 32 of them.
    Acknowledgement,
    /// A loss, behind a policer, so that it is gone over what may have dropped it.
    Loss,
}

/// A link with a queue, or with a bucket of 3,000 octets and none.
#[derive(Debug)]
struct Link {
    is_policer: bool,
    free_at: f64,
    tokens: f64,
    last: f64,
    position: f64,
    /// When each is told of, and whether it arrived.
    under_way: VecDeque<(f64, Outcome, bool)>,
}

impl Link {
    fn send(&mut self, now: f64, number: u64) {
        self.position += OCTETS;
        self.tokens = (self.tokens + RATE * (now - self.last)).min(3_000.0);
        self.last = now;
        let has_arrived = !self.is_policer || self.tokens >= OCTETS;
        if self.is_policer {
            self.tokens -= if has_arrived { OCTETS } else { 0.0 };
            self.free_at = now;
        } else {
            self.free_at = self.free_at.max(now) + OCTETS / RATE;
        }
        let arrived_at = self.free_at + ONE_WAY;
        let outcome = Outcome {
            number,
            sent_at: now,
            octets: OCTETS,
            position: self.position,
            arrived_at: has_arrived.then_some(arrived_at),
        };
        self.under_way.push_back((arrived_at + ONE_WAY, outcome, has_arrived));
    }
}

/// Does it so often that it counts; how often.
pub(crate) fn drive(what: What) -> u64 {
    let mut controller = Congestion::RelayRate.build(None);
    controller.on_payload_max(OCTETS);
    let is_policer = what == What::Loss;
    let (free_at, tokens, last) = (0.0, 3_000.0, 0.0);
    let mut link =
        Link { is_policer, free_at, tokens, last, position: 0.0, under_way: VecDeque::new() };
    let (mut now, mut number, mut count) = (0.0_f64, 0_u64, 0_u64);
    while count < COUNT && now < TIME_S {
        let is_counted = number >= WARM_UP;
        let in_flight =
            |link: &Link| OCTETS * f64::from(u32::try_from(link.under_way.len()).unwrap_or(0));
        let resume = loop {
            let in_flight = in_flight(&link);
            let permission = maybe_counted(is_counted && what == What::Datagram, || {
                ask(controller.as_mut(), now, number, in_flight)
            });
            match permission {
                Permission::Now => link.send(now, number),
                Permission::At(at) => break at,
                Permission::AfterAck => break f64::INFINITY,
            }
            number += 1;
        };
        // The last one of so many is waited for, but not in vain.
        let batch = if what == What::Acknowledgement { BATCH.min(link.under_way.len()) } else { 1 };
        let told_at = link.under_way.get(batch.max(1) - 1).map_or(f64::INFINITY, |(at, ..)| *at);
        now = resume.min(told_at).max(now + 1e-6);
        if now < told_at {
            continue;
        }
        let told: Vec<_> = link.under_way.drain(..batch).collect();
        let of = |wanted: bool| -> Vec<Outcome> {
            let of = told.iter().filter(|(.., has_arrived)| *has_arrived == wanted);
            of.map(|(_, outcome, _)| *outcome).collect()
        };
        let (acked, lost) = (of(true), of(false));
        if !acked.is_empty() {
            let is_whole = what == What::Datagram || acked.len() == BATCH;
            let counts = is_counted && is_whole && what != What::Loss;
            maybe_counted(counts, || controller.on_acked(now, &acked, ROUND_TRIP));
            count += u64::from(counts);
        }
        if !lost.is_empty() {
            let counts = is_counted && what == What::Loss;
            maybe_counted(counts, || controller.on_lost(now, &lost));
            count += u64::from(counts);
        }
    }
    black_box(controller.rate());
    count
}

/// Whether a datagram may go; if so it goes.
fn ask(controller: &mut dyn Controller, now: f64, number: u64, in_flight: f64) -> Permission {
    let permission = controller.permission(now, OCTETS, in_flight);
    if permission == Permission::Now {
        controller.on_sent(Sent { now, number, octets: OCTETS, is_tracked: true });
    }
    permission
}
