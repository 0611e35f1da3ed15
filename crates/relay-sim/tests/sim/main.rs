//! What the simulator promises, module by module.

mod censor;
mod chance;
mod laws;
mod pair;
mod paths;
mod plan;
mod population;
mod throttle;

use std::time::{Duration, Instant};

use relay_sim::Link;

/// Some instant: only differences are ever looked at.
#[expect(clippy::disallowed_methods, reason = "there is no other way to have an Instant")]
fn origin() -> Instant {
    Instant::now()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Pops whenever something is due, until `end`: what arrived and when.
fn drain(link: &mut Link, end: Instant) -> Vec<(Instant, Vec<u8>)> {
    let mut trace = Vec::new();
    while let Some(at) = link.next_at().filter(|at| *at <= end) {
        while let Some(packet) = link.pop_packet(at) {
            trace.push((packet.at(), packet.into_octets()));
        }
    }
    trace
}

/// A datagram that says its number.
fn numbered(number: u32, octets: usize) -> Vec<u8> {
    let mut datagram = number.to_be_bytes().to_vec();
    datagram.resize(octets.max(4), 0);
    datagram
}

fn number_of(datagram: &[u8]) -> u32 {
    u32::from_be_bytes(*datagram.first_chunk().expect("all datagrams here are numbered"))
}
