//! A connection: the parts of the protocol put together, driven by three calls.

mod bottleneck;
mod datagrams;
mod farewell;
mod handshake;
mod observe;
#[cfg(test)]
mod overhead;
mod paths;
mod receive;
mod schedule;
mod send_limit;
#[cfg(test)]
#[expect(clippy::as_conversions, reason = "test data")]
mod tests;
mod transmit;

pub(crate) use bottleneck::Standing;
use bottleneck::Trials;
use farewell::Farewells;
use handshake::Given;
pub(crate) use handshake::{Answering, Opening};

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::datagram::Datagrams;
use crate::dice::Dice;
use crate::error::{OpenError, ReadError};
use crate::event::{CloseReason, Event, Output};
use crate::id::{ErrorCode, Side, StreamId};
use crate::key::PublicKey;
use crate::noise::Seed;
use crate::num;
use crate::path::PAYLOAD_MIN;
use crate::path::set::Paths;
use crate::protection::Protection;
use crate::recovery::Clock;
use crate::stats::Stats;
use crate::stream::Stream;
use crate::stream::map::StreamMap;
use crate::ticket::TicketNames;

/// After so long without a word of either side, memory that only a busy path needs is given back. Requests that come
/// more often find all as they left it.
const REST_AFTER: Duration = Duration::from_secs(10);

/// AP-110: a close is said to every datagram that still comes and after each probe time-out, in total up
/// to this often,
const CLOSES_MAX: u8 = 8;
/// for this many probe time-outs, but no longer than [`CLOSING_MAX`].
const CLOSING_TIMEOUTS: u32 = 3;
/// Whoever waits until the close is said waits no longer.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// One end of a connection.
///
/// The caller owns sockets, time and buffers, and drives the connection in a loop:
///
/// 1. [`handle_path`](Self::handle_path) when a carrier's path comes, changes or goes;
/// 2. [`handle_datagram`](Self::handle_datagram) for each datagram that arrives;
/// 3. [`poll_output`](Self::poll_output) after each of these, after each use of a stream, and when
///    the time that it last asked for has come, until it answers [`Output::Wait`].
///
/// Any call is legal at any time. Times never go back.
#[derive(Debug)]
pub struct Connection {
    pub(crate) side: Side,
    /// Whom a bridge with a list let in.
    pub(crate) client: Option<PublicKey>,
    /// What a bridge gives its client, until the client has it.
    ticket: Option<Given>,
    /// Which that is, and which the client came with.
    pub(crate) ticket_names: TicketNames,
    config: Config,
    clock: Clock,
    dice: Dice,
    state: State,
    paths: Paths,
    streams: StreamMap,
    datagrams: Datagrams,
    copies: Copies,
    trials: Trials,
    /// Few connections have any.
    farewells: Option<Box<Farewells>>,
    events: VecDeque<Event>,
    idle: Idle,
    stats: Stats,
}

/// ```text
///   client   Opening ── answer ──► Open ──┬── close() ──► Closing ── said ──► Closed
///   bridge   Answering ── packet ──► Open ┘
///            any ── close frame, time-out, broken rule ──► Closed
/// ```
#[derive(Debug)]
pub(crate) enum State {
    /// The client waits for the bridge's answer.
    Opening(Box<Opening>),
    /// The bridge has the keys; the client has not shown that it does.
    Answering(Box<Answering>),
    Open(Protection),
    /// The close is being said.
    Closing(Box<Closing>),
    Closed,
}

/// A close that the peer is being told, by what it needs to understand it.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) keys: Protection,
    /// A bridge's answer that the client may not have, and the first message.
    pub(crate) answer: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) answer_due: bool,
    pub(crate) code: ErrorCode,
    pub(crate) reason: String,
    /// How often it was said.
    pub(crate) said: u8,
    /// When it is to be said next.
    pub(crate) due_at: Instant,
    pub(crate) repeat_after: Duration,
    pub(crate) ends_at: Instant,
}

impl State {
    /// What protects packets, once there are keys and until the end.
    pub(crate) const fn keys(&self) -> Option<&Protection> {
        match self {
            Self::Open(keys) => Some(keys),
            Self::Closing(closing) => Some(&closing.keys),
            Self::Answering(answering) => answering.keys.as_ref(),
            Self::Opening(_) | Self::Closed => None,
        }
    }
}

