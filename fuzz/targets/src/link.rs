//! Two connections with an adversary between them, against the simplest model there is: what was
//! written on a stream is what is read there, in order, and all of it where nobody gave up.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ap2ap_stream::{Connection, ErrorCode, Event, PathEvent, PathId, ReadError, Side, StreamId};

use crate::input::{Input, PATH, added, connected, drive, origin};

const STREAMS_MAX: usize = 6;

/// Datagrams kept for the adversary, in each direction; more are lost.
const QUEUE_MAX: usize = 64;

/// What was written on a stream by the client, and what the bridge read of it.
#[derive(Default)]
struct Model {
    written: Vec<u8>,
    read: Vec<u8>,
    is_finished: bool,
    has_ended: bool,
    is_given_up: bool,
}

struct World {
    now: Instant,
    client: Connection,
    bridge: Connection,
    up: VecDeque<(PathId, Vec<u8>)>,
    down: VecDeque<(PathId, Vec<u8>)>,
    streams: BTreeMap<StreamId, Model>,
    is_over: bool,
}

/// An operation list: deliver, drop, repeat, reorder, change, cut, wait; write, finish, give up;
/// paths that come, change and go.
pub fn adversarial_link(data: &[u8]) {
    let now = origin();
    let (client, bridge) = connected(now);
    let mut world = World {
        now,
        client,
        bridge,
        up: VecDeque::new(),
        down: VecDeque::new(),
        streams: BTreeMap::new(),
        is_over: false,
    };
    let mut input = Input(data);
    while !input.is_empty() && !world.is_over {
        world.act(&mut input);
        world.settle();
    }
    world.come_to_rest();
}

impl World {
    fn act(&mut self, input: &mut Input<'_>) {
        let direction = if input.u8() & 1 == 0 { Side::Bridge } else { Side::Client };
        match input.u8() % 16 {
            0..=2 => self.deliver(direction, 1 + usize::from(input.u8() % 8)),
            3 => drop(self.queue(direction).pop_front()),
            4 => {
                let front = self.queue(direction).front().cloned();
                self.queue(direction).extend(front);
            }
            5 => {
                let by = usize::from(input.u8());
                let queue = self.queue(direction);
                let len = queue.len().max(1);
                queue.rotate_left((by % len).min(queue.len()));
            }
            6 => {
                let (place, flip) = (usize::from(input.u16()), input.u8().max(1));
                if let Some((_, datagram)) = self.queue(direction).front_mut() {
                    let len = datagram.len();
                    datagram[place % len] ^= flip;
                }
            }
            7 => {
                let len = usize::from(input.u16());
                if let Some((_, datagram)) = self.queue(direction).front_mut() {
                    let cut = len % datagram.len();
                    datagram.truncate(cut.max(1));
                }
            }
            8 | 9 => self.now += Duration::from_millis(u64::from(input.u16() % 3000)),
            10 => self.open(),
            11 | 12 => self.write(input),
            13 => self.finish_or_give_up(input),
            _ => self.change_a_path(input),
        }
    }

    fn queue(&mut self, to: Side) -> &mut VecDeque<(PathId, Vec<u8>)> {
        match to {
            Side::Bridge => &mut self.up,
            Side::Client => &mut self.down,
        }
    }

    fn deliver(&mut self, to: Side, count: usize) {
        for _ in 0..count {
            let Some((path, datagram)) = self.queue(to).pop_front() else { return };
            match to {
                Side::Client => self.client.handle_datagram(self.now, path, &datagram),
                Side::Bridge => {
                    if self.bridge.is_ours(&datagram) {
                        self.bridge.handle_path(self.now, path, added());
                    }
                    self.bridge.handle_datagram(self.now, path, &datagram);
                }
            }
        }
    }

    fn open(&mut self) {
        if self.streams.len() < STREAMS_MAX
            && let Ok(id) = self.client.open()
        {
            self.streams.insert(id, Model::default());
        }
    }

    fn nth(&self, which: u8) -> Option<StreamId> {
        self.streams.keys().nth(usize::from(which) % self.streams.len().max(1)).copied()
    }

