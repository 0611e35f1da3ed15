//! See `fuzz_targets::adversarial_link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::adversarial_link(data));
