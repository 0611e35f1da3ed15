//! What real clients were seen to send for CONNECT, cut in every way, and what they are answered.

use socks_front::{Auth, Credentials, Version};

#[path = "support/drive.rs"]
mod drive;
use drive::{End, Outcome, drive, drive_all_cuts};

const NO_AUTH: &[u8] = b"\x05\x00";
const USER_PASSWORD: &[u8] = b"\x05\x02\x01\x00";

/// What a client is expected to get out of us.
struct Expected<'a> {
    sent: &'a [u8],
    version: Version,
    address: &'a str,
    /// User and password.
    credentials: Option<(&'a [u8], &'a [u8])>,
}

fn v4(address: &str) -> Expected<'_> {
    Expected { sent: b"", version: Version::V4, address, credentials: None }
}

fn v5(address: &str) -> Expected<'_> {
    Expected { sent: NO_AUTH, version: Version::V5, address, credentials: None }
}

fn v5_as<'a>(user: &'a [u8], password: &'a [u8], address: &'a str) -> Expected<'a> {
    let credentials = Some((user, password));
    Expected { sent: USER_PASSWORD, version: Version::V5, address, credentials }
}

/// All `messages` in one stream, with payload behind them and without.
fn check(messages: &[&[u8]], expected: &Expected<'_>) {
    for payload in [&b""[..], b"\x05payload sent ahead\x00"] {
        let octets = [&messages.concat(), payload].concat();
        let Outcome { sent, end } = drive_all_cuts(&Auth::Any, &octets);
        let End::Request(request, ahead) = end else { panic!("no request but {end:?}") };
        assert_eq!(sent, expected.sent);
        assert_eq!(request.version, expected.version);
        assert_eq!(request.address.to_string(), expected.address);
        let credentials = request.credentials.as_ref();
        assert_eq!(credentials.map(|said| (said.user(), said.password())), expected.credentials);
        assert_eq!(ahead, payload);
    }
}

/// Each message alone gets its answer, as with a client that waits for it.
fn check_lock_step(messages: &[&[u8]], answers: &[&[u8]]) {
    for (said, answers) in
        (1..=answers.len()).map(|n| (messages.iter().take(n), answers.iter().take(n)))
    {
        let outcome = drive(Auth::Any, said.copied());
        let sent: Vec<u8> = answers.copied().flatten().copied().collect();
        assert_eq!(outcome, Outcome { sent, end: End::Hungry });
    }
}

#[test]
fn curl_socks4() {
    check(&[b"\x04\x01\0\x50\x7f\0\0\x01\0"], &v4("127.0.0.1:80"));
}

#[test]
fn curl_socks4_with_user() {
    let expected = Expected { credentials: Some((b"u1", b"")), ..v4("127.0.0.1:80") };
    check(&[b"\x04\x01\0\x50\x7f\0\0\x01u1\0"], &expected);
}

#[test]
fn curl_socks4a() {
    check(&[b"\x04\x01\0\x50\0\0\0\x01\0example.test\0"], &v4("example.test:80"));
    check(&[b"\x04\x01\0\x50\0\0\0\x01\x00127.0.0.1\0"], &v4("127.0.0.1:80"));
    check(&[b"\x04\x01\0\x50\0\0\0\x01\0::1\0"], &v4("[::1]:80"));
}

#[test]
fn curl_socks5_offers_gssapi_too() {
    let greeting = b"\x05\x02\0\x01";
    check(&[greeting, b"\x05\x01\0\x01\x7f\0\0\x01\0\x50"], &v5("127.0.0.1:80"));
    let loopback = b"\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50";
    check(&[greeting, loopback], &v5("[::1]:80"));
}

#[test]
fn curl_socks5_hostname() {
    check(&[b"\x05\x02\0\x01", b"\x05\x01\0\x03\x0cexample.test\x01\xbb"], &v5("example.test:443"));
}

#[test]
fn curl_with_credentials() {
    let request = b"\x05\x01\0\x03\x0cexample.test\0\x50";
    let credentials = b"\x01\x04user\x06secret";
    let expected = v5_as(b"user", b"secret", "example.test:80");
    check(&[b"\x05\x03\0\x01\x02", credentials, request], &expected);
    check(&[b"\x05\x02\0\x02", credentials, request], &expected);
}

