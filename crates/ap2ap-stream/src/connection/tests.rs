//! A peer that has the keys and breaks the rules: whatever it says, the connection ends cleanly or
//! goes on within its bounds.

#![expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]

mod floods;

use std::ops::RangeInclusive;

use super::*;
use crate::acceptor::Acceptor;
use crate::error::ReadError;
use crate::event::PathEvent;
use crate::id::PathId;
use crate::identity::BridgeIdentity;
use crate::key::SecretKey;
use crate::path::DATAGRAM_MAX;
use crate::protection::Place;
use crate::wire::ack::{Ack, Arrival};
use crate::wire::frame::Frame;
use crate::wire::packet::Header;
use crate::wire::writer::Writer;

const PATH: PathId = PathId(0);
const WALL: Duration = Duration::from_secs(1_000_000);
const CODE: ErrorCode = ErrorCode(5);

/// A bridge, and a client's keys in the hands of somebody else.
struct Forger {
    now: Instant,
    bridge: Connection,
    client: Connection,
    number: u64,
}

impl Forger {
    fn new() -> Self {
        let now = Instant::now();
        let key = SecretKey::from_octets([1; 32]);
        let mut client = Connection::connect(key.public(), Config::default(), [2; 32], WALL, now);
        let mut acceptor =
            Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), Config::default(), [3; 32]);
        client.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
        let first = drain(&mut client, now).0.remove(0);
        let mut bridge = acceptor.handle_first(now, WALL, (PATH, 1200), &first).unwrap();
        client.handle_datagram(now, PATH, &drain(&mut bridge, now).0[0]);
        Self { now, bridge, client, number: 0 }
    }

    /// Sends the frames as the client might, and polls the bridge.
    fn send(&mut self, frames: &[Frame<'_>]) -> Vec<Event> {
        let mut plain = [0; DATAGRAM_MAX - 32];
        let mut writer = Writer::new(&mut plain);
        frames.iter().for_each(|frame| frame.write(&mut writer));
        let len = writer.len();
        self.send_octets(&plain[..len])
    }

    fn send_octets(&mut self, plain: &[u8]) -> Vec<Event> {
        let packet = self.seal(plain);
        self.bridge.handle_datagram(self.now, PATH, &packet);
        drain(&mut self.bridge, self.now).1
    }

    /// The next packet of the client, with these frames.
    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0; DATAGRAM_MAX];
        let header = Header::shortest(self.number, 0);
        let mut writer = Writer::new(&mut datagram);
        header.write(&mut writer);
        writer.octets(plain);
        let place = Place { epoch: 0, number: self.number };
        let keys = self.client.protection().unwrap();
        let len = keys.seal(place, (0, header.len), plain.len(), &mut datagram).unwrap();
        self.number += 1;
        datagram.truncate(len);
        datagram
    }

    fn assert_ends(mut self, frames: &[Frame<'_>], rule: &str) {
        let events = self.send(frames);
        let [Event::Closed(CloseReason::Protocol(broken))] = events[..] else {
            panic!("{events:?} after {frames:?}")
        };
        assert_eq!(broken, rule);
        assert!(self.bridge.is_closed());
    }
}

fn drain(connection: &mut Connection, now: Instant) -> (Vec<Vec<u8>>, Vec<Event>) {
    let (mut buf, mut datagrams, mut events) = ([0; DATAGRAM_MAX], Vec::new(), Vec::new());
    loop {
        match connection.poll_output(now, &mut buf) {
            Output::Transmit { len, .. } => datagrams.push(buf[..len].to_vec()),
            Output::Event(event) => events.push(event),
            Output::Wait(at) => {
                assert!(at.is_none_or(|at| at > now));
                return (datagrams, events);
            }
        }
    }
}

fn piece(index: u64, offset: u64, data: &[u8], fin: bool) -> [Frame<'_>; 2] {
    // The padding makes the stream frame one with a length.
    [Frame::Stream { id: id(index), offset, data, fin }, Frame::Padding]
}

fn id(index: u64) -> StreamId {
    StreamId::new(Side::Client, index)
}

/// AP-90, AP-93
#[test]
fn stream_data_past_its_window_ends_the_connection() {
    let past = piece(0, 65_536, b"x", false);
    Forger::new().assert_ends(&past, "more stream data than allowed");
    let mut forger = Forger::new();
    forger.send(&piece(0, 0, b"x", false));
    forger.assert_ends(&past, "more stream data than allowed");
}

