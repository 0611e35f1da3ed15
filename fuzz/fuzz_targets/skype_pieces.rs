//! See `fuzz_targets::skype_pieces`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::skype_pieces(data));
