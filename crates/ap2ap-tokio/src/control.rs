//! What an endpoint's handles and its driver share.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ap2ap_stream::ErrorCode;
use tokio::sync::Notify;
use tracing::Span;

use crate::bell::{Bell, ConnId};
use crate::carrier_id::CarrierId;
use crate::config::{ACCEPT_QUEUE_MAX, CARRIERS_MAX, EndpointConfig};
use crate::connection::Connection;
use crate::driver::{Slot, Tenacity};
use crate::error::{AddCarrierError, ConnectError, ConnectionError, carrier_gone, driver_ended};
use crate::shared::Shared;

/// Orders for the driver, arrivals for the handles, and the count of connections.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) config: EndpointConfig,
    pub(crate) bell: Arc<Bell>,
    /// Where the endpoint was made: its connections' spans are inside it.
    pub(crate) span: Span,
    /// A connection arrived, or none will any more.
    pub(crate) arrived: Notify,
    /// The number of connections fell to none, or the driver ended.
    pub(crate) idle: Notify,
    /// A carrier ended.
    pub(crate) carrier_gone: Notify,
    ids: AtomicU64,
    state: Mutex<State>,
}

/// Carriers that come and go.
#[derive(Default)]
struct Carriers {
    /// How many there ever were.
    made: CarrierId,
    /// Those that the driver does not have yet. `CARRIERS_MAX` bounds them.
    new: VecDeque<(CarrierId, Slot)>,
    live: BTreeSet<CarrierId>,
    /// Why the last ones ended. At most `CARRIERS_MAX`.
    ended: VecDeque<(CarrierId, String)>,
}

impl fmt::Debug for Carriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carriers").field("live", &self.live).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    carriers: Carriers,
    /// Connections that a handle made. The limit on connections bounds them.
    connects: VecDeque<Connect>,
    /// Connections that clients made. At most `ACCEPT_QUEUE_MAX`.
    arrivals: VecDeque<Connection>,
    connections: usize,
    orders: Orders,
    /// Why the driver ended, once it has.
    end: Option<ConnectionError>,
}

/// A connection that waits to be driven.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tenacity: Tenacity,
}

/// What the driver is to do with the endpoint as a whole. It only goes downwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Orders {
    #[default]
    Serve,
    /// Nobody holds the endpoint: take no new connections, end with the last one.
    Finish,
    /// Close all connections, then end.
    ShutDown { code: ErrorCode, reason: String },
    /// The driver has ended.
    Ended,
}

