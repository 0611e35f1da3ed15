//! What flows get that share a relay.

use std::time::Duration;

use benches::shared::{beside_tcp, two_of_ours};

#[test]
fn two_of_ours_share_a_relay_whoever_came_first() {
    for later in [Duration::ZERO, Duration::from_secs(10)] {
        for (seed, shares) in two_of_ours(later, 4).into_iter().enumerate() {
            assert!(shares.first.min(shares.second) > 0.36, "{seed}, {later:?}: {shares:?}");
            assert!(shares.first + shares.second > 0.9, "{seed}, {later:?}: {shares:?}");
            assert!(shares.jain() > 0.95, "{seed}, {later:?}: {shares:?}");
        }
    }
}

#[test]
fn a_tcp_that_fills_the_queue_does_not_starve_ours() {
    for shares in beside_tcp(4) {
        assert!(shares.first > 0.25, "{shares:?}");
        assert!(shares.second > 0.25, "nor does ours starve it: {shares:?}");
        assert!(shares.first + shares.second > 0.85, "{shares:?}");
    }
}
