//! The baseline: the window-based controller of RFC 9002 section 7 and appendix B.
//!
//! ```text
//!                      loss                        sent after it, acknowledged
//!   SlowStart ───────────────────────► Recovery ──────────────────────────────► Avoidance
//!       ▲                                 ▲                                         │ loss
//!       │                                 └─────────────────────────────────────────┘
//!       └── nothing was acknowledged for three probe time-outs ── any
//! ```
//!
//! What the RFC leaves open: datagrams are as long as the path takes, so that is the maximum datagram
//! size; a burst is at most the initial window, and what is beyond is paced at 5/4 of a window in a round
//! trip (section 7.7). What a silence swallows is given up and not told as lost, so persistent
//! congestion (section 7.6) is found in silences alone.

use super::pacer::Pacer;
use super::{Controller, Outcome, Permission, RoundTrip, Seconds, Sent};

/// RFC 9002 section 7.2: the initial window, in datagrams, and what it is at the most if that is not below
/// two datagrams, in octets.
const INITIAL_WINDOW_DATAGRAMS: f64 = 10.0;
const INITIAL_WINDOW_OCTETS: f64 = 14_720.0;
/// Section 7.2: the least window, in datagrams.
const WINDOW_MIN_DATAGRAMS: f64 = 2.0;
/// Section 7.3.2: what is left of the window after a loss.
const LOSS_SHARE: f64 = 0.5;
/// Section 7.6.1: a silence of so many probe time-outs is persistent congestion.
const PERSISTENT_TIMEOUTS: f64 = 3.0;
/// Section 7.7: windows per round trip at which a full window is paced.
const PACING_GAIN: f64 = 1.25;
/// Until [`Controller::on_payload_max`] says it, in octets: RFC 9000's smallest datagram.
const DATAGRAM_OCTETS: f64 = 1200.0;

/// No round trip is taken to be shorter, in seconds.
const ROUND_TRIP_MIN_S: f64 = 0.001;

/// The controller of RFC 9002, for one path.
#[derive(Debug)]
pub(super) struct NewReno {
    datagram: f64,
    window: f64,
    /// The window at which slow start ends; infinite before the first loss.
    threshold: f64,
    /// The last recovery period began then: what left earlier is of no further consequence.
    recovery_from: Option<Seconds>,
    /// The newest datagram that was acknowledged left then.
    acked_sent_at: Seconds,
    /// When the first datagram left since something was acknowledged.
    unanswered_from: Option<Seconds>,
    round_trip: Option<RoundTrip>,
    /// Less was there to send than the window has room for.
    is_application_limited: bool,
    pacer: Pacer,
}

impl NewReno {
    pub(super) fn new() -> Self {
        Self {
            datagram: DATAGRAM_OCTETS,
            window: initial_window(DATAGRAM_OCTETS),
            threshold: f64::INFINITY,
            recovery_from: None,
            acked_sent_at: f64::NEG_INFINITY,
            unanswered_from: None,
            round_trip: None,
            is_application_limited: false,
            pacer: Pacer::default(),
        }
    }

    fn window_min(&self) -> f64 {
        WINDOW_MIN_DATAGRAMS * self.datagram
    }

    /// Octets a second at which bulk is paced; `None` before the first round trip.
    fn pacing_rate(&self) -> Option<f64> {
        Some(PACING_GAIN * self.rate()?)
    }

    fn is_in_recovery(&self, sent_at: Seconds) -> bool {
        self.recovery_from.is_some_and(|from| sent_at <= from)
    }

    fn grow(&mut self, acked: &Outcome) {
        if self.is_application_limited || self.is_in_recovery(acked.sent_at) {
            return;
        }
        self.window += if self.window < self.threshold {
            acked.octets
        } else {
            self.datagram * acked.octets / self.window
        };
    }
}

impl Controller for NewReno {
    fn on_sent(&mut self, sent: Sent) {
        if sent.is_tracked {
            self.unanswered_from.get_or_insert(sent.now);
        }
        self.pacer.leak(sent.now, self.pacing_rate().unwrap_or(0.0));
        self.pacer.add(sent.octets);
    }

