//! Measures what full datagrams of a bulk transfer hold beside its octets.
#![expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
#![expect(clippy::wildcard_enum_match_arm, reason = "most frames are of no interest")]

use std::collections::VecDeque;

use super::*;
use crate::BridgeIdentity;
use crate::acceptor::Acceptor;
use crate::event::PathEvent;
use crate::id::PathId;
use crate::key::SecretKey;
use crate::wire::frame::Frame;
use crate::wire::reader::Reader;

const PATH: PathId = PathId(0);
const WALL: Duration = Duration::from_secs(1_000_000);
const FULL: usize = 1200;
/// A relay's octets a second, and its delay.
const RATE: u32 = 64_000;
const DELAY: Duration = Duration::from_millis(50);

/// Datagrams under way, and when they arrive.
#[derive(Default)]
struct Link {
    under_way: VecDeque<(Instant, Vec<u8>)>,
    free_at: Option<Instant>,
}

impl Link {
    fn push(&mut self, now: Instant, datagram: Vec<u8>) {
        let time = Duration::from_secs(1) * u32::try_from(datagram.len()).unwrap() / RATE;
        let free_at = self.free_at.map_or(now, |at| at.max(now)) + time;
        self.free_at = Some(free_at);
        self.under_way.push_back((free_at + DELAY, datagram));
    }

    fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.under_way.pop_front_if(|(at, _)| *at <= now).map(|(_, datagram)| datagram)
    }
}

/// What a packet holds: octets of streams, and whether there is an acknowledgement.
fn contents(
    receiver: &mut Connection,
    now: Instant,
    number: u64,
    datagram: &[u8],
) -> (usize, bool) {
    let mut packet = datagram.to_vec();
    let keys = receiver.protection().unwrap();
    let opened = keys.open((now, Duration::ZERO), (0, number), 0, &mut packet).unwrap();
    let mut reader = Reader::new(&packet[opened.frames]);
    let (mut octets, mut has_ack) = (0, false);
    while !reader.is_empty() {
        match Frame::read(&mut reader).unwrap() {
            Frame::Stream { data, .. } => octets += data.len(),
            Frame::Ack(_) => has_ack = true,
            _ => {}
        }
    }
    (octets, has_ack)
}

/// Bulk both ways for a while; what the client's full datagrams hold beside stream octets, without an
/// acknowledgement and with one.
fn measure(load_down: bool) -> (Vec<usize>, Vec<usize>) {
    let start = Instant::now();
    let key = SecretKey::from_octets([1; 32]);
    let mut client = Connection::connect(key.public(), Config::default(), [2; 32], WALL, start);
    let identity = BridgeIdentity::new(key, Duration::ZERO);
    let mut acceptor = Acceptor::new(identity, Config::default(), [3; 32]);
    client.handle_path(start, PATH, PathEvent::Added { payload_max: FULL });
    let (mut bridge, mut id) = (None::<Connection>, None);
    let (mut up, mut down) = (Link::default(), Link::default());
    let (mut bare, mut with_ack) = (Vec::new(), Vec::new());
    for step in 0..60_000 {
        let now = start + Duration::from_millis(step);
        if let Some(datagram) = up.pop(now) {
            match &mut bridge {
                Some(bridge) => bridge.handle_datagram(now, PATH, &datagram),
                None => bridge = acceptor.handle_first(now, WALL, (PATH, FULL), &datagram).ok(),
            }
        }
        if let Some(datagram) = down.pop(now) {
            client.handle_datagram(now, PATH, &datagram);
        }
        let id = *id.get_or_insert_with(|| client.open().unwrap());
        let _ = client.stream(id).unwrap().write(&[7; 4096]);
        let number = client.paths.get(0).map_or(0, |path| path.sent.next_number());
        for (number, datagram) in (number..).zip(poll(&mut client, now)) {
            if datagram.len() == FULL {
                let receiver = bridge.as_mut().unwrap();
                let (octets, has_ack) = contents(receiver, now, number, &datagram);
                let beside = if has_ack { &mut with_ack } else { &mut bare };
                beside.push(FULL - octets);
            }
            up.push(now, datagram);
        }
        let Some(bridge) = &mut bridge else { continue };
        if let Some(mut stream) = bridge.stream(id) {
            while stream.read(4096).is_ok() {}
            if load_down {
                let _ = stream.write(&[7; 4096]);
            }
        }
        while let Some(mut stream) = client.stream(id)
            && stream.read(4096).is_ok()
        {}
        poll(bridge, now).into_iter().for_each(|datagram| down.push(now, datagram));
    }
    bare.sort_unstable();
    with_ack.sort_unstable();
    (bare, with_ack)
}

fn poll(connection: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let (mut buf, mut datagrams) = ([0; 2048], Vec::new());
    loop {
        match connection.poll_output(now, &mut buf) {
            Output::Transmit { len, .. } => datagrams.push(buf[..len].to_vec()),
            Output::Event(_) => {}
            Output::Wait(_) => return datagrams,
        }
    }
}

/// 24 octets of 1,200 are header, tag and frame, however far the stream has come (nearly 4 MB here, and
/// the offset has no more octets until 4 GB).
#[test]
fn a_full_datagram_of_bulk_has_at_most_24_octets_beside_it() {
    for load_down in [false, true] {
        let (bare, with_ack) = measure(load_down);
        let figures = |of: &[usize]| (of.len(), of.get(of.len() / 2).copied(), of.last().copied());
        println!("bulk both ways {load_down}: (count, median, most) of octets beside the stream's");
        println!(
            "  without an acknowledgement {:?}, with one {:?}",
            figures(&bare),
            figures(&with_ack)
        );
        let enough = if load_down { 300 } else { 2000 };
        assert!(bare.len() > enough, "{} full datagrams", bare.len());
        assert!(bare.last().unwrap() <= &24);
        if load_down {
            assert!(with_ack.len() > 300);
            assert!(with_ack[with_ack.len() / 2] <= 50);
        }
    }
}
