//! A SOCKS handshake takes the same steps however the client's octets are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use socks_front::{Auth, Handshake, Step};

/// The steps taken, the input coming in pieces of `piece_len` octets.
fn steps(input: &[u8], piece_len: usize) -> Vec<Step> {
    let mut handshake = Handshake::new(Auth::default());
    let (mut taken, mut steps, mut there) = (0, Vec::new(), piece_len.min(input.len()));
    loop {
        let step = handshake.step(&input[taken..there]);
        match &step {
            Step::NeedMore if there == input.len() => return steps,
            Step::NeedMore => there = (there + piece_len).min(input.len()),
            Step::Send { consumed, .. } => taken += consumed,
            Step::Request { .. } | Step::Failed { .. } => {
                steps.push(step);
                return steps;
            }
        }
        if step != Step::NeedMore {
            steps.push(step);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let whole = steps(input, input.len().max(1));
    assert_eq!(steps(input, usize::from(cut).max(1)), whole);
});
