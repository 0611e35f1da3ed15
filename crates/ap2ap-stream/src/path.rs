//! The way to the peer: how long a datagram may be, how long it takes, how fast it may go.

use std::time::Instant;

use crate::congestion::relay_rate::RelayRate;
use crate::congestion::{Controller, RoundTrip};
use crate::id::PathId;
use crate::recovery::rtt::RttEstimator;

/// Datagrams are no longer than this, whatever a carrier allows, in octets.
pub(crate) const DATAGRAM_MAX: usize = 2048;

/// A path with less room is of no use: an acknowledgement and a piece of data must fit.
pub(crate) const PAYLOAD_MIN: usize = 256;

/// One path and all that is known of it.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) id: PathId,
    payload_max: usize,
    /// The carrier refused a datagram and has not said since that it takes more.
    pub(crate) refused: bool,
    pub(crate) rtt: RttEstimator,
    pub(crate) controller: Box<dyn Controller>,
}

impl Path {
    pub(crate) fn new(id: PathId, payload_max: usize) -> Self {
        let mut path = Self {
            id,
            payload_max: 0,
            refused: false,
            rtt: RttEstimator::default(),
            controller: Box::new(RelayRate::new()),
        };
        path.change_payload_max(payload_max);
        path
    }

    pub(crate) fn change_payload_max(&mut self, payload_max: usize) {
        self.payload_max = payload_max.clamp(PAYLOAD_MIN, DATAGRAM_MAX);
    }

    /// The longest datagram, in octets, within 256 to 2,048.
    pub(crate) const fn payload_max(&self) -> usize {
        self.payload_max
    }

    pub(crate) fn round_trip(&self) -> RoundTrip {
        RoundTrip {
            least: self.rtt.least().as_secs_f64(),
            smoothed_raw: self.rtt.smoothed().as_secs_f64(),
        }
    }
}

/// When the peer is asked about packets that nobody acknowledges.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probing {
    /// Probes since the last acknowledgement that told something new.
    pub(crate) count: u32,
    /// When the last probe left.
    pub(crate) last: Option<Instant>,
    /// When an acknowledgement told something new last.
    pub(crate) progress: Option<Instant>,
}

impl Probing {
    /// When the next probe is due, if the oldest packet in flight left at `oldest`.
    pub(crate) fn due(&self, oldest: Instant, rtt: &RttEstimator) -> Instant {
        let timeout = rtt.probe_timeout();
        match self.last {
            // An outage is probed about once per round trip, a little less often as it lasts.
            Some(last) if self.count > 0 => {
                last + timeout.mul_f64(1.0 + f64::from(self.count.min(32)) / 8.0)
            }
            Some(_) | None => self.progress.map_or(oldest, |at| at.max(oldest)) + timeout,
        }
    }
}
