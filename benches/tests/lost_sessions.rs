//! What a bridge keeps for its lost sessions is bounded. A test by itself, for the allocator counts for the whole process.

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
fn sessions_lost_in_a_download_keep_little() {
    for (rate, each_max) in [(3_000, 32 * 1024), (100_000, 56 * 1024)] {
        let lost = footprint::lost(live, rate);
        println!("lost at {rate} octets a second: {lost} octets");
        assert!((1024..=each_max).contains(&lost), "at {rate} octets a second: {lost} octets");
    }
}
