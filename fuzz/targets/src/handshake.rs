//! The handshake against octets of any kind, each side.

use std::time::Duration;

use ap2ap_stream::Event;

use crate::input::{Input, PATH, PAYLOAD_MAX, WALL, acceptor, added, client, drive, origin};

/// An acceptor answers nobody without the key; a true first message that was changed is one of those.
pub fn handshake_bridge(data: &[u8]) {
    let (now, mut acceptor) = (origin(), acceptor());
    let on = (PATH, PAYLOAD_MAX);
    assert!(acceptor.handle_first(now, WALL, on, data).is_err());

    let mut input = Input(data);
    let mut client = client(now);
    let id = client.open().expect("streams are allowed from the start");
    let (place, flip, cut) = (usize::from(input.u8()), input.u8(), usize::from(input.u8()));
    let late = Duration::from_secs(u64::from(input.u16()));
    client.stream(id).expect("just opened").write(input.0).ok();
    client.handle_path(now, PATH, added());
    let first = drive(&mut client, now, &mut Vec::new()).remove(0).1;
    let mut changed = first.clone();
    changed[place % first.len()] ^= flip;
    changed.truncate(first.len() - cut % first.len());
    if changed != first {
        assert!(acceptor.handle_first(now, WALL, on, &changed).is_err());
    }
    let Ok(mut bridge) = acceptor.handle_first(now, WALL + late, on, &first) else { return };
    assert!(acceptor.handle_first(now, WALL + late, on, &first).is_err(), "twice");
    assert!(!drive(&mut bridge, now, &mut Vec::new()).is_empty(), "an answer");
}

/// A client that waits for its answer takes the true one, whatever else comes before it.
pub fn handshake_client(data: &[u8]) {
    let (mut now, mut client) = (origin(), client(origin()));
    client.handle_path(now, PATH, added());
    let mut events = Vec::new();
    let first = drive(&mut client, now, &mut events).remove(0).1;
    let on = (PATH, PAYLOAD_MAX);
    let mut bridge = acceptor().handle_first(now, WALL, on, &first).expect("a good first message");
    let answer = drive(&mut bridge, now, &mut Vec::new()).remove(0).1;
    let mut input = Input(data);
    while !input.is_empty() {
        let mut datagram = match input.u8() % 3 {
            0 => {
                let len = usize::from(input.u8());
                input.piece(len).to_vec()
            }
            1 => answer.clone(),
            _ => first.clone(),
        };
        if !datagram.is_empty() {
            let place = usize::from(input.u8()) % datagram.len();
            datagram[place] ^= input.u8().max(1);
        }
        client.handle_datagram(now, PATH, &datagram);
        now += Duration::from_millis(u64::from(input.u8()));
        drive(&mut client, now, &mut events);
    }
    if client.is_closed() {
        assert!(events.iter().any(|event| matches!(event, Event::Closed(_))));
        return;
    }
    client.handle_datagram(now, PATH, &answer);
    drive(&mut client, now, &mut events);
    assert!(events.contains(&Event::Connected));
}