impl Control {
    pub(crate) fn new(config: EndpointConfig, span: Span) -> Self {
        Self {
            config,
            bell: Arc::default(),
            span,
            arrived: Notify::new(),
            idle: Notify::new(),
            carrier_gone: Notify::new(),
            ids: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    pub(crate) fn next_id(&self) -> ConnId {
        ConnId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    // ---- for handles

    /// Counts a connection before it is made.
    pub(crate) fn admit(&self) -> Result<(), ConnectError> {
        let mut state = self.lock();
        if matches!(state.orders, Orders::ShutDown { .. } | Orders::Ended) {
            return Err(ConnectError::Ended);
        }
        let max = self.config.connections_max;
        if state.connections >= max {
            return Err(ConnectError::TooMany { max });
        }
        state.connections = state.connections.saturating_add(1);
        Ok(())
    }

    pub(crate) fn connect(&self, connect: Connect) {
        let mut state = self.lock();
        if state.orders == Orders::Ended {
            drop(state);
            connect.shared.fail(driver_ended());
            return;
        }
        state.connects.push_back(connect);
        drop(state);
        self.bell.ring_endpoint();
    }

    /// Gives the driver one more carrier.
    pub(crate) fn add_carrier(&self, slot: Slot) -> Result<CarrierId, AddCarrierError> {
        let mut state = self.lock();
        if state.orders != Orders::Serve {
            return Err(AddCarrierError::Ended);
        }
        let id = state.carriers.made;
        if state.carriers.live.len() >= CARRIERS_MAX || id >= CarrierId::END {
            return Err(AddCarrierError::TooMany { max: CARRIERS_MAX });
        }
        state.carriers.made = id.next();
        state.carriers.live.insert(id);
        state.carriers.new.push_back((id, slot));
        drop(state);
        self.bell.ring_endpoint();
        Ok(id)
    }

    /// Why a carrier ended, if it has.
    pub(crate) fn carrier_end(&self, id: CarrierId) -> Option<ConnectionError> {
        let state = self.lock();
        let ended = state.carriers.ended.iter().find(|(ended, _)| *ended == id);
        match ended {
            Some((_, why)) => Some(ConnectionError::CarrierLost { why: why.clone() }),
            None if state.carriers.live.contains(&id) => state.end.clone(),
            None => Some(carrier_gone()),
        }
    }

    pub(crate) fn take_arrival(&self) -> Option<Connection> {
        self.lock().arrivals.pop_front()
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().connections
    }

    pub(crate) fn order(&self, orders: Orders) {
        let mut state = self.lock();
        match (&state.orders, &orders) {
            (Orders::Serve, _) | (Orders::Finish, Orders::ShutDown { .. }) => state.orders = orders,
            (Orders::Finish | Orders::ShutDown { .. } | Orders::Ended, _) => {}
        }
        let unwanted = mem::take(&mut state.arrivals);
        drop(state);
        // Dropping a connection rings for it, which takes other locks.
        drop(unwanted);
        self.bell.ring_endpoint();
        self.arrived.notify_waiters();
    }

    pub(crate) fn orders(&self) -> Orders {
        self.lock().orders.clone()
    }

    pub(crate) fn end_reason(&self) -> Option<ConnectionError> {
        self.lock().end.clone()
    }

    // ---- for the driver

    pub(crate) fn take_connect(&self) -> Option<Connect> {
        self.lock().connects.pop_front()
    }

    pub(crate) fn take_carrier(&self) -> Option<(CarrierId, Slot)> {
        self.lock().carriers.new.pop_front()
    }

    pub(crate) fn carrier_ended(&self, id: CarrierId, why: &str) {
        let mut state = self.lock();
        state.carriers.live.remove(&id);
        state.carriers.ended.push_back((id, why.to_owned()));
        if state.carriers.ended.len() > CARRIERS_MAX {
            state.carriers.ended.pop_front();
        }
        drop(state);
        self.carrier_gone.notify_waiters();
    }

    pub(crate) fn has_room_for_arrival(&self) -> bool {
        let state = self.lock();
        state.arrivals.len() < ACCEPT_QUEUE_MAX
            && state.orders == Orders::Serve
            && state.connections < self.config.connections_max
    }

    pub(crate) fn arrive(&self, connection: Connection) {
        let mut state = self.lock();
        if state.orders == Orders::Serve {
            state.arrivals.push_back(connection);
            drop(state);
            self.arrived.notify_waiters();
        }
    }

    /// A connection that was admitted is gone.
    pub(crate) fn release(&self) {
        let mut state = self.lock();
        state.connections = state.connections.saturating_sub(1);
        let is_idle = state.connections == 0;
        drop(state);
        if is_idle {
            self.idle.notify_waiters();
        }
    }

    /// The driver ends: whoever waits is told.
    pub(crate) fn end(&self, reason: &ConnectionError) {
        let mut state = self.lock();
        state.orders = Orders::Ended;
        state.end = Some(reason.clone());
        state.connections = 0;
        let connects = mem::take(&mut state.connects);
        let unwanted = mem::take(&mut state.arrivals);
        let carriers = mem::take(&mut state.carriers.new);
        drop(state);
        drop(carriers);
        for connect in connects {
            connect.shared.fail(reason.clone());
        }
        drop(unwanted);
        self.arrived.notify_waiters();
        self.idle.notify_waiters();
        self.carrier_gone.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
