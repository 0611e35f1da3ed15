//! One end of the work: a connection, and what is done on its streams.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ap2ap_stream::{Connection, Event, Output, PathEvent, PathId, ReadError, StreamId};
use relay_sim::Node;

/// A request, and its echo, in octets.
pub const PING_OCTETS: usize = 100;

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
    Sink {
        /// Octets read so far.
        read: u64,
    },
    /// What comes goes back.
    Echo {
        /// What has come and not gone back.
        pending: Vec<u8>,
    },
    /// A request every half second, whether the last one was answered or not.
    Pinger,
}

/// A request and its echo.
#[derive(Clone, Copy, Debug)]
pub struct Ping {
    /// When the request was written.
    pub asked: Instant,
    /// When the whole echo had been read.
    pub answered: Option<Instant>,
}

/// One end: drives its connection, and does the work on its streams.
#[derive(Debug)]
pub struct Endpoint {
    /// The connection.
    pub connection: Connection,
    handlers: BTreeMap<StreamId, Handler>,
    dress: Dress,
    wait: Option<Instant>,
    /// When octets of bulk arrived in order, and how many.
    pub delivered: Vec<(Instant, u64)>,
    /// The requests so far.
    pub pings: Vec<Ping>,
    pinger: Option<(StreamId, Duration, Instant)>,
    unsent_pings: Vec<u8>,
    echoed: usize,
    /// When datagrams left that hold an acknowledgement and nothing else, and their octets.
    pub acks_alone: Vec<(Instant, usize)>,
    /// The bulk octets did not match the pattern, or the connection closed: never expected.
    pub fault: Option<String>,
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
            delivered: Vec::new(),
            pings: Vec::new(),
            pinger: None,
            unsent_pings: Vec::new(),
            echoed: 0,
            acks_alone: Vec::new(),
            fault: None,
        }
    }

    /// Says that the path is there.
    pub fn add_path(&mut self, now: Instant, payload_max: usize) {
        self.connection.handle_path(now, PATH, PathEvent::Added { payload_max });
        self.wait = Some(now);
    }

    /// Opens a stream on which the peer sends bulk data.
    pub fn get(&mut self, now: Instant, octets: u64) {
        let mut ask = vec![ASK_GET];
        ask.extend_from_slice(&octets.to_be_bytes());
        self.open(now, &ask, Handler::Sink { read: 0 });
    }

    /// Opens a stream and sends bulk data on it.
    pub fn put(&mut self, now: Instant, octets: u64) {
        self.open(now, &[ASK_PUT], Handler::Source { left: octets, written: 0 });
    }

    /// Opens a stream and sends a request on it at once and every `interval`.
    pub fn ping(&mut self, now: Instant, interval: Duration) {
        if let Some(id) = self.open(now, &[ASK_ECHO], Handler::Pinger) {
            self.pinger = Some((id, interval, now));
            self.advance_pinger(now);
        }
    }

    /// Octets of bulk that arrived in order.
    #[must_use]
    pub fn delivered_octets(&self) -> u64 {
        self.delivered.iter().map(|(_, octets)| octets).sum()
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
                Handler::Sink { read } => {
                    self.drain(now, id, read);
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
            ASK_PUT => Some(Handler::Sink { read: 0 }),
            ASK_ECHO => Some(Handler::Echo { pending: Vec::new() }),
            _ => None,
        }
    }

    fn fill(&mut self, id: StreamId, left: &mut u64, written: &mut u64) {
        while *left > 0 {
            let chunk: Vec<u8> = (*written..*written + (*left).min(4096)).map(pattern).collect();
            let Some(mut stream) = self.connection.stream(id) else { return };
            let Ok(taken) = stream.write(&chunk) else { return };
            *written += u64::try_from(taken).unwrap_or(0);
            *left -= u64::try_from(taken).unwrap_or(0);
            if *left == 0 {
                let _ = stream.finish();
            }
        }
    }

    fn drain(&mut self, now: Instant, id: StreamId, read: &mut u64) {
        while let Some(octets) = self.read(id, 64 * 1024) {
            let len = u64::try_from(octets.len()).unwrap_or(0);
            if octets.iter().zip(*read..).any(|(octet, offset)| *octet != pattern(offset)) {
                self.fault = Some(format!("wrong octets after {read}"));
            }
            *read += len;
            self.delivered.push((now, len));
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
            self.echoed += octets.len();
        }
        let answered = self.echoed / PING_OCTETS;
        for ping in self.pings.iter_mut().take(answered) {
            ping.answered.get_or_insert(now);
        }
        self.write_pings(id);
    }

    fn advance_pinger(&mut self, now: Instant) {
        while let Some((id, interval, due)) = self.pinger
            && due <= now
        {
            self.pings.push(Ping { asked: due, answered: None });
            self.unsent_pings.extend_from_slice(&[b'x'; PING_OCTETS]);
            self.pinger = Some((id, interval, due + interval));
            self.write_pings(id);
        }
    }

    fn write_pings(&mut self, id: StreamId) {
        let Some(mut stream) = self.connection.stream(id) else { return };
        if !self.unsent_pings.is_empty()
            && let Ok(taken) = stream.write(&self.unsent_pings)
        {
            self.unsent_pings.drain(..taken);
        }
    }
}

impl Node for Endpoint {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match self.dress {
            Dress::Plain => self.connection.handle_datagram(now, PATH, datagram),
            Dress::Armoured => {
                let mut octets = Vec::new();
                let text = std::str::from_utf8(datagram).unwrap_or_default();
                if armour::decode(text, &mut octets).is_ok() {
                    self.connection.handle_datagram(now, PATH, &octets);
                }
            }
        }
        self.wait = Some(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.advance_pinger(now);
        let mut datagram = [0; DATAGRAM_MAX];
        let acks_before = self.connection.stats().acks_sent_alone;
        loop {
            match self.connection.poll_output(now, &mut datagram) {
                Output::Event(event) => self.handle_event(now, event),
                Output::Transmit { len, .. } => {
                    let octets = datagram.get(..len).unwrap_or_default();
                    match self.dress {
                        Dress::Plain => buf.extend_from_slice(octets),
                        Dress::Armoured => {
                            let mut text = String::new();
                            armour::encode(octets, &mut text);
                            buf.extend_from_slice(text.as_bytes());
                        }
                    }
                    if self.connection.stats().acks_sent_alone > acks_before {
                        self.acks_alone.push((now, len));
                    }
                    self.wait = Some(now);
                    return true;
                }
                Output::Wait(at) => {
                    self.wait = at;
                    return false;
                }
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let ping = self.pinger.map(|(_, _, due)| due);
        [self.wait, ping].into_iter().flatten().min()
    }
}

/// The octet at an offset of bulk data: no short period, so that a piece in the wrong place shows.
fn pattern(offset: u64) -> u8 {
    let mixed = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[0]
}
