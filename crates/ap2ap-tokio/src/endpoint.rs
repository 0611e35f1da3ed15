//! An endpoint's handle: connect, accept, shut down.

use std::sync::Arc;

use ap2ap_stream::{Acceptor, BridgeIdentity, Credentials, ErrorCode};
use carrier::{Carrier, PeerId};
use tracing::{Instrument, Span};

use crate::carrier_id::CarrierId;
use crate::clock;
use crate::config::EndpointConfig;
use crate::connection::Connection;
use crate::control::{Connect, Control, Orders};
use crate::driver::{Carried, Driver, Slot, Tenacity};
use crate::error::{AddCarrierError, ConnectError, ConnectionError};
use crate::shared::Shared;

/// Carriers and all connections over them, driven by one task. Clones are the same endpoint. What
/// is logged about it stands in the span in which it was made.
///
/// Most have one carrier and end with it. Those that are made [without](Self::client_of_many) are given carriers
/// [as they come](Self::add_carrier), and their connections may use any of them.
///
/// When the last clone is gone, connections that somebody holds live on; with the last of them the
/// task ends and the carriers are dropped.
#[derive(Clone, Debug)]
pub struct Endpoint {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    control: Arc<Control>,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Bridge,
}

impl Endpoint {
    /// An endpoint that connects and takes no connections.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime with time enabled.
    #[must_use]
    pub fn client(carrier: impl Carrier + 'static, config: impl Into<EndpointConfig>) -> Self {
        let endpoint = Self::spawn(Carried::ByOne, config.into(), None);
        endpoint.begin_with(carrier)
    }

    /// The same, without any carrier yet; it ends when it is shut down, or with its last handle.
    ///
    /// # Panics
    /// As [`client`](Self::client).
    #[must_use]
    pub fn client_of_many(config: impl Into<EndpointConfig>) -> Self {
        Self::spawn(Carried::ByMany, config.into(), None)
    }

    /// An endpoint that takes connections from clients that know the public key, if they may come.
    /// Whoever else there is hears nothing. All endpoints of one key get clones of one identity.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime with time enabled, or if the system has no random
    /// source.
    #[must_use]
    pub fn bridge(
        carrier: impl Carrier + 'static,
        identity: BridgeIdentity,
        config: impl Into<EndpointConfig>,
    ) -> Self {
        let config = config.into();
        let acceptor = Acceptor::new(identity, config.connection.clone(), seed());
        let endpoint = Self::spawn(Carried::ByOne, config, Some(acceptor));
        endpoint.begin_with(carrier)
    }

    /// The same, without any carrier yet: a client's paths may come over all that it is given.
    ///
    /// # Panics
    /// As [`bridge`](Self::bridge).
    #[must_use]
    pub fn bridge_of_many(identity: BridgeIdentity, config: impl Into<EndpointConfig>) -> Self {
        let config = config.into();
        let acceptor = Acceptor::new(identity, config.connection.clone(), seed());
        Self::spawn(Carried::ByMany, config, Some(acceptor))
    }

    fn spawn(carried: Carried, config: EndpointConfig, acceptor: Option<Acceptor>) -> Self {
        let role = if acceptor.is_some() { Role::Bridge } else { Role::Client };
        let control = Arc::new(Control::new(config, Span::current()));
        let driver = Driver::new(carried, acceptor, Arc::clone(&control));
        tokio::spawn(driver.in_current_span());
        Self { handle: Arc::new(Handle { control, role }) }
    }

    fn begin_with(self, carrier: impl Carrier + 'static) -> Self {
        let first = self.add_carrier(carrier);
        debug_assert_eq!(first, Ok(CarrierId::FIRST));
        self
    }

    /// One more carrier, to open paths over and, at a bridge, to be reached through. What it logs stands in the
    /// span in which this is called.
    ///
    /// # Errors
    /// [`AddCarrierError`] if there are too many, or the endpoint has ended.
    pub fn add_carrier(
        &self,
        carrier: impl Carrier + 'static,
    ) -> Result<CarrierId, AddCarrierError> {
        let slot = Slot { carrier: Box::new(carrier), span: Span::current() };
        self.handle.control.add_carrier(slot)
    }

    /// Waits until a carrier has ended, or the endpoint, and says why.
    pub async fn carrier_ended(&self, carrier: CarrierId) -> ConnectionError {
        let control = &self.handle.control;
        loop {
            let gone = control.carrier_gone.notified();
            if let Some(why) = control.carrier_end(carrier) {
                return why;
            }
            gone.await;
        }
    }

