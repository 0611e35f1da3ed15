//! QUIC as quinn has it, without its sockets: bulk on a stream of its own, requests on another that goes first.
//!
//! Datagrams of 1,200 octets, no discovery of larger ones, one at a time; certificates are Ed25519, so
//! that all handshakes are of one size. All chance that shows comes from the seed; BBR asks the system where
//! in its gain cycle to begin, which has changed no figure.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::BytesMut;
use quinn_proto::congestion::{BbrConfig, ControllerFactory, CubicConfig};
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, EndpointConfig, Event,
    RandomConnectionIdGenerator, ServerConfig, StreamId, TransportConfig, VarInt,
};
use relay_sim::Node;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{CipherSuite, RootCertStore, SupportedCipherSuite, crypto, version};

use crate::work::{ENDLESS, End, Load, PING_INTERVAL, Ping, Requests, Sink, bulk};

/// The datagrams that it sends.
const DATAGRAM_OCTETS: u16 = 1200;
/// What a stream may have under way: more than any relay here holds.
const WINDOW: u32 = 16 * 1024 * 1024;
/// What is written at once.
const PIECE: usize = 4096;
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const BRIDGE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2);

/// How it finds its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438.
    Cubic,
    /// BBR, the first version.
    Bbr,
}

/// What it seals packets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// What it prefers: AES-GCM, which processors have instructions for.
    Usual,
    /// ChaCha20-Poly1305: what we seal with.
    ChaCha20,
}

/// One end.
#[derive(Debug)]
pub struct Quic {
    endpoint: quinn_proto::Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    load: Load,
    is_client: bool,
    /// Bulk that this end sends, and how much of it was written.
    source: Option<(StreamId, u64)>,
    /// The next octets of it, which did not fit when they were offered.
    piece: Vec<u8>,
    /// Bulk that this end reads.
    drain: Option<StreamId>,
    /// Requests or their echoes.
    talk: Option<StreamId>,
    echo: Vec<u8>,
    sink: Sink,
    requests: Requests,
    /// Answers of the endpoint itself.
    answers: Vec<Vec<u8>>,
    wait: Option<Instant>,
    fault: Option<String>,
}

/// A certificate and its key, made once.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        // Always the same, so that handshakes are as long in each process: RFC 8410's form of 32 octets.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([7; 32]);
        let der = PrivatePkcs8KeyDer::from(der);
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519);
        let key = key.expect("it is a key");
        let names = rcgen::CertificateParams::new(["bridge".to_owned()]).expect("it is a name");
        let certificate = names.self_signed(&key).expect("its own key signs");
        Identity { certificate: certificate.into(), key: der }
    })
}

fn provider(cipher: Cipher) -> Arc<crypto::CryptoProvider> {
    let mut provider = crypto::ring::default_provider();
    let is_wanted = |suite: &SupportedCipherSuite| {
        cipher == Cipher::Usual || suite.suite() == CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    };
    provider.cipher_suites.retain(is_wanted);
    Arc::new(provider)
}

/// What QUIC seals first messages with, whatever follows.
fn first_suite() -> rustls::quic::Suite {
    let suite = crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    suite.and_then(rustls::Tls13CipherSuite::quic_suite).expect("ring has QUIC's first cipher")
}

