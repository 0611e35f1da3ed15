//! A controller that lets everything go: trains of probes are paced by who sends them.

use ap2ap_stream::congestion::{
    Congestion, Controller, Outcome, Permission, RoundTrip, Seconds, Sent,
};

/// Bulk data's datagrams: there is next to none while a path is measured.
const DATAGRAM_OCTETS: f64 = 1_000.0;

/// Send buffers of what is told on the stream: some thousand probes.
const WINDOW_OCTETS: f64 = 65_536.0;

/// No pacing at all, on each path.
pub(super) fn unpaced() -> Congestion {
    Congestion::custom(|_| Box::new(Unpaced))
}

#[derive(Debug)]
struct Unpaced;

impl Controller for Unpaced {
    fn on_sent(&mut self, _sent: Sent) {}

    fn on_acked(&mut self, _now: Seconds, _acked: &[Outcome], _round_trip: RoundTrip) {}

    fn on_lost(&mut self, _now: Seconds, _lost: &[Outcome]) {}

    fn on_silence(&mut self, _now: Seconds) {}

    fn on_payload_max(&mut self, _octets: f64) {}

    fn permission(&mut self, _now: Seconds, _octets: f64, _in_flight: f64) -> Permission {
        Permission::Now
    }

    fn datagram_octets(&self) -> f64 {
        DATAGRAM_OCTETS
    }

    fn rate(&self) -> Option<f64> {
        None
    }

    fn window(&self) -> f64 {
        WINDOW_OCTETS
    }

    fn state(&self) -> &'static str {
        "measuring"
    }
}
