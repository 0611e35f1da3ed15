//! Two connections over an unruly link against the simplest model there is: a Vec per stream and
//! direction.
#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong may panic"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use ap2ap_stream::{ErrorCode, ReadError, Side, StreamId, WriteError};
use common::{Chances, Duo, End, Luck, SECOND, arrives, patterned, unruly};
use proptest::prelude::*;

const CODE: ErrorCode = ErrorCode(7);

#[derive(Clone, Copy, Debug)]
enum Op {
    Open(Side),
    Write(Side, usize, usize),
    Finish(Side, usize),
    Reset(Side, usize),
    Stop(Side, usize),
    Read(Side, usize),
    Advance(u64),
}

/// One direction of a stream, as its two ends saw it.
#[derive(Debug, Default)]
struct Direction {
    written: Vec<u8>,
    finished: bool,
    /// Reset by its writer.
    reset: bool,
    /// Stopped by its reader.
    stopped: bool,
    read: Vec<u8>,
    /// The reader was told how it ended: `true` is a whole stream.
    ended: Option<bool>,
}

struct Model {
    duo: Duo,
    streams: Vec<StreamId>,
    directions: BTreeMap<(StreamId, Side), Direction>,
}

impl Model {
    fn new(seed: u64, chances: Chances) -> Self {
        let mut duo = Duo::with(Default::default(), Default::default(), [seed as u8; 32]);
        duo.add_path();
        duo.run_until(duo.start + 5 * SECOND, |duo| {
            duo.bridge.as_ref().is_some_and(|bridge| bridge.connection.is_confirmed())
        });
        duo.up.become_(unruly(Luck(seed), chances));
        duo.down.become_(unruly(Luck(!seed), chances));
        Self { duo, streams: Vec::new(), directions: BTreeMap::new() }
    }

    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.duo.client,
            Side::Bridge => self.duo.bridge(),
        }
    }

    /// The stream of an index, and what `writer` wrote on it.
    fn direction(&mut self, index: usize, writer: Side) -> Option<(StreamId, &mut Direction)> {
        let id = *self.streams.get(index % self.streams.len().max(1))?;
        Some((id, self.directions.entry((id, writer)).or_default()))
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Open(side) => {
                if let Ok(id) = self.end(side).connection.open() {
                    self.streams.push(id);
                }
            }
            Op::Write(side, index, len) => self.write(side, index, len),
            Op::Finish(side, index) => self.finish(side, index),
            Op::Reset(side, index) => {
                let Some((id, _)) = self.direction(index, side) else { return };
                let Some(mut stream) = self.end(side).connection.stream(id) else { return };
                stream.reset(CODE);
                self.direction(index, side).unwrap().1.reset = true;
            }
            Op::Stop(side, index) => {
                let Some((id, _)) = self.direction(index, other(side)) else { return };
                let Some(mut stream) = self.end(side).connection.stream(id) else { return };
                stream.stop(CODE);
                self.direction(index, other(side)).unwrap().1.stopped = true;
            }
            Op::Read(side, index) => self.read(side, index),
            Op::Advance(ms) => self.duo.run_for(Duration::from_millis(ms)),
        }
    }

    fn write(&mut self, side: Side, index: usize, len: usize) {
        let Some((id, direction)) = self.direction(index, side) else { return };
        let data = patterned(salt(id, side), direction.written.len() as u64, len);
        let written = self.end(side).write(id, &data);
        let (_, direction) = self.direction(index, side).unwrap();
        match written {
            Ok(taken) => {
                assert!(!direction.finished && !direction.reset);
                direction.written.extend_from_slice(&data[..taken]);
            }
            Err(WriteError::Blocked) => assert!(len > 0),
            Err(WriteError::Stopped(code)) => assert!(direction.stopped && code == CODE),
            // Over, or not known at this end yet.
            Err(WriteError::Finished) => {}
        }
    }

    fn finish(&mut self, side: Side, index: usize) {
        let Some((id, _)) = self.direction(index, side) else { return };
        let Some(mut stream) = self.end(side).connection.stream(id) else { return };
        let finished = stream.finish().is_ok();
        self.direction(index, side).unwrap().1.finished |= finished;
    }

    fn read(&mut self, side: Side, index: usize) {
        let Some((id, _)) = self.direction(index, other(side)) else { return };
        if self.end(side).connection.stream(id).is_none() {
            return;
        }
        let (octets, outcome) = self.end(side).read(id);
        let (_, direction) = self.direction(index, other(side)).unwrap();
        direction.read.extend_from_slice(&octets);
        assert!(direction.written.starts_with(&direction.read), "other octets than were written");
        match outcome {
            Ok(()) => {
                assert!(direction.finished || direction.ended.is_some() || direction.stopped);
                direction.ended.get_or_insert(true);
            }
            Err(ReadError::Reset(code)) => {
                assert!(direction.reset && code == CODE);
                direction.ended = Some(false);
            }
            Err(ReadError::Finished) => assert!(direction.stopped || direction.ended.is_some()),
            Err(ReadError::Blocked) => assert_eq!(direction.ended, None),
        }
    }

    /// The link is good from now on, everybody reads and finishes: everything arrives, and both
    /// ends forget every stream.
    fn settle(&mut self) {
        self.duo.up.become_(|_, octets| arrives(octets));
        self.duo.down.become_(|_, octets| arrives(octets));
        for _ in 0..120 {
            for index in 0..self.streams.len() {
                for side in [Side::Client, Side::Bridge] {
                    // Where the reader wants no more, the stop alone must end the stream.
                    if self.direction(index, side).is_some_and(|(_, it)| !it.stopped) {
                        self.finish(side, index);
                    }
                    // A writer learns of a stop when it asks.
                    self.write(side, index, 1);
                    self.read(side, index);
                }
            }
            if self.duo.is_drained_of_streams() {
                break;
            }
            self.duo.run_for(SECOND);
        }
        assert!(self.duo.client.closed().is_none() && self.duo.bridge().closed().is_none());
        assert!(self.duo.is_drained_of_streams(), "streams are left over");
        for ((id, writer), direction) in &self.directions {
            if !direction.reset && !direction.stopped && direction.finished {
                assert_eq!(direction.read.len(), direction.written.len(), "{id} of {writer:?}");
                assert_eq!(direction.ended, Some(true), "{id} of {writer:?}");
            }
        }
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Bridge,
        Side::Bridge => Side::Client,
    }
}

