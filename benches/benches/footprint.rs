//! Prints what connections and streams keep in memory: `cargo bench --bench footprint`.
#![expect(clippy::print_stdout, reason = "printing is its job")]

use std::alloc::System;

use benches::footprint;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn live() -> usize {
    let stats = COUNTED.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

fn main() {
    let (idle, stream) = footprint::idle(live);
    println!("octets                                  client   bridge");
    for (what, (client, bridge)) in [
        ("an idle connection", idle),
        ("each idle stream of it", stream),
        ("a connection that uploads over 3 KB/s", footprint::busy(live, 3_000)),
        ("a connection that uploads over 1 MB/s", footprint::busy(live, 1_000_000)),
    ] {
        println!("{what:38} {client:>7}  {bridge:>7}");
    }
}
