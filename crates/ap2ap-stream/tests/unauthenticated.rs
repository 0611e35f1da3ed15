//! The connection without keys: it carries streams through loss and damage, and never understands
//! one that has keys.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Output, PathEvent, PathId, SecretKey, Side,
    Silence, UnauthenticatedConnection,
};
use common::{Luck, MS, PATH, WALL, patterned};

const ADDED: PathEvent = PathEvent::Added { payload_max: 1200 };

fn ends(now: Instant) -> [UnauthenticatedConnection; 2] {
    [Side::Client, Side::Bridge].map(|side| {
        let mut end = UnauthenticatedConnection::new(side, Config::default(), now);
        end.handle_path(now, PATH, ADDED);
        end
    })
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
fn start() -> Instant {
    Instant::now()
}

fn transmits(end: &mut UnauthenticatedConnection, now: Instant) -> Vec<Vec<u8>> {
    let (mut buf, mut datagrams) = ([0; 2048], Vec::new());
    loop {
        match end.poll_output(now, &mut buf) {
            Output::Transmit { len, .. } => datagrams.push(buf[..len].to_vec()),
            Output::Event(_) => {}
            Output::Wait(_) => return datagrams,
        }
    }
}

/// AP-120, AP-121: one datagram in ten is lost and one in ten has a bit flipped.
#[test]
fn octets_arrive_through_loss_and_damage() {
    let mut now = start();
    let [mut client, mut bridge] = ends(now);
    let data = patterned(4, 0, 100_000);
    let id = client.open().unwrap();
    let (mut offset, mut got, mut luck) = (0, Vec::new(), Luck(5));
    for _ in 0..20_000 {
        if offset < data.len()
            && let Ok(taken) = client.stream(id).unwrap().write(&data[offset..])
        {
            offset += taken;
        }
        for turn in 0..2 {
            let (from, to) =
                if turn == 0 { (&mut client, &mut bridge) } else { (&mut bridge, &mut client) };
            for mut datagram in transmits(from, now) {
                match luck.below(10) {
                    0 => continue,
                    1 => {
                        let bit = luck.below(datagram.len() as u64 * 8) as usize;
                        datagram[bit / 8] ^= 1 << (bit % 8);
                    }
                    _ => {}
                }
                to.handle_datagram(now, PATH, &datagram);
            }
        }
        if let Some(mut stream) = bridge.stream(id) {
            while let Ok(Some(octets)) = stream.read(4096) {
                got.extend_from_slice(&octets);
            }
        }
        now += 5 * MS;
    }
    assert!(got == data, "{} of {}", got.len(), data.len());
    assert!(bridge.stats().discarded_unauthentic > 5, "damage was found");
}

/// AP-122: neither way is there anything to understand.
#[test]
fn ends_with_and_without_keys_never_understand_each_other() {
    let now = start();
    let [mut client, mut bridge] = ends(now);
    let key = SecretKey::from_octets([1; 32]);
    let mut keyed = Connection::connect(key.public(), Config::default(), [2; 32], WALL, now);
    let identity = BridgeIdentity::new(key, Duration::ZERO);
    let mut acceptor = Acceptor::new(identity, Config::default(), [3; 32]);

    transmits(&mut bridge, now);
    keyed.handle_path(now, PATH, ADDED);
    let mut buf = [0; 2048];
    let Output::Transmit { len, .. } = keyed.poll_output(now, &mut buf) else { panic!("no first") };
    bridge.handle_datagram(now, PATH, &buf[..len]);
    assert_eq!(bridge.stats().discarded_unauthentic, 1);
    assert!(transmits(&mut bridge, now).is_empty());

    let id = client.open().unwrap();
    client.stream(id).unwrap().write(b"in clear").unwrap();
    let sent = transmits(&mut client, now + Duration::from_secs(1));
    assert!(!sent.is_empty());
    for datagram in sent {
        let refused = acceptor.handle_first(now, WALL, (PathId(9), 1200), &datagram);
        assert!(matches!(refused, Err(Silence::NotFirst | Silence::WrongMac)));
    }
}

#[test]
fn a_close_is_understood() {
    let now = start();
    let [mut client, mut bridge] = ends(now);
    client.close(now, ap2ap_stream::ErrorCode(3), "done");
    for datagram in transmits(&mut client, now) {
        bridge.handle_datagram(now, PATH, &datagram);
    }
    assert!(bridge.is_closed());
}
