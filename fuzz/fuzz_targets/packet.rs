//! See `fuzz_targets::packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::packet(data));
