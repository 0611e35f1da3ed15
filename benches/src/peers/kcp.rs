//! KCP as the `kcp` crate has it: bulk in one conversation, requests in a second one beside it that does not wait for its
//! tick to send them.
//!
//! KCP has neither handshake nor encryption: its figures are flattered by the 16 octets or more that each datagram
//! of the others spends on that.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kcp::Kcp;
use relay_sim::Node;

use crate::work::{ENDLESS, End, Load, PING_INTERVAL, Ping, Requests, Sink, bulk};

const DATAGRAM_OCTETS: usize = 1200;
/// Segments under way, and segments that wait: as its tokio binding has it.
const WINDOW: u16 = 256;
const BULK: u32 = 1;
const TALK: u32 = 2;

/// How it is tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// As it comes: a tick of 40 ms, a congestion window.
    Default,
    /// As it is praised: a tick of 10 ms, resent at the second later acknowledgement, no congestion window.
    Turbo,
}

/// Where its conversations put their datagrams.
#[derive(Clone, Debug, Default)]
struct Outbox(Rc<RefCell<VecDeque<Vec<u8>>>>);

impl io::Write for Outbox {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One end.
#[derive(Debug)]
pub struct KcpEnd {
    start: Instant,
    bulk: Kcp<Outbox>,
    talk: Kcp<Outbox>,
    outbox: Outbox,
    sends_bulk: bool,
    /// A bridge says nothing before a client does.
    may_talk: bool,
    is_client: bool,
    written: u64,
    sink: Sink,
    requests: Requests,
    wait: Option<Instant>,
    fault: Option<String>,
}

fn conversation(number: u32, tuning: Tuning, outbox: &Outbox) -> Kcp<Outbox> {
    let mut conversation = Kcp::new_stream(number, outbox.clone());
    match tuning {
        Tuning::Default => conversation.set_nodelay(false, 40, 0, false),
        Tuning::Turbo => conversation.set_nodelay(true, 10, 2, true),
    }
    conversation.set_wndsize(WINDOW, WINDOW);
    conversation.set_mtu(DATAGRAM_OCTETS).expect("it is longer than a header");
    // It may not be flushed before its clock was set.
    conversation.update(0).expect("there is nothing to send yet");
    conversation
}

impl KcpEnd {
    /// The end that asks.
    #[must_use]
    pub fn client(start: Instant, tuning: Tuning, load: Load) -> Self {
        let mut client = Self::new(start, tuning, load.is_up());
        (client.is_client, client.may_talk) = (true, true);
        if load.has_requests() {
            client.requests = Requests::starting(start, PING_INTERVAL);
        }
        client
    }

    /// The end that answers.
    #[must_use]
    pub fn bridge(start: Instant, tuning: Tuning, load: Load) -> Self {
        Self::new(start, tuning, load.is_down())
    }

    fn new(start: Instant, tuning: Tuning, sends_bulk: bool) -> Self {
        let outbox = Outbox::default();
        Self {
            start,
            bulk: conversation(BULK, tuning, &outbox),
            talk: conversation(TALK, tuning, &outbox),
            outbox,
            sends_bulk,
            may_talk: false,
            is_client: false,
            written: 0,
            sink: Sink::default(),
            requests: Requests::default(),
            wait: Some(start),
            fault: None,
        }
    }

    /// Its clock, in whole milliseconds.
    fn clock(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.start).as_millis();
        u32::try_from(since).unwrap_or(u32::MAX)
    }

    fn work(&mut self, now: Instant) {
        let window = usize::from(WINDOW);
        while self.sends_bulk
            && self.may_talk
            && self.written < ENDLESS
            && self.bulk.wait_snd() < window
            && let Ok(taken) = self.bulk.send(&bulk(self.written, self.bulk.mss()))
        {
            self.written += u64::try_from(taken).unwrap_or(0);
        }
        while let Some(octets) = receive(&mut self.bulk) {
            self.sink.read(now, &octets);
        }
        while let Some(octets) = receive(&mut self.talk) {
            if self.is_client {
                self.requests.read(now, octets.len());
            } else if let Err(error) = self.talk.send(&octets).and_then(|_| self.talk.flush()) {
                self.fault = Some(error.to_string());
            }
        }
        let unsent = self.requests.unsent();
        if !unsent.is_empty()
            && let Ok(taken) = self.talk.send(&unsent)
        {
            self.requests.wrote(taken);
            if let Err(error) = self.talk.flush() {
                self.fault = Some(error.to_string());
            }
        }
    }
}

fn receive(conversation: &mut Kcp<Outbox>) -> Option<Vec<u8>> {
    let mut octets = vec![0; conversation.peeksize().ok()?];
    let len = conversation.recv(&mut octets).ok()?;
    octets.truncate(len);
    Some(octets)
}

impl Node for KcpEnd {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.may_talk = true;
        let input = match kcp::get_conv(datagram) {
            BULK => self.bulk.input(datagram),
            _ => self.talk.input(datagram),
        };
        if let Err(error) = input {
            self.fault = Some(error.to_string());
        }
        self.wait = Some(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.requests.advance(now);
        self.work(now);
        let clock = self.clock(now);
        let mut next = self.requests.next_at();
        for conversation in [&mut self.bulk, &mut self.talk] {
            if let Err(error) = conversation.update(clock) {
                self.fault = Some(error.to_string());
            }
            // Its clock ticks in milliseconds of the run.
            let at = clock + conversation.check(clock).max(1);
            let at = self.start + Duration::from_millis(at.into());
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        self.wait = next;
        let Some(datagram) = self.outbox.0.borrow_mut().pop_front() else { return false };
        buf.extend_from_slice(&datagram);
        true
    }

    fn next_at(&self) -> Option<Instant> {
        self.wait
    }
}

impl End for KcpEnd {
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
