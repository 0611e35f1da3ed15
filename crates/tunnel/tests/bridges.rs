//! Several bridges: the next one is tried when one does not answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use ap2ap_stream::SecretKey;
use ap2ap_tokio::{BridgeIdentity, Endpoint};
use carrier::MemoryCarrier;
use socks_front::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Attach, Attaching, Attachment, Bridge, BridgeWays, Client, ForwardList, LOST_KEPT, Policy,
    Session, endpoint_config,
};

/// A carrier that is attached to once.
struct Once(std::sync::Mutex<Option<MemoryCarrier>>);

impl Attach for Once {
    fn name(&self) -> &str {
        "the test"
    }

    fn attach(&self) -> Attaching<'_> {
        Box::pin(async {
            let carrier: Box<dyn carrier::Carrier> =
                Box::new(self.0.lock().unwrap().take().unwrap());
            Ok(carrier)
        })
    }
}

async fn ways(endpoint: &Endpoint, key: u8, near: MemoryCarrier) -> BridgeWays {
    let attach = Once(std::sync::Mutex::new(Some(near)));
    let attachment = Attachment::new(endpoint, attach).await.unwrap();
    BridgeWays {
        credentials: SecretKey::from_octets([key; 32]).public().into(),
        peers: vec!["memory:bridge".parse().unwrap()],
        attachments: vec![("memory".to_owned(), Arc::new(attachment))],
    }
}

#[tokio::test]
async fn a_bridge_that_does_not_answer_gives_way_to_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let (stop, config) = (CancellationToken::new(), endpoint_config(LOST_KEPT));
    let (silent_near, _silent_far) = MemoryCarrier::pair();
    let (near, far) = MemoryCarrier::pair();
    let identity = BridgeIdentity::new(SecretKey::from_octets([2; 32]), Duration::ZERO);
    let bridge = Endpoint::bridge(far, identity, config.clone());
    let bridge = Bridge::new(bridge.clone(), vec![bridge.into()], ForwardList::new([target]));
    let running = tokio::spawn(bridge.run(stop.clone()));
    let endpoint = Endpoint::client_of_many(config);
    let bridges = vec![ways(&endpoint, 1, silent_near).await, ways(&endpoint, 2, near).await];
    let session = Session::new(endpoint, bridges, Policy::default()).unwrap();
    let front = Acceptor::bind("127.0.0.1:0".parse().unwrap(), socks_front::Config::default());
    let front = front.await.unwrap();
    let mut tcp = TcpStream::connect(front.local_addr()).await.unwrap();
    let serving = tokio::spawn(Client::new(session).run(front, stop.clone()));

    let mut request = vec![5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1];
    request.extend_from_slice(&target.port().to_be_bytes());
    tcp.write_all(&request).await.unwrap();
    let mut reply = [0; 12];
    tokio::time::timeout(Duration::from_secs(60), tcp.read_exact(&mut reply))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reply.get(3), Some(&0), "{reply:?}");
    stop.cancel();
    running.await.unwrap();
    serving.await.unwrap();
}
