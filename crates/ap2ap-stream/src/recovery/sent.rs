//! What was sent: acknowledged, lost, or still under way.
//!
//! Loss is judged on the receiver's time line (AP-75). A packet is lost when an acknowledgement was written
//! later than the packet would have arrived at the delay of the newest arrivals, and a later packet
//! did arrive:
//!
//! ```text
//!   lost(n)  ⇔  n < largest acknowledged
//!               ∧ written_at ≥ sent(n) + max(last two one-way delays) + reordering
//! ```
//!
//! So neither a late acknowledgement nor a full queue on the way back makes a loss. A lost packet
//! stays known for a while as a *ghost*: if it arrives after all, the reordering allowance grows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::report::PeerReport;
use super::{Clock, wire_seconds};
use crate::congestion::Outcome;
use crate::id::StreamId;
use crate::num;
use crate::wire::ack::{Ack, Arrival};

/// Packets are reordered by at least this much without being lost, in seconds.
const REORDERING_MIN_S: f64 = 0.003;
/// Ghosts kept, each some 100 octets.
const GHOSTS_MAX: usize = 512;
/// Packets in flight; more are not sent.
pub(crate) const IN_FLIGHT_PACKETS_MAX: usize = 16_384;

/// AP-53: a frame that must arrive, in one packet or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentFrame {
    Stream {
        id: StreamId,
        range: Range<u64>,
        fin: bool,
    },
    Reset(StreamId),
    Stop(StreamId),
    MaxData,
    MaxStreamData(StreamId),
    MaxStreams,
    /// The epoch that is not used any more.
    PathLeave(u32),
    Ticket,
}

impl SentFrame {
    /// It carries octets of a stream.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream { .. })
    }
}

/// A packet that asked for an acknowledgement.
#[derive(Debug)]
pub(crate) struct SentPacket {
    pub(crate) sent_at: Instant,
    pub(crate) octets: u64,
    /// All octets sent on the path up to and including this packet.
    pub(crate) position: u64,
    /// The generation of the key that it was sealed with.
    pub(crate) generation: u32,
    /// Its frames went over another path as well.
    pub(crate) is_repeated: bool,
    pub(crate) frames: Vec<SentFrame>,
}

/// What an acknowledgement told.
#[derive(Debug, Default)]
pub(crate) struct AckNews {
    /// Frames that arrived, each perhaps not for the first time.
    pub(crate) arrived: Vec<SentFrame>,
    /// Frames to be sent again.
    pub(crate) lost: Vec<SentFrame>,
    /// Packets that arrived, in order of their numbers.
    pub(crate) acked_packets: Vec<Outcome>,
    pub(crate) lost_packets: Vec<Outcome>,
    /// Packets that had been found lost and arrived after all.
    pub(crate) late: u64,
    /// The newest packet that arrived, found lost before or not: a path that has become slower than
    /// the probe time-out is known by nothing else.
    newest: Option<Outcome>,
    /// The newest packet's time until this acknowledgement, and how long the peer held it.
    pub(crate) round_trip: Option<(Duration, Duration)>,
    /// How long the peer had held what it first acknowledges now.
    pub(crate) held: Duration,
    /// The newest key that a packet was sealed with which arrived.
    pub(crate) generation: Option<u32>,
}

impl AckNews {
    /// The largest number that is known to have arrived only now.
    pub(crate) fn newest_number(&self) -> Option<u64> {
        self.newest.map(|newest| newest.number)
    }

    fn note_newest(&mut self, outcome: Outcome) {
        if self.newest.is_none_or(|newest| newest.number < outcome.number) {
            self.newest = Some(outcome);
        }
    }
}

/// An acknowledgement for a packet that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NeverSent;

/// The sending side of the packet numbers.
#[derive(Debug)]
pub(crate) struct SentPackets {
    in_flight: BTreeMap<u64, SentPacket>,
    ghosts: BTreeMap<u64, SentPacket>,
    octets_in_flight: u64,
    next_number: u64,
    largest_acked: Option<u64>,
    /// All octets sent on the path.
    position: u64,
    report: PeerReport,
    /// The two newest one-way delays, up to the difference of the clocks, in seconds.
    delays: [Option<f64>; 2],
    reordering: f64,
}