fn transport(congestion: Congestion) -> Arc<TransportConfig> {
    let factory: Arc<dyn ControllerFactory + Send + Sync> = match congestion {
        Congestion::Cubic => Arc::new(CubicConfig::default()),
        Congestion::Bbr => Arc::new(BbrConfig::default()),
    };
    let mut transport = TransportConfig::default();
    transport
        .congestion_controller_factory(factory)
        .initial_mtu(DATAGRAM_OCTETS)
        .mtu_discovery_config(None)
        .enable_segmentation_offload(true)
        .max_idle_timeout(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        // Bulk alone never fills this, so that requests always find room.
        .send_window(u64::from(WINDOW) * 2);
    Arc::new(transport)
}

fn endpoint(seed: u64, is_client: bool, server: Option<ServerConfig>) -> quinn_proto::Endpoint {
    let mut octets = [u8::from(is_client); 32];
    octets[..8].copy_from_slice(&seed.to_be_bytes());
    let mut config = EndpointConfig::default();
    config.cid_generator(|| Box::new(RandomConnectionIdGenerator::default()));
    config.rng_seed(Some(octets));
    quinn_proto::Endpoint::new(Arc::new(config), server.map(Arc::new), false, None)
}

impl Quic {
    /// The end that asks.
    #[must_use]
    pub fn client(
        now: Instant,
        (congestion, cipher): (Congestion, Cipher),
        load: Load,
        seed: u64,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(identity().certificate.clone()).expect("it is a certificate");
        let tls = rustls::ClientConfig::builder_with_provider(provider(cipher))
            .with_protocol_versions(&[&version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = QuicClientConfig::with_initial(Arc::new(tls), first_suite())
            .expect("it is QUIC's first cipher");
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(transport(congestion));
        let mut client = Self::new(endpoint(seed, true, None), load, true);
        let connection = client.endpoint.connect(now, config, BRIDGE, "bridge");
        client.connection = Some(connection.expect("the address is one"));
        if load.has_requests() {
            client.requests = Requests::starting(now, PING_INTERVAL);
        }
        client.wait = Some(now);
        client
    }

    /// The end that answers.
    #[must_use]
    pub fn bridge(congestion: Congestion, load: Load, seed: u64) -> Self {
        let Identity { certificate, key } = identity();
        // The client says which cipher.
        let tls = rustls::ServerConfig::builder_with_provider(provider(Cipher::Usual))
            .with_protocol_versions(&[&version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.clone_key()))
            .expect("the key is the certificate's");
        let tls = QuicServerConfig::try_from(tls).expect("ring has QUIC's first cipher");
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(transport(congestion));
        Self::new(endpoint(seed, false, Some(config)), load, false)
    }

    fn new(endpoint: quinn_proto::Endpoint, load: Load, is_client: bool) -> Self {
        Self {
            endpoint,
            connection: None,
            load,
            is_client,
            source: None,
            piece: Vec::new(),
            drain: None,
            talk: None,
            echo: Vec::new(),
            sink: Sink::default(),
            requests: Requests::default(),
            answers: Vec::new(),
            wait: None,
            fault: None,
        }
    }

    fn open(&mut self) {
        let sends_bulk = if self.is_client { self.load.is_up() } else { self.load.is_down() };
        let has_requests = self.is_client && self.load.has_requests();
        let Some((_, connection)) = &mut self.connection else { return };
        if sends_bulk {
            self.source = connection.streams().open(Dir::Uni).map(|id| (id, 0));
        }
        if has_requests && let Some(id) = connection.streams().open(Dir::Bi) {
            if let Err(error) = connection.send_stream(id).set_priority(1) {
                self.fault = Some(error.to_string());
            }
            self.talk = Some(id);
        }
    }

    /// What the connection tells and asks.
    fn settle(&mut self, now: Instant) {
        let mut connected = false;
        if let Some((handle, connection)) = &mut self.connection {
            if connection.poll_timeout().is_some_and(|at| at <= now) {
                connection.handle_timeout(now);
            }
            while let Some(event) = connection.poll() {
                match event {
                    Event::Connected => connected = true,
                    Event::ConnectionLost { reason } => self.fault = Some(reason.to_string()),
                    Event::HandshakeDataReady
                    | Event::Stream(_)
                    | Event::DatagramReceived
                    | Event::DatagramsUnblocked => {}
                }
            }
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(*handle, event) {
                    connection.handle_event(event);
                }
            }
        }
        if connected {
            self.open();
        }
        self.work(now);
    }

    fn work(&mut self, now: Instant) {
        let Some((_, connection)) = &mut self.connection else { return };
        if let Some(id) = connection.streams().accept(Dir::Uni) {
            self.drain = Some(id);
        }
        if let Some(id) = connection.streams().accept(Dir::Bi) {
            if let Err(error) = connection.send_stream(id).set_priority(1) {
                self.fault = Some(error.to_string());
            }
            self.talk = Some(id);
        }
        // Requests first: bulk fills all there is to fill.
        if let Some(id) = self.talk {
            self.talk_on(now, id);
        }
        self.work_bulk(now);
    }

    fn work_bulk(&mut self, now: Instant) {
        let Some((_, connection)) = &mut self.connection else { return };
        if let Some((id, written)) = &mut self.source {
            while *written < ENDLESS {
                if self.piece.is_empty() {
                    self.piece = bulk(*written, PIECE);
                }
                let Ok(taken) = connection.send_stream(*id).write(&self.piece) else { break };
                self.piece.drain(..taken);
                *written += u64::try_from(taken).unwrap_or(0);
            }
        }
        if let Some(id) = self.drain {
            read(connection, id, |octets| self.sink.read(now, octets));
        }
    }

    fn talk_on(&mut self, now: Instant, id: StreamId) {
        let Some((_, connection)) = &mut self.connection else { return };
        if self.is_client {
            read(connection, id, |octets| self.requests.read(now, octets.len()));
            let unsent = self.requests.unsent();
            if !unsent.is_empty()
                && let Ok(taken) = connection.send_stream(id).write(&unsent)
            {
                self.requests.wrote(taken);
            }
        } else {
            read(connection, id, |octets| self.echo.extend_from_slice(octets));
            if !self.echo.is_empty()
                && let Ok(taken) = connection.send_stream(id).write(&self.echo)
            {
                self.echo.drain(..taken);
            }
        }
    }
}

fn read(connection: &mut Connection, id: StreamId, mut take: impl FnMut(&[u8])) {
    let mut stream = connection.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else { return };
    while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
        take(&chunk.bytes);
    }
    // Whether more may be sent now is asked before anything is sent anyway.
    let _ = chunks.finalize();
}

impl Quic {
    /// As [`poll_transmit`](Node::poll_transmit), but for a socket that cuts what is written into datagrams: up to
    /// so many at once. What was written, and how long each of them is, if there is more than one.
    pub fn poll_segments(
        &mut self,
        now: Instant,
        segments_max: usize,
        buf: &mut Vec<u8>,
    ) -> Option<Option<usize>> {
        self.requests.advance(now);
        self.settle(now);
        if let Some(answer) = self.answers.pop() {
            buf.extend_from_slice(&answer);
            return Some(None);
        }
        let (_, connection) = self.connection.as_mut()?;
        if let Some(transmit) = connection.poll_transmit(now, segments_max, buf) {
            buf.truncate(transmit.size);
            return Some(transmit.segment_size);
        }
        let wait = connection.poll_timeout();
        self.wait = [wait, self.requests.next_at()].into_iter().flatten().min();
        None
    }
}

impl Node for Quic {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let from = if self.is_client { BRIDGE } else { CLIENT };
        let mut buf = Vec::new();
        let octets = BytesMut::from(datagram);
        match self.endpoint.handle(now, from, None, None, octets, &mut buf) {
            Some(DatagramEvent::NewConnection(incoming)) => {
                match self.endpoint.accept(incoming, now, &mut buf, None) {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => self.fault = Some(error.cause.to_string()),
                }
            }
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut self.connection {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::Response(transmit)) => {
                buf.truncate(transmit.size);
                self.answers.push(buf);
            }
            None => {}
        }
        self.wait = Some(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.poll_segments(now, 1, buf).is_some()
    }

    fn next_at(&self) -> Option<Instant> {
        self.wait
    }
}

impl End for Quic {
    fn delivered(&self) -> &[(Instant, u64)] {
        self.sink.delivered()
    }

    fn pings(&self) -> &[Ping] {
        self.requests.pings()
    }

    fn fault(&self) -> Option<String> {
        self.fault.as_ref().or_else(|| self.sink.fault()).cloned()
    }
}
