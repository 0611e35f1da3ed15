//! The two sides of acknowledgements against each other, over a way back that loses, repeats and
//! reorders them.
#![expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Clock;
use super::received::{Asks, Received};
use super::sent::{AckNews, SentFrame, SentPackets};
use crate::dice::Dice;
use crate::num;
use crate::wire::ack::{ACK_LEN_MIN, Ack};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

const OCTETS: usize = 1000;
const DELAY: Duration = Duration::from_millis(50);

/// A sender, a receiver whose clock began long before, and what became of each packet.
struct Exchange {
    now: Instant,
    clocks: (Clock, Clock),
    sent: SentPackets,
    received: Received,
    dice: Dice,
    /// Packets that arrived, those acknowledged, and those found lost.
    arrived: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    lost: BTreeSet<u64>,
    /// Acknowledgements on the way back, as they are on the wire.
    under_way: Vec<Vec<u8>>,
}

impl Exchange {
    fn new(peer_age_s: u64) -> Self {
        let start = Instant::now();
        let now = start + Duration::from_secs(peer_age_s);
        Self {
            now,
            clocks: (Clock::new(now), Clock::new(start)),
            sent: SentPackets::new(),
            received: Received::default(),
            dice: Dice::new([5; 32]),
            arrived: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            lost: BTreeSet::new(),
            under_way: Vec::new(),
        }
    }

    fn send(&mut self, arrives: bool) {
        let octets = num::len_u64(OCTETS);
        let number = self.sent.sent(self.now, octets, 0, Some(vec![SentFrame::MaxData]));
        if arrives {
            self.arrived.insert(number);
            self.received.record(&self.clocks.1, self.now + DELAY, number, OCTETS, Asks::Ack);
        }
        self.now += Duration::from_millis(3);
    }

    /// The receiver writes what it knows into so much room.
    fn acknowledge(&mut self, room: usize) {
        let at = self.now + DELAY;
        let Some(report) = self.received.take_ack(&self.clocks.1, at, &mut self.dice) else {
            return;
        };
        let mut buf = vec![0; ACK_LEN_MIN + room];
        let mut writer = Writer::new(&mut buf);
        report.ack.write(&mut writer);
        let len = writer.len();
        self.under_way.push(buf[..len].to_vec());
    }

    /// One of the acknowledgements under way is read.
    fn read(&mut self, index: usize) {
        let Some(octets) = self.under_way.get(index) else { return };
        let ack = Ack::read(&mut Reader::new(octets)).unwrap();
        let now = self.now + 2 * DELAY;
        let before = self.sent.packets_in_flight();
        let news = self.sent.handle_ack(&self.clocks.0, now, &ack).unwrap();
        self.check(&news);
        let changed = news.acked_packets.len() + news.lost_packets.len();
        assert_eq!(self.sent.packets_in_flight() + changed, before);
    }

    fn check(&mut self, news: &AckNews) {
        for packet in &news.acked_packets {
            assert!(self.arrived.contains(&packet.number), "{} never arrived", packet.number);
            assert!(self.acknowledged.insert(packet.number), "{} twice", packet.number);
            assert!(!self.lost.contains(&packet.number), "{} was lost", packet.number);
        }
        self.lost.extend(news.lost_packets.iter().map(|packet| packet.number));
        let arrived = num::len_u64(self.arrived.len() * OCTETS);
        assert!(self.sent.octets_arrived() <= arrived);
    }
}

proptest! {
    /// AP-70, AP-74: whatever becomes of packets and of acknowledgements, nothing is acknowledged that
    /// did not arrive and nothing twice; and once acknowledgements come through again, each packet is
    /// known to have arrived or to be lost, and the count of octets is right.
    #[test]
    fn lost_repeated_and_reordered_acknowledgements_do_no_harm_and_are_repaired(
        peer_age_s in 0..4000_u64,
        steps in prop::collection::vec((0..10_u8, any::<bool>(), 0..60_usize), 1..400),
    ) {
        let mut exchange = Exchange::new(peer_age_s);
        for (kind, flag, number) in steps {
            match kind {
                0..=5 => exchange.send(flag || number > 10),
                6 | 7 => exchange.acknowledge(number),
                // Read, and read again some time; or lost.
                8 => exchange.read(number % exchange.under_way.len().max(1)),
                _ => exchange.under_way.truncate(number),
            }
        }
        // Long after what was under way, so that what did not come has not been overtaken only.
        exchange.now += Duration::from_secs(1);
        for _ in 0..3 {
            exchange.send(true);
            exchange.acknowledge(400);
            exchange.read(exchange.under_way.len() - 1);
        }
        prop_assert_eq!(exchange.sent.packets_in_flight(), 0);
        let known: BTreeSet<u64> = exchange.acknowledged.union(&exchange.lost).copied().collect();
        prop_assert_eq!(known.len(), num::to_usize(exchange.sent.next_number()));
        let arrived = num::len_u64(exchange.arrived.len() * OCTETS);
        prop_assert_eq!(exchange.sent.octets_arrived(), arrived);
        // Bounded, however long it lasted: AP-71.
        prop_assert!(exchange.under_way.iter().all(|ack| ack.len() <= 300));
    }
}