impl SentPackets {
    pub(crate) fn new() -> Self {
        Self {
            in_flight: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            octets_in_flight: 0,
            next_number: 0,
            largest_acked: None,
            position: 0,
            report: PeerReport::default(),
            delays: [None; 2],
            reordering: REORDERING_MIN_S,
        }
    }

    pub(crate) const fn next_number(&self) -> u64 {
        self.next_number
    }

    /// The first number that the peer may not know.
    pub(crate) fn unacked(&self) -> u64 {
        self.largest_acked.map_or(0, |largest| largest.saturating_add(1))
    }

    pub(crate) const fn octets_in_flight(&self) -> u64 {
        self.octets_in_flight
    }

    /// Octets of datagrams that the peer says have arrived.
    pub(crate) const fn octets_arrived(&self) -> u64 {
        self.report.octets()
    }

    /// Octets of everything that was sent.
    pub(crate) const fn octets_sent(&self) -> u64 {
        self.position
    }

    pub(crate) fn packets_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When the oldest packet left that asks for an acknowledgement and has none.
    pub(crate) fn oldest_sent_at(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|(_, packet)| packet.sent_at)
    }

    /// The oldest packet's frames: what a probe repeats.
    pub(crate) fn oldest_frames(&self) -> &[SentFrame] {
        self.in_flight.first_key_value().map_or(&[], |(_, packet)| &packet.frames)
    }

    /// The frames of a packet that left before this time, the first of those that are awaited; it is not told twice.
    pub(crate) fn take_awaited(
        &mut self,
        left_before: Instant,
        is_awaited: impl Fn(&SentFrame) -> bool,
    ) -> Option<Vec<SentFrame>> {
        let mut overdue = self.in_flight.values_mut().take_while(|it| it.sent_at <= left_before);
        let packet = overdue.find(|it| !it.is_repeated && it.frames.iter().any(&is_awaited))?;
        packet.is_repeated = true;
        Some(packet.frames.clone())
    }

    /// Takes the next number for a packet that is being sent.
    pub(crate) fn sent(
        &mut self,
        now: Instant,
        octets: u64,
        generation: u32,
        frames: Option<Vec<SentFrame>>,
    ) -> u64 {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        self.position = self.position.saturating_add(octets);
        if let Some(frames) = frames {
            let position = self.position;
            let is_repeated = false;
            let packet =
                SentPacket { sent_at: now, octets, position, generation, is_repeated, frames };
            self.octets_in_flight = self.octets_in_flight.saturating_add(octets);
            self.in_flight.insert(number, packet);
        }
        number
    }

    /// Takes a packet back that the carrier refused: it was never sent. `None` if it asked for
    /// nothing.
    pub(crate) fn unsend(&mut self, number: u64) -> Option<Vec<SentFrame>> {
        let packet = self.in_flight.remove(&number)?;
        self.octets_in_flight = self.octets_in_flight.saturating_sub(packet.octets);
        Some(packet.frames)
    }

    pub(crate) fn handle_ack(
        &mut self,
        clock: &Clock,
        now: Instant,
        ack: &Ack,
    ) -> Result<AckNews, NeverSent> {
        if ack.largest >= self.next_number {
            return Err(NeverSent);
        }
        let times = Times::new(self.report.take(now, ack), ack);
        let mut news = AckNews::default();
        for range in &ack.ranges {
            self.take_arrived(clock, &times, range.clone().into(), &mut news);
            self.take_late(clock, &times, range.clone().into(), &mut news);
        }
        news.acked_packets.sort_unstable_by_key(|packet| packet.number);
        self.follow_delays(&news.acked_packets);
        self.largest_acked = self.largest_acked.max(Some(ack.largest));
        news.round_trip = round_trip(clock, now, &times, news.newest);
        let first = news.acked_packets.iter().filter_map(|packet| packet.arrived_at);
        news.held = num::seconds(times.written_at - first.fold(times.written_at, f64::min));
        self.find_lost(clock, &times, &mut news);
        Ok(news)
    }

    /// Declares all packets in flight lost: a silence has swallowed them.
    pub(crate) fn give_all_up(&mut self) -> Vec<SentFrame> {
        let mut lost = Vec::new();
        for (number, packet) in std::mem::take(&mut self.in_flight) {
            lost.extend(packet.frames.iter().cloned());
            self.ghosts.insert(number, packet);
        }
        self.octets_in_flight = 0;
        self.bound_ghosts();
        lost
    }

    fn take_arrived(
        &mut self,
        clock: &Clock,
        times: &Times,
        range: NumberRange,
        news: &mut AckNews,
    ) {
        for (number, packet) in self.in_flight.extract_if(range.0..=range.1, |_, _| true) {
            self.octets_in_flight = self.octets_in_flight.saturating_sub(packet.octets);
            let outcome = outcome(clock, times, number, &packet);
            news.note_newest(outcome);
            news.acked_packets.push(outcome);
            news.generation = news.generation.max(Some(packet.generation));
            news.arrived.extend(packet.frames);
        }
    }

    fn take_late(&mut self, clock: &Clock, times: &Times, range: NumberRange, news: &mut AckNews) {
        let usual = self.usual_delay();
        for (number, packet) in self.ghosts.extract_if(range.0..=range.1, |_, _| true) {
            news.late = news.late.saturating_add(1);
            let outcome = outcome(clock, times, number, &packet);
            news.note_newest(outcome);
            if let (Some(arrived_at), Some(usual)) = (outcome.arrived_at, usual) {
                let lateness = arrived_at - outcome.sent_at - usual;
                self.reordering = self.reordering.max(1.05 * lateness.min(REORDERING_MAX_S));
            }
            news.arrived.extend(packet.frames);
        }
    }

    fn follow_delays(&mut self, acked: &[Outcome]) {
        let timed = acked.iter().filter_map(|packet| Some(packet.arrived_at? - packet.sent_at));
        for delay in timed {
            self.delays = [self.delays[1], Some(delay)];
        }
    }

    fn usual_delay(&self) -> Option<f64> {
        let [before, last] = self.delays;
        Some(last?.max(before.unwrap_or(f64::MIN)))
    }

    fn find_lost(&mut self, clock: &Clock, times: &Times, news: &mut AckNews) {
        let (Some(largest), Some(usual)) = (self.largest_acked, self.usual_delay()) else { return };
        let written_at = times.written_at;
        let overdue = |packet: &SentPacket| {
            written_at >= clock.seconds(packet.sent_at) + usual + self.reordering
        };
        let numbers: Vec<u64> = self
            .in_flight
            .range(..largest)
            .take_while(|(_, packet)| overdue(packet))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            let Some(packet) = self.in_flight.remove(&number) else { continue };
            self.octets_in_flight = self.octets_in_flight.saturating_sub(packet.octets);
            news.lost_packets.push(outcome(clock, times, number, &packet));
            news.lost.extend(packet.frames.iter().cloned());
            self.ghosts.insert(number, packet);
        }
        // A path that stopped reordering is trusted again, slowly.
        self.reordering = (self.reordering * 0.9995).max(REORDERING_MIN_S);
        self.bound_ghosts();
    }

    /// Nothing is under way, nor has been for a while: what was taken for lost will not come any more.
    pub(crate) fn rest(&mut self) {
        // An empty tree keeps a leaf, a new one none.
        self.ghosts = BTreeMap::new();
        if self.in_flight.is_empty() {
            self.in_flight = BTreeMap::new();
        }
    }

    fn bound_ghosts(&mut self) {
        while self.ghosts.len() > GHOSTS_MAX {
            self.ghosts.pop_first();
        }
    }
}

