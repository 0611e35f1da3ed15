//! The turns of streams against a walk over all of them, and what idle streams cost.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::recovery::sent::SentFrame;
use crate::stream::sparse::Class;
use crate::wire::writer::Writer;

const LIMIT: SendLimit = SendLimit { held: 200_000, unsent: 100_000 };
const CODE: ErrorCode = ErrorCode(7);

/// What may happen to streams; a number says which stream, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Arrives(u64, u16, bool),
    Write(usize, usize),
    Finish(usize),
    Reset(usize),
    Stop(usize),
    Read(usize),
    Stopped(u64),
    ResetByPeer(u64),
    Allow(u64, u64),
    AllowAll(u64),
    Send(Class, usize),
    SendControl,
    FrameArrives(usize),
    FrameIsLost(usize),
    Wait(u16, u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    let stream = || 0..12_usize;
    let peers = || 0..6_u64;
    // Now and then as much as fills a stream's window.
    let octets = || prop_oneof![4 => 1..1_500_usize, 1 => 1_500..70_000_usize];
    let room = prop_oneof![4 => 20..1_200_usize, 1 => 1_200..70_000_usize];
    let class = prop_oneof![Just(Class::Sparse), Just(Class::Bulk)];
    prop_oneof![
        2 => Just(Step::Open),
        4 => (peers(), 0..40_000_u16, any::<bool>()).prop_map(|(i, n, f)| Step::Arrives(i, n, f)),
        8 => (stream(), octets()).prop_map(|(i, n)| Step::Write(i, n)),
        2 => stream().prop_map(Step::Finish),
        1 => stream().prop_map(Step::Reset),
        1 => stream().prop_map(Step::Stop),
        4 => stream().prop_map(Step::Read),
        1 => peers().prop_map(Step::Stopped),
        1 => peers().prop_map(Step::ResetByPeer),
        2 => (peers(), 0..200_000_u64).prop_map(|(i, n)| Step::Allow(i, n)),
        1 => (0..400_000_u64).prop_map(Step::AllowAll),
        12 => (class, room).prop_map(|(class, room)| Step::Send(class, room)),
        3 => Just(Step::SendControl),
        6 => (0..50_usize).prop_map(Step::FrameArrives),
        4 => (0..50_usize).prop_map(Step::FrameIsLost),
        4 => (0..2_000_u16, 0..20_000_u16).prop_map(|(ms, rate)| Step::Wait(ms, rate)),
    ]
}

/// A map, what is under way, and the time.
struct Bench {
    map: StreamMap,
    in_flight: Vec<SentFrame>,
    pace: Pace,
}

impl Bench {
    fn new(credit: u64) -> Self {
        let mut map = StreamMap::new(Side::Client, &Config::default());
        // So that it runs out.
        map.credit.send(map.send_credit().saturating_sub(credit));
        Self { map, in_flight: Vec::new(), pace: Pace { now: 0.0, rate: 0.0 } }
    }

    /// A stream that may carry as much as it likes.
    fn open(&mut self) -> StreamId {
        let id = self.map.open().unwrap();
        self.map.receive_max_data(1 << 40);
        self.map.receive_max_stream_data(id, 1 << 40, &mut VecDeque::new()).unwrap();
        id
    }

    fn stream(&self, number: usize) -> StreamId {
        let count = self.map.open.len().max(1);
        let id = self.map.open.keys().nth(number % count).copied();
        id.unwrap_or(StreamId::new(Side::Client, 0))
    }

    fn take(&mut self, step: Step) {
        let mut events = VecDeque::new();
        let theirs = |index| StreamId::new(Side::Bridge, index);
        let map = &mut self.map;
        match step {
            Step::Open => _ = map.open(),
            Step::Arrives(index, len, fin) => {
                let piece = (0, &vec![1; len.into()][..], fin);
                _ = map.receive(theirs(index), piece, &mut events);
            }
            Step::Write(number, len) => {
                _ = self.map.write(self.stream(number), &vec![2; len], LIMIT);
            }
            Step::Finish(number) => _ = self.map.finish(self.stream(number)),
            Step::Reset(number) => self.map.reset(self.stream(number), CODE),
            Step::Stop(number) => self.map.stop(self.stream(number), CODE),
            Step::Read(number) => _ = self.map.read(self.stream(number), 30_000),
            Step::Stopped(index) => _ = map.receive_stop(theirs(index), CODE, &mut events),
            Step::ResetByPeer(index) => {
                _ = map.receive_reset(theirs(index), CODE, 50_000, &mut events);
            }
            Step::Allow(index, max) => {
                _ = map.receive_max_stream_data(theirs(index), max, &mut events);
            }
            Step::AllowAll(max) => map.receive_max_data(max),
            Step::Send(class, room) => self.send(class, room),
            Step::SendControl => self.send_control(),
            Step::FrameArrives(index) if index < self.in_flight.len() => {
                let frame = self.in_flight.swap_remove(index);
                map.frame_arrived(&frame, LIMIT, &mut events);
            }
            Step::FrameIsLost(index) if index < self.in_flight.len() => {
                map.frame_lost(&self.in_flight.swap_remove(index));
            }
            Step::FrameArrives(_) | Step::FrameIsLost(_) => {}
            Step::Wait(ms, rate) => {
                self.pace.now += f64::from(ms) / 1000.0;
                self.pace.rate = rate.into();
            }
        }
    }

