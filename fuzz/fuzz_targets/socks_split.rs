//! See `fuzz_targets::socks_split`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::socks_split(data));
