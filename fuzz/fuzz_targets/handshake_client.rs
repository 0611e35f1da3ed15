//! See `fuzz_targets::handshake_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::handshake_client(data));
