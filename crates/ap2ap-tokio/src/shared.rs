//! A connection as its handles and the driver share it: the state machine behind a lock, and who
//! waits for what.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use ap2ap_stream::{
    CloseReason, Connection, ErrorCode, Event, Output, PathEvent, PathId, StreamId, Ticket,
    TicketName,
};
use carrier::Route;
use tokio::sync::Notify;
use tracing::{Span, debug, error_span};

use crate::bell::{Bell, ConnId};
use crate::config::{DRAIN_MAX, DRAIN_MIN, LINGER_MAX};
use crate::error::ConnectionError;
use crate::paths::{PathBook, PathKey, PathOrder};

/// What a connection or stream says that nobody holds any more.
pub(crate) const ABANDONED: ErrorCode = ErrorCode(0);

/// A connection, its waiters, and the way to wake its driver.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: ConnId,
    /// `conn{id}`. At the level of errors, so that whatever is logged inside it has it.
    pub(crate) span: Span,
    state: Mutex<State>,
    bell: Arc<Bell>,
    /// The connection is up or over, or a probe went out or was answered.
    pub(crate) news: Notify,
    /// A path opened, ended, or its peer began or ceased to answer.
    pub(crate) path_news: Notify,
    /// The peer opened a stream, or the connection is over.
    pub(crate) opened: Notify,
    /// Unreliable datagrams arrived, or the connection is over.
    pub(crate) datagram: Notify,
    /// Streams can be opened again, or the connection is over.
    pub(crate) openable: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Connection,
    pub(crate) readers: BTreeMap<StreamId, Waker>,
    pub(crate) writers: BTreeMap<StreamId, Waker>,
    /// Streams that the peer opened and nobody took yet. The connection's own limit bounds them.
    pub(crate) arrivals: VecDeque<StreamId>,
    pub(crate) is_connected: bool,
    pub(crate) paths: PathBook,
    /// As the core had it when it was last asked.
    pub(crate) probes_unanswered: u32,
    /// The newest that the bridge gave and nobody took.
    pub(crate) ticket: Option<Ticket>,
    /// Set once. Handles look here first, so that they see the end before the core does.
    pub(crate) end: Option<ConnectionError>,
    /// Something was written or is waited for: the first message need not wait.
    pub(crate) is_used: bool,
    close: Option<(ErrorCode, String)>,
    is_abandoned: bool,
    linger_until: Option<Instant>,
}

/// What the driver is to do next for a connection.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send the first octets of the buffer on the path.
    Transmit { path: PathId, len: usize },
    /// The connection does not use this path any more. Then ask again.
    PathClosed(PathId),
    /// Ask again.
    Again,
    /// Come back then, or when something happens.
    Wait { at: Option<Instant>, phase: Phase },
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The peer has not shown that it has the keys.
    Unconfirmed,
    Confirmed,
    /// It is over; stray datagrams are answered for this long.
    Draining(Duration),
    /// It is over and has nothing more to say.
    Drained,
}

/// Whether a datagram was the connection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Ours,
    NotOurs,
}

impl Shared {
    /// A connection of the endpoint whose span is `within`.
    pub(crate) fn new(id: ConnId, core: Connection, bell: Arc<Bell>, within: &Span) -> Self {
        let state = State {
            core,
            readers: BTreeMap::new(),
            writers: BTreeMap::new(),
            arrivals: VecDeque::new(),
            ticket: None,
            is_connected: false,
            paths: PathBook::default(),
            probes_unanswered: 0,
            end: None,
            is_used: false,
            close: None,
            is_abandoned: false,
            linger_until: None,
        };
        Self {
            id,
            span: error_span!(parent: within, "conn", id = id.0),
            state: Mutex::new(state),
            bell,
            news: Notify::new(),
            path_news: Notify::new(),
            opened: Notify::new(),
            datagram: Notify::new(),
            openable: Notify::new(),
        }
    }