/// AP-90
#[test]
fn pieces_that_pass_the_connection_s_window_together_end_it() {
    let count = u64::from(Config::default().connection_window) / 65_536 + 1;
    let frames: Vec<Frame<'_>> =
        (0..count).flat_map(|index| piece(index, 65_535, b"x", false)).collect();
    Forger::new().assert_ends(&frames, "more data than allowed for all streams");
}

/// AP-91
#[test]
fn final_sizes_hold() {
    let reset = |final_size| Frame::Reset { id: id(0), code: CODE, final_size };
    let cases: [(Frame<'_>, &str); 5] = [
        (piece(0, 5, b"x", false)[0].clone(), "stream data past its end"),
        (piece(0, 0, b"abc", true)[0].clone(), "stream data past its end"),
        (reset(4), "stream data past its end"),
        (reset(6), "stream data past its end"),
        (reset(1 << 40), "more stream data than allowed"),
    ];
    for (frame, rule) in cases {
        let mut forger = Forger::new();
        forger.send(&piece(0, 0, b"abcde", true));
        forger.assert_ends(&[frame, Frame::Padding], rule);
    }
    let mut forger = Forger::new();
    forger.send(&piece(0, 0, b"abcde", false));
    forger.assert_ends(&[reset(3)], "stream ends before its data");
}

/// AP-92
#[test]
fn streams_past_the_limit_or_never_opened_end_the_connection() {
    Forger::new().assert_ends(&piece(1024, 0, b"x", false), "more streams than allowed");
    let never = Frame::Stop { id: StreamId::new(Side::Bridge, 0), code: CODE };
    Forger::new().assert_ends(&[never], "a frame for a stream that was never opened");
}

/// An acknowledgement without times.
fn ack_of(ranges: Vec<RangeInclusive<u64>>) -> Ack {
    let largest = *ranges[0].end();
    Ack { epoch: None, largest, written_at: 0, octets: 0, ranges, arrivals: vec![] }
}

/// AP-74.
#[test]
fn an_acknowledgement_of_the_future_ends_the_connection() {
    let ack = ack_of(vec![1 << 30..=1 << 30]);
    Forger::new().assert_ends(&[Frame::Ack(ack)], "an acknowledgement of what was never sent");
}

#[test]
fn a_flood_of_frames_for_forgotten_streams_leaves_nothing() {
    let mut forger = Forger::new();
    for index in 0..5_000 {
        let reset = Frame::Reset { id: id(index), code: CODE, final_size: 60_000 };
        let events = forger.send(&[reset.clone(), reset.clone(), reset]);
        assert_eq!(events.last(), Some(&Event::Readable(id(index))));
        let mut stream = forger.bridge.stream(id(index)).unwrap();
        assert_eq!(stream.read(9), Err(ReadError::Reset(CODE)));
        stream.reset(CODE);
        // It acknowledges whatever the bridge sent.
        let largest = forger.bridge.paths.get(0).unwrap().sent.next_number();
        if let Some(largest) = largest.checked_sub(1) {
            forger.send(&[Frame::Ack(ack_of(vec![0..=largest]))]);
        }
        drain(&mut forger.bridge, forger.now);
    }
    assert!(forger.bridge.streams_open() < 5, "{}", forger.bridge.streams_open());
    assert!(!forger.bridge.is_closed());
}

#[test]
fn strange_acknowledgements_panic_nowhere() {
    let mut forger = Forger::new();
    let own = forger.bridge.open().unwrap();
    for number in 0..200_u64 {
        let _ = forger.bridge.stream(own).unwrap().write(&[1; 500]);
        drain(&mut forger.bridge, forger.now);
        forger.now += Duration::from_millis(7);
        let Some(largest) = forger.bridge.paths.get(0).unwrap().sent.next_number().checked_sub(1)
        else {
            continue;
        };
        let written_at = (1_u32 << (number % 24)).wrapping_mul(3) % (1 << 24);
        let age = |back: u64| (back * number * u64::from(written_at)) % (1 << 24);
        let mut arrivals: Vec<Arrival> = (0..8)
            .map(|back| Arrival {
                number: largest.saturating_sub(back * (number % 3)),
                age: age(back),
            })
            .collect();
        arrivals.sort_by_key(|arrival| arrival.age);
        let octets = u32::MAX.wrapping_mul(written_at);
        let ack = Ack { written_at, octets, arrivals, ..ack_of(vec![largest..=largest]) };
        forger.send(&[Frame::Ack(ack.clone()), Frame::Ack(ack)]);
    }
    assert!(!forger.bridge.is_closed());
}

#[test]
fn a_datagram_full_of_the_smallest_frames_is_bounded_work() {
    let mut forger = Forger::new();
    let mut plain = Vec::new();
    for index in 0..600_u16 {
        // An empty piece of a stream each: type, number, offset, length.
        plain.extend_from_slice(&[0xaf, (index % 30) as u8 * 2, 0, (index % 60) as u8, 0]);
    }
    plain.truncate(1200);
    for _ in 0..1000 {
        forger.send_octets(&plain);
    }
    assert!(forger.bridge.streams_open() <= 30);
    assert!(!forger.bridge.is_closed());
}

/// AP-23
#[test]
fn a_ticket_from_a_client_ends_the_connection() {
    let ticket = Frame::Ticket { id: &[1; 16], secret: &[2; 32], lifetime_s: 9 };
    Forger::new().assert_ends(&[ticket], "a ticket from a client");
}

#[test]
fn any_plain_text_ends_the_connection_or_goes_by() {
    let mut state = 1_u64;
    for len in 1..600 {
        let mut forger = Forger::new();
        for _ in 0..3 {
            let plain: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) as u8 % 0x20
                })
                .collect();
            forger.send_octets(&plain);
        }
    }
}

