//! One end of the work: a connection, and what is done on its streams.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ap2ap_stream::{Connection, Event, Output, PathEvent, PathId, ReadError, StreamId};
use relay_sim::Node;

use crate::work::{End, PING_OCTETS, Ping, Requests, Sink, bulk};

/// Ask for bulk data, offer it, ask for echoes: the first octet of a stream.
const ASK_GET: u8 = b'G';
const ASK_PUT: u8 = b'P';
const ASK_ECHO: u8 = b'E';

const PATH: PathId = PathId(0);
const DATAGRAM_MAX: usize = 2048;

/// How datagrams look on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// As they are.
    Plain,
    /// As AP2AP text: what a Skype relay would count.
    Armoured,
}

/// What is done on one stream.
#[derive(Debug)]
pub enum Handler {
    /// The peer opened it and has not said what for.
    Asked,
    /// Octets are written until `left` is used up.
    Source {
        /// Octets still to write.
        left: u64,
        /// Octets written so far: where the pattern stands.
        written: u64,
    },
    /// Octets are read and compared with the pattern.
    Sink,
    /// What comes goes back.
    Echo {
        /// What has come and not gone back.
        pending: Vec<u8>,
    },
    /// A request every half second, whether the last one was answered or not.
    Pinger,
}

/// One end: drives its connection, and does the work on its streams.
#[derive(Debug)]
pub struct Endpoint {
    /// The connection.
    pub connection: Connection,
    handlers: BTreeMap<StreamId, Handler>,
    dress: Dress,
    wait: Option<Instant>,
    sink: Sink,
    requests: Requests,
    pinger: Option<StreamId>,
    /// When datagrams left that hold an acknowledgement and nothing else, and their octets.
    pub acks_alone: Vec<(Instant, usize)>,
    /// How many of them the connection has counted.
    acks_sent_alone: u64,
    /// The connection closed, or a new stream took nothing: never expected.
    fault: Option<String>,
}

impl Endpoint {
    /// An end whose path carries datagrams of `payload_max` octets.
    #[must_use]
    pub fn new(connection: Connection, dress: Dress) -> Self {
        Self {
            connection,
            handlers: BTreeMap::new(),
            dress,
            wait: None,
            sink: Sink::default(),
            requests: Requests::default(),
            pinger: None,
            acks_alone: Vec::new(),
            acks_sent_alone: 0,
            fault: None,
        }
    }

    /// Says that the path is there.
    pub fn add_path(&mut self, now: Instant, payload_max: usize) {
        self.add_path_named(now, PATH, payload_max);
    }

    /// Says that one of several paths is there.
    pub fn add_path_named(&mut self, now: Instant, path: PathId, payload_max: usize) {
        self.connection.handle_path(now, path, PathEvent::Added { payload_max });
        self.wait = Some(now);
    }

    /// Says that one of several paths is gone.
    pub fn remove_path_named(&mut self, now: Instant, path: PathId) {
        self.connection.handle_path(now, path, PathEvent::Removed);
        self.wait = Some(now);
    }

    /// Opens a stream on which the peer sends bulk data.
    pub fn get(&mut self, now: Instant, octets: u64) {
        let mut ask = vec![ASK_GET];
        ask.extend_from_slice(&octets.to_be_bytes());
        self.open(now, &ask, Handler::Sink);
    }

    /// Opens a stream and sends bulk data on it.
    pub fn put(&mut self, now: Instant, octets: u64) {
        self.open(now, &[ASK_PUT], Handler::Source { left: octets, written: 0 });
    }

    /// Opens a stream and sends a request on it at once and every `interval`.
    pub fn ping(&mut self, now: Instant, interval: Duration) {
        self.pinger = self.open(now, &[ASK_ECHO], Handler::Pinger);
        self.requests = Requests::starting(now, interval);
        self.advance_pinger(now);
    }

    /// Opens a stream, sends one request on it, and keeps it open.
    pub fn ask_once(&mut self, now: Instant) {
        let mut ask = vec![ASK_ECHO];
        ask.resize(1 + PING_OCTETS, b'x');
        self.open(now, &ask, Handler::Pinger);
    }

