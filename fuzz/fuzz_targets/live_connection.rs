//! See `fuzz_targets::live_connection`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::live_connection(data));