/// AP-32: both directions go on to new keys while traffic flows, and nothing is lost over it.
#[test]
fn keys_are_updated_again_and_again_while_traffic_goes_on() {
    let Forger { mut now, mut bridge, mut client, .. } = Forger::new();
    let id = client.open().unwrap();
    for minute in 0..60_u8 {
        client.stream(id).unwrap().write(&[minute]).unwrap();
        for _ in 0..4 {
            drain(&mut client, now)
                .0
                .iter()
                .for_each(|packet| bridge.handle_datagram(now, PATH, packet));
            if minute == 0 {
                let _taken = bridge.stream(id).map(|mut stream| stream.write(&[1]));
            }
            drain(&mut bridge, now)
                .0
                .iter()
                .for_each(|packet| client.handle_datagram(now, PATH, packet));
            now += Duration::from_millis(500);
        }
        now += Duration::from_secs(50);
    }
    let generation = |end: &mut Connection| end.protection().map(|keys| keys.generation());
    assert!(generation(&mut client) >= Some(4), "{:?}", generation(&mut client));
    assert!(generation(&mut bridge) >= Some(4), "{:?}", generation(&mut bridge));
    let read = bridge.stream(id).unwrap().read(100).unwrap().unwrap();
    assert!(read.iter().copied().eq(0..60));
    assert_eq!(bridge.stats().discarded_unauthentic, 0);
}

/// AP-50
#[test]
fn of_a_packet_with_a_malformed_frame_nothing_takes_effect() {
    let mut forger = Forger::new();
    // A whole piece of a stream, then a type that no frame has.
    let events = forger.send_octets(&[0xa0, 1, b'x', 0x02]);
    assert_eq!(events, [Event::Closed(CloseReason::Protocol("a malformed frame"))]);
    assert_eq!(forger.bridge.streams_open(), 0);
}

/// AP-94
#[test]
fn a_piece_too_many_is_as_if_lost_and_the_next_to_be_read_never_is() {
    let mut forger = Forger::new();
    for index in 0..4096 {
        forger.send(&piece(0, 2 * index + 2, b"x", false));
    }
    assert_eq!(forger.bridge.stats().discarded_no_room, 0);
    let one_more = piece(0, 16_000, b"y", false);
    forger.send(&one_more);
    assert_eq!(forger.bridge.stats().discarded_no_room, 1);
    forger.send(&piece(0, 0, b"ab", false));
    assert_eq!(forger.bridge.stats().discarded_no_room, 1);
    assert_eq!(forger.bridge.stream(id(0)).unwrap().read(9).unwrap().unwrap(), "abx");
    forger.send(&one_more);
    assert_eq!(forger.bridge.stats().discarded_no_room, 1, "there is room again");
}

/// AP-80: with nothing to say a client sends a ping, and the carrier may refuse that one, too.
#[test]
fn a_refused_ping_goes_when_the_carrier_takes_more() {
    let Forger { now, mut bridge, mut client, .. } = Forger::new();
    let mut buf = [0; DATAGRAM_MAX];
    while let Output::Event(_) = client.poll_output(now, &mut buf) {}
    client.handle_path(now, PATH, PathEvent::Refused);
    assert!(drain(&mut client, now).0.is_empty());
    client.handle_path(now, PATH, PathEvent::Writable);
    for datagram in drain(&mut client, now).0 {
        bridge.handle_datagram(now, PATH, &datagram);
    }
    assert!(bridge.is_confirmed());
}
