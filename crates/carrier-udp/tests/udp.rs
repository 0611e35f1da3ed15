//! Two carriers on the loopback interface: what each event means, and what garbage does.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helpers may panic")]

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use carrier::{Carrier, CarrierEvent, CarrierPath, DATAGRAM_MAX, OpenError, PeerId, SendError};
use carrier_udp::{PAYLOAD_MAX, UdpCarrier};

const HANG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_stranger_is_announced_then_taken_then_heard() {
    let (mut here, mut there) = (carrier(), carrier());
    let path = here.open(now(), &peer(&there)).unwrap();
    assert!(matches!(next(&mut here).await.0, CarrierEvent::Up { .. }));
    here.try_send(now(), path, b"hello").unwrap();

    let (incoming, _) = next(&mut there).await;
    let CarrierEvent::Incoming { path: back, peer: from } = incoming else {
        panic!("{incoming:?}");
    };
    assert_eq!(from, peer(&here));
    there.accept(now(), back);
    let (up, _) = next(&mut there).await;
    assert!(matches!(up, CarrierEvent::Up { caps, .. } if caps.payload_max == PAYLOAD_MAX));
    assert_eq!(next(&mut there).await, datagram(back, b"hello"));

    there.try_send(now(), back, b"and back").unwrap();
    assert_eq!(next(&mut here).await, datagram(path, b"and back"));
}

#[tokio::test]
async fn the_first_datagram_can_be_looked_at_before_the_path_is_taken() {
    let (mut here, mut there) = (carrier(), carrier());
    let path = here.open(now(), &peer(&there)).unwrap();
    here.try_send(now(), path, b"look").unwrap();
    let CarrierEvent::Incoming { path: back, .. } = next(&mut there).await.0 else { panic!() };
    assert_eq!(next(&mut there).await, datagram(back, b"look"));
    there.reject(now(), back);
    assert_eq!(there.try_send(now(), back, b"x"), Err(SendError::Gone));
}

#[tokio::test]
async fn a_rejected_strangers_datagram_is_not_delivered() {
    let (mut here, mut there) = (carrier(), carrier());
    let path = here.open(now(), &peer(&there)).unwrap();
    here.try_send(now(), path, b"one").unwrap();
    let CarrierEvent::Incoming { path: first, .. } = next(&mut there).await.0 else { panic!() };
    there.reject(now(), first);
    here.try_send(now(), path, b"two").unwrap();
    let CarrierEvent::Incoming { path: second, .. } = next(&mut there).await.0 else { panic!() };
    assert_ne!(first, second, "a path's number is never used twice");
    assert_eq!(next(&mut there).await, datagram(second, b"two"));
}

#[tokio::test]
async fn refuses_what_it_cannot_carry() {
    let (mut here, there) = (carrier(), carrier());
    let path = here.open(now(), &peer(&there)).unwrap();
    let too_long = here.try_send(now(), path, &[0; PAYLOAD_MAX + 1]);
    assert_eq!(too_long, Err(SendError::TooLarge { max: PAYLOAD_MAX }));
    let twice = here.open(now(), &peer(&there));
    assert!(matches!(twice, Err(OpenError::Malformed { .. })));
    let other = here.open(now(), &"skype:someone".parse().unwrap());
    assert_eq!(other, Err(OpenError::OtherOverlay { expected: "udp" }));
    here.close(now(), path);
    assert_eq!(here.try_send(now(), path, b"x"), Err(SendError::Gone));
    assert!(here.open(now(), &peer(&there)).is_ok(), "a closed path's address is free again");
}

#[tokio::test]
async fn an_opened_and_closed_path_leaves_no_event_behind() {
    let (mut here, there) = (carrier(), carrier());
    for _ in 0..100 {
        let path = here.open(now(), &peer(&there)).unwrap();
        here.close(now(), path);
    }
    let mut cx = Context::from_waker(Waker::noop());
    let mut buf = [0; DATAGRAM_MAX];
    assert!(here.poll(&mut cx, now(), &mut buf).is_pending());
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_no_error() {
    let mut here = carrier();
    let gone = peer(&carrier());
    let path = here.open(now(), &gone).unwrap();
    next(&mut here).await;
    for _ in 0..10 {
        here.try_send(now(), path, b"anyone?").unwrap();
    }
}

#[tokio::test]
async fn overlong_datagrams_are_dropped_and_counted() {
    let mut here = carrier();
    let raw = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for _ in 0..200 {
        raw.send_to(&[0; DATAGRAM_MAX + 1], here.local_addr()).unwrap();
    }
    raw.send_to(b"short", here.local_addr()).unwrap();
    assert!(matches!(next(&mut here).await.0, CarrierEvent::Incoming { .. }));
    assert_eq!(next(&mut here).await.1, b"short");
    assert!(here.counters().too_long > 0);
}

#[tokio::test]
async fn a_full_socket_says_so_and_then_that_it_is_not() {
    // What "full" takes depends on the system's buffers: a loopback socket may take everything.
    let (mut here, there) = (carrier(), carrier());
    let path = here.open(now(), &peer(&there)).unwrap();
    next(&mut here).await;
    let is_full = |_: &u32| here.try_send(now(), path, &[0; PAYLOAD_MAX]) == Err(SendError::Full);
    if (0..20_000).find(is_full).is_some() {
        assert_eq!(next(&mut here).await.0, CarrierEvent::Writable { path });
        assert_eq!(here.try_send(now(), path, b"again"), Ok(()));
    }
}

#[tokio::test]
async fn an_ipv6_socket_carries_too() {
    // A machine without IPv6 has nothing to show here.
    let Ok(mut here) = UdpCarrier::bind("[::1]:0".parse().unwrap()) else { return };
    let Ok(mut there) = UdpCarrier::bind("[::1]:0".parse().unwrap()) else { return };
    let path = here.open(now(), &peer(&there)).unwrap();
    here.try_send(now(), path, b"six").unwrap();
    let CarrierEvent::Incoming { peer: from, .. } = next(&mut there).await.0 else { panic!() };
    assert_eq!(from, peer(&here));
    assert_eq!(next(&mut there).await.1, b"six");
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let here = carrier();
    let error = UdpCarrier::bind(here.local_addr()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

fn carrier() -> UdpCarrier {
    UdpCarrier::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

fn peer(carrier: &UdpCarrier) -> PeerId {
    format!("udp:{}", carrier.local_addr()).parse().unwrap()
}

async fn next(carrier: &mut UdpCarrier) -> (CarrierEvent, Vec<u8>) {
    let mut buf = [0; DATAGRAM_MAX];
    let event = poll_fn(|cx| carrier.poll(cx, now(), &mut buf));
    let event = tokio::time::timeout(HANG, event).await.expect("an event comes");
    let len = if let CarrierEvent::Datagram { len, .. } = event { len } else { 0 };
    (event, buf[..len].to_vec())
}

fn datagram(path: CarrierPath, octets: &[u8]) -> (CarrierEvent, Vec<u8>) {
    (CarrierEvent::Datagram { path, len: octets.len() }, octets.to_vec())
}

#[expect(clippy::disallowed_methods, reason = "the carrier asks for a time and uses none")]
fn now() -> Instant {
    Instant::now()
}