/// Copies that are still to be made of what the last small sparse packet carried.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    left: u32,
    /// The epoch of the path that carried it.
    last: Option<u32>,
}

/// When something was heard last, and when something was said.
#[derive(Clone, Copy, Debug)]
struct Idle {
    began: Instant,
    heard: Instant,
    /// When this side last said something that asks for an answer.
    spoke: Instant,
    /// Since that time nothing was heard or said, and what only a busy path needs was given back.
    rested: Option<Instant>,
}

impl Idle {
    /// When the last word of either side was said.
    fn quiet_since(&self) -> Instant {
        self.heard.max(self.spoke)
    }

    /// When memory is to be given back, unless somebody speaks before.
    fn rest_at(&self) -> Option<Instant> {
        let since = self.quiet_since();
        (self.rested != Some(since)).then(|| since.checked_add(REST_AFTER))?
    }
}

impl Connection {
    /// A client's end, towards the bridge whose key is in `credentials`; a [`PublicKey`] will do
    /// where the bridge does not ask who comes.
    ///
    /// `wall` is the wall time since 1970-01-01; it goes into the first message, which a bridge
    /// takes early data from only if the two clocks roughly agree. `seed` must come from a
    /// cryptographic source and is never used twice.
    ///
    /// The first message leaves when a path is there, with whatever has been written by then.
    #[must_use]
    pub fn connect(
        credentials: impl Into<Credentials>,
        config: Config,
        seed: Seed,
        wall: Duration,
        now: Instant,
    ) -> Self {
        let opening = Opening::new(credentials.into(), seed, wall);
        Self::new(Side::Client, (config, seed), State::Opening(Box::new(opening)), now)
    }

    /// AP-120: an end without a handshake and without keys. Who keeps no secret need not hide when
    /// and how long it acknowledges either: its dice fall alike every time.
    pub(crate) fn unauthenticated(side: Side, config: Config, now: Instant) -> Self {
        let state = State::Open(Protection::CheckSum);
        let mut connection = Self::new(side, (config, Seed::default()), state, now);
        connection.push_event(Event::Connected);
        connection
    }

    pub(crate) fn new(
        side: Side,
        (config, seed): (Config, Seed),
        state: State,
        now: Instant,
    ) -> Self {
        let streams = StreamMap::new(side, &config);
        let paths = Paths::new(config.congestion.clone());
        Self {
            side,
            client: None,
            ticket: None,
            ticket_names: TicketNames::default(),
            config,
            clock: Clock::new(now),
            dice: Dice::new(seed),
            state,
            paths,
            streams,
            datagrams: Datagrams::default(),
            copies: Copies::default(),
            trials: Trials::default(),
            farewells: None,
            events: VecDeque::new(),
            idle: Idle { began: now, heard: now, spoke: now, rested: None },
            stats: Stats::default(),
        }
    }

    /// Says the one next step. Due timers fire here. A datagram is written to the front of `buf`,
    /// which should hold 2,048 octets; it limits the datagram otherwise. Into less than 256 octets
    /// nothing is written at all.
    pub fn poll_output(&mut self, now: Instant, buf: &mut [u8]) -> Output {
        self.fire_timers(now);
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if let Some((path, len)) = self.poll_transmit(now, buf) {
            self.stats.datagrams_sent = self.stats.datagrams_sent.saturating_add(1);
            self.stats.octets_sent = self.stats.octets_sent.saturating_add(num::len_u64(len));
            return Output::Transmit { path, len };
        }
        Output::Wait(self.next_timer(now, buf.len()))
    }

    /// Opens a stream. Its first octets ride in the first message if they are written before a
    /// path is there.
    ///
    /// # Errors
    /// [`OpenError::Blocked`] until the peer allows more, [`OpenError::Closed`] for good.
    pub fn open(&mut self) -> Result<StreamId, OpenError> {
        if self.is_closed() {
            return Err(OpenError::Closed);
        }
        self.streams.open()
    }

