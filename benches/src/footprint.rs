//! What connections and streams keep in memory: allocations are counted, so the figures are the same each time.

use std::time::Duration;

use ap2ap_stream::{Connection, Output, PathEvent, PathId};
use relay_sim::{LinkSpec, Pair, Throttle};

use crate::{Load, Run};

/// Octets that a process keeps; whoever measures has an allocator that counts.
pub type Live = fn() -> usize;

/// Octets at a client, and at a bridge.
pub type Octets = (usize, usize);

/// So many connections are measured at once, and so many streams of each.
const CONNECTIONS: usize = 16;
const STREAMS: usize = 100;

/// A connection that was busy and is idle, and one more stream of such a connection.
#[must_use]
pub fn idle(live: Live) -> (Octets, Octets) {
    let idle = of_connections(live, || connection(64_000, Some(60_000), 0));
    let with_streams = of_connections(live, || connection(64_000, Some(60_000), STREAMS));
    let of_stream = |with: usize, without: usize| with.saturating_sub(without) / STREAMS;
    (idle, (of_stream(with_streams.0, idle.0), of_stream(with_streams.1, idle.1)))
}

/// A connection in the middle of an upload over a relay of this rate.
#[must_use]
pub fn busy(live: Live, rate: u64) -> Octets {
    of_connections(live, || connection(rate, None, 0))
}

/// What a bridge keeps of a session that has lost its only path a minute ago, in the middle of a download over a relay
/// of this rate.
#[must_use]
pub fn lost(live: Live, rate: u64) -> usize {
    of_connections(live, || lost_connection(rate)).1
}

fn of_connections(live: Live, make: impl Fn() -> (Connection, Connection)) -> Octets {
    let (clients, bridges): (Vec<_>, Vec<_>) = (0..CONNECTIONS).map(|_| make()).unzip();
    let (clients, bridges) = (clients.into_boxed_slice(), bridges.into_boxed_slice());
    let with_both = live();
    drop(clients);
    let with_bridges = live();
    drop(bridges);
    let with_none = live();
    let each = |before: usize, after: usize| before.saturating_sub(after) / CONNECTIONS;
    (each(with_both, with_bridges), each(with_bridges, with_none))
}

/// Both ends of a connection over a relay of this rate: in the middle of an endless upload, or two minutes after so
/// many octets went both ways and each of the streams saw a request.
fn connection(rate: u64, octets: Option<u64>, streams: usize) -> (Connection, Connection) {
    let spec = LinkSpec {
        throttle: Throttle::Shaper { rate, burst: 1_500 },
        delay: Duration::from_millis(50),
        ..LinkSpec::default()
    };
    let load = if octets.is_some() { Load::Requests } else { Load::Bulk };
    let mut run = Run::new(spec, load);
    // One request in the whole run.
    run.interval = Duration::from_hours(1);
    let start = run.pair().now();
    let (mut client, bridge) = run.ours(start);
    if let Some(octets) = octets {
        client.put(start, octets);
        client.get(start, octets);
    }
    (0..streams).for_each(|_| client.ask_once(start));
    let (up, down) = (run.up.build(2, start), run.down.build(3, start));
    let mut pair = Pair::new(start, client, bridge, up, down);
    let time = if octets.is_some() { Duration::from_secs(120) } else { Duration::from_secs(20) };
    pair.run_until(start + time);
    let Pair { a: client, b: bridge, .. } = pair;
    (client.connection, bridge.into_connection().expect("it was accepted"))
}

/// As long as a bridge keeps a lost session unless it is told otherwise.
const KEPT: Duration = Duration::from_mins(10);

fn lost_connection(rate: u64) -> (Connection, Connection) {
    let spec = LinkSpec {
        throttle: Throttle::Shaper { rate, burst: 1_500 },
        delay: Duration::from_millis(50),
        ..LinkSpec::default()
    };
    let mut run = Run::new(spec, Load::Download);
    run.answer_timeout += KEPT;
    let start = run.pair().now();
    let (client, bridge) = run.ours(start);
    let (up, down) = (run.up.build(2, start), run.down.build(3, start));
    let mut pair = Pair::new(start, client, bridge, up, down);
    pair.run_until(start + Duration::from_secs(20));
    let now = pair.now();
    let Pair { a: client, b: bridge, .. } = pair;
    let mut bridge = bridge.into_connection().expect("it was accepted");
    bridge.handle_path(now, PathId(0), PathEvent::Removed);
    let (mut buf, until) = ([0; 2_048], now + Duration::from_mins(1));
    let mut next = now;
    loop {
        match bridge.poll_output(next, &mut buf) {
            Output::Wait(Some(at)) if at <= until => next = at.max(next),
            Output::Wait(_) => break,
            Output::Transmit { .. } | Output::Event(_) => {}
        }
    }
    assert!(!bridge.is_closed(), "it is not kept");
    (client.connection, bridge)
}
