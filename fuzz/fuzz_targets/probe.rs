//! See `fuzz_targets::probe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::probe(data));
