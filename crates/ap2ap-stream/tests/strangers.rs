//! Who does not know the bridge's key hears nothing, costs little, and leaves nothing behind.
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong may panic"
)]
#![expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that is wrong may panic")]

mod common;

use std::time::{Duration, Instant};

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Credentials, PathEvent, SecretKey, Silence,
};
use common::{Duo, End, PATH, SECOND, WALL};

/// Datagrams of strangers, a third of each kind.
const DATAGRAMS: usize = 1_000_000;

struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

fn secret(octet: u8) -> SecretKey {
    SecretKey::from_octets([octet; 32])
}

fn identity() -> BridgeIdentity {
    BridgeIdentity::new(secret(1), Duration::ZERO)
}

fn first_message(credentials: impl Into<Credentials>, seed: u8, request: &[u8]) -> Vec<u8> {
    let now = Instant::now();
    let connection = Connection::connect(credentials, Config::default(), [seed; 32], WALL, now);
    let mut client = End::new(connection);
    let id = client.open();
    client.write(id, request).unwrap();
    client.connection.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
    client.poll(now).remove(0)
}

fn ask(acceptor: &mut Acceptor, datagram: &[u8]) -> Result<Connection, Silence> {
    acceptor.handle_first(Instant::now(), WALL, (PATH, 1200), datagram)
}

/// AP-5
#[test]
fn a_million_strange_datagrams_get_no_answer_and_leave_nothing() {
    let (listed, client) = (identity().allowing([secret(2).public()]), secret(2));
    let known = Credentials::new(listed.public_key()).with_client_key(client);
    let kinds = [(identity(), Credentials::from(identity().public_key())), (listed, known)];
    for (identity, credentials) in kinds {
        let mut acceptor = Acceptor::new(identity.clone(), Config::default(), [3; 32]);
        let firsts = [10, 60, 100]
            .map(|len| first_message(credentials.clone(), len, &vec![len; usize::from(len)]));
        let mut luck = Luck(4);
        let mut buf = [0; 2048];
        for number in 0..DATAGRAMS / 2 {
            let first = &firsts[number / 3 % 3];
            let datagram = match number % 3 {
                0 => {
                    let len = luck.next() as usize % if number % 2 == 0 { 257 } else { 2049 };
                    luck.fill(&mut buf[..len]);
                    &buf[..len]
                }
                1 => &first[..luck.next() as usize % first.len()],
                _ => {
                    // Every octet and every bit of it comes again and again.
                    let bit = number / 9 % (8 * first.len());
                    buf[..first.len()].copy_from_slice(first);
                    buf[bit / 8] ^= 1 << (bit % 8);
                    &buf[..first.len()]
                }
            };
            let silence = ask(&mut acceptor, datagram).map(|_| "an answer").unwrap_err();
            assert!(matches!(silence, Silence::NotFirst | Silence::WrongMac), "{silence}");
        }
        assert_eq!(identity.first_messages_seen(), 0);
        assert!(ask(&mut acceptor, &firsts[0]).is_ok(), "and the true one is still heard");
        assert_eq!(identity.first_messages_seen(), 1);
    }
}

/// AP-18
#[test]
fn a_client_that_is_not_on_the_list_hears_nothing() {
    let listed = identity().allowing([secret(2).public(), secret(3).public()]);
    let mut acceptor = Acceptor::new(listed.clone(), Config::default(), [3; 32]);
    let with = |key| Credentials::new(listed.public_key()).with_client_key(key);
    for allowed in [2, 3] {
        let first = first_message(with(secret(allowed)), 1, b"request");
        let bridge = ask(&mut acceptor, &first).unwrap();
        assert_eq!(bridge.client_key(), Some(secret(allowed).public()));
    }
    let seen = listed.first_messages_seen();
    let other = first_message(with(secret(4)), 1, b"request");
    assert_eq!(ask(&mut acceptor, &other).map(|_| "heard").unwrap_err(), Silence::NotAllowed);
    let without_a_key = first_message(listed.public_key(), 1, b"request");
    assert_eq!(ask(&mut acceptor, &without_a_key).map(|_| ()).unwrap_err(), Silence::WrongMac);
    assert_eq!(listed.first_messages_seen(), seen);
    let nobody = Acceptor::new(identity().allowing([]), Config::default(), [3; 32]);
    let first = first_message(with(secret(2)), 1, b"request");
    assert_eq!(ask(&mut { nobody }, &first).map(|_| ()).unwrap_err(), Silence::NotAllowed);
}