    /// Connects to the bridge that `peer` names and whose key is in `credentials`; a
    /// [`PublicKey`](crate::PublicKey) will do where the bridge does not ask who comes. It returns at
    /// once; see [`Connection::ready`]. What is written before the path is open rides in the first
    /// message. The path is opened over the [first carrier](CarrierId::FIRST), and the connection ends with its last
    /// path.
    ///
    /// # Errors
    /// [`ConnectError`] if no connection can even begin.
    ///
    /// # Panics
    /// If the system has no random source.
    pub fn connect(
        &self,
        peer: PeerId,
        credentials: impl Into<Credentials>,
    ) -> Result<Connection, ConnectError> {
        self.begin(credentials.into(), Some(peer), Tenacity::EndsWithPath)
    }

    /// A connection to the bridge whose key is in `credentials`, without any path yet: give it some by
    /// [`Connection::open_path`]. It outlives them all, for as long as [`Config::idle_timeout`] and
    /// [`Config::answer_timeout`] say, and before it is up for [`Config::handshake_timeout`].
    ///
    /// [`Config::idle_timeout`]: crate::Config::idle_timeout
    /// [`Config::answer_timeout`]: crate::Config::answer_timeout
    /// [`Config::handshake_timeout`]: crate::Config::handshake_timeout
    ///
    /// # Errors
    /// [`ConnectError`] if no connection can even begin.
    ///
    /// # Panics
    /// If the system has no random source.
    pub fn connect_later(
        &self,
        credentials: impl Into<Credentials>,
    ) -> Result<Connection, ConnectError> {
        self.begin(credentials.into(), None, Tenacity::OutlivesPaths)
    }

    fn begin(
        &self,
        credentials: Credentials,
        peer: Option<PeerId>,
        tenacity: Tenacity,
    ) -> Result<Connection, ConnectError> {
        let control = &self.handle.control;
        control.admit()?;
        let config = control.config.connection.clone();
        let (wall, now) = (clock::wall_time(), clock::now());
        let core = ap2ap_stream::Connection::connect(credentials, config, seed(), wall, now);
        let (id, bell) = (control.next_id(), Arc::clone(&control.bell));
        let shared = Arc::new(Shared::new(id, core, bell, &control.span));
        let connection = Connection::new(Arc::clone(&shared));
        if let Some(peer) = peer {
            let opened = connection.open_path(CarrierId::FIRST, peer);
            debug_assert!(opened.is_ok(), "it is the connection's first path");
        }
        control.connect(Connect { shared, tenacity });
        Ok(connection)
    }

    /// The next connection that a client made; `None` when there will be none any more, and on a
    /// client's endpoint.
    ///
    /// The client may not have shown yet that it is there: its first message may be a copy. Data
    /// that arrived with it is never a copy's.
    pub async fn accept(&self) -> Option<Connection> {
        if self.handle.role == Role::Client {
            return None;
        }
        let control = &self.handle.control;
        loop {
            let arrived = control.arrived.notified();
            if let Some(connection) = control.take_arrival() {
                return Some(connection);
            }
            if control.orders() != Orders::Serve {
                return None;
            }
            arrived.await;
        }
    }

    /// Closes all connections with `code` and `reason`, waits until that is said (3 seconds at
    /// most), and ends the task.
    pub async fn shutdown(&self, code: ErrorCode, reason: &str) {
        let control = &self.handle.control;
        control.order(Orders::ShutDown { code, reason: reason.to_owned() });
        loop {
            let idle = control.idle.notified();
            if control.orders() == Orders::Ended {
                return;
            }
            idle.await;
        }
    }

    /// Waits until no connection is left: each closed, and its close said. Before a program ends,
    /// it lets what was written and finished arrive.
    pub async fn wait_idle(&self) {
        let control = &self.handle.control;
        loop {
            let idle = control.idle.notified();
            if control.connections() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Waits until the endpoint has ended and says why: it was shut down, or its one carrier is lost.
    pub async fn ended(&self) -> ConnectionError {
        let control = &self.handle.control;
        loop {
            let idle = control.idle.notified();
            if let Some(reason) = control.end_reason() {
                return reason;
            }
            idle.await;
        }
    }

    /// Connections at this time, closing ones counted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.handle.control.connections()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.control.order(Orders::Finish);
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("every system that this runs on has a random source");
    seed
}
