//! A ticket from one connection, and the early data of the next.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that is wrong may panic")]
#![allow(
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::time::Duration;

use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Credentials, Event, SecretKey, StreamId, Ticket,
};
use common::{Duo, End, MS, SECOND, WALL};

const REQUEST: &[u8] = b"again, at once";
const HOUR: Duration = Duration::from_secs(3600);

fn identity() -> BridgeIdentity {
    BridgeIdentity::new(SecretKey::from_octets([42; 32]), Duration::ZERO).giving_tickets()
}

/// A client and the bridge that has this identity. The client's clock may be off.
fn duo(identity: &BridgeIdentity, credentials: Credentials, seed: u8, wall: Duration) -> Duo {
    let mut duo = Duo::with(Config::default(), Config::default(), [seed; 32]);
    let now = duo.now;
    let client = Connection::connect(credentials, Config::default(), [seed; 32], wall, now);
    duo.client = End::new(client);
    duo.client.wait = Some(now);
    duo.acceptor = Acceptor::new(identity.clone(), Config::default(), [seed ^ 0x80; 32]);
    duo
}

fn tickets(duo: &Duo) -> Vec<Ticket> {
    let ticket = |event: &Event| match event {
        Event::Ticket(ticket) => Some(ticket.clone()),
        _ => None,
    };
    duo.client.events.iter().filter_map(ticket).collect()
}

fn first_ticket(identity: &BridgeIdentity, seed: u8) -> Ticket {
    let mut duo = duo(identity, identity.public_key().into(), seed, WALL);
    duo.add_path();
    duo.run_for(2 * SECOND);
    tickets(&duo).pop().unwrap()
}

/// A request that waits for the path of a second connection.
fn ask_with(
    identity: &BridgeIdentity,
    ticket: &Ticket,
    seed: u8,
    wall: Duration,
) -> (Duo, StreamId) {
    let credentials = Credentials::new(identity.public_key()).with_ticket(ticket.clone());
    let mut duo = duo(identity, credentials, seed, wall);
    let id = duo.client.open();
    duo.client.write(id, REQUEST).unwrap();
    duo.add_path();
    (duo, id)
}

/// Whether the request is there after one way, and that it is there in the end, once.
fn arrives_at_once((mut duo, id): (Duo, StreamId)) -> bool {
    duo.run_for(60 * MS);
    let at_once = duo.bridge().read(id).0;
    duo.run_for(2 * SECOND);
    let later = duo.bridge().read(id).0;
    assert_eq!([&at_once[..], &later[..]].concat(), REQUEST);
    !at_once.is_empty()
}

/// AP-23
#[test]
fn a_bridge_gives_each_client_one_ticket_if_it_gives_any() {
    let identity = identity();
    let mut giving = duo(&identity, identity.public_key().into(), 1, WALL);
    // Not even if every datagram of the bridge's is lost once.
    giving.down.become_(
        |n, octets| {
            if n % 2 == 0 { common::is_lost(octets) } else { common::arrives(octets) }
        },
    );
    giving.add_path();
    giving.run_for(20 * SECOND);
    let given = tickets(&giving);
    assert!(given.windows(2).all(|two| two[0] == two[1]) && !given.is_empty(), "{}", given.len());
    assert_eq!(given[0].lifetime(), HOUR);
    let other = BridgeIdentity::new(SecretKey::from_octets([42; 32]), Duration::ZERO);
    let mut keeping = duo(&other, other.public_key().into(), 1, WALL);
    keeping.add_path();
    keeping.run_for(2 * SECOND);
    assert!(keeping.client.is_connected() && tickets(&keeping).is_empty());
}

/// AP-21
#[test]
fn early_data_under_a_ticket_is_taken_whatever_the_clocks_say() {
    for wall in [WALL, WALL - HOUR, WALL + HOUR] {
        let identity = identity();
        let ticket = first_ticket(&identity, 1);
        assert!(arrives_at_once(ask_with(&identity, &ticket, 2, wall)));
    }
}

/// AP-21
#[test]
fn a_ticket_that_is_used_up_or_unknown_costs_a_round_trip_and_nothing_else() {
    let identity = identity();
    let ticket = first_ticket(&identity, 1);
    assert!(arrives_at_once(ask_with(&identity, &ticket, 2, WALL)));
    assert!(!arrives_at_once(ask_with(&identity, &ticket, 3, WALL)), "used up");
    let restarted = self::identity();
    let ticket = first_ticket(&identity, 4);
    assert!(!arrives_at_once(ask_with(&restarted, &ticket, 5, WALL)), "of a process before");
    let none = BridgeIdentity::new(SecretKey::from_octets([42; 32]), Duration::ZERO);
    assert!(!arrives_at_once(ask_with(&none, &ticket, 6, WALL)), "at a bridge that gives none");
}

/// AP-21: a client that shows a key of its own has tickets too.
#[test]
fn a_client_on_a_list_uses_a_ticket() {
    let key = SecretKey::from_octets([5; 32]);
    let identity = identity().allowing([key.public()]);
    let credentials = Credentials::new(identity.public_key()).with_client_key(key);
    let mut first = duo(&identity, credentials.clone(), 1, WALL);
    first.add_path();
    first.run_for(2 * SECOND);
    let ticket = tickets(&first).pop().unwrap();
    let mut second = duo(&identity, credentials.with_ticket(ticket), 2, WALL + HOUR);
    let id = second.client.open();
    second.client.write(id, REQUEST).unwrap();
    second.add_path();
    assert!(second.up.sent.iter().all(|(_, datagram)| datagram.len() <= 256));
    assert!(arrives_at_once((second, id)));
}

/// AP-21: the copy is not answered, and the ticket is gone.
#[test]
fn a_recorded_first_message_under_a_ticket_has_no_second_effect() {
    let identity = identity();
    let ticket = first_ticket(&identity, 1);
    let (mut duo, id) = ask_with(&identity, &ticket, 2, WALL);
    duo.run_for(60 * MS);
    assert_eq!(duo.bridge().read(id).0, REQUEST);
    let first = duo.up.sent[0].1.clone();
    let mut acceptor = Acceptor::new(identity, Config::default(), [7; 32]);
    let path = (ap2ap_stream::PathId(9), 1200);
    let copy = acceptor.handle_first(duo.now, duo.wall, path, &first);
    assert_eq!(copy.map(|_| ()).unwrap_err(), ap2ap_stream::Silence::Recorded);
}

/// AP-24: the bridge can tell which session a client comes from, and another bridge cannot.
#[test]
fn a_bridge_knows_which_session_a_ticket_was_given_in() {
    let identity = identity();
    let mut old = duo(&identity, identity.public_key().into(), 1, WALL);
    old.add_path();
    old.run_for(2 * SECOND);
    let ticket = tickets(&old).pop().unwrap();
    let given = old.bridge().connection.ticket_given();
    assert!(given.is_some() && old.bridge().connection.ticket_shown().is_none());
    // It went through a file.
    let ticket = Ticket::from_octets(&ticket.to_octets());
    let (mut new, id) = ask_with(&identity, &ticket, 2, WALL);
    new.add_path();
    new.run_for(SECOND);
    assert_eq!(new.bridge().read(id).0, REQUEST);
    assert_eq!(new.bridge().connection.ticket_shown(), given);
    assert_ne!(new.bridge().connection.ticket_given(), given);
    // Used up, it says nothing any more.
    let (mut again, _) = ask_with(&identity, &ticket, 3, WALL);
    again.add_path();
    again.run_for(SECOND);
    assert_eq!(again.bridge().connection.ticket_shown(), None);
}
