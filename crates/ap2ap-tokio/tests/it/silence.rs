//! A peer that is silent: it is noticed, and a second connection beside the first gets through.

use ap2ap_tokio::{Config, ConnectionError, Endpoint, EndpointConfig};
use carrier::MemoryCarrier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gate::Gate;
use crate::support::{Pair, identity, memory_peer, secret, stream, udp, udp_peer, within};

/// So many unanswered probes, and a second connection may share the path.
const SILENT: u32 = 8;

#[tokio::test(start_paused = true)]
async fn a_silence_is_noticed_and_so_is_its_end() {
    let (here, there) = MemoryCarrier::pair();
    let gate = Gate::default();
    let there = gate.around(there);
    let pair = Pair::over(here, there, memory_peer(), &Config::default());
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    within(client.answered()).await;
    gate.shut();
    here.write_all(b"?").await.unwrap();
    within(client.unanswered(4)).await;
    gate.open();
    within(client.answered()).await;
    assert_eq!(within(there.read_u8()).await.unwrap(), b'?');
}

#[tokio::test]
async fn an_endpoint_says_why_it_ended() {
    let (here, there) = MemoryCarrier::pair();
    let pair = Pair::over(here, there, memory_peer(), &Config::default());
    let watched = pair.client.clone();
    let ended = tokio::spawn(async move { watched.ended().await });
    pair.client.shutdown(ap2ap_tokio::ErrorCode(0), "").await;
    assert!(matches!(within(ended).await.unwrap(), ConnectionError::CarrierLost { .. }));
}

#[tokio::test]
async fn a_bridge_that_forgot_everything_is_reached_over_the_same_path() {
    let process = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let in_process = process.enter();
    let carrier = udp(0);
    let address = carrier.local_addr();
    let bridge = Endpoint::bridge(carrier, identity(), Config::default());
    drop(in_process);
    let endpoint = Endpoint::client(udp(0), Config::default());
    let connect = || endpoint.connect(udp_peer(address), secret().public()).unwrap();
    let old = connect();
    let remote = within(bridge.accept()).await.unwrap();
    let (mut here, _there) = stream(&old, &remote).await;
    // Beside a connection that works there is no second one.
    let refused = within(connect().ready()).await.unwrap_err();
    assert!(matches!(refused, ConnectionError::Open(_)), "{refused}");

    process.shutdown_background();
    let bridge = within(async {
        loop {
            match carrier_udp::UdpCarrier::bind(address) {
                Ok(carrier) => return Endpoint::bridge(carrier, identity(), Config::default()),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    here.write_all(b"?").await.unwrap();
    within(old.unanswered(SILENT)).await;
    let new = connect();
    within(new.ready()).await.unwrap();
    let remote = within(bridge.accept()).await.unwrap();
    let (_here, _there) = stream(&new, &remote).await;
    assert_eq!(within(old.closed()).await, ConnectionError::Replaced);
}

#[tokio::test]
async fn a_connection_that_answers_after_all_stays() {
    let carrier = udp(0);
    let peer = udp_peer(carrier.local_addr());
    let gate = Gate::default();
    let carrier = gate.around(carrier);
    // The bridge takes no second connection, so that only the first one can answer.
    let mut only_one = EndpointConfig::default();
    only_one.connections_max = 1;
    let client = Endpoint::client(udp(0), Config::default());
    let bridge = Endpoint::bridge(carrier, identity(), only_one);
    let pair = Pair { client, bridge, peer, key: secret().public() };
    let (old, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&old, &bridge).await;
    gate.shut();
    here.write_all(b"?").await.unwrap();
    within(old.unanswered(SILENT)).await;
    let new = pair.connect();
    gate.open();
    assert_eq!(within(new.ready()).await, Err(ConnectionError::NotNeeded));
    assert_eq!(within(there.read_u8()).await.unwrap(), b'?');
    assert_eq!((old.close_reason(), bridge.close_reason()), (None, None));
}