/// AP-18
#[test]
fn a_bridge_that_asks_nobody_does_not_hear_who_shows_a_key() {
    let mut acceptor = Acceptor::new(identity(), Config::default(), [3; 32]);
    let credentials = Credentials::new(identity().public_key()).with_client_key(secret(2));
    let first = first_message(credentials, 1, b"request");
    assert_eq!(ask(&mut acceptor, &first).map(|_| ()).unwrap_err(), Silence::WrongMac);
    let bridge = ask(&mut acceptor, &first_message(identity().public_key(), 1, b"x")).unwrap();
    assert_eq!(bridge.client_key(), None);
}

/// AP-18: octets go both ways, with early data.
#[test]
fn an_allowed_client_gets_through() {
    let mut duo = Duo::new();
    let key = secret(5);
    let listed = BridgeIdentity::new(secret(42), Duration::ZERO).allowing([key.public()]);
    let credentials = Credentials::new(listed.public_key()).with_client_key(key.clone());
    let now = duo.now;
    let client = Connection::connect(credentials, Config::default(), [6; 32], WALL, now);
    duo.client = End::new(client);
    duo.acceptor = Acceptor::new(listed, Config::default(), [7; 32]);
    let id = duo.client.open();
    duo.client.write(id, &[8; 4000]).unwrap();
    duo.add_path();
    duo.run_for(5 * SECOND);
    assert_eq!(duo.bridge().read(id).0, [8; 4000]);
    assert_eq!(duo.bridge().connection.client_key(), Some(key.public()));
    duo.bridge().write(id, b"back").unwrap();
    duo.run_for(SECOND);
    assert_eq!(duo.client.read(id).0, b"back");
}

/// AP-20
#[test]
fn the_same_request_makes_first_messages_and_answers_of_many_lengths() {
    let mut acceptor = Acceptor::new(identity(), Config::default(), [3; 32]);
    for request in [0, 30, 500] {
        let mut firsts = std::collections::BTreeMap::<usize, u32>::new();
        let mut answers = firsts.clone();
        for seed in 0..160 {
            let first = first_message(identity().public_key(), seed, &vec![1; request]);
            *firsts.entry(first.len()).or_default() += 1;
            let mut bridge = End::new(ask(&mut acceptor, &first).unwrap());
            let answer = bridge.poll(Instant::now()).remove(0);
            *answers.entry(answer.len()).or_default() += 1;
        }
        for lengths in [firsts, answers] {
            assert_eq!(lengths.len(), 16, "{request}: {lengths:?}");
            assert!(lengths.values().all(|count| *count < 40), "{request}: {lengths:?}");
        }
    }
}

/// AP-1 and AP-10: over many handshakes every bit of every octet is as often 0 as 1.
#[test]
fn no_octet_of_a_handshake_is_constant_and_no_bit_leans() {
    const MESSAGES: usize = 512;
    let mut acceptor = Acceptor::new(identity(), Config::default(), [3; 32]);
    let mut ones = [[0_usize; 8 * 48]; 2];
    let mut luck = Luck(9);
    for _ in 0..MESSAGES {
        let mut seed = [0; 32];
        luck.fill(&mut seed);
        let now = Instant::now();
        let client =
            Connection::connect(identity().public_key(), Config::default(), seed, WALL, now);
        let mut client = End::new(client);
        client.connection.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
        let first = client.poll(now).remove(0);
        let mut bridge = End::new(ask(&mut acceptor, &first).unwrap());
        let answer = bridge.poll(now).remove(0);
        for (ones, message) in ones.iter_mut().zip([first, answer]) {
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += usize::from(message[bit / 8] >> (bit % 8) & 1);
            }
        }
    }
    // Six standard deviations of 512 fair coins: once in a million runs of as many bits.
    let fair = MESSAGES / 2 - 68..=MESSAGES / 2 + 68;
    assert!(ones.as_flattened().iter().all(|ones| fair.contains(ones)), "{ones:?}");
}