#[test]
fn curl_with_an_empty_password() {
    check(
        &[b"\x05\x03\0\x01\x02", b"\x01\x01u\0", b"\x05\x01\0\x01\x7f\0\0\x01\0\x50"],
        &v5_as(b"u", b"", "127.0.0.1:80"),
    );
}

#[test]
fn nc_and_proxychains_and_firefox() {
    check(&[b"\x05\x01\0", b"\x05\x01\0\x03\x0cexample.test\0\x16"], &v5("example.test:22"));
    check(&[b"\x05\x01\0", b"\x05\x01\0\x01\xc0\0\x02\x03\0\x16"], &v5("192.0.2.3:22"));
}

#[test]
fn chromium_and_torsocks_send_literals_as_names() {
    check(&[b"\x05\x01\0", b"\x05\x01\0\x03\x09127.0.0.1\0\x50"], &v5("127.0.0.1:80"));
    check(&[b"\x05\x01\0", b"\x05\x01\0\x03\x0b2001:db8::1\x01\xbb"], &v5("[2001:db8::1]:443"));
}

#[test]
fn torsocks_isolates_by_user() {
    check(
        &[b"\x05\x01\x02", b"\x01\x10torsocks-812:170\x010", b"\x05\x01\0\x03\x01a\0\x50"],
        &v5_as(b"torsocks-812:170", b"0", "a:80"),
    );
}

#[test]
fn tor_socks4_proxy() {
    check(&[b"\x04\x01\x01\xbb\xc0\0\x02\x03\0"], &v4("192.0.2.3:443"));
}

#[test]
fn tor_socks5_proxy_waits_for_each_answer() {
    let messages: [&[u8]; 2] = [b"\x05\x01\0", b"\x05\x01\0\x01\xc0\0\x02\x03\x01\xbb"];
    check(&messages, &v5("192.0.2.3:443"));
    check_lock_step(&messages, &[NO_AUTH]);
}

#[test]
fn tor_transport_without_arguments_offers_no_auth_only() {
    check(&[b"\x05\x01\0", b"\x05\x01\0\x01\xc0\0\x02\x03\x01\xbb"], &v5("192.0.2.3:443"));
}

#[test]
fn tor_transport_arguments_are_never_lost() {
    let args = b"skypeid=echo123;k=v\\;x";
    let auth = [&[1, 22][..], args, b"\x01\0"].concat();
    let messages = [&b"\x05\x02\0\x02"[..], &auth, b"\x05\x01\0\x01\xc0\0\x02\x03\x01\xbb"];
    check(&messages, &v5_as(args, b"\0", "192.0.2.3:443"));
    check_lock_step(&messages, &[b"\x05\x02", b"\x01\0"]);
}

#[test]
fn tor_transport_arguments_of_305_octets_are_split() {
    let (user, password) = ([b'u'; 255], [b'p'; 50]);
    let auth = [&[1, 255][..], &user, &[50], &password].concat();
    assert_eq!(auth.len(), 308);
    let messages = [&b"\x05\x02\0\x02"[..], &auth, b"\x05\x01\0\x01\xc0\0\x02\x03\x01\xbb"];
    check(&messages, &v5_as(&user, &password, "192.0.2.3:443"));
    let said = Credentials::new(&user, &password).expect("short enough");
    assert_eq!(said.transport_args().len(), 305);
}

#[test]
fn tor_transport_arguments_over_socks4() {
    let args = [b'k'; 510];
    let request = [&b"\x04\x01\x01\xbb\xc0\0\x02\x03"[..], &args, b"\0"].concat();
    check(&[&request], &Expected { credentials: Some((&args, b"")), ..v4("192.0.2.3:443") });
}

#[test]
fn credentials_nobody_asked_for_are_borne() {
    let messages: [&[u8]; 3] =
        [b"\x05\x01\0", b"\x01\x01u\x01p", b"\x05\x01\0\x01\x7f\0\0\x01\0\x50"];
    let expected = Expected { sent: b"\x05\0\x01\0", ..v5_as(b"u", b"p", "127.0.0.1:80") };
    check(&messages, &expected);
    check_lock_step(&messages, &[NO_AUTH, b"\x01\0"]);
}
