//! A live connection against a peer that has the keys and says what the fuzzer says, and against
//! strangers.

use std::time::Duration;

use ap2ap_stream::{ErrorCode, PathEvent, PathId, StreamId, internals};

use crate::input::{Input, PATH, added, connected, drive, origin};

/// Whatever comes, each end stays within its bounds, comes to an end of its outputs, and never waits
/// for what is past.
pub fn live_connection(data: &[u8]) {
    let mut now = origin();
    let (mut client, mut bridge) = connected(now);
    let mut input = Input(data);
    let mut number = 1000;
    let mut streams: Vec<StreamId> = Vec::new();
    let mut events = Vec::new();
    while !input.is_empty() {
        match input.u8() % 12 {
            0 => {
                let len = usize::from(input.u16() % 1300);
                bridge.handle_datagram(now, PATH, input.piece(len));
            }
            1..=4 => {
                // As the client might say it, with its keys.
                let len = usize::from(input.u8());
                number += 1 + u64::from(input.u8() % 3);
                let forged = internals::forge(&mut client, number, input.piece(len));
                bridge.handle_datagram(now, PATH, &forged.unwrap_or_default());
            }
            5 => now += Duration::from_millis(u64::from(input.u16())),
            6 => now += Duration::from_millis(1 << (input.u8() % 20)),
            7 => {
                let path = PathId(u64::from(input.u8() % 4));
                let payload_max = usize::from(input.u16() % 2500);
                let event = match input.u8() % 6 {
                    0 => added(),
                    1 => PathEvent::AddedShared { payload_max },
                    2 => PathEvent::Changed { payload_max },
                    3 => PathEvent::Refused,
                    4 => PathEvent::Writable,
                    _ => PathEvent::Removed,
                };
                bridge.handle_path(now, path, event);
            }
            8 => streams.extend(bridge.open()),
            9 => {
                let which = usize::from(input.u8());
                let len = usize::from(input.u16());
                if let Some(id) = streams.get(which % streams.len().max(1))
                    && let Some(mut stream) = bridge.stream(*id)
                {
                    let _taken = stream.write(&vec![7; len]);
                }
            }
            10 => {
                for id in streams.clone() {
                    if let Some(mut stream) = bridge.stream(id) {
                        let _read = stream.read(usize::from(input.u8()) * 10);
                    }
                }
            }
            _ => {
                let which = usize::from(input.u8());
                let what = input.u8() % 8;
                if let Some(id) = streams.get(which % streams.len().max(1))
                    && let Some(mut stream) = bridge.stream(*id)
                {
                    match what {
                        0 => stream.reset(ErrorCode(1)),
                        1 => stream.stop(ErrorCode(2)),
                        _ => drop(stream.finish()),
                    }
                }
                if what == 7 && which == 255 {
                    bridge.close(now, ErrorCode(3), "enough");
                }
            }
        }
        let sent = drive(&mut bridge, now, &mut events);
        assert!(sent.iter().all(|(_, datagram)| datagram.len() <= 2048));
        for event in events.drain(..) {
            if let ap2ap_stream::Event::Opened(id) = event {
                streams.push(id);
            }
        }
    }
}
