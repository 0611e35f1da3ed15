//! Packets and frames by themselves.

use ap2ap_stream::Side;
use ap2ap_stream::internals::{self, Packets};

use crate::input::{Input, origin};

/// Frames of any octets: each that is read is written as the same.
pub fn frame(data: &[u8]) {
    let _count = internals::frames(data);
}

/// A packet of any octets is opened by nobody; a true one is opened by the peer, as it was, and by
/// nobody once a bit of it has changed.
pub fn packet(data: &[u8]) {
    let mut input = Input(data);
    let now = origin();
    let ends = || [Side::Client, Side::Bridge].map(|side| Packets::new(side, [1; 32], [2; 32]));
    let [mut client, mut bridge] = if input.u8() & 1 == 0 {
        ends()
    } else {
        [Packets::unauthenticated(), Packets::unauthenticated()]
    };
    let epoch = u32::from(input.u16());
    let number = u64::from(input.u16()) << (input.u8() % 24);
    let expected = number.saturating_sub(u64::from(input.u8()));
    let (flip, frames) = (usize::from(input.u16()), input.0);

    let mut sealed = [0; 2048];
    let Some(len) = client.seal((epoch, number), expected, frames, &mut sealed) else { return };
    let mut packet = sealed[..len].to_vec();
    let opened = bridge.open(now, (epoch, expected), &mut packet);
    let (told, range) = opened.expect("the peer opens it");
    assert_eq!((told, &packet[range]), (number, frames));

    let mut changed = sealed[..len].to_vec();
    changed[flip / 8 % len] ^= 1 << (flip % 8);
    assert_eq!(bridge.open(now, (epoch, expected), &mut changed), None);

    let mut strange = data.to_vec();
    let is_open = bridge.open(now, (epoch, expected), &mut strange).is_some();
    // Without keys anybody may find a check sum that is right.
    assert!(!is_open || strange.len() < 2048);
}