    fn on_acked(&mut self, _now: Seconds, acked: &[Outcome], round_trip: RoundTrip) {
        self.round_trip = Some(round_trip);
        self.unanswered_from = None;
        for packet in acked {
            self.acked_sent_at = self.acked_sent_at.max(packet.sent_at);
            self.grow(packet);
        }
    }

    fn on_lost(&mut self, now: Seconds, lost: &[Outcome]) {
        let Some(newest) = lost.last().filter(|newest| !self.is_in_recovery(newest.sent_at)) else {
            return;
        };
        debug_assert!(newest.sent_at <= now);
        self.recovery_from = Some(now);
        self.threshold = LOSS_SHARE * self.window;
        self.window = self.threshold.max(self.window_min());
    }

    fn on_silence(&mut self, now: Seconds) {
        let (Some(from), Some(round_trip)) = (self.unanswered_from, self.round_trip) else {
            return;
        };
        if now - from >= PERSISTENT_TIMEOUTS * round_trip.probe_timeout {
            self.window = self.window_min();
            self.recovery_from = None;
        }
    }

    fn on_application_limited(&mut self) {
        self.is_application_limited = true;
    }

    fn on_payload_max(&mut self, octets: f64) {
        let is_untouched = self.round_trip.is_none() && self.recovery_from.is_none();
        self.datagram = octets;
        self.window =
            if is_untouched { initial_window(octets) } else { self.window.max(self.window_min()) };
    }

    fn permission(&mut self, now: Seconds, octets: f64, in_flight: f64) -> Permission {
        self.is_application_limited = false;
        if in_flight > 0.0 && in_flight + octets > self.window {
            return Permission::AfterAck;
        }
        let Some(rate) = self.pacing_rate() else { return Permission::Now };
        self.pacer.leak(now, rate);
        let due = self.pacer.due_within(now, rate, initial_window(self.datagram) - octets);
        if due <= now { Permission::Now } else { Permission::At(due) }
    }

    fn datagram_octets(&self) -> f64 {
        self.datagram
    }

    fn rate(&self) -> Option<f64> {
        self.round_trip.map(|round_trip| self.window / round_trip.smoothed.max(ROUND_TRIP_MIN_S))
    }

    fn window(&self) -> f64 {
        self.window
    }

    fn state(&self) -> &'static str {
        if self.is_in_recovery(self.acked_sent_at) {
            return "recovery";
        }
        if self.window < self.threshold { "slow start" } else { "congestion avoidance" }
    }
}

