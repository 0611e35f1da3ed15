//! What is refused, with which octets, and which error says so to us.

use HandshakeError::{
    AddressType, AuthVersion, Command, FieldTooLong, Http, Name, NoAcceptableMethod, NotSocks,
    PortZero, RequestVersion, WrongCredentials,
};
use socks_front::{Auth, Credentials, FirstOctet, Handshake, HandshakeError, NameError, Step};

#[path = "support/drive.rs"]
mod drive;
use drive::{End, drive_all_cuts};

fn check_as(auth: &Auth, octets: &[u8], sent: &[u8], error: HandshakeError) {
    let outcome = drive_all_cuts(auth, octets);
    assert_eq!(outcome.end, End::Failed(error), "{octets:02x?}");
    assert_eq!(outcome.sent, sent, "{octets:02x?}");
}

fn check(octets: &[u8], sent: &[u8], error: HandshakeError) {
    check_as(&Auth::Any, octets, sent, error);
}

/// After a greeting without authentication, `request` is answered with `code`.
fn check_v5(request: &[u8], code: u8, error: HandshakeError) {
    check(&[b"\x05\x01\0", request].concat(), &[5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], error);
}

fn check_v4(request: &[u8], error: HandshakeError) {
    check(request, &[0, 91, 0, 0, 0, 0, 0, 0], error);
}

fn named(name: &[u8]) -> Vec<u8> {
    let len = u8::try_from(name.len()).expect("a short name");
    [b"\x05\x01\0\x03", &[len][..], name, b"\0\x50"].concat()
}

fn exactly() -> Auth {
    Auth::Exactly(Credentials::new(b"user", b"password").expect("short enough"))
}

#[test]
fn bind_and_udp_associate() {
    check_v5(b"\x05\x02\0\x01\0\0\0\0\0\0", 7, Command(2));
    check_v5(b"\x05\x03\0\x01\0\0\0\0\0\0", 7, Command(3));
    check_v5(b"\x05\x03\0\x03\x070.0.0.0\0\0", 7, Command(3));
    check_v4(b"\x04\x02\0\x50\x7f\0\0\x01\0", Command(2));
}

#[test]
fn resolve_of_torsocks_and_commands_of_nobody() {
    check_v5(b"\x05\xf0\0\x03\x0cexample.test\0\x2a", 7, Command(0xf0));
    check_v5(b"\x05\x00\0\x09", 7, Command(0));
    check_v4(b"\x04\x00\0\x50\x7f\0\0\x01u\0", Command(0));
}

#[test]
fn unknown_address_types() {
    check_v5(b"\x05\x01\0\x00", 8, AddressType(0));
    check_v5(b"\x05\x01\0\x02", 8, AddressType(2));
    check_v5(b"\x05\x01\0\x05", 8, AddressType(5));
}

#[test]
fn names_that_are_none() {
    for (name, code, error) in [
        (&b""[..], 4, NameError::Empty),
        (b"localhost\0.example.test", 4, NameError::Octet { octet: 0 }),
        (b"a\r\nb", 4, NameError::Octet { octet: b'\r' }),
        (b"a b", 4, NameError::Octet { octet: b' ' }),
        (b"127.1", 2, NameError::NumericAlias),
        (b"2130706433", 2, NameError::NumericAlias),
        (b"0x7f.1", 2, NameError::NumericAlias),
    ] {
        check_v5(&named(name), code, Name(error));
    }
    check_v4(b"\x04\x01\0\x50\0\0\0\x01\0\0", Name(NameError::Empty));
    check_v4(b"\x04\x01\0\x50\0\0\0\x01\x00127.1\0", Name(NameError::NumericAlias));
}

#[test]
fn port_zero() {
    check_v5(b"\x05\x01\0\x01\x7f\0\0\x01\0\0", 5, PortZero);
    check_v4(b"\x04\x01\0\0\x7f\0\0\x01\0", PortZero);
}

#[test]
fn version_4_in_a_session_of_version_5() {
    check_v5(b"\x04\x01\0\x50\x7f\0\0\x01\0", 1, RequestVersion(4));
}

