//! A client program's side of the API as a state machine: attach, streams, datagrams.

mod event;
mod pending;
mod receive;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub use event::{ConnectError, Event, Output, Refusal, SendError, SessionStats};
use pending::{Asked, Pending, Step};
use streams::Streams;
use tracing::trace;

use crate::command::{Alter, AppProperty, Command, DATAGRAM_OCTETS_MAX, Get};
use crate::line::{CommandId, Line, check_text};
use crate::message::Message;
use crate::name::{AppName, ProgramName, UserHandle};
use crate::stream_ref::StreamRef;

/// What a session is told at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionConfig {
    /// What Skype's consent dialog shows.
    pub program: ProgramName,
    /// The application to create; both ends need the same.
    pub app: AppName,
    /// The protocol to ask for. Skype for Linux spoke 7; [`PROTOCOL_MIN`] is the least that will do.
    pub protocol: u32,
}

impl SessionConfig {
    /// A configuration that asks for protocol 7.
    #[must_use]
    pub const fn new(program: ProgramName, app: AppName) -> Self {
        Self { program, app, protocol: 7 }
    }
}

/// Applications came with protocol 5 (Skype 1.4).
pub const PROTOCOL_MIN: u32 = 5;

/// Datagrams without a reply. Skype answers at once, so more than this means that it hangs.
pub const DATAGRAMS_PENDING_MAX: usize = 256;

/// Commands of all kinds without a reply: datagrams never keep a CONNECT or DISCONNECT out.
pub const PENDING_MAX: usize = 2 * DATAGRAMS_PENDING_MAX;

/// Users being connected to at one time.
pub const CONNECTS_MAX: usize = 64;

/// Events not yet polled. A caller that does not poll loses datagrams, which may get lost anyway,
/// and learns of its streams later.
pub const EVENTS_MAX: usize = 1024;

/// Skype answers `CONNSTATUS OFFLINE` to a NAME that comes too early; libpurple's and Skype4Py's
/// clients ask again after this time.
pub const NAME_RETRY: Duration = Duration::from_secs(1);

/// Skype4Py's limit for a reply. NAME has none: its answer waits for the user.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Skype never says that a CONNECT failed for good.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// An empty CONNECTING list may come before the STREAMS line it announces; 300 ms were seen.
pub const CONNECT_GRACE: Duration = Duration::from_secs(2);

/// A session, without any transport.
///
/// ```text
///             Start --NAME--> consent --PROTOCOL--> version --CREATE--> application
///               ^               |  \                   |         |541       |
///     restart() |   CONNSTATUS  |   ERROR 68           | < 5     v          v
///               |     OFFLINE   v    \                 v       GET STREAMS  |
///            LOGGEDOUT <--1 s-- Retry  `---> Refused <-'         `-------> Attached
/// ```
///
/// Feed every line Skype sends to [`handle_message`](Self::handle_message), and call
/// [`poll_output`](Self::poll_output) until it says [`Output::Wait`]: then wait for the next line
/// or that time. Any call is legal at any time.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    state: State,
    /// False from `CONNSTATUS OFFLINE` until `CONNSTATUS ONLINE`.
    online: bool,
    /// Set when STREAMS may have been missed: the list is asked for as soon as that is possible.
    resync: bool,
    streams: Streams,
    connecting: BTreeMap<UserHandle, Connecting>,
    pending: Pending,
    /// Holds lines of pending commands only, so it is never longer than [`PENDING_MAX`] and a few.
    outbox: VecDeque<String>,
    events: VecDeque<Event>,
    stats: SessionStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// NAME goes out at the next poll.
    Start,
    /// NAME goes out at this time.
    Retry(Instant),
    /// A command of the attach sequence waits for its reply.
    Waiting { step: Step, id: u64 },
    /// The application is ours.
    Attached,
    /// Nothing more happens until `restart`.
    Refused,
}

#[derive(Debug, Clone, Copy)]
struct Connecting {
    deadline: Instant,
    /// A CONNECTING list has named the user, so one that no longer does means the end.
    listed: bool,
}