    fn write(&mut self, input: &mut Input<'_>) {
        let (which, len) = (input.u8(), usize::from(input.u16()));
        let Some(id) = self.nth(which) else { return };
        let Some(mut stream) = self.client.stream(id) else { return };
        let model = self.streams.entry(id).or_default();
        let octets: Vec<u8> =
            (model.written.len()..).take(len).map(|at| (at * 7 % 251) as u8).collect();
        if let Ok(taken) = stream.write(&octets) {
            assert!(!model.is_finished);
            model.written.extend_from_slice(&octets[..taken]);
        }
    }

    fn finish_or_give_up(&mut self, input: &mut Input<'_>) {
        let (which, what) = (input.u8(), input.u8());
        let Some(id) = self.nth(which) else { return };
        let model = self.streams.entry(id).or_default();
        match what % 8 {
            0 => {
                model.is_given_up = true;
                if let Some(mut stream) = self.client.stream(id) {
                    stream.reset(ErrorCode(9));
                }
            }
            1 => {
                model.is_given_up = true;
                if let Some(mut stream) = self.bridge.stream(id) {
                    stream.stop(ErrorCode(9));
                }
            }
            2 if what == 250 => {
                self.is_over = true;
                self.client.close(self.now, ErrorCode(4), "over");
            }
            _ => {
                if let Some(mut stream) = self.client.stream(id)
                    && stream.finish().is_ok()
                {
                    model.is_finished = true;
                }
            }
        }
    }

    fn change_a_path(&mut self, input: &mut Input<'_>) {
        let path = PathId(u64::from(input.u8() % 3));
        let payload_max = 256 + usize::from(input.u16() % 1100);
        let event = match input.u8() % 3 {
            0 => PathEvent::Added { payload_max },
            1 => PathEvent::Changed { payload_max },
            _ => PathEvent::Removed,
        };
        self.client.handle_path(self.now, path, event);
    }

    /// Lets both ends say what they have to say, and reads what can be read.
    fn settle(&mut self) {
        let mut events = Vec::new();
        self.up.extend(drive(&mut self.client, self.now, &mut events));
        self.is_over |= events.iter().any(|event| matches!(event, Event::Closed(_)));
        events.clear();
        self.down.extend(drive(&mut self.bridge, self.now, &mut events));
        self.is_over |= events.iter().any(|event| matches!(event, Event::Closed(_)));
        self.up.truncate(QUEUE_MAX);
        self.down.truncate(QUEUE_MAX);
        self.read();
    }

    fn read(&mut self) {
        for (id, model) in &mut self.streams {
            let Some(mut stream) = self.bridge.stream(*id) else { continue };
            loop {
                match stream.read(700) {
                    Ok(Some(octets)) => model.read.extend_from_slice(&octets),
                    Ok(None) => {
                        assert!(model.is_finished || model.is_given_up, "an end that nobody made");
                        assert!(model.is_given_up || model.read == model.written, "a cut stream");
                        model.has_ended = true;
                        break;
                    }
                    Err(ReadError::Blocked) => break,
                    Err(ReadError::Reset(_) | ReadError::Finished) => {
                        assert!(model.is_given_up, "given up by nobody");
                        break;
                    }
                }
            }
            assert!(model.written.starts_with(&model.read), "octets that nobody wrote there");
        }
    }

    /// Once the link is good again, everything that was written arrives: soon, or at the rate that the
    /// adversary has made it look like, within hours.
    fn come_to_rest(&mut self) {
        if self.is_over {
            return;
        }
        self.client.handle_path(self.now, PATH, added());
        for step in 0..20_000 {
            self.now += Duration::from_millis(if step < 500 { 20 } else { 400 });
            self.deliver(Side::Bridge, QUEUE_MAX);
            self.deliver(Side::Client, QUEUE_MAX);
            self.settle();
            let is_whole = |model: &Model| {
                model.is_given_up
                    || (model.read == model.written && model.is_finished == model.has_ended)
            };
            if self.is_over || self.streams.values().all(is_whole) {
                return;
            }
        }
        panic!("something did not arrive over a good link");
    }
}