fn salt(id: StreamId, writer: Side) -> u64 {
    4 * id.index() + 2 * u64::from(id.opener() == Side::Client) + u64::from(writer == Side::Client)
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Bridge)]
}

fn any_op() -> impl Strategy<Value = Op> {
    let index = 0..6_usize;
    prop_oneof![
        2 => any_side().prop_map(Op::Open),
        6 => (any_side(), index.clone(), 0..6000_usize).prop_map(|(s, i, len)| Op::Write(s, i, len)),
        1 => (any_side(), index.clone()).prop_map(|(s, i)| Op::Finish(s, i)),
        1 => (any_side(), index.clone()).prop_map(|(s, i)| Op::Reset(s, i)),
        1 => (any_side(), index.clone()).prop_map(|(s, i)| Op::Stop(s, i)),
        4 => (any_side(), index).prop_map(|(s, i)| Op::Read(s, i)),
        6 => (0..400_u64).prop_map(Op::Advance),
    ]
}

fn any_chances() -> impl Strategy<Value = Chances> {
    (0..40_u64, 0..40_u64, 0..20_u64, 0..10_u64).prop_map(|(lost, late, twice, mangled)| Chances {
        lost,
        late,
        twice,
        mangled,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_octet_arrives_once_and_in_order_and_both_ends_forget(
        seed: u64, chances in any_chances(), ops in prop::collection::vec(any_op(), 1..60),
    ) {
        let mut model = Model::new(seed, chances);
        for op in ops {
            model.apply(op);
        }
        model.settle();
    }
}
