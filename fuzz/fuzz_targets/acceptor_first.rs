//! An acceptor answers no datagram that was made without its key.
#![no_main]

use std::time::{Duration, Instant};

use ap2ap_stream::{Acceptor, BridgeIdentity, Config, PathId, SecretKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let key = SecretKey::from_octets([1; 32]);
    let mut acceptor = Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), Config::default(), [3; 32]);
    let wall = Duration::from_secs(1_800_000_000);
    assert!(acceptor.handle_first(Instant::now(), wall, (PathId(0), 1200), data).is_err());
});
