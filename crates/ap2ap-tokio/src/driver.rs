//! The task that owns an endpoint's carriers and drives all connections over them.
//!
//! ```text
//!   one turn:   bell ──► carriers' events ──► timers ──► serve those who are ready ──► sleep
//!                        (64 at most)                    (32 connections, round robin)
//! ```

mod bridge;
mod carriers;
mod entry;
mod lost;
mod moves;
mod paths;
mod schedule;
mod strangers;

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ap2ap_stream::{Acceptor, PathEvent, PathId};
use carrier::{CarrierPath, DATAGRAM_MAX, SendError};
use tokio::time::Sleep;
use tracing::trace;

use crate::bell::ConnId;
use crate::clock;
use crate::config::{CONNECTIONS_PER_TURN, EVENTS_PER_TURN, SHUTDOWN_MAX};
use crate::control::{Control, Orders};
use crate::error::{ConnectionError, driver_ended};
use crate::shared::{Phase, Step};
use bridge::Bridge;
use carriers::Carriers;
pub(crate) use carriers::Slot;
use entry::Entry;
pub(crate) use entry::Tenacity;
use lost::Lost;
use paths::Route;
use schedule::{Schedule, Turn};

/// A timer that is due at once is due this much later: what has just said that there is nothing to
/// do must not be asked again without end.
const TICK: Duration = Duration::from_micros(200);

/// A path that carries less than this cannot carry a packet with its acknowledgement.
const PAYLOAD_MIN: usize = 256;

/// What an endpoint does without a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// It ends with the one that it was made with.
    ByOne,
    /// It waits for another one.
    ByMany,
}

/// Owns carriers; a future that ends when nobody needs it any more.
pub(crate) struct Driver {
    carriers: Carriers,
    carried: Carried,
    control: Arc<Control>,
    orders: Orders,
    bridge: Option<Bridge>,
    entries: BTreeMap<ConnId, Entry>,
    routes: BTreeMap<CarrierPath, Route>,
    schedule: Schedule,
    lost_connections: Lost,
    /// For datagrams in either direction.
    buf: Vec<u8>,
    sleep: Pin<Box<Sleep>>,
    /// When a shutdown ends, finished or not.
    stop_at: Option<Instant>,
    /// The only carrier has ended, and why.
    lost: Option<String>,
}

/// Whether the driver should come again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Done,
    More,
}

impl Driver {
    pub(crate) fn new(carried: Carried, acceptor: Option<Acceptor>, control: Arc<Control>) -> Self {
        Self {
            carriers: Carriers::default(),
            carried,
            control,
            orders: Orders::Serve,
            bridge: acceptor.map(Bridge::new),
            entries: BTreeMap::new(),
            routes: BTreeMap::new(),
            schedule: Schedule::default(),
            lost_connections: Lost::default(),
            buf: vec![0; DATAGRAM_MAX],
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            stop_at: None,
            lost: None,
        }
    }

    fn answer_bell(&mut self, cx: &Context<'_>, now: Instant, buf: &mut [u8]) {
        let rung = self.control.bell.answer(cx.waker());
        for id in rung.connections {
            self.schedule.wake(id);
        }
        if !rung.endpoint {
            return;
        }
        // The orders come first: after `Finish` nobody is left to ask for one more connection.
        let orders = self.control.orders();
        while let Some((id, slot)) = self.control.take_carrier() {
            self.carriers.insert(id, slot);
        }
        while let Some(connect) = self.control.take_connect() {
            self.connect(now, connect, buf);
        }
        if self.orders != orders {
            self.obey(now, orders);
        }
    }

    fn obey(&mut self, now: Instant, orders: Orders) {
        self.dismiss_strangers(now);
        if let Orders::ShutDown { code, reason } = &orders {
            self.stop_at = Some(now + SHUTDOWN_MAX);
            for entry in self.entries.values() {
                entry.shared.close(*code, reason);
            }
        }
        self.orders = orders;
    }

