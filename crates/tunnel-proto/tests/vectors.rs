//! Golden vectors: these octets are the format, and stay as they are for version 1.

use std::net::SocketAddr;

use tunnel_proto::{Answer, Cause, Command, DecodeError, NameError, Open, Opening};

fn check_open(target: &str, octets: &[u8]) {
    let open = Open::connect(target.parse().expect("a target"));
    let mut encoded = Vec::new();
    open.encode(&mut encoded);
    assert_eq!(encoded, octets, "{target}");
    assert_eq!(Open::decode(octets), Ok(Some((open, octets.len()))), "{target}");
}

fn check_answer(answer: Answer, octets: &[u8]) {
    let mut encoded = Vec::new();
    answer.encode(&mut encoded);
    assert_eq!(encoded, octets);
    assert_eq!(Answer::decode(octets), Ok(Some((answer, octets.len()))));
}

#[test]
fn open_to_ipv4_takes_seven_octets() {
    check_open("192.0.2.3:443", &[0x15, 0x01, 0xbb, 192, 0, 2, 3]);
}

#[test]
fn open_to_ipv6() {
    let mut octets = vec![0x16, 0x00, 0x50];
    octets.extend([0; 15]);
    octets.push(1);
    check_open("[::1]:80", &octets);
}

#[test]
fn open_to_a_name() {
    check_open("example.test:80", b"\x17\x00\x50\x0cexample.test");
    let longest = "a".repeat(255);
    let mut octets = vec![0x17, 0x00, 0x50, 0xff];
    octets.extend(longest.bytes());
    assert_eq!(octets.len(), Open::MAX_LEN);
    check_open(&format!("{longest}:80"), &octets);
}

#[test]
fn answers() {
    let v4: SocketAddr = "192.0.2.7:49152".parse().unwrap();
    check_answer(Answer::connected(v4), &[0x11, 0x00, 0xc0, 0x00, 192, 0, 2, 7]);
    let v6: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
    let mut octets = vec![0x12, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8];
    octets.extend([0; 11]);
    octets.push(1);
    assert_eq!(octets.len(), Answer::MAX_LEN);
    check_answer(Answer::connected(v6), &octets);
    for (cause, code) in Cause::ALL.into_iter().zip(0..) {
        check_answer(Answer::refused(cause), &[0x10, code]);
    }
}

#[test]
fn refuses_openings_that_break_a_rule() {
    for (octets, error) in [
        (&[0x05][..], DecodeError::Version(0)),
        (&[0x25], DecodeError::Version(2)),
        (&[0x11], DecodeError::Command(0)),
        (&[0x1d], DecodeError::Command(3)),
        (&[0x14], DecodeError::AddressKind(0)),
        (&[0x15, 0, 0], DecodeError::PortZero),
        (&[0x17, 0, 80, 0], DecodeError::Name(NameError::Empty)),
        (b"\x17\0\x50\x05127.1", DecodeError::Name(NameError::NumericAlias)),
        (b"\x17\0\x50\x03::1", DecodeError::Name(NameError::Address)),
        (b"\x17\0\x50\x03a\0b", DecodeError::Name(NameError::Octet { octet: 0 })),
    ] {
        assert_eq!(Open::decode(octets), Err(error), "{octets:02x?}");
    }
}

#[test]
fn refuses_answers_that_break_a_rule() {
    for (octets, error) in [
        (&[0x20][..], DecodeError::Version(2)),
        (&[0x14], DecodeError::Reserved(0x04)),
        (&[0x13], DecodeError::AddressKind(3)),
        (&[0x10, 9], DecodeError::Cause(9)),
    ] {
        assert_eq!(Answer::decode(octets), Err(error), "{octets:02x?}");
    }
}

#[test]
fn debug_of_an_opening_names_no_target() {
    let open = Open::connect("example.test:80".parse().unwrap());
    assert_eq!(open.command, Command::Connect);
    assert_eq!(format!("{open:?}"), "Open { command: Connect, target: Target(..) }");
}

#[test]
fn a_stream_that_measures_begins_with_one_octet() {
    let mut octets = Vec::new();
    Opening::Measure.encode(&mut octets);
    assert_eq!(octets, [0x18]);
    octets.push(7);
    assert_eq!(Opening::decode(&octets), Ok(Some((Opening::Measure, 1))));
    assert!(Open::decode(&octets).is_err(), "an older bridge resets the stream");
}