    /// A stream that is open on at least one side.
    pub fn stream(&mut self, id: StreamId) -> Option<Stream<'_>> {
        if self.is_closed() || !self.streams.contains(id) {
            return None;
        }
        let send_limit = self.send_limit();
        Some(Stream { id, map: &mut self.streams, send_limit })
    }

    /// Reads what had arrived on a stream, after the connection's end as well: a peer that closes has
    /// waited until what it finished had arrived, not until it was read.
    ///
    /// # Errors
    /// [`ReadError::Blocked`] if there is nothing, and after the connection's end nothing will come;
    /// the other variants are final.
    pub fn read_rest(&mut self, id: StreamId, len_max: usize) -> Result<Option<Bytes>, ReadError> {
        self.streams.read(id, len_max)
    }

    /// Ends the connection. What was not delivered is lost. The peer is told `code` and the first
    /// 100 octets of `reason`.
    pub fn close(&mut self, now: Instant, code: ErrorCode, reason: &str) {
        debug!(code = code.0, "closing");
        self.end(now, code, reason, CloseReason::Local);
    }

    /// Whether the connection is over; it may still have a last datagram to send.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closing(_) | State::Closed)
    }

    /// Whether the connection is over and will send nothing more.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether the peer has shown that it has the traffic keys.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        !matches!(self.state, State::Opening(_) | State::Answering(_))
    }

    /// At a bridge with a list of clients: the key of the one at the other end. It has that key, but
    /// as long as the connection is not [confirmed](Self::is_confirmed) its first message may be a
    /// copy.
    #[must_use]
    pub const fn client_key(&self) -> Option<PublicKey> {
        self.client
    }

    /// Which end this is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    // ---- time

    fn fire_timers(&mut self, now: Instant) {
        if let State::Closing(closing) = &self.state
            && now >= closing.ends_at
        {
            self.state = State::Closed;
        }
        if self.is_closed() {
            return;
        }
        if let Some(reason) = self.time_out(now) {
            debug!(%reason, "timed out");
            self.closed(reason);
            return;
        }
        if self.keep_alive_at().is_some_and(|at| at <= now) {
            self.ping_all();
        }
        self.drop_dead_paths(now);
        if self.idle.rest_at().is_some_and(|at| at <= now) {
            self.rest();
        }
    }

    /// Gives back the memory that only a busy connection needs.
    fn rest(&mut self) {
        self.idle.rested = Some(self.idle.quiet_since());
        if self.paths.list.iter().any(|path| path.sent.octets_in_flight() > 0) {
            // Somebody is asked and does not answer: what is remembered may be wanted yet.
            return;
        }
        self.farewells = None;
        self.paths.rest();
        self.streams.rest();
        self.events.shrink_to_fit();
    }

    /// AP-112, AP-113, AP-114
    fn time_out(&self, now: Instant) -> Option<CloseReason> {
        let at = |since: Instant, after: Duration| now.saturating_duration_since(since) >= after;
        if !self.is_confirmed() && at(self.idle.began, self.config.handshake_timeout) {
            return Some(CloseReason::HandshakeTimeout);
        }
        let owed = self.asked().is_some_and(|asked| at(asked, self.config.answer_timeout));
        let idle = self.config.idle_timeout.is_some_and(|after| at(self.idle.heard, after));
        (owed || idle).then_some(CloseReason::TimedOut)
    }

    fn keep_alive_at(&self) -> Option<Instant> {
        let after = self.config.keep_alive?;
        let is_asking = self.paths.list.iter().any(|path| path.ping_due);
        let may_ask = !self.paths.list.is_empty() && self.has_keys();
        let is_due = self.side == Side::Client && may_ask && !is_asking;
        // A time too long for the clock is never.
        is_due.then(|| self.idle.heard.max(self.idle.spoke).checked_add(after))?
    }

    fn next_timer(&mut self, now: Instant, room: usize) -> Option<Instant> {
        let transmit = if room < PAYLOAD_MIN { None } else { self.next_transmit_at(now) };
        if self.is_closed() {
            let State::Closing(closing) = &self.state else { return None };
            return transmit.into_iter().chain([closing.ends_at]).min();
        }
        let handshake = (!self.is_confirmed())
            .then(|| self.idle.began.checked_add(self.config.handshake_timeout))
            .flatten();
        let owed = self.asked().and_then(|at| at.checked_add(self.config.answer_timeout));
        let dead = self.next_dead_path_at();
        let idle = self.config.idle_timeout.and_then(|after| self.idle.heard.checked_add(after));
        let rest = self.idle.rest_at();
        let keep_alive = self.keep_alive_at();
        [handshake, owed, dead, idle, keep_alive, transmit, rest].into_iter().flatten().min()
    }

    /// Since when the peer owes an answer: on every path, or there is one that works.
    fn asked(&self) -> Option<Instant> {
        let mut asked = self.paths.list.iter().map(|path| path.asked);
        let first = asked.next()??;
        asked.try_fold(first, |latest, asked| Some(latest.max(asked?)))
    }

    /// AP-115: a relay forgets a path that nobody uses, so each is asked for a sign of life.
    fn ping_all(&mut self) {
        for path in &mut self.paths.list {
            path.ping_due = true;
        }
    }

    // ---- ends

    /// The peer broke a rule.
    pub(crate) fn violated(&mut self, now: Instant, rule: &'static str) {
        debug!(rule, "the peer broke the protocol");
        self.end(now, PROTOCOL_CODE, rule, CloseReason::Protocol(rule));
    }

    fn end(&mut self, now: Instant, code: ErrorCode, reason: &str, why: CloseReason) {
        if self.is_closed() {
            return;
        }
        self.events.clear();
        self.events.push_back(Event::Closed(why));
        // AP-111: a client can only be told with the keys that an answer gives it.
        self.make_answer(now);
        let (keys, answer, answer_due) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(keys) => (Some(keys), None, false),
            State::Answering(answering) => {
                let Answering { keys, first, answer, answer_due, .. } = *answering;
                (keys, answer.map(|(octets, _)| (octets, first)), answer_due)
            }
            State::Opening(_) | State::Closing(_) | State::Closed => return,
        };
        let Some(keys) = keys else { return };
        let rtt = self.paths.active().map(|path| path.rtt).unwrap_or_default();
        let repeat_after = rtt.probe_timeout().min(CLOSING_MAX / CLOSING_TIMEOUTS);
        self.state = State::Closing(Box::new(Closing {
            keys,
            answer,
            answer_due,
            code,
            reason: reason.to_owned(),
            said: 0,
            due_at: now,
            repeat_after,
            ends_at: now + repeat_after * CLOSING_TIMEOUTS,
        }));
    }

    /// The connection is over and nobody needs to be told.
    fn closed(&mut self, why: CloseReason) {
        if !self.is_closed() {
            self.events.clear();
            self.events.push_back(Event::Closed(why));
        }
        self.state = State::Closed;
    }

    const fn has_keys(&self) -> bool {
        self.state.keys().is_some()
    }

    pub(crate) const fn protection(&mut self) -> Option<&mut Protection> {
        match &mut self.state {
            State::Open(keys) => Some(keys),
            State::Closing(closing) => Some(&mut closing.keys),
            State::Answering(answering) => answering.keys.as_mut(),
            State::Opening(_) | State::Closed => None,
        }
    }

    // ---- losses that no acknowledgement tells of

    /// The carrier refused the last datagram: it was never sent, and nobody owes an answer to it.
    fn take_last_back(&mut self, now: Instant, index: usize) {
        let Some(path) = self.paths.get_mut(index) else { return };
        let next_number = path.sent.next_number();
        match &mut self.state {
            State::Opening(opening) => opening.repeat_at = None,
            State::Answering(answering) if next_number == 0 => answering.answer_due = true,
            State::Closing(closing) => closing.due_at = now,
            State::Answering(_) | State::Open(_) | State::Closed => {}
        }
        let Some(number) = next_number.checked_sub(1) else { return };
        let unsent = path.sent.unsend(number);
        // A question with nothing else in it is asked again: no frame below brings it back.
        path.ping_due |= unsent.as_ref().is_some_and(Vec::is_empty);
        path.received.acknowledge_again(now);
        if path.probing.count == 0 {
            path.asked = path.sent.oldest_sent_at();
        }
        for frame in &unsent.unwrap_or_default() {
            self.frame_lost(frame);
        }
    }

    /// Everything in flight on a path is lost, and that says nothing about its rate.
    fn give_all_up(&mut self, now: Instant, index: usize) {
        let seconds = self.clock.seconds(now);
        let Some(path) = self.paths.get_mut(index) else { return };
        let frames = path.sent.give_all_up();
        path.controller.on_silence(seconds);
        for frame in &frames {
            self.frame_lost(frame);
        }
    }
}

/// Packets under way when a key was updated are opened for at least this long.
const PREVIOUS_KEY_KEPT_MIN: Duration = Duration::from_secs(3);

/// What a peer that broke the protocol is told.
const PROTOCOL_CODE: ErrorCode = ErrorCode(1);