    /// A poisoned lock is taken all the same: the state machine has no half-done operations.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) {
        self.bell.ring(self.id);
    }

    // ---- for handles

    /// The first message need not wait any longer for something to carry.
    pub(crate) fn mark_used(&self) {
        if !mem::replace(&mut self.lock().is_used, true) {
            self.ring();
        }
    }

    pub(crate) fn close(&self, code: ErrorCode, reason: &str) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.close = Some((code, reason.to_owned()));
            self.end(state, ConnectionError::Closed(CloseReason::Local));
            self.ring();
        }
    }

    /// Nobody holds the connection or a stream of it any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.is_abandoned = true;
        while let Some(id) = state.arrivals.pop_front() {
            if let Some(mut stream) = state.core.stream(id) {
                stream.reset(ABANDONED);
                stream.stop(ABANDONED);
            }
        }
        drop(state);
        self.ring();
    }

    // ---- for the driver

    /// How often the peer was asked in a row without an answer.
    pub(crate) fn probes_unanswered(&self) -> u32 {
        let state = self.lock();
        if state.end.is_some() { 0 } else { state.core.probes_unanswered() }
    }

    /// At a bridge, the ticket that its client was given, and the one that it came with.
    pub(crate) fn tickets(&self) -> (Option<TicketName>, Option<TicketName>) {
        let state = self.lock();
        (state.core.ticket_given(), state.core.ticket_shown())
    }

    /// Whether nobody uses the connection any more: it is over, or nobody holds it.
    pub(crate) fn is_unused(&self) -> bool {
        let state = self.lock();
        state.end.is_some() || state.is_abandoned
    }

    pub(crate) fn take_path_order(&self) -> Option<PathOrder> {
        self.lock().paths.take_order()
    }

    pub(crate) fn path_is_up(&self, now: Instant, key: PathKey, route: Route) {
        self.lock().paths.is_up(now, key, route);
        self.path_news.notify_waiters();
    }

    pub(crate) fn end_path(&self, now: Instant, key: PathKey, why: ConnectionError) {
        self.lock().paths.is_over(now, key, why);
        self.path_news.notify_waiters();
    }

    pub(crate) fn handle_path(&self, now: Instant, path: PathId, event: PathEvent) {
        self.lock().core.handle_path(now, path, event);
    }

    pub(crate) fn handle_datagram(&self, now: Instant, path: PathId, datagram: &[u8]) -> Heard {
        let mut state = self.lock();
        let before = state.core.stats().discarded_unauthentic;
        state.core.handle_datagram(now, path, datagram);
        if state.core.stats().discarded_unauthentic == before {
            Heard::Ours
        } else {
            Heard::NotOurs
        }
    }

    /// Takes a datagram that came over a path which is not the connection's: a join, or from where
    /// the peer has moved to. Whether the path is the connection's from now on.
    pub(crate) fn handle_elsewhere(
        &self,
        now: Instant,
        (path, payload_max): (PathId, usize),
        datagram: &[u8],
    ) -> bool {
        let mut state = self.lock();
        state.core.handle_path(now, path, PathEvent::Added { payload_max });
        state.core.handle_datagram(now, path, datagram);
        let is_in_use = state.core.uses_path(path);
        if !is_in_use {
            state.core.handle_path(now, path, PathEvent::Removed);
        }
        is_in_use
    }

    /// What datagrams on other paths may begin with, if that changed.
    pub(crate) fn take_new_foreign_ids(&self) -> Option<Vec<[u8; 8]>> {
        self.lock().core.take_new_foreign_ids()
    }

    /// Lets the connection say its next step; events go to whoever waits for them.
    pub(crate) fn step(&self, now: Instant, buf: &mut [u8]) -> Step {
        let _in = self.span.enter();
        let mut state = self.lock();
        if let Some((code, reason)) = state.close.take() {
            state.core.close(now, code, &reason);
        }
        let linger_until = state.linger(now);
        match state.core.poll_output(now, buf) {
            Output::Transmit { path, len } => Step::Transmit { path, len },
            Output::Event(Event::PathClosed(path)) => Step::PathClosed(path),
            Output::Event(event) => {
                self.tell(state, event);
                Step::Again
            }
            Output::Wait(at) => {
                let at = at.into_iter().chain(linger_until).min();
                let phase = state.phase();
                self.note_probes(state);
                Step::Wait { at, phase }
            }
        }
    }

    /// Tells those who watch the peer's silence that it went on or is over.
    fn note_probes(&self, mut state: MutexGuard<'_, State>) {
        let probes = state.core.probes_unanswered();
        let all_differ = mem::replace(&mut state.probes_unanswered, probes) != probes;
        let State { paths, core, .. } = &mut *state;
        let one_differs = paths.note_signs(core);
        drop(state);
        if all_differ {
            self.news.notify_waiters();
        }
        if one_differs {
            self.path_news.notify_waiters();
        }
    }

    /// Ends the connection for a reason that the protocol does not know.
    pub(crate) fn fail(&self, reason: ConnectionError) {
        let state = self.lock();
        if state.end.is_none() {
            self.span.in_scope(|| debug!(%reason, "connection ended"));
            self.end(state, reason);
        }
    }

    fn tell(&self, mut state: MutexGuard<'_, State>, event: Event) {
        match event {
            Event::Connected => {
                debug!("connected");
                state.is_connected = true;
                drop(state);
                self.news.notify_waiters();
            }
            Event::Opened(id) => {
                if state.is_abandoned {
                    return;
                }
                state.arrivals.push_back(id);
                drop(state);
                self.opened.notify_waiters();
            }
            Event::Openable => {
                drop(state);
                self.openable.notify_waiters();
            }
            Event::Ticket(ticket) => state.ticket = Some(ticket),
            Event::Datagram => {
                drop(state);
                self.datagram.notify_waiters();
            }
            Event::Readable(id) => {
                let reader = state.readers.remove(&id);
                drop(state);
                reader.into_iter().for_each(Waker::wake);
            }
            Event::Writable(id) => {
                let writer = state.writers.remove(&id);
                drop(state);
                writer.into_iter().for_each(Waker::wake);
            }
            Event::Closed(reason) => {
                debug!(%reason, "connection closed");
                self.end(state, reason.into());
            }
            // The core may learn to tell more; what nobody waits for is not told.
            Event::PathClosed(_) | _ => {}
        }
    }

    /// Sets the end if there is none yet, and wakes everyone with the lock released.
    fn end(&self, mut state: MutexGuard<'_, State>, reason: ConnectionError) {
        state.end.get_or_insert(reason);
        let readers = mem::take(&mut state.readers);
        let writers = mem::take(&mut state.writers);
        drop(state);
        readers.into_values().chain(writers.into_values()).for_each(Waker::wake);
        self.news.notify_waiters();
        self.path_news.notify_waiters();
        self.opened.notify_waiters();
        self.openable.notify_waiters();
        self.datagram.notify_waiters();
    }
}

impl State {
    /// Closes an abandoned connection once what was finished has arrived; until when it waits.
    fn linger(&mut self, now: Instant) -> Option<Instant> {
        if !self.is_abandoned || self.core.is_closed() {
            return None;
        }
        let until = *self.linger_until.get_or_insert(now + LINGER_MAX);
        if self.core.streams_open() > 0 && now < until {
            return Some(until);
        }
        self.core.close(now, ABANDONED, "");
        None
    }

    fn phase(&self) -> Phase {
        if self.core.is_drained() {
            return Phase::Drained;
        }
        if self.core.is_closed() {
            let round_trip = self.core.stats().rtt.unwrap_or(DRAIN_MAX);
            return Phase::Draining((2 * round_trip).clamp(DRAIN_MIN, DRAIN_MAX));
        }
        if self.core.is_confirmed() { Phase::Confirmed } else { Phase::Unconfirmed }
    }
}

/// What every handle of a connection holds: when the last one goes, the connection does.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}
