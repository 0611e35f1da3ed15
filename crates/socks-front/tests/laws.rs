//! Laws on any octets: no panic, no second thoughts, the same outcome however the input is cut.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use proptest::collection::vec;
use proptest::prelude::*;
use socks_front::{Address, Auth, Credentials, DomainName, Handshake, Host, Step, Version};

#[path = "support/drive.rs"]
mod drive;
use drive::{End, drive, drive_all_cuts};

fn auth() -> impl Strategy<Value = Auth> {
    prop_oneof![
        Just(Auth::Any),
        Just(Auth::None),
        Just(Auth::Exactly(Credentials::new(b"u", b"p").expect("short enough"))),
    ]
}

fn address() -> impl Strategy<Value = Address> {
    let host = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Host::Ipv4(Ipv4Addr::from(octets))),
        any::<[u8; 16]>().prop_map(|octets| Host::Ipv6(Ipv6Addr::from(octets))),
        "[!-9;-Z_-~]{0,253}[.][g-z]"
            .prop_map(|name| Host::Name(DomainName::new(name.as_bytes()).expect("a name"))),
    ];
    let port = (1..=u16::MAX).prop_map(|port| NonZeroU16::new(port).expect("not zero"));
    (host, port).prop_map(|(host, port)| Address { host, port })
}

/// How a SOCKS 5 client writes a request.
fn request(address: &Address) -> Vec<u8> {
    let mut octets = vec![5, 1, 0];
    match &address.host {
        Host::Ipv4(ip) => octets.extend([&[1][..], &ip.octets()].concat()),
        Host::Ipv6(ip) => octets.extend([&[4][..], &ip.octets()].concat()),
        Host::Name(name) => octets.extend(counted(3, name.as_str().as_bytes())),
    }
    octets.extend(address.port.get().to_be_bytes());
    octets
}

fn counted(tag: u8, field: &[u8]) -> Vec<u8> {
    let len = u8::try_from(field.len()).expect("a short field");
    [&[tag, len], field].concat()
}

/// Octets on their way to a request, with some of them wrong.
fn nearly_a_client() -> impl Strategy<Value = Vec<u8>> {
    let greeting = prop_oneof![
        Just(b"\x05\x01\0".to_vec()),
        Just(b"\x05\x02\0\x02".to_vec()),
        Just(b"\x05\x02\0\x02\x01\x01u\x01p".to_vec()),
        Just(b"\x05\x01\0\x01\0\0".to_vec()),
        Just(b"\x04\x01".to_vec()),
        Just(b"\x04\x01\0\x50\0\0\0\x01".to_vec()),
        Just(vec![]),
    ];
    let request = prop_oneof![
        address().prop_map(|address| request(&address)),
        vec(any::<u8>(), 0..900),
        vec(1..6_u8, 0..40),
    ];
    (greeting, request, vec(any::<u8>(), 0..20)).prop_map(|(a, b, c)| [a, b, c].concat())
}

proptest! {
    #[test]
    fn any_client_is_understood(
        address in address(),
        user in vec(any::<u8>(), 0..=255),
        password in vec(any::<u8>(), 0..=255),
        payload in vec(any::<u8>(), 0..64),
    ) {
        let octets = [
            b"\x05\x02\0\x02".to_vec(),
            counted(1, &user),
            counted(0, &password).split_off(1),
            request(&address),
            payload.clone(),
        ].concat();
        let outcome = drive_all_cuts(&Auth::Any, &octets);
        let End::Request(request, ahead) = outcome.end else { panic!("no request") };
        prop_assert_eq!(request.version, Version::V5);
        prop_assert_eq!(request.address, address);
        prop_assert_eq!(request.credentials, Credentials::new(&user, &password).ok());
        prop_assert_eq!(ahead, payload);
    }

    #[test]
    fn cuts_change_nothing(auth in auth(), octets in nearly_a_client()) {
        drive_all_cuts(&auth, &octets);
    }

    #[test]
    fn no_octets_panic(auth in auth(), octets in any::<Vec<u8>>()) {
        drive(auth, [&octets[..]]);
    }

    /// More input never changes a step that has been decided.
    #[test]
    fn no_second_thoughts(auth in auth(), octets in nearly_a_client()) {
        let whole = Handshake::new(auth.clone()).step(&octets);
        let mut handshake = Handshake::new(auth);
        for len in 0..=octets.len() {
            let step = handshake.step(octets.get(..len).expect("a prefix"));
            if step != Step::NeedMore {
                prop_assert_eq!(step, whole);
                break;
            }
            prop_assert!(len < Handshake::INPUT_LEN_MAX);
        }
    }
}
