//! See `fuzz_targets::skype_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::skype_session(data));
