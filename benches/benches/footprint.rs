//! Prints what connections and streams keep in memory: `cargo bench --bench footprint [-- --json FILE]`.
#![expect(clippy::print_stdout, reason = "printing is its job")]

use std::alloc::System;

use benches::{footprint, json_file};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn live() -> usize {
    let stats = COUNTED.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

fn main() -> std::io::Result<()> {
    let (idle, stream) = footprint::idle(live);
    println!("octets                                  client   bridge");
    let mut figures = Vec::new();
    for (what, (client, bridge)) in [
        ("an idle connection", idle),
        ("each idle stream of it", stream),
        ("a connection that uploads over 3 KB/s", footprint::busy(live, 3_000)),
        ("a connection that uploads over 1 MB/s", footprint::busy(live, 1_000_000)),
    ] {
        println!("{what:38} {client:>7}  {bridge:>7}");
        figures.push(json!({ "what": what, "client_octets": client, "bridge_octets": bridge }));
    }
    for (what, rate) in
        [("a session lost in a download, 3 KB/s", 3_000), ("the same, 1 MB/s", 1_000_000)]
    {
        let bridge = footprint::lost(live, rate);
        println!("{what:38} {:>7}  {bridge:>7}", "");
        figures.push(json!({ "what": what, "bridge_octets": bridge }));
    }
    json_file::write(&Value::from(figures))
}
