//! Laws both decoders keep on any octets: round trip, truncation, no panic, and no second thoughts.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use proptest::prelude::*;
use tunnel_proto::{Answer, Cause, DecodeError, DomainName, Host, Open, Target};

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Host::Ipv4(Ipv4Addr::from(octets))),
        any::<[u8; 16]>().prop_map(|octets| Host::Ipv6(Ipv6Addr::from(octets))),
        "[!-9;-Z_-~]{1,254}[a-z]".prop_map(|name| {
            Host::Name(DomainName::new(name.as_bytes()).expect("it ends in a letter"))
        }),
    ]
    .prop_filter("a hex number by chance", |host| host.to_string().parse::<Host>().is_ok())
}

fn target() -> impl Strategy<Value = Target> {
    (host(), 1..=u16::MAX).prop_map(|(host, port)| Target {
        host,
        port: NonZeroU16::new(port).expect("the range starts at 1"),
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let bound = prop_oneof![
        any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
        any::<([u8; 16], u16)>().prop_map(SocketAddr::from),
    ];
    (0..Cause::ALL.len(), proptest::option::of(bound))
        .prop_map(|(cause, bound)| Answer { cause: Cause::ALL[cause], bound })
}

/// Octets that look like a message at first, so that the deeper rules are met as well.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    (0x10..0x20_u8, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(
        |(first, mut octets)| {
            octets.insert(0, first);
            octets
        },
    )
}

type Decoded<T> = Result<Option<(T, usize)>, DecodeError>;

fn encode_open(open: &Open) -> Vec<u8> {
    let mut octets = Vec::new();
    open.encode(&mut octets);
    octets
}

fn encode_answer(answer: &Answer) -> Vec<u8> {
    let mut octets = Vec::new();
    answer.encode(&mut octets);
    octets
}

/// Every proper prefix asks for more, and what follows the message is left alone.
fn check_truncation<T: PartialEq + std::fmt::Debug>(
    decode: fn(&[u8]) -> Decoded<T>,
    message: T,
    octets: &[u8],
    payload: &[u8],
) {
    for len in 0..octets.len() {
        assert_eq!(decode(&octets[..len]), Ok(None), "cut at {len}");
    }
    assert_eq!(decode(&[octets, payload].concat()), Ok(Some((message, octets.len()))));
}

/// Whatever was answered to a prefix is answered to every longer one.
fn check_no_second_thoughts<T: PartialEq + std::fmt::Debug>(
    decode: fn(&[u8]) -> Decoded<T>,
    octets: &[u8],
    len_max: usize,
) {
    let last = decode(octets);
    for len in 0..octets.len() {
        match decode(&octets[..len]) {
            Ok(None) => assert!(len < len_max, "{len} octets are always enough"),
            answer => assert_eq!(answer, last, "changed its mind after {len} octets"),
        }
    }
}

proptest! {
    #[test]
    fn open_comes_back_as_it_went(target in target(), payload in any::<Vec<u8>>()) {
        let open = Open::connect(target);
        let octets = encode_open(&open);
        prop_assert!(octets.len() <= Open::MAX_LEN);
        check_truncation(Open::decode, open, &octets, &payload);
    }

    #[test]
    fn answer_comes_back_as_it_went(answer in answer(), payload in any::<Vec<u8>>()) {
        let octets = encode_answer(&answer);
        prop_assert!(octets.len() <= Answer::MAX_LEN);
        check_truncation(Answer::decode, answer, &octets, &payload);
    }

    #[test]
    fn no_octets_panic_or_change_an_earlier_answer(
        octets in prop_oneof![nearly_a_message(), any::<Vec<u8>>()],
    ) {
        check_no_second_thoughts(Open::decode, &octets, Open::MAX_LEN);
        check_no_second_thoughts(Answer::decode, &octets, Answer::MAX_LEN);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_octets(octets in nearly_a_message()) {
        if let Ok(Some((open, used))) = Open::decode(&octets) {
            prop_assert_eq!(encode_open(&open), &octets[..used]);
        }
        if let Ok(Some((answer, used))) = Answer::decode(&octets) {
            prop_assert_eq!(encode_answer(&answer), &octets[..used]);
        }
    }

    #[test]
    fn a_target_comes_back_from_its_text(target in target()) {
        prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = text.parse::<Target>();
    }
}
