//! A client and a bridge in one process, and what a SOCKS client does with them.
#![allow(clippy::allow_attributes, reason = "what is unused differs by test file")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ap2ap_stream::SecretKey;
use ap2ap_tokio::{BridgeIdentity, Endpoint};
use carrier::{Carrier, MemoryCarrier};
use socks_front::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tunnel::{
    Bridge, BridgeWays, Client, Ended, ForwardList, LOST_KEPT, Policy, Roster, Session,
    endpoint_config, status::Status,
};

/// Only a hang takes longer.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) struct Tunnel {
    socks: SocketAddr,
    stop: CancellationToken,
    stop_client: CancellationToken,
    bridge: Roster,
    tasks: [JoinHandle<Ended>; 2],
}

impl Tunnel {
    pub(crate) async fn start(targets: &[SocketAddr]) -> Self {
        let (near, far) = MemoryCarrier::pair();
        Self::over(near, far, targets).await
    }

    pub(crate) async fn over(
        near: impl Carrier + 'static,
        far: impl Carrier + 'static,
        targets: &[SocketAddr],
    ) -> Self {
        let secret = SecretKey::from_octets([7; 32]);
        let identity = BridgeIdentity::new(secret.clone(), Duration::ZERO);
        let bridge = Endpoint::bridge(far, identity, endpoint_config(LOST_KEPT));
        let forward = ForwardList::new(targets.iter().copied());
        let bridge = Bridge::new(bridge.clone(), vec![bridge.into()], forward);
        let client = Endpoint::client(near, endpoint_config(LOST_KEPT));
        let ways = BridgeWays {
            credentials: secret.public().into(),
            peers: vec!["memory:bridge".parse().unwrap()],
            attachments: vec![("memory".to_owned(), Arc::new(client.clone().into()))],
        };
        let session = Session::new(client, vec![ways], Policy::default()).unwrap();
        let front = Acceptor::bind("127.0.0.1:0".parse().unwrap(), socks_front::Config::default());
        let front = front.await.unwrap();
        let socks = front.local_addr();
        let (stop, roster) = (CancellationToken::new(), bridge.roster().clone());
        let stop_client = stop.child_token();
        let tasks = [
            tokio::spawn(bridge.run(stop.clone())),
            tokio::spawn(Client::new(session).run(front, stop_client.clone())),
        ];
        Self { socks, stop, stop_client, bridge: roster, tasks }
    }

    /// Asks for a target; the connection and the reply.
    pub(crate) async fn ask(&self, target: SocketAddr) -> (TcpStream, [u8; 10]) {
        let mut tcp = TcpStream::connect(self.socks).await.unwrap();
        tcp.write_all(&request(target)).await.unwrap();
        let mut method = [0; 2];
        tcp.read_exact(&mut method).await.unwrap();
        let mut reply = [0; 10];
        timeout(HANG, tcp.read_exact(&mut reply)).await.unwrap().unwrap();
        (tcp, reply)
    }

    pub(crate) async fn connect(&self, target: SocketAddr) -> TcpStream {
        let (tcp, reply) = self.ask(target).await;
        assert_eq!(reply[1], 0, "refused with code {}", reply[1]);
        tcp
    }

    pub(crate) fn socks(&self) -> SocketAddr {
        self.socks
    }

    /// The client stops; the bridge stays.
    pub(crate) fn stop_client(&self) {
        self.stop_client.cancel();
    }

    /// How the bridge stands.
    pub(crate) fn bridge(&self) -> Status {
        self.bridge.status()
    }

    /// Waits until the bridge carries nothing.
    pub(crate) async fn bridge_has_no_stream(&self) {
        let ended = async {
            while self.bridge().totals.streams_open > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(HANG, ended).await.unwrap();
    }

    pub(crate) async fn finish(self) {
        self.stop.cancel();
        for task in self.tasks {
            assert!(matches!(timeout(HANG, task).await.unwrap().unwrap(), Ended::Stopped));
        }
    }
}

/// A listener on a free port.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// A SOCKS 5 client's greeting and request at once.
pub(crate) fn request(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else { panic!("IPv4 targets only") };
    let mut request = vec![5, 1, 0, 5, 1, 0, 1];
    request.extend_from_slice(&target.ip().octets());
    request.extend_from_slice(&target.port().to_be_bytes());
    request
}
