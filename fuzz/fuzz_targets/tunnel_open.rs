//! A stream's opening and its answer are read as they are written, and more input changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tunnel_proto::{Answer, Open};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some((open, len))) = Open::decode(data) {
        let mut written = Vec::new();
        open.encode(&mut written);
        assert_eq!(Open::decode(&written), Ok(Some((open.clone(), written.len()))));
        assert_eq!(Open::decode(&data[..len]), Ok(Some((open, len))));
    }
    if let Ok(Some((answer, len))) = Answer::decode(data) {
        let mut written = Vec::new();
        answer.encode(&mut written);
        assert_eq!(Answer::decode(&written), Ok(Some((answer.clone(), written.len()))));
        assert_eq!(Answer::decode(&data[..len]), Ok(Some((answer, len))));
    }
});