#[test]
fn socks4_fields_without_end() {
    let endless = [b'u'; 600];
    check_v4(
        &[b"\x04\x01\0\x50\x7f\0\0\x01", &endless[..]].concat(),
        FieldTooLong { len_max: 512 },
    );
    check_v4(
        &[b"\x04\x01\0\x50\0\0\0\x01\0", &endless[..]].concat(),
        FieldTooLong { len_max: 255 },
    );
}

#[test]
fn methods_nobody_can_agree_on() {
    check(b"\x05\x00", b"\x05\xff", NoAcceptableMethod);
    check(b"\x05\x01\x01", b"\x05\xff", NoAcceptableMethod);
    check(b"\x05\x02\x01\x80", b"\x05\xff", NoAcceptableMethod);
    check_as(&Auth::None, b"\x05\x01\x02", b"\x05\xff", NoAcceptableMethod);
    check_as(&exactly(), b"\x05\x01\0", b"\x05\xff", NoAcceptableMethod);
}

#[test]
fn credentials_of_another_version() {
    check(b"\x05\x01\x02\x05\x01u\x01p", b"\x05\x02\x01\x01", AuthVersion(5));
}

#[test]
fn wrong_credentials() {
    for credentials in [
        &b"\x01\x04user\x09password\0"[..],
        b"\x01\x05user\0\x08password",
        b"\x01\x04user\0",
        b"\x01\0\0",
    ] {
        let octets = [b"\x05\x02\0\x02", credentials].concat();
        check_as(&exactly(), &octets, b"\x05\x02\x01\x01", WrongCredentials);
    }
    let v4 = b"\x04\x01\0\x50\x7f\0\0\x01user\0";
    check_as(&exactly(), v4, &[0, 91, 0, 0, 0, 0, 0, 0], WrongCredentials);
}

#[test]
fn right_credentials_pass() {
    let octets = b"\x05\x02\0\x02\x01\x04user\x08password\x05\x01\0\x01\x7f\0\0\x01\0\x50";
    let outcome = drive_all_cuts(&exactly(), octets);
    assert_eq!(outcome.sent, b"\x05\x02\x01\0");
    assert!(matches!(outcome.end, End::Request(..)));
}

#[test]
fn credentials_of_no_interest_are_dropped() {
    let octets = b"\x05\x02\0\x02\x01\x01u\x01p\x05\x01\0\x01\x7f\0\0\x01\0\x50";
    let End::Request(request, _) = drive_all_cuts(&Auth::None, octets).end else { panic!() };
    assert_eq!(request.credentials, None);
    let octets = b"\x04\x01\0\x50\x7f\0\0\x01u\0";
    let End::Request(request, _) = drive_all_cuts(&Auth::None, octets).end else { panic!() };
    assert_eq!(request.credentials, None);
}

#[test]
fn http_is_told_what_this_is() {
    for line in ["GET http://a/ HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.0\r\n\r\n", "HEAD", "POST"] {
        let outcome = drive_all_cuts(&Auth::Any, line.as_bytes());
        assert_eq!(outcome.end, End::Failed(Http));
        let answer = String::from_utf8(outcome.sent).expect("text");
        assert!(answer.starts_with("HTTP/1.0 501 This is a SOCKS proxy"), "{answer}");
    }
}

#[test]
fn garbage_is_named() {
    check(b"\x16\x03\x01\x02\0", b"", NotSocks { first: FirstOctet(0x16) });
    check(b"\0", b"", NotSocks { first: FirstOctet(0) });
    let text = NotSocks { first: FirstOctet(0x16) }.to_string();
    assert_eq!(text, "not SOCKS: the client's first octet is 0x16 (a TLS hello?)");
}

#[test]
fn a_handshake_that_is_over_stays_over() {
    let mut handshake = Handshake::new(Auth::Any);
    let _ = handshake.step(b"\xff");
    for _ in 0..2 {
        let Step::Failed { send, error } = handshake.step(b"\x05\x01\0") else { panic!() };
        assert_eq!((send.len(), error), (0, HandshakeError::Over));
    }
}
