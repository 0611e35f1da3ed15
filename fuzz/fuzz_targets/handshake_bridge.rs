//! See `fuzz_targets::handshake_bridge`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::handshake_bridge(data));