    fn send(&mut self, class: Class, room: usize) {
        let mut octets = vec![0; room];
        let mut writer = Writer::new(&mut octets);
        let (turn, mut events) = ((class, self.pace), VecDeque::new());
        while let Some((id, piece)) = self.map.write_piece(turn, LIMIT, &mut writer, &mut events) {
            self.in_flight.push(SentFrame::Stream { id, range: piece.range, fin: piece.fin });
        }
    }

    fn send_all_and_hear_of_it(&mut self) {
        while self.map.next_to_send(Class::Bulk, self.pace).is_some() {
            self.send(Class::Bulk, 1_200);
        }
        for frame in std::mem::take(&mut self.in_flight) {
            self.map.frame_arrived(&frame, LIMIT, &mut VecDeque::new());
        }
    }

    fn send_control(&mut self) {
        while let Some(StreamControl { id, reset, stop, max }) = self.map.take_control() {
            assert!(reset.is_some() || stop.is_some() || max.is_some(), "{id} has nothing to say");
            self.in_flight.extend(reset.map(|_| SentFrame::Reset(id)));
            self.in_flight.extend(stop.map(|_| SentFrame::Stop(id)));
            self.in_flight.extend(max.map(|_| SentFrame::MaxStreamData(id)));
        }
    }

    /// Who is next, by looking at every stream.
    fn walk(&self, class: Class) -> Option<StreamId> {
        if class == Class::Sparse && !self.map.has_reserve(self.pace) {
            return None;
        }
        let credit = self.map.send_credit();
        let is_sparse = |entry: &Entry| {
            entry.send.has_backlog_within(SPARSE_OCTETS) && entry.sent_little(self.pace)
        };
        let open = self.map.open.iter();
        open.filter(|(_, entry)| entry.send.next_piece(1, credit).is_some())
            .filter(|(_, entry)| class == Class::Bulk || is_sparse(entry))
            .min_by_key(|(_, entry)| entry.served)
            .map(|(id, _)| *id)
    }

    fn walk_control(&self) -> Option<StreamId> {
        let wants = |entry: &Entry| {
            entry.send.wants_reset() || entry.recv.wants_max() || entry.recv.wants_stop()
        };
        self.map.open.iter().find(|(_, entry)| wants(entry)).map(|(id, _)| *id)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_turns_are_those_that_a_walk_over_all_streams_finds(
        steps in prop::collection::vec(any_step(), 1..200),
        credit in prop_oneof![0..20_000_u64, Just(200_000)],
    ) {
        let mut bench = Bench::new(credit);
        for step in steps {
            bench.take(step.clone());
            for class in [Class::Sparse, Class::Bulk] {
                let next = bench.map.next_to_send(class, bench.pace);
                prop_assert_eq!(next, bench.walk(class), "{:?} after {:?}", class, &step);
            }
            let control = bench.map.turns.next_with_control();
            prop_assert_eq!(control, bench.walk_control(), "control after {:?}", &step);
            let wanting = bench.map.open.values().filter(|entry| entry.wants() != Wants::default());
            prop_assert_eq!(bench.map.turns.len(), wanting.count());
        }
    }
}

/// Nobody looks at what is not among the turns.
#[test]
fn of_ten_thousand_open_streams_only_the_busy_one_is_among_the_turns() {
    const OPEN: usize = 10_000;
    let mut bench = Bench::new(u64::MAX);
    bench.map.receive_max_streams(10_000, &mut VecDeque::new());
    for _ in 1..OPEN {
        let id = bench.map.open().unwrap();
        bench.map.write(id, b"a request", LIMIT).unwrap();
    }
    assert_eq!(bench.map.turns.len(), OPEN - 1);
    bench.send_all_and_hear_of_it();
    assert_eq!(bench.map.turns.len(), 0, "idle from now on");
    let busy = bench.open();
    for _ in 0..100 {
        bench.map.write(busy, &[3; 2_000], LIMIT).unwrap();
        assert_eq!((bench.map.len(), bench.map.turns.len()), (OPEN, 1));
        bench.send_all_and_hear_of_it();
    }
    assert_eq!(bench.map.turns.len(), 0);
}

/// The search for a sparse stream passes over those that have little to send and sent much lately: as many as can
/// have sent their share of the rate in a second.
#[test]
fn few_streams_are_passed_over_in_the_search_for_a_sparse_one() {
    const RATE: u16 = 20_000;
    let mut bench = Bench::new(u64::MAX);
    bench.take(Step::Wait(0, RATE));
    let ids: Vec<StreamId> = (0..60).map(|_| bench.open()).collect();
    let mut most = 0;
    for round in 0..800 {
        // Each has its two seconds of plenty, and a little to send at all times.
        let plenty = ids[round / 40 % ids.len()];
        for id in &ids {
            let octets = if *id == plenty { 700 } else { 2 };
            bench.map.write(*id, &vec![4; octets], LIMIT).unwrap();
        }
        let is_passed_over = |entry: &Entry| {
            let turn = entry.wants().data.expect("each has something to send");
            turn.backlog == Backlog::Short && !entry.sent_little(bench.pace)
        };
        let passed_over = bench.map.open.values().filter(|entry| is_passed_over(entry)).count();
        most = most.max(passed_over);
        bench.send_all_and_hear_of_it();
        bench.take(Step::Wait(50, RATE));
    }
    assert!((1..=2).contains(&most), "{most} of {}", ids.len());
}