fn initial_window(datagram: f64) -> f64 {
    (INITIAL_WINDOW_DATAGRAMS * datagram)
        .min(INITIAL_WINDOW_OCTETS.max(WINDOW_MIN_DATAGRAMS * datagram))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: RoundTrip = RoundTrip { least: 0.1, smoothed: 0.1, probe_timeout: 0.15 };

    /// A controller, and a link that carries all that it is allowed to send in each round trip.
    struct Flight {
        controller: NewReno,
        now: Seconds,
        number: u64,
    }

    impl Flight {
        fn new() -> Self {
            let mut controller = NewReno::new();
            controller.on_payload_max(1200.0);
            Self { controller, now: 1.0, number: 0 }
        }

        fn send(&mut self) -> Outcome {
            let (now, number, octets) = (self.now, self.number, 1200.0);
            self.number += 1;
            self.controller.on_sent(Sent { now, number, octets, is_tracked: true });
            Outcome { number, sent_at: now, octets, position: 0.0, arrived_at: None }
        }

        /// Sends as much as the window holds, a round trip long.
        fn fill(&mut self) -> Vec<Outcome> {
            let (mut sent, mut in_flight, end) = (Vec::new(), 0.0, self.now + 0.1);
            loop {
                match self.controller.permission(self.now, 1200.0, in_flight) {
                    Permission::Now => sent.push(self.send()),
                    Permission::At(at) => {
                        assert!(at > self.now);
                        self.now = at;
                        continue;
                    }
                    Permission::AfterAck => break,
                }
                in_flight += 1200.0;
            }
            self.now = self.now.max(end);
            sent
        }

        fn ack(&mut self, acked: &[Outcome]) {
            self.controller.on_acked(self.now, acked, ROUND_TRIP);
        }

        fn lose(&mut self, lost: &[Outcome]) {
            self.controller.on_lost(self.now, lost);
        }
    }

    /// RFC 9002 section 7.2
    #[test]
    fn the_first_window_is_ten_datagrams_or_what_the_rfc_allows_of_long_ones() {
        let mut controller = NewReno::new();
        for (datagram, window) in [(300.0, 3000.0), (1200.0, 12_000.0), (2048.0, 14_720.0)] {
            controller.on_payload_max(datagram);
            assert_eq!(controller.window(), window);
        }
    }

    /// Section 7.3.1
    #[test]
    fn slow_start_doubles_the_window_in_a_round_trip_of_full_use() {
        let mut flight = Flight::new();
        for window in [12_000.0, 24_000.0, 48_000.0] {
            assert_eq!(flight.controller.window(), window);
            let sent = flight.fill();
            flight.ack(&sent);
        }
        assert_eq!(flight.controller.state(), "slow start");
    }

    /// Section 7.8
    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut flight = Flight::new();
        let sent = flight.send();
        flight.controller.on_application_limited();
        flight.ack(&[sent]);
        assert_eq!(flight.controller.window(), 12_000.0);
    }

    /// Sections 7.3.2 and 7.3.3
    #[test]
    fn losses_of_one_round_trip_halve_the_window_once_and_then_it_grows_by_a_datagram() {
        let mut flight = Flight::new();
        let sent = flight.fill();
        flight.ack(&sent);
        let sent = flight.fill();
        assert_eq!(sent.len(), 20);
        flight.ack(&sent[1..2]);
        flight.lose(&sent[..1]);
        assert_eq!(flight.controller.state(), "recovery");
        let halved = flight.controller.window();
        assert!((halved - 12_600.0).abs() < 1.0, "{halved}");
        flight.lose(&sent[2..5]);
        flight.ack(&sent[5..]);
        assert_eq!(flight.controller.window(), halved, "nothing of before the loss counts");
        flight.now += 0.001;
        let sent = flight.fill();
        flight.ack(&sent);
        let grown = flight.controller.window() - halved;
        assert!((1000.0..1300.0).contains(&grown), "grew by {grown}");
        assert_eq!(flight.controller.state(), "congestion avoidance");
        let sent = flight.fill();
        flight.lose(&sent[..1]);
        assert!(flight.controller.window() < 7000.0, "a loss of a later round trip counts again");
    }

    #[test]
    fn the_window_is_never_below_two_datagrams() {
        let mut flight = Flight::new();
        for _ in 0..10 {
            let sent = flight.fill();
            assert!(sent.len() >= 2);
            flight.lose(&sent[..1]);
        }
        assert_eq!(flight.controller.window(), 2400.0);
    }

    /// Section 7.6
    #[test]
    fn a_silence_of_three_probe_timeouts_and_no_shorter_one_closes_the_window() {
        let mut flight = Flight::new();
        let sent = flight.fill();
        flight.ack(&sent);
        let before = flight.controller.window();
        let began = flight.now;
        flight.send();
        flight.controller.on_silence(began + 2.9 * ROUND_TRIP.probe_timeout);
        assert_eq!(flight.controller.window(), before);
        flight.controller.on_silence(began + 3.1 * ROUND_TRIP.probe_timeout);
        assert_eq!(flight.controller.window(), 2400.0);
    }

    /// Section 7.7
    #[test]
    fn no_more_than_the_first_window_goes_at_once() {
        let mut flight = Flight::new();
        for _ in 0..4 {
            let sent = flight.fill();
            flight.ack(&sent);
        }
        // A pause, so that nothing is owed.
        flight.now += 10.0;
        let mut burst = 0.0;
        while flight.controller.permission(flight.now, 1200.0, burst) == Permission::Now {
            flight.send();
            burst += 1200.0;
        }
        assert!(burst <= 12_000.0 && burst < flight.controller.window() / 4.0, "{burst} at once");
    }

    #[test]
    fn asked_again_at_the_same_time_it_answers_the_same() {
        let mut flight = Flight::new();
        flight.ack(&[]);
        for in_flight in [0.0, 6000.0, 11_000.0, 50_000.0] {
            let answer = flight.controller.permission(flight.now, 1200.0, in_flight);
            assert_eq!(flight.controller.permission(flight.now, 1200.0, in_flight), answer);
            assert!(in_flight > 0.0 || answer != Permission::AfterAck);
            flight.send();
        }
    }
}