    fn poll_carrier(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Load {
        for _ in 0..EVENTS_PER_TURN {
            // One time for a whole turn would make its datagrams arrive all at once, and rates are
            // learned from arrivals.
            let now = clock::now();
            match self.carriers.poll(cx, now, buf) {
                Poll::Ready((id, event)) => self.handle_event(now, (id, event), buf),
                Poll::Pending => return Load::Done,
            }
            if self.lost.is_some() {
                return Load::Done;
            }
        }
        Load::More
    }

    /// Serves connections in turn.
    fn serve(&mut self, buf: &mut [u8]) -> Load {
        let mut load = Load::Done;
        for _ in 0..CONNECTIONS_PER_TURN {
            let Some(id) = self.schedule.next() else { return load };
            if self.serve_one(clock::now(), id, buf) == Load::More {
                load = Load::More;
            }
        }
        if self.schedule.has_ready() { Load::More } else { load }
    }

    /// Lets one connection send until its turn is over or it has nothing more. `More`: the carrier
    /// refused a datagram and may have something to say about it.
    fn serve_one(&mut self, now: Instant, id: ConnId, buf: &mut [u8]) -> Load {
        self.obey_connection(now, id, buf);
        self.release_paths(now, id);
        let mut load = Load::Done;
        loop {
            let Some(entry) = self.entries.get(&id) else { return load };
            match entry.shared.step(now, buf) {
                Step::Again => {}
                Step::PathClosed(path) => self.give_path_up(now, id, CarrierPath(path.0)),
                Step::Transmit { path, len } => {
                    let path = CarrierPath(path.0);
                    load = self.send(now, (id, path), buf.get(..len).unwrap_or_default());
                    if self.schedule.charge(id, len) == Turn::IsOver {
                        return load;
                    }
                }
                Step::Wait { at, phase } => {
                    self.settle(now, id, at, phase);
                    return load;
                }
            }
        }
    }

    fn send(
        &mut self,
        now: Instant,
        (id, carrier_path): (ConnId, CarrierPath),
        datagram: &[u8],
    ) -> Load {
        let Some(entry) = self.entries.get(&id) else { return Load::Done };
        let (shared, path) = (&entry.shared, PathId(carrier_path.0));
        match self.carriers.try_send(now, carrier_path, datagram) {
            Ok(()) => Load::Done,
            Err(SendError::Full) => {
                shared.handle_path(now, path, PathEvent::Refused);
                Load::More
            }
            Err(SendError::TooLarge { max }) if max >= PAYLOAD_MIN => {
                shared.span.in_scope(|| trace!(max, "the path carries less than it said"));
                shared.handle_path(now, path, PathEvent::Changed { payload_max: max });
                shared.handle_path(now, path, PathEvent::Refused);
                shared.handle_path(now, path, PathEvent::Writable);
                Load::More
            }
            Err(SendError::TooLarge { max }) => {
                let why = format!("the path carries {max} octets, {PAYLOAD_MIN} are needed");
                self.lose_path(now, id, carrier_path, ConnectionError::CarrierLost { why });
                Load::Done
            }
            Err(SendError::Gone) => {
                self.lose_path(now, id, carrier_path, ConnectionError::PathClosed);
                Load::Done
            }
        }
    }

    /// A connection has nothing to send: until when, and how far is it?
    fn settle(&mut self, now: Instant, id: ConnId, at: Option<Instant>, phase: Phase) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let mut due = at;
        match phase {
            Phase::Unconfirmed => {
                let held = entry.legs.iter().filter_map(|leg| leg.held).map(|held| held.until);
                due = due.into_iter().chain(held).min();
            }
            Phase::Confirmed => {
                self.note_foreign_ids(id);
                self.confirm(now, id);
            }
            Phase::Draining(time) => {
                let gone_at = *entry.gone_at.get_or_insert(now + time);
                if gone_at <= now {
                    self.remove(now, id);
                    return;
                }
                due = Some(gone_at);
            }
            Phase::Drained => {
                self.remove(now, id);
                return;
            }
        }
        self.schedule.rest(id, due.map(|at| at.max(now + TICK)));
    }

    /// Ends a connection that cannot say so any more.
    fn fail(&mut self, now: Instant, id: ConnId, reason: ConnectionError) {
        if let Some(entry) = self.entries.get(&id) {
            entry.shared.fail(reason);
            self.remove(now, id);
        }
    }

    /// Forgets a connection; its paths are closed unless another connection uses them.
    fn remove(&mut self, now: Instant, id: ConnId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.schedule.remove(id);
        self.forget_foreign_ids(&entry.foreign_ids);
        self.forget_ticket(entry.ticket);
        if entry.is_unconfirmed {
            self.count_unconfirmed(-1);
        }
        self.lost_connections.remove(entry.lost_at, id);
        for leg in &entry.legs {
            self.leave_path(now, leg.path, id);
        }
        entry.shared.fail(driver_ended());
        self.control.release();
    }

    fn is_finished(&self, now: Instant) -> bool {
        if self.lost.is_some() {
            return true;
        }
        match self.orders {
            Orders::Serve => false,
            Orders::Finish => self.entries.is_empty(),
            Orders::ShutDown { .. } => {
                self.entries.is_empty() || self.stop_at.is_some_and(|at| at <= now)
            }
            Orders::Ended => true,
        }
    }

    /// Sleeps until the next timer. `More`: it is due.
    fn sleep(&mut self, cx: &mut Context<'_>) -> Load {
        let strangers_due = self.bridge.as_ref().and_then(|bridge| bridge.strangers.next_due());
        let timers = [self.schedule.next_due(), strangers_due, self.stop_at];
        let Some(due) = timers.into_iter().flatten().min() else { return Load::Done };
        let due = tokio::time::Instant::from_std(due);
        if self.sleep.deadline() != due {
            self.sleep.as_mut().reset(due);
        }
        if self.sleep.as_mut().poll(cx).is_ready() { Load::More } else { Load::Done }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let now = clock::now();
        let mut buf = mem::take(&mut this.buf);
        this.answer_bell(cx, now, &mut buf);
        let received = this.poll_carrier(cx, &mut buf);
        this.schedule.wake_due(now);
        this.expire_strangers(now);
        let sent = this.serve(&mut buf);
        this.buf = buf;
        if this.is_finished(now) {
            return Poll::Ready(());
        }
        let slept = this.sleep(cx);
        if [received, sent, slept].contains(&Load::More) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let reason = match self.lost.take() {
            Some(why) => ConnectionError::CarrierLost { why },
            None => driver_ended(),
        };
        for entry in self.entries.values() {
            entry.shared.fail(reason.clone());
        }
        self.control.end(&reason);
    }
}
