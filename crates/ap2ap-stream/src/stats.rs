//! What a connection counted: for status displays, benches and tests.

use std::time::Duration;

use crate::id::PathId;
use crate::num;
use crate::path_memory::PathLoss;

/// Counters and estimates of a connection. Octets are datagram octets unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed out for sending.
    pub datagrams_sent: u64,
    /// Their octets.
    pub octets_sent: u64,
    /// Authentic datagrams received, repeats not counted.
    pub datagrams_received: u64,
    /// Their octets.
    pub octets_received: u64,
    /// Octets of packets that had arrived at the peer when it last said so.
    pub octets_arrived: u64,
    /// Datagrams sent that hold an acknowledgement and nothing else.
    pub acks_sent_alone: u64,
    /// Packets sent and found lost.
    pub packets_lost: u64,
    /// Packets that were found lost and arrived after all.
    pub packets_late: u64,
    /// Datagrams that were no packet of this connection: forged, mangled, or of another one.
    pub discarded_unauthentic: u64,
    /// Authentic packets that had come before.
    pub discarded_repeated: u64,
    /// Packets dropped before they were acknowledged because a buffer was full.
    pub discarded_no_room: u64,
    /// Unreliable datagrams dropped at this end: expired, too long for the path by then, or pushed out
    /// of a full queue by newer ones.
    pub unreliable_dropped: u64,
    /// Stream octets sent again.
    pub octets_resent: u64,
    /// Smoothed round trip, once there is a sample.
    pub rtt: Option<Duration>,
    /// Least round trip seen.
    pub rtt_min: Option<Duration>,
    /// The rate at which bulk data is paced, over all paths that carry it, in octets a second; 0 until one is
    /// known.
    pub rate: u64,
    /// Octets sent and neither acknowledged nor found lost.
    pub in_flight: u64,
}

/// Whether anybody answers on a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSigns {
    /// Something of the peer's came over it.
    pub is_heard: bool,
    /// How often the peer was asked over it since it last acknowledged something new; 0 while nothing is owed.
    pub probes_unanswered: u32,
}

/// Counters and estimates of one path. Octets are datagram octets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PathStats {
    /// Whether anybody answers.
    pub signs: PathSigns,
    /// Bulk data goes over it.
    pub carries: bool,
    /// The path that it has its bottleneck in common with, as was found out at this end: nothing goes over this
    /// one while the other answers.
    pub shares_with: Option<PathId>,
    /// The state of the path's controller, in a word or two.
    pub state: &'static str,
    /// The rate at which bulk data is paced, in octets a second; `None` until one is known.
    pub rate: Option<u64>,
    /// Least round trip seen, without the time that the peer held an acknowledgement.
    pub rtt_min: Option<Duration>,
    /// Smoothed round trip, with that time.
    pub rtt: Option<Duration>,
    /// How the path answers too much, and the share that chance takes, as the controller has it.
    pub loss: PathLoss,
    /// How often it seemed to lead over another relay, as its delay changed for good while bulk went over it. An
    /// estimate: a relay of the same length is not seen, and now and then a queue is taken for one.
    pub switches: u64,
    /// How long a datagram of bulk data is now.
    pub datagram_octets: u64,
    /// The longest datagram that the path takes.
    pub payload_max: u64,
    /// Octets sent and neither acknowledged nor given up.
    pub in_flight: u64,
    /// Everything that left, acknowledgements too.
    pub sent: Tally,
    /// Octets that came over it, of authentic datagrams.
    pub octets_received: u64,
    /// What asked for an acknowledgement and was acknowledged in time.
    pub acked: Tally,
    /// What was found lost by later packets that arrived, some of it wrongly. What a silence swallowed is in
    /// none of these.
    pub lost: Tally,
}

/// Packets, and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub packets: u64,
    /// How long they were together.
    pub octets: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, packets: usize, octets: f64) {
        self.packets = self.packets.saturating_add(num::len_u64(packets));
        self.octets = self.octets.saturating_add(num::to_u64(octets));
    }
}
