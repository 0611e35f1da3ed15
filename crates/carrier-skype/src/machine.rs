//! The carrier without I/O: calls and lines go in, lines and a carrier's events come out.

mod receive;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use carrier::{CarrierEvent, CarrierPath, DownReason, OpenError, PeerId, SendError};
use skype_api::session::{self, ConnectError, PENDING_MAX};
use skype_api::{
    Alter, Command, DATAGRAM_OCTETS_MAX, Line, Output, Session, SessionConfig, StreamRef,
    UserHandle,
};
use tracing::trace;

use crate::counters::{Counters, count};
use crate::dials::{Dials, OPENS_MAX};
use crate::error::End;
use crate::inbox::Inbox;
use crate::paths::{Leg, PATHS_MAX, Paths};

/// The longest datagram, in octets: as armour it has the 1,400 that Skype takes.
pub const PAYLOAD_MAX: usize = armour::capacity(DATAGRAM_OCTETS_MAX);

/// Skype drops a stream after "typically" eight minutes without traffic (API reference).
pub const IDLE_MAX: Duration = Duration::from_secs(480);

/// The scheme of this carrier's peers: `skype:LOGIN`.
const SCHEME: &str = "skype";

/// Lines that may wait before datagrams are refused. The attach point buffers some hundred
/// datagrams already: more in here would only grow old.
const LINES_BEFORE_FULL: usize = 16;

/// Lines that wait only if Skype has read nothing for minutes.
const LINES_MAX: usize = 2 * PENDING_MAX;

/// Messages to hear before a session that was full is tried again: a datagram's answer has three
/// lines, and whoever is told `Writable` for nothing has sealed a packet for nothing.
const MESSAGES_PER_TRY: u32 = 32;

/// A session and its paths. After every call the session has nothing left to say: its lines stand
/// in `lines` and its events, translated, in `inbox`.
///
/// ```text
///   handle_line ──► Session ──► Event ──► paths, dials ──► inbox ──► poll_event
///   open, send  ──►         ──► Send  ──────────────────► lines ──► line, line_sent
/// ```
///
/// The owner of this gives the next line only when all events of the last one were taken, so one
/// line's worth of events is the most there is.
#[derive(Debug)]
pub(crate) struct Machine {
    config: SessionConfig,
    session: Session,
    paths: Paths,
    dials: Dials,
    /// Skype has just taken this program in: the streams it lists are an earlier run's.
    just_attached: bool,
    /// Streams that nobody wants, to be hung up as soon as Skype takes a command.
    unwanted: BTreeSet<StreamRef>,
    lines: VecDeque<String>,
    inbox: Inbox,
    /// Paths that were told `Full`.
    blocked: BTreeSet<CarrierPath>,
    /// The session was full; so many messages came since.
    full: Option<u32>,
    /// When `handle_timeout` is due.
    timeout: Option<Instant>,
    end: Option<End>,
    counters: Counters,
    /// A datagram as armour: kept for its memory.
    text: String,
}

impl Machine {
    pub(crate) fn new(now: Instant, config: SessionConfig) -> Self {
        let mut machine = Self {
            config,
            session: Session::new(config),
            paths: Paths::default(),
            dials: Dials::default(),
            just_attached: false,
            unwanted: BTreeSet::new(),
            lines: VecDeque::new(),
            inbox: Inbox::default(),
            blocked: BTreeSet::new(),
            full: None,
            timeout: None,
            end: None,
            counters: Counters::default(),
            text: String::new(),
        };
        machine.settle(now);
        machine
    }

    /// Takes a line that Skype sent.
    pub(crate) fn handle_line(&mut self, now: Instant, line: &str) {
        if self.end.is_some() {
            return;
        }
        self.full = self.full.map(|heard| heard + 1).filter(|heard| *heard < MESSAGES_PER_TRY);
        self.session.handle_message(now, line);
        self.settle(now);
    }

    /// There are no more lines for now, so a session that was full may have room.
    pub(crate) fn handle_silence(&mut self) {
        self.full = self.full.filter(|heard| *heard == 0);
    }