/// However late packets were, waiting longer than this for one is a loss by itself.
const REORDERING_MAX_S: f64 = 0.5;

/// The first and the last number of a range.
#[derive(Clone, Copy, Debug)]
struct NumberRange(u64, u64);

impl From<std::ops::RangeInclusive<u64>> for NumberRange {
    fn from(range: std::ops::RangeInclusive<u64>) -> Self {
        Self(*range.start(), *range.end())
    }
}

/// The times that an acknowledgement tells, in seconds on the peer's clock.
#[derive(Debug)]
struct Times {
    written_at: f64,
    /// When packets arrived, by their numbers, smallest first.
    arrived: Vec<(u64, f64)>,
}

impl Times {
    fn new(written_at: u64, ack: &Ack) -> Self {
        let at = |arrival: &Arrival| wire_seconds(written_at) - wire_seconds(arrival.age);
        let mut arrived: Vec<(u64, f64)> =
            ack.arrivals.iter().map(|arrival| (arrival.number, at(arrival))).collect();
        arrived.sort_unstable_by_key(|(number, _)| *number);
        Self { written_at: wire_seconds(written_at), arrived }
    }

    fn arrived_at(&self, number: u64) -> Option<f64> {
        let index = self.arrived.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.arrived.get(index).map(|(_, at)| *at)
    }
}