impl Session {
    /// A session that says NAME at its first poll.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self {
            config,
            state: State::Start,
            online: true,
            resync: false,
            streams: Streams::default(),
            connecting: BTreeMap::new(),
            pending: Pending::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            stats: SessionStats::default(),
        }
    }

    /// Takes one line Skype sent. Infallible: what makes no sense is counted.
    pub fn handle_message(&mut self, now: Instant, text: &str) {
        self.stats.messages += 1;
        if self.events.len() >= EVENTS_MAX {
            trace!(cause = "events not polled", "message dropped");
            self.stats.dropped += 1;
            self.resync = true;
            return;
        }
        let Ok(line) = Line::parse(text) else {
            trace!(cause = "no message", "message dropped");
            self.stats.nonsense += 1;
            return;
        };
        let message = Message::parse(line.body);
        if matches!(message, Message::Unknown(_)) {
            self.stats.unknown += 1;
        }
        let id = match line.id {
            Some(id) => Some(id.as_str().parse().ok()),
            None => self.expected(&message).map(Some),
        };
        match id {
            None => self.handle_notification(now, message),
            Some(id) => match id.and_then(|id| self.pending.take(id)) {
                Some(asked) => self.handle_reply(now, asked, message),
                None => {
                    // A duplicate of a reply, or one that came after its time.
                    self.stats.unmatched += 1;
                }
            },
        }
    }

    /// Does what is due and says the next step.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.fire_timers(now);
        if let Some(line) = self.outbox.pop_front() {
            return Output::Send(line);
        }
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        Output::Wait(self.next_deadline())
    }

    /// Asks for streams to `user`. What follows is [`Event::StreamUp`] or, after
    /// [`CONNECT_TIMEOUT`] at the latest, [`Event::ConnectFailed`].
    ///
    /// # Errors
    /// [`ConnectError`] when nothing was asked and no event will follow.
    pub fn connect(&mut self, now: Instant, user: UserHandle) -> Result<(), ConnectError> {
        if self.state != State::Attached {
            return Err(ConnectError::NotAttached);
        }
        if self.connecting.contains_key(&user) {
            return Err(ConnectError::Pending);
        }
        if self.connecting.len() >= CONNECTS_MAX || self.pending.len() >= PENDING_MAX {
            return Err(ConnectError::Full);
        }
        let deadline = now + CONNECT_TIMEOUT;
        self.connecting.insert(user, Connecting { deadline, listed: false });
        self.alter(now, Asked::Connect(user), Alter::Connect(user));
        Ok(())
    }

    /// Ends a stream; [`Event::StreamDown`] follows when Skype has done so.
    ///
    /// # Errors
    /// [`SendError`] when the command could not be given.
    pub fn disconnect(&mut self, now: Instant, stream: StreamRef) -> Result<(), SendError> {
        self.check_stream(stream, PENDING_MAX)?;
        self.alter(now, Asked::Disconnect(stream), Alter::Disconnect(stream));
        Ok(())
    }

    /// Sends `text` as one datagram. It may get lost on the way without a word.
    ///
    /// # Errors
    /// [`SendError`] when it was not even given to Skype.
    pub fn send_datagram(
        &mut self,
        now: Instant,
        stream: StreamRef,
        text: &str,
    ) -> Result<(), SendError> {
        if text.len() > DATAGRAM_OCTETS_MAX {
            return Err(SendError::TooLarge);
        }
        // Not every transport carries a line feed.
        if text.is_empty() || check_text(text).is_err() || text.contains('\n') {
            return Err(SendError::Text);
        }
        self.check_stream(stream, DATAGRAMS_PENDING_MAX)?;
        self.alter(now, Asked::Datagram(stream), Alter::Datagram { stream, text });
        Ok(())
    }

    /// Begins again with NAME: for a new transport after the old one broke, or after
    /// [`Event::Refused`] when there is reason to hope. Streams go down first.
    pub fn restart(&mut self) {
        self.fall_back(State::Start);
    }

    /// The streams that are up.
    pub fn streams(&self) -> impl Iterator<Item = StreamRef> {
        self.streams.up()
    }

    /// Whether the application is ours and streams can be asked for.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.state == State::Attached
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> SessionStats {
        self.stats
    }

    fn check_stream(&self, stream: StreamRef, pending_max: usize) -> Result<(), SendError> {
        if !self.is_attached() || !self.streams.is_up(stream) {
            return Err(SendError::NoStream);
        }
        if self.pending.len() >= pending_max {
            return Err(SendError::Full);
        }
        Ok(())
    }

    fn alter(&mut self, now: Instant, asked: Asked, action: Alter<'_>) {
        let app = self.config.app;
        self.command(now, asked, Command::Alter { app, action });
    }

    /// Puts a command into the outbox under the next id.
    fn command(&mut self, now: Instant, asked: Asked, command: Command<'_>) -> u64 {
        let deadline = (asked != Asked::Step(Step::Name)).then(|| now + COMMAND_TIMEOUT);
        let id = self.pending.put(asked, deadline);
        let digits = id.to_string();
        let id_text = CommandId::new(&digits).expect("twenty digits at most");
        self.outbox.push_back(Line { id: Some(id_text), body: command }.to_string());
        id
    }

    const fn step_command(&self, step: Step) -> Command<'static> {
        let SessionConfig { program, app, protocol } = self.config;
        match step {
            Step::Name => Command::Name(program),
            Step::Protocol => Command::Protocol(protocol),
            Step::Create => Command::Create(app),
            Step::Streams => Command::Get(Get::Application { app, property: AppProperty::Streams }),
        }
    }

    fn step(&mut self, now: Instant, step: Step) {
        let id = self.command(now, Asked::Step(step), self.step_command(step));
        self.state = State::Waiting { step, id };
    }

    fn connect_failed(&mut self, user: UserHandle) {
        if self.connecting.remove(&user).is_some() {
            self.events.push_back(Event::ConnectFailed(user));
        }
    }

    fn attached(&mut self) {
        self.state = State::Attached;
        self.events.push_back(Event::Attached);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.state = State::Refused;
        self.events.push_back(Event::Refused(refusal));
    }

    /// Leaves whatever was reached and goes on from `state`.
    fn fall_back(&mut self, state: State) {
        self.streams.clear(&mut self.events);
        while let Some((user, _)) = self.connecting.pop_first() {
            self.events.push_back(Event::ConnectFailed(user));
        }
        if self.is_attached() {
            self.events.push_back(Event::Detached);
        }
        self.pending.clear();
        self.outbox.clear();
        self.resync = false;
        self.online |= state == State::Start;
        self.state = state;
    }

    fn fire_timers(&mut self, now: Instant) {
        match self.state {
            State::Start => self.step(now, Step::Name),
            State::Retry(at) if at <= now => self.step(now, Step::Name),
            State::Retry(_) | State::Waiting { .. } | State::Attached | State::Refused => {}
        }
        while let Some(asked) = self.pending.take_due(now) {
            self.stats.timeouts += 1;
            if matches!(asked, Asked::Step(_)) {
                self.fall_back(State::Retry(now + NAME_RETRY));
            }
        }
        let due = |connecting: &Connecting| connecting.deadline <= now;
        while let Some(user) = self.connecting.iter().find_map(|(user, c)| due(c).then_some(*user))
        {
            self.connect_failed(user);
        }
        if self.resync && self.is_attached() && self.events.len() < EVENTS_MAX {
            self.resync = false;
            let property = AppProperty::Streams;
            let get = Get::Application { app: self.config.app, property };
            self.command(now, Asked::Resync, Command::Get(get));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let retry = match self.state {
            State::Retry(at) => Some(at),
            State::Start | State::Waiting { .. } | State::Attached | State::Refused => None,
        };
        let connects = self.connecting.values().map(|connecting| connecting.deadline);
        connects.chain(retry).chain(self.pending.next_deadline()).min()
    }
}