    /// The time has come that [`timeout`](Self::timeout) said.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.full = None;
        self.settle(now);
    }

    /// Skype cannot be reached any more: all paths go down, and nothing else happens.
    pub(crate) fn handle_end(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        self.lose_paths();
        self.unwanted.clear();
        self.lines.clear();
        self.timeout = None;
        self.inbox.push(CarrierEvent::Closed { why: end.to_string() });
    }

    pub(crate) fn open(&mut self, now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError> {
        let user = parse(peer)?;
        if let Some(end) = self.end {
            return Err(OpenError::Closed { why: end.to_string() });
        }
        // A path that failed counts until its owner has heard so.
        let too_many = OpenError::TooMany { limit: PATHS_MAX };
        if self.paths.len() + self.inbox.len() >= PATHS_MAX {
            return Err(too_many);
        }
        let path = self.paths.add(Leg::Opening(user)).ok_or(too_many)?;
        if !self.dials.add(user, path) {
            self.paths.remove(path);
            return Err(OpenError::TooMany { limit: OPENS_MAX });
        }
        self.settle(now);
        Ok(path)
    }

    pub(crate) fn accept(&mut self, path: CarrierPath) {
        if let Some(Leg::Offered(stream)) = self.paths.leg(path) {
            self.path_up(path, stream);
        }
    }

    /// Closes or rejects a path: for Skype both are a hang-up.
    pub(crate) fn close(&mut self, now: Instant, path: CarrierPath) {
        match self.paths.remove(path) {
            Some(Leg::Opening(user)) => self.dials.cancel(user, path),
            Some(Leg::Offered(stream) | Leg::Up(stream)) => {
                self.unwanted.insert(stream);
            }
            None => {}
        }
        self.blocked.remove(&path);
        self.inbox.forget(path);
        self.settle(now);
    }

    pub(crate) fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        let Some(Leg::Up(stream)) = self.paths.leg(path) else { return Err(SendError::Gone) };
        if datagram.len() > PAYLOAD_MAX {
            return Err(SendError::TooLarge { max: PAYLOAD_MAX });
        }
        if datagram.is_empty() {
            trace!(cause = "empty", "datagram dropped");
            count(&mut self.counters.empty);
            return Ok(());
        }
        if self.full.is_some() || self.lines.len() >= LINES_BEFORE_FULL {
            return Err(self.block(path));
        }
        self.text.clear();
        armour::encode(datagram, &mut self.text);
        debug_assert!((1..=DATAGRAM_OCTETS_MAX).contains(&self.text.len()));
        let sent = self.session.send_datagram(now, stream, &self.text);
        self.settle(now);
        match sent {
            Ok(()) => Ok(()),
            Err(session::SendError::NoStream) => Err(SendError::Gone),
            Err(session::SendError::Full) => {
                self.full = Some(0);
                Err(self.block(path))
            }
            // Armour has neither too many octets nor forbidden ones; the compiler cannot know.
            Err(session::SendError::TooLarge | session::SendError::Text) => {
                Err(SendError::TooLarge { max: PAYLOAD_MAX })
            }
        }
    }

    /// The next event; a datagram goes to the front of `buf`.
    pub(crate) fn poll_event(&mut self, buf: &mut [u8]) -> Option<CarrierEvent> {
        // Not before all lines are sent: who is refused again at once was told in vain.
        if self.full.is_none()
            && self.lines.is_empty()
            && let Some(path) = self.blocked.pop_first()
        {
            return Some(CarrierEvent::Writable { path });
        }
        self.inbox.poll(buf, &mut self.counters)
    }

    /// Whether there is something to poll for.
    pub(crate) fn is_busy(&self) -> bool {
        !self.lines.is_empty() || !self.blocked.is_empty() || self.inbox.len() > 0
    }

    /// The line that Skype is to be told first. It stays until [`line_sent`](Self::line_sent).
    pub(crate) fn line(&self) -> Option<&str> {
        self.lines.front().map(String::as_str)
    }

    pub(crate) fn line_sent(&mut self) {
        self.lines.pop_front();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    /// What ended it, if something did.
    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether Skype takes the commands of this program, as soon as that is decided.
    pub(crate) fn attached(&mut self) -> Option<Result<(), End>> {
        match self.end {
            Some(end) => Some(Err(end)),
            None => self.session.is_attached().then_some(Ok(())),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters { nonsense: self.session.stats().nonsense, ..self.counters }
    }

    /// Lines that hang up all streams. Skype keeps a program's streams when the program is gone,
    /// and the peers would wait for eight minutes.
    pub(crate) fn last_words(&self) -> impl Iterator<Item = String> {
        let app = self.config.app;
        self.paths.streams().chain(self.unwanted.iter().copied()).map(move |stream| {
            let body = Command::Alter { app, action: Alter::Disconnect(stream) };
            Line { id: None, body }.to_string()
        })
    }

    /// Takes all that the session has to say, then asks what is to be asked, until both are done.
    fn settle(&mut self, now: Instant) {
        while self.end.is_none() {
            match self.session.poll_output(now) {
                Output::Send(line) => self.lines.push_back(line),
                Output::Event(event) => self.handle_event(event),
                // Not earlier: one list may bring streams for all paths that wait.
                Output::Wait(until) => {
                    self.timeout = until;
                    self.just_attached = false;
                    if self.dial(now) + self.hang_up(now) == 0 {
                        break;
                    }
                }
            }
        }
        if self.lines.len() > LINES_MAX {
            self.handle_end(End::Deaf);
        }
    }

    /// Calls whom paths wait for; says how many. When the session is full, a reply or a time-out
    /// makes room, and both lead here again.
    fn dial(&mut self, now: Instant) -> usize {
        let mut done = 0;
        while let Some(user) = self.dials.due() {
            match self.session.connect(now, user) {
                Ok(()) | Err(ConnectError::Pending) => self.dials.asked(user),
                Err(ConnectError::NotAttached) => self.fail(user, DownReason::CarrierLost),
                Err(ConnectError::Full) => break,
            }
            done += 1;
        }
        done
    }

    /// Ends streams that nobody wants; says how many.
    fn hang_up(&mut self, now: Instant) -> usize {
        let mut done = 0;
        while let Some(&stream) = self.unwanted.first()
            && self.session.disconnect(now, stream) != Err(session::SendError::Full)
        {
            self.unwanted.remove(&stream);
            done += 1;
        }
        done
    }

    fn block(&mut self, path: CarrierPath) -> SendError {
        self.blocked.insert(path);
        SendError::Full
    }
}

fn parse(peer: &PeerId) -> Result<UserHandle, OpenError> {
    if peer.scheme() != SCHEME {
        return Err(OpenError::OtherOverlay { expected: SCHEME });
    }
    let why = "skype:LOGIN is expected, with a login of 95 octets at most and no `=`";
    UserHandle::new(peer.address()).map_err(|_| OpenError::Malformed { why })
}
