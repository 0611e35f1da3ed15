//! Measuring a path: it begins, it is refused, and it is alone on its connection.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use ap2ap_stream::SecretKey;
use ap2ap_tokio::{BridgeIdentity, Connection, Endpoint};
use carrier::MemoryCarrier;
use relay_probe::{Train, wire};
use support::{HANG, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tunnel::{Bridge, ForwardList, LOST_KEPT, MeasureError, endpoint_config, measure};
use tunnel_proto::{Answer, Cause, Open, Opening};

/// A connection to a bridge that measures or does not.
async fn connected(change: impl FnOnce(Bridge) -> Bridge, forward: ForwardList) -> Connection {
    let (near, far) = MemoryCarrier::pair();
    let secret = SecretKey::from_octets([7; 32]);
    let identity = BridgeIdentity::new(secret.clone(), Duration::ZERO);
    let bridge = Endpoint::bridge(far, identity, endpoint_config(LOST_KEPT));
    let bridge = change(Bridge::new(bridge.clone(), vec![bridge.into()], forward));
    tokio::spawn(bridge.run(CancellationToken::new()));
    let client = Endpoint::client(near, endpoint_config(LOST_KEPT));
    let connection = client.connect("memory:bridge".parse().unwrap(), secret.public()).unwrap();
    timeout(HANG, connection.ready()).await.unwrap().unwrap();
    connection
}

/// What the bridge answers to an opening; the stream stays open.
async fn answer(connection: &Connection, opening: Opening) -> (ap2ap_tokio::Stream, Cause) {
    let mut stream = connection.open_stream().await.unwrap();
    let mut octets = Vec::new();
    opening.encode(&mut octets);
    stream.write_all(&octets).await.unwrap();
    let mut input = Vec::new();
    loop {
        if let Some((answer, _)) = Answer::decode(&input).unwrap() {
            return (stream, answer.cause);
        }
        assert!(timeout(HANG, stream.read_buf(&mut input)).await.unwrap().unwrap() > 0);
    }
}

#[tokio::test]
async fn both_directions_are_probed() {
    let connection = connected(|bridge| bridge, ForwardList::new([])).await;
    let measured = measure(&connection, Duration::from_secs(4)).await.unwrap();
    assert!(measured.up.cost > 0 && measured.down.cost > 0, "{measured:?}");
}

#[tokio::test]
async fn a_bridge_that_does_not_measure_refuses() {
    let connection = connected(Bridge::without_measurements, ForwardList::new([])).await;
    let refused = measure(&connection, HANG).await.unwrap_err();
    assert!(matches!(refused, MeasureError::Refused(Cause::NotAllowed)), "{refused}");
}

#[tokio::test]
async fn nothing_is_forwarded_beside_a_measurement() {
    let (_listener, addr) = listen().await;
    let connection = connected(|bridge| bridge, ForwardList::new([addr])).await;
    let open = || Opening::Open(Open::connect(addr.to_string().parse().unwrap()));
    let (forwarded, cause) = answer(&connection, open()).await;
    assert_eq!(cause, Cause::Connected);
    assert_eq!(answer(&connection, Opening::Measure).await.1, Cause::NotAllowed);
    drop(forwarded);
    // The bridge hears of the end of a stream a little later than of the next beginning.
    let (_measured, cause) = loop {
        let asked = answer(&connection, Opening::Measure).await;
        if asked.1 == Cause::Connected {
            break asked;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(cause, Cause::Connected);
    assert_eq!(answer(&connection, open()).await.1, Cause::NotAllowed);
}

#[tokio::test]
async fn who_asks_for_a_flood_is_not_measured_with_any_more() {
    let connection = connected(|bridge| bridge, ForwardList::new([])).await;
    let (mut stream, _) = answer(&connection, Opening::Measure).await;
    let flood = Train { id: 1, interval: Duration::ZERO, octets: 1_000, count: 1_000_000 };
    let mut ask = Vec::new();
    wire::encode_ask(&flood, &mut ask);
    stream.write_all(&ask).await.unwrap();
    let mut rest = Vec::new();
    // The stream ends, in whatever way, and no probe came.
    let _ = timeout(HANG, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(timeout(Duration::from_millis(200), connection.recv_datagram()).await.is_err());
}