    fn open(&mut self, now: Instant, ask: &[u8], handler: Handler) -> Option<StreamId> {
        let id = self.connection.open().ok()?;
        let asked = self.connection.stream(id).map(|mut stream| stream.write(ask));
        if asked != Some(Ok(ask.len())) {
            self.fault = Some("a new stream takes no octets".to_owned());
        }
        self.handlers.insert(id, handler);
        self.work_on(now, id);
        self.wait = Some(now);
        Some(id)
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened(id) => {
                self.handlers.insert(id, Handler::Asked);
            }
            Event::Readable(id) | Event::Writable(id) => self.work_on(now, id),
            Event::Closed(reason) => self.fault = Some(format!("closed: {reason}")),
            Event::Connected | Event::Openable | _ => {}
        }
    }

    fn work_on(&mut self, now: Instant, id: StreamId) {
        let Some(mut handler) = self.handlers.remove(&id) else { return };
        loop {
            let again = match &mut handler {
                Handler::Asked => self.read_ask(id).map(|asked| handler = asked).is_some(),
                Handler::Source { left, written } => {
                    self.fill(id, left, written);
                    false
                }
                Handler::Sink => {
                    self.drain(now, id);
                    false
                }
                Handler::Echo { pending } => {
                    self.echo(id, pending);
                    false
                }
                Handler::Pinger => {
                    self.read_echoes(now, id);
                    false
                }
            };
            if !again {
                break;
            }
        }
        self.handlers.insert(id, handler);
    }

    fn read(&mut self, id: StreamId, len_max: usize) -> Option<bytes::Bytes> {
        match self.connection.stream(id)?.read(len_max) {
            Ok(octets) => octets,
            Err(ReadError::Blocked) => None,
            Err(error) => {
                self.fault = Some(error.to_string());
                None
            }
        }
    }

    fn read_ask(&mut self, id: StreamId) -> Option<Handler> {
        match *self.read(id, 1)?.first()? {
            ASK_GET => {
                // The nine octets of this question always come in one frame.
                let octets = self.read(id, 8)?;
                let left = u64::from_be_bytes(<[u8; 8]>::try_from(&octets[..]).ok()?);
                Some(Handler::Source { left, written: 0 })
            }
            ASK_PUT => Some(Handler::Sink),
            ASK_ECHO => Some(Handler::Echo { pending: Vec::new() }),
            _ => None,
        }
    }

    fn fill(&mut self, id: StreamId, left: &mut u64, written: &mut u64) {
        while *left > 0 {
            let Some(mut stream) = self.connection.stream(id) else { return };
            let Ok(room) = stream.room() else { return };
            let len = usize::try_from((*left).min(4096)).unwrap_or(0).min(room);
            let Ok(taken) = stream.write(&bulk(*written, len)) else { return };
            *written += u64::try_from(taken).unwrap_or(0);
            *left -= u64::try_from(taken).unwrap_or(0);
            if *left == 0 {
                let _ = stream.finish();
            }
        }
    }

    fn drain(&mut self, now: Instant, id: StreamId) {
        while let Some(mut stream) = self.connection.stream(id) {
            match stream.read(64 * 1024) {
                Ok(Some(octets)) => self.sink.read(now, &octets),
                // The other end is through: so is this one.
                Ok(None) => {
                    let _ = stream.finish();
                    return;
                }
                Err(ReadError::Blocked) => return,
                Err(error) => {
                    self.fault = Some(error.to_string());
                    return;
                }
            }
        }
    }

    fn echo(&mut self, id: StreamId, pending: &mut Vec<u8>) {
        while let Some(octets) = self.read(id, 4096) {
            pending.extend_from_slice(&octets);
        }
        let Some(mut stream) = self.connection.stream(id) else { return };
        if let Ok(taken) = stream.write(pending) {
            pending.drain(..taken);
        }
    }

    fn read_echoes(&mut self, now: Instant, id: StreamId) {
        while let Some(octets) = self.read(id, 4096) {
            self.requests.read(now, octets.len());
        }
        self.write_pings(id);
    }

    fn advance_pinger(&mut self, now: Instant) {
        let Some(id) = self.pinger else { return };
        self.requests.advance(now);
        self.write_pings(id);
    }

    fn write_pings(&mut self, id: StreamId) {
        let Some(mut stream) = self.connection.stream(id) else { return };
        let unsent = self.requests.unsent();
        if !unsent.is_empty()
            && let Ok(taken) = stream.write(&unsent)
        {
            self.requests.wrote(taken);
        }
    }
}

/// What several paths need.
impl Endpoint {
    /// A datagram came over a path.
    pub fn handle_datagram_on(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        match self.dress {
            Dress::Plain => self.connection.handle_datagram(now, path, datagram),
            Dress::Armoured => {
                let mut octets = Vec::new();
                let text = std::str::from_utf8(datagram).unwrap_or_default();
                if armour::decode(text, &mut octets).is_ok() {
                    self.connection.handle_datagram(now, path, &octets);
                }
            }
        }
        self.wait = Some(now);
    }

    /// The next datagram that leaves, behind what is in `buf`, and the path that it leaves on.
    pub fn poll_transmit_any(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<PathId> {
        self.advance_pinger(now);
        let before = buf.len();
        loop {
            buf.resize(before + DATAGRAM_MAX, 0);
            let datagram = buf.get_mut(before..).unwrap_or_default();
            match self.connection.poll_output(now, datagram) {
                Output::Event(event) => self.handle_event(now, event),
                Output::Transmit { len, path } => {
                    buf.truncate(before + len);
                    if self.dress == Dress::Armoured {
                        let mut text = String::new();
                        armour::encode(buf.get(before..).unwrap_or_default(), &mut text);
                        buf.truncate(before);
                        buf.extend_from_slice(text.as_bytes());
                    }
                    let acks_sent_alone = self.connection.stats().acks_sent_alone;
                    if acks_sent_alone > self.acks_sent_alone {
                        self.acks_sent_alone = acks_sent_alone;
                        self.acks_alone.push((now, len));
                    }
                    self.wait = Some(now);
                    return Some(path);
                }
                Output::Wait(at) => {
                    buf.truncate(before);
                    self.wait = at;
                    return None;
                }
            }
        }
    }
}

impl End for Endpoint {
    fn delivered(&self) -> &[(Instant, u64)] {
        self.sink.delivered()
    }

    fn pings(&self) -> &[Ping] {
        self.requests.pings()
    }

    fn fault(&self) -> Option<String> {
        self.fault.as_ref().or_else(|| self.sink.fault()).cloned()
    }

    fn ours(&self) -> Option<&Endpoint> {
        Some(self)
    }
}

impl Node for Endpoint {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.handle_datagram_on(now, PATH, datagram);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.poll_transmit_any(now, buf).is_some()
    }

    fn next_at(&self) -> Option<Instant> {
        [self.wait, self.requests.next_at()].into_iter().flatten().min()
    }
}
