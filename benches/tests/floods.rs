//! A peer that has the keys and sends nothing but nonsense, or only first messages, makes a bridge keep and allocate little.
#![expect(clippy::disallowed_methods, reason = "virtual time needs an origin; its value is unused")]

use std::alloc::System;
use std::time::{Duration, Instant};

use ap2ap_stream::internals::forge;
use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Output, PathEvent, PathId, SecretKey,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PATH: (PathId, usize) = (PathId(0), 1_200);
const WALL: Duration = Duration::from_secs(1_800_000_000);
const DATAGRAMS: u64 = 3_000;

fn live() -> usize {
    let stats = COUNTED.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

fn allocations() -> usize {
    let stats = COUNTED.stats();
    stats.allocations + stats.reallocations
}

/// Sends all that is due: how many datagrams that is, and the last of them.
fn drain(end: &mut Connection, now: Instant) -> (usize, Vec<u8>) {
    let (mut count, mut last, mut buf) = (0, Vec::new(), [0; 2_048]);
    loop {
        match end.poll_output(now, &mut buf) {
            Output::Transmit { len, .. } => {
                count += 1;
                last = buf.get(..len).unwrap_or_default().to_vec();
            }
            Output::Event(_) => {}
            Output::Wait(_) => return (count, last),
        }
    }
}

/// A client of its own seed with a path, and its first message.
fn client(now: Instant, key: &SecretKey, number: u8) -> (Connection, Vec<u8>) {
    let seed = [number; 32];
    let mut client = Connection::connect(key.public(), Config::default(), seed, WALL, now);
    client.handle_path(now, PATH.0, PathEvent::Added { payload_max: PATH.1 });
    let (_, first) = drain(&mut client, now);
    (client, first)
}

fn acceptor(key: SecretKey) -> Acceptor {
    Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), Config::default(), [255; 32])
}

/// A client whose handshake is over, and its bridge.
fn connected(now: Instant) -> (Connection, Connection) {
    let key = SecretKey::from_octets([42; 32]);
    let (mut client, first) = client(now, &key, 1);
    let mut bridge =
        acceptor(key).handle_first(now, WALL, PATH, &first).expect("it is for this key");
    let (_, answer) = drain(&mut bridge, now);
    client.handle_datagram(now, PATH.0, &answer);
    let (_, confirmed) = drain(&mut client, now);
    bridge.handle_datagram(now, PATH.0, &confirmed);
    drain(&mut bridge, now);
    (client, bridge)
}

/// The frames of the datagram with this number.
type Flood = fn(u64) -> Vec<u8>;

fn two_octets(number: u64) -> [u8; 2] {
    let [.., high, low] = number.to_be_bytes();
    [high, low]
}

fn pings(_: u64) -> Vec<u8> {
    vec![0x01; 1_000]
}

/// 150 pieces of one octet with a hole after each, all over the stream's window, again and again.
fn holes(number: u64) -> Vec<u8> {
    let piece = |index| {
        let [high, low] = two_octets((2 * (150 * number + index) + 1) % 60_000);
        [0xa8, high, low, 1, b'x']
    };
    (0..150).flat_map(piece).collect()
}

/// 200 streams that end before they began, of those that may be open.
fn resets(number: u64) -> Vec<u8> {
    let reset = |index| {
        let [high, low] = two_octets(((200 * number + index) % 500) << 1);
        [0x04, 0x40 | high, low, 0, 0]
    };
    (0..200).flat_map(reset).collect()
}

/// An acknowledgement of 2^50 and whatever was sent.
fn acks(number: u64) -> Vec<u8> {
    let [high, low] = two_octets(number);
    [&[0x03, 0xc0, 0x04, 0, 0, 0, 0, high, low], &[0; 12][..]].concat()
}

#[test]
fn floods_keep_and_allocate_little() {
    /// Live heap that a flood may add to a connection, in octets: a stream's window is 64 KiB of it.
    const HEAP_MAX: usize = 320 * 1024;
    /// Allocations for each frame of a datagram at most, and for what any datagram needs.
    const PER_FRAME: usize = 2;
    const PER_DATAGRAM: usize = 64;
    let floods: [(&str, Flood, usize); 4] = [
        ("pings", pings, 1_000),
        ("holes", holes, 150),
        ("resets", resets, 200),
        ("acks", acks, 1),
    ];
    let start = Instant::now();
    for (name, flood, frames) in floods {
        let (mut client, mut bridge) = connected(start);
        let before = live();
        let (mut heap_most, mut allocations_most) = (0, 0);
        for number in 0..DATAGRAMS {
            let now = start + Duration::from_millis(number);
            let datagram = forge(&mut client, 100 + number, &flood(number)).expect("it fits");
            // The forged datagram is the test's, and so is what drain() copies.
            let (own, calls) = (datagram.capacity(), allocations());
            bridge.handle_datagram(now, PATH.0, &datagram);
            let (answers, last) = drain(&mut bridge, now);
            allocations_most = allocations_most.max(allocations() - calls);
            heap_most = heap_most.max(live().saturating_sub(before + own + last.capacity()));
            assert!(answers <= 2, "{name}: {answers} answers to one datagram");
        }
        println!(
            "{name}: {heap_most} octets, {allocations_most} allocations for a datagram, closed: {}",
            bridge.is_closed()
        );
        assert!(heap_most <= HEAP_MAX, "{name}: {heap_most} octets");
        let bound = PER_FRAME * frames + PER_DATAGRAM;
        assert!(allocations_most <= bound, "{name}: {allocations_most} allocations for a datagram");
    }
    half_open_handshakes_are_small(start);
}

/// Here and not a test of its own, for tests run at once and share the count.
fn half_open_handshakes_are_small(now: Instant) {
    /// Live heap of one, in octets.
    const HEAP_MAX: usize = 12 * 1024;
    let key = SecretKey::from_octets([42; 32]);
    let firsts: Vec<_> = (0..64).map(|number| client(now, &key, number).1).collect();
    let mut acceptor = acceptor(key);
    let mut bridges = Vec::with_capacity(firsts.len());
    let before = live();
    for first in &firsts {
        let mut bridge = acceptor.handle_first(now, WALL, PATH, first).expect("it is for this key");
        drain(&mut bridge, now);
        bridges.push(bridge);
    }
    let each = (live() - before) / firsts.len() + size_of::<Connection>();
    assert!((1_024..=HEAP_MAX).contains(&each), "a half-open handshake: {each} octets");
}
