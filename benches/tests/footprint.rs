//! A connection that is idle keeps little, and so does a stream.

use std::alloc::System;

use benches::footprint;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn live() -> usize {
    let stats = COUNTED.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

#[test]
fn idle_connections_and_streams_are_small() {
    let (idle, stream) = footprint::idle(live);
    assert!(idle.0.max(idle.1) <= 8 * 1024, "an idle connection: {idle:?} octets");
    assert!(stream.0.max(stream.1) <= 1024, "an idle stream: {stream:?} octets");
    // Something was counted.
    assert!(idle.0.min(idle.1) > 1024 && stream.0.min(stream.1) > 100, "{idle:?} {stream:?}");
}