fn outcome(clock: &Clock, times: &Times, number: u64, packet: &SentPacket) -> Outcome {
    Outcome {
        number,
        sent_at: clock.seconds(packet.sent_at),
        octets: num::to_f64(packet.octets),
        position: num::to_f64(packet.position),
        arrived_at: times.arrived_at(number),
    }
}

fn round_trip(
    clock: &Clock,
    now: Instant,
    times: &Times,
    newest: Option<Outcome>,
) -> Option<(Duration, Duration)> {
    let newest = newest?;
    let arrived_at = newest.arrived_at?;
    let held = num::seconds(times.written_at - arrived_at);
    let answered_after = num::seconds(clock.seconds(now) - newest.sent_at);
    Some((answered_after, held))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;

    const DELAY_MS: u64 = 100;

    struct Link {
        start: Instant,
        sent: SentPackets,
    }

    impl Link {
        fn new() -> Self {
            Self { start: Instant::now(), sent: SentPackets::new() }
        }

        fn send(&mut self, at_ms: u64) -> u64 {
            let now = self.start + Duration::from_millis(at_ms);
            self.sent.sent(now, 1000, 0, Some(vec![SentFrame::MaxData]))
        }

        /// An acknowledgement of single packets, written at `at_ms`, read a delay later.
        fn ack(&mut self, at_ms: u64, numbers: &[(u64, u64)]) -> AckNews {
            let mut arrivals: Vec<Arrival> = numbers
                .iter()
                .map(|&(number, arrived_ms)| Arrival { number, age: (at_ms - arrived_ms) * 10 })
                .collect();
            arrivals.sort_by_key(|arrival| std::cmp::Reverse(arrival.number));
            let ranges = arrivals.iter().map(|arrival| arrival.number..=arrival.number).collect();
            let (largest, written_at) = (arrivals[0].number, at_ms as u32 * 10);
            let now = self.start + Duration::from_millis(at_ms + DELAY_MS);
            let ack = Ack { epoch: None, largest, written_at, octets: 0, ranges, arrivals };
            self.sent.handle_ack(&Clock::new(self.start), now, &ack).unwrap()
        }
    }

    /// AP-75.
    #[test]
    fn a_packet_overtaken_for_longer_than_the_allowance_is_lost() {
        let mut link = Link::new();
        for at in [0, 10, 20] {
            link.send(at);
        }
        let news = link.ack(111, &[(1, 110)]);
        assert_eq!(news.lost_packets.len(), 1);
        assert_eq!(news.round_trip, Some((Duration::from_millis(201), Duration::from_millis(1))));
        assert_eq!(link.sent.octets_in_flight(), 1000);
    }

    /// AP-75.
    #[test]
    fn a_late_acknowledgement_makes_no_loss() {
        let mut link = Link::new();
        link.send(0);
        link.send(1);
        // Written 1 ms after the second arrived, whenever it may be read.
        assert!(link.ack(102, &[(1, 101)]).lost_packets.is_empty());
    }

    #[test]
    fn a_ghost_s_arrival_undoes_the_loss_and_widens_the_allowance() {
        let mut link = Link::new();
        link.send(0);
        link.send(10);
        assert_eq!(link.ack(111, &[(1, 110)]).lost_packets.len(), 1);
        let news = link.ack(131, &[(0, 130)]);
        assert_eq!((news.late, news.arrived.len()), (1, 1));
        assert!(link.sent.reordering > 0.03);
    }

    /// AP-74.
    #[test]
    fn an_acknowledgement_of_the_future_is_refused() {
        let mut link = Link::new();
        link.send(0);
        let (ranges, arrivals) = (vec![0..=1], vec![]);
        let ack = Ack { epoch: None, largest: 1, written_at: 0, octets: 0, ranges, arrivals };
        let answer = link.sent.handle_ack(&Clock::new(link.start), link.start, &ack);
        assert_eq!(answer.unwrap_err(), NeverSent);
    }
}
