//! A client whose address changes under it, as behind a translator of addresses that forgets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ap2ap_tokio::{Config, Endpoint, PeerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::support::{Pair, identity, secret, stream, udp, udp_peer, within};

/// Forwards datagrams between one client and the bridge, from a port that can be changed.
struct Translator {
    front: SocketAddr,
    back: watch::Sender<Arc<UdpSocket>>,
    bridge: SocketAddr,
}

impl Translator {
    async fn before(bridge: SocketAddr) -> Self {
        let front = Arc::new(socket().await);
        let (back, watched) = watch::channel(outward(bridge).await);
        let front_address = front.local_addr().unwrap();
        tokio::spawn(translate(front, watched));
        Self { front: front_address, back, bridge }
    }

    /// From now on the bridge sees another address, and what comes to the old one is lost.
    async fn forget(&self) {
        self.back.send_replace(outward(self.bridge).await);
    }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

async fn outward(bridge: SocketAddr) -> Arc<UdpSocket> {
    let socket = socket().await;
    socket.connect(bridge).await.unwrap();
    Arc::new(socket)
}

async fn translate(front: Arc<UdpSocket>, mut back: watch::Receiver<Arc<UdpSocket>>) {
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let mut client = None;
    loop {
        let outward = Arc::clone(&back.borrow_and_update());
        tokio::select! {
            came = front.recv_from(&mut up) => {
                let Ok((len, from)) = came else { continue };
                client = Some(from);
                // A full socket is a lost datagram.
                let _ = outward.try_send(&up[..len]);
            }
            came = outward.recv(&mut down) => {
                if let (Ok(len), Some(client)) = (came, client) {
                    let _ = front.try_send_to(&down[..len], client);
                }
            }
            changed = back.changed() => if changed.is_err() { return },
        }
    }
}

async fn over_a_translator() -> (Pair, Translator) {
    let there = udp(0);
    let translator = Translator::before(there.local_addr()).await;
    let peer: PeerId = udp_peer(translator.front);
    let client = Endpoint::client(udp(0), Config::default());
    let bridge = Endpoint::bridge(there, identity(), Config::default());
    (Pair { client, bridge, peer, key: secret().public() }, translator)
}

/// AP-82: the client knows nothing of it; its stream goes on where it was.
#[tokio::test]
async fn a_stream_outlives_changes_of_the_client_s_address() {
    let (pair, translator) = over_a_translator().await;
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    for round in 0..3 {
        translator.forget().await;
        within(here.write_all(&[round; 5000])).await.unwrap();
        let mut got = [0; 5000];
        within(there.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, [round; 5000]);
        within(there.write_all(&[round])).await.unwrap();
        assert_eq!(within(here.read_u8()).await.unwrap(), round);
    }
    assert!(client.close_reason().is_none() && bridge.close_reason().is_none());
    assert_eq!((pair.client.connections(), pair.bridge.connections()), (1, 1));
}

/// The bridge's own data finds the way as well, once the client asks for it.
#[tokio::test]
async fn a_download_outlives_a_change_of_the_client_s_address() {
    const LEN: usize = 400_000;
    let (pair, translator) = over_a_translator().await;
    let (client, bridge) = pair.connected().await;
    let (mut here, mut there) = stream(&client, &bridge).await;
    let sending = tokio::spawn(async move {
        there.write_all(&vec![7; LEN]).await.unwrap();
        there
    });
    let mut got = vec![0; LEN];
    within(here.read_exact(&mut got[..LEN / 4])).await.unwrap();
    translator.forget().await;
    // Whoever only waits is heard with its keep-alive; who asks, at once.
    within(here.write_all(b"?")).await.unwrap();
    within(here.read_exact(&mut got[LEN / 4..])).await.unwrap();
    assert!(got.iter().all(|octet| *octet == 7));
    drop(within(sending).await.unwrap());
    assert_eq!(pair.bridge.connections(), 1);
}
