//! The rate controller for throttled relays: learns the token rate from delivery, is never told.
//!
//! ```text
//!             slope seen               interval over
//!   Start ───────────────────► Cruise ──────────────────► Probe
//!     │                         ▲  ▲  ◄──────────────────── │
//!     │ half a train lost       │  │   slope seen, losses    │
//!     └──────────────────► Grow ┘  └── the losses' test      │ more than a burst went
//!          slope seen, losses  ▲                             │ through without a queue
//!                              └─────────────────────────────┘
//! ```
//!
//! *Start* sends trains, each as much larger than the last as arrived of it. *Cruise* paces just
//! below the rate. *Probe* sends a little faster until a queue (a shaper) or losses (a policer)
//! answer, and gives the excess back at once. *Grow* raises a rate that was too low.
//!
//! Losses without a queue are either a policer's or chance. The test is to slow down: a policer
//! stops dropping, chance does not care.

use super::growth::Growth;
use super::loss_window::{self, LossWindow};
use super::pacer::Pacer;
use super::queue_sensor::{Care, QueueSensor, Reading};
use super::train::{DATAGRAM_MAX_OCTETS, DATAGRAM_MIN_OCTETS, Train, Verdict, datagram_octets};
use super::{Controller, Outcome, Permission, RoundTrip, Seconds, Sent};

/// Cruise runs at this share of the rate: queues drain by themselves.
const CRUISE_SHARE: f64 = 0.99;
/// No rate is ever lower, in octets a second: one small datagram in three seconds.
const RATE_MIN: f64 = 100.0;
/// Losses must exceed what chance is known to take by this much to count as a policer's.
const LOSS_MARGIN: f64 = 0.04;
/// Above this share of losses the rate is cut at once, whatever the cause.
const LOSS_CEILING: f64 = 0.35;
/// The first and the longest time between probes, in seconds.
const PROBE_INTERVAL_S: (f64, f64) = (1.0, 8.0);
/// The longest where each probe costs drops, in seconds.
const PROBE_INTERVAL_POLICED_S: f64 = 16.0;
/// A probe that finds a queue this long, in seconds, has found enough.
const PROBE_QUEUE_S: f64 = 0.05;

/// The rate controller for throttled relays.
#[derive(Debug)]
pub(crate) struct RelayRate {
    /// Octets a second; meaningful outside of `Start`.
    rate: f64,
    phase: Phase,
    pacer: Pacer,
    sensor: QueueSensor,
    /// Octets sent on the path so far.
    position: f64,
    round_trip: RoundTrip,
    losses: LossWindow,
    cause: LossCause,
    /// Octets that the relay lets through beyond its rate after a pause.
    burst: f64,
    probe_interval: f64,
    rate_at_run_start: f64,
    drain: Option<Drain>,
    /// A silence began; the losses of before it are not counted.
    silent: bool,
}

#[derive(Debug)]
enum Phase {
    Start(Train),
    Grow(Growth),
    Cruise { probe_at: Seconds },
    Probe(Excess),
}

#[derive(Debug)]
struct Excess {
    began_at: Seconds,
    first_gain: f64,
    gain: f64,
    position: f64,
}

impl Excess {
    /// A probe that finds nothing for a while goes faster: half its excess more each second.
    fn gain_at(&self, age: f64) -> f64 {
        const PATIENCE_S: f64 = 3.0;
        const GAIN_MAX: f64 = 1.5;
        let excess = (self.first_gain - 1.0) * (1.0 + 0.5 * (age - PATIENCE_S).max(0.0));
        (1.0 + excess).min(GAIN_MAX)
    }
}

/// A queue is being waited out.
#[derive(Clone, Copy, Debug)]
struct Drain {
    queue: f64,
    until: Seconds,
}

/// What losses without a queue are taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum LossCause {
    /// Chance, at this share.
    Chance(f64),
    /// Being tested: the rate was cut from `rate`, where the share was `loss`.
    Tested { rate: f64, loss: f64, chance: f64 },
    /// A policer, with chance at this share besides.
    Policer(f64),
}

impl RelayRate {
    pub(crate) fn new() -> Self {
        Self {
            rate: 0.0,
            phase: Phase::Start(Train::first()),
            pacer: Pacer::default(),
            sensor: QueueSensor::default(),
            position: 0.0,
            round_trip: RoundTrip { least: 0.2, smoothed_raw: 0.2 },
            losses: LossWindow::default(),
            cause: LossCause::Chance(0.0),
            burst: DATAGRAM_MAX_OCTETS,
            probe_interval: PROBE_INTERVAL_S.0,
            rate_at_run_start: 0.0,
            drain: None,
            silent: false,
        }
    }

    fn pacing_rate(&self) -> f64 {
        let gain = match &self.phase {
            Phase::Start(_) | Phase::Cruise { .. } => CRUISE_SHARE,
            Phase::Grow(_) => 1.0,
            Phase::Probe(excess) => excess.gain,
        };
        (self.rate * gain).max(RATE_MIN)
    }

    fn enter_cruise(&mut self, now: Seconds, rate: f64) {
        self.rate = rate.max(RATE_MIN);
        let wait = self.probe_interval.max(4.0 * self.round_trip.least);
        self.phase = Phase::Cruise { probe_at: now + wait };
        self.losses.restart(now);
    }

    fn enter_grow(&mut self, now: Seconds, gain: f64) {
        self.probe_interval = PROBE_INTERVAL_S.0;
        let gain_max = if self.is_policed() { 1.25 } else { 2.0 };
        let gain = gain.min(gain_max);
        self.phase = Phase::Grow(Growth::new(gain, gain_max, now));
        self.losses.restart(now);
    }

    const fn is_policed(&self) -> bool {
        matches!(self.cause, LossCause::Policer(_))
    }

    const fn chance(&self) -> f64 {
        match self.cause {
            LossCause::Chance(share)
            | LossCause::Policer(share)
            | LossCause::Tested { chance: share, .. } => share,
        }
    }

    /// Waits out a queue that a packet saw, and lets the bucket fill up behind it.
    fn drain(&mut self, now: Seconds, packet: &Outcome, queue: f64) {
        let behind = self.position - packet.position - self.rate * (now - packet.sent_at);
        let refill = self.burst.min(self.rate * 0.5);
        let level = queue * self.rate + behind + refill;
        self.pacer.leak(now, self.pacing_rate());
        self.pacer.set(level);
        let until = now + level.max(0.0) / self.rate.max(RATE_MIN);
        self.drain = Some(Drain { queue, until });
    }

    fn on_reading(&mut self, now: Seconds, packet: &Outcome, reading: &Reading) {
        if reading.queue > 0.0 {
            self.losses.queue_seen();
        }
        if self.is_longer_path(packet, reading) {
            self.sensor.rebase(reading.delay);
            self.drain = None;
            return;
        }
        let Some((slope, trust)) = reading.slope else {
            self.rate_at_run_start = self.rate;
            self.on_queue_without_slope(now, packet, reading);
            return;
        };
        let slope = slope.max(RATE_MIN);
        match &self.phase {
            Phase::Start(_) if trust < 0.99 => {}
            Phase::Start(_) => self.found(now, packet, reading.queue, slope),
            Phase::Grow(_) | Phase::Probe(_) if trust < 0.99 && reading.queue < PROBE_QUEUE_S => {}
            Phase::Grow(_) | Phase::Probe(_) => {
                let rate = blend(self.rate_at_run_start, slope, trust);
                self.found(now, packet, reading.queue, rate);
            }
            Phase::Cruise { .. } => {
                self.rate = blend(self.rate_at_run_start, slope, trust).max(RATE_MIN);
                self.drain(now, packet, reading.queue);
            }
        }
    }

    fn on_queue_without_slope(&mut self, now: Seconds, packet: &Outcome, reading: &Reading) {
        if reading.queue <= PROBE_QUEUE_S + reading.threshold {
            return;
        }
        match &self.phase {
            Phase::Probe(_) => self.found(now, packet, reading.queue, self.rate),
            Phase::Cruise { .. } => self.drain(now, packet, reading.queue),
            Phase::Start(_) | Phase::Grow(_) => {}
        }
    }

    /// The first bulk datagram after a drain still waits about as long: the path got longer.
    fn is_longer_path(&self, packet: &Outcome, reading: &Reading) -> bool {
        self.drain.is_some_and(|drain| {
            packet.sent_at > drain.until
                && packet.octets >= DATAGRAM_MIN_OCTETS
                && reading.queue > drain.queue / 2.0
        })
    }

    /// A queue answered: this is the rate.
    fn found(&mut self, now: Seconds, packet: &Outcome, queue: f64, rate: f64) {
        let confirmed = self.rate > 0.0 && (rate / self.rate - 1.0).abs() < 0.1;
        if let Phase::Probe(excess) = &self.phase {
            let ahead = self.position - excess.position - self.rate * (now - excess.began_at);
            self.burst = (ahead - queue * rate).clamp(DATAGRAM_MAX_OCTETS, 20_000.0);
            let longest =
                if self.is_policed() { PROBE_INTERVAL_POLICED_S } else { PROBE_INTERVAL_S.1 };
            self.probe_interval = if confirmed {
                (self.probe_interval * 2.0).min(longest)
            } else {
                PROBE_INTERVAL_S.0
            };
        }
        self.enter_cruise(now, rate);
        self.drain(now, packet, queue);
    }

    fn advance_train(&mut self, now: Seconds, acked: &[Outcome], lost: &[Outcome]) {
        let Phase::Start(train) = &mut self.phase else { return };
        match train.advance(now, acked, lost, self.round_trip.least) {
            Verdict::Open => {}
            Verdict::Next(next) => *train = next,
            Verdict::TooMuch { rate } => {
                self.rate = rate.max(RATE_MIN);
                self.enter_grow(now, 2.0);
            }
        }
    }

    /// Raises the rate when packets sent at the present one came through without a queue.
    fn advance_growth(&mut self, now: Seconds, acked: &[Outcome]) {
        let rate = self.rate;
        let needed = if self.is_policed() {
            1.5 * self.burst.clamp(1500.0, 4000.0)
        } else {
            5.0 * datagram_octets(rate, 0.04)
        };
        let allowed = 2.0 + 2.0 * self.chance() * self.losses.outcome_count();
        let too_many_lost = self.losses.lost_count() > allowed;
        let Phase::Grow(growth) = &mut self.phase else { return };
        growth.take_proof(acked);
        if too_many_lost {
            // Too fast for a policer, or bad luck: back to the last proven rate.
            let proven = rate / growth.gain();
            self.enter_cruise(now, proven);
            return;
        }
        if growth.proof() < needed {
            return;
        }
        if growth.achieved() < 0.7 * rate {
            // Something else holds the data back: there is nothing to learn here.
            self.enter_cruise(now, rate);
            return;
        }
        let next = growth.next(now);
        self.rate = rate * next.gain();
        self.phase = Phase::Grow(next);
        self.losses.restart(now);
    }

    fn advance_probe(&mut self, now: Seconds) {
        let rate = self.rate;
        let (lost, outcomes, chance) =
            (self.losses.lost_count(), self.losses.outcome_count(), self.chance());
        let Phase::Probe(excess) = &mut self.phase else { return };
        let age = now - excess.began_at;
        excess.gain = excess.gain_at(age);
        let ahead = self.position - excess.position - rate * age;
        if lost >= 2.0 + 2.0 * chance * outcomes && lost > 0.0 {
            let longest = PROBE_INTERVAL_POLICED_S;
            self.probe_interval = (self.probe_interval * 2.0).min(longest);
            let debt = ahead.max(0.0) + self.burst.min(rate * 0.5);
            self.enter_cruise(now, rate);
            self.pacer.leak(now, rate);
            self.pacer.set(debt);
        } else if ahead > 1.3 * self.burst + 0.03 * rate + DATAGRAM_MAX_OCTETS {
            self.rate = rate * 1.05;
            self.enter_grow(now, 1.25);
        } else if age > 30.0 {
            self.enter_cruise(now, rate);
        }
    }

    /// Judges the losses of a full window.
    fn judge_losses(&mut self, now: Seconds) {
        if matches!(self.phase, Phase::Start(_)) {
            return;
        }
        let span = (4.0 * self.round_trip.least).max(1.0);
        let Some(verdict) = self.losses.verdict(span) else { return };
        self.losses.restart(now);
        if verdict.loss > LOSS_CEILING.max(self.chance() + 0.15) {
            self.cut(now, &verdict);
            return;
        }
        let chance = self.chance();
        let is_more_than_chance = verdict.loss > chance + LOSS_MARGIN.max(2.5 * verdict.scatter);
        match self.cause {
            LossCause::Tested { rate, loss, .. } => {
                if verdict.loss > 0.6 * loss {
                    self.cause = LossCause::Chance(verdict.loss.midpoint(loss));
                    self.rate = rate;
                    self.enter_grow(now, 1.25);
                } else {
                    self.cause = LossCause::Policer(chance);
                    self.probe_interval = 4.0;
                }
            }
            LossCause::Chance(_) if is_more_than_chance && !verdict.queue_seen => {
                self.cut(now, &verdict);
            }
            LossCause::Policer(_) if is_more_than_chance && !verdict.queue_seen => {
                self.cut(now, &verdict);
            }
            LossCause::Chance(_) => {
                self.cause = LossCause::Chance(0.8_f64.mul_add(chance, 0.2 * verdict.loss));
            }
            LossCause::Policer(_) => {}
        }
    }

    /// Slows down to what is delivered, and watches whether the losses stop.
    fn cut(&mut self, now: Seconds, verdict: &loss_window::Verdict) {
        let rate = self.rate;
        let slower = verdict.delivered_rate.clamp(rate * 0.25, rate * 0.98);
        if !matches!(self.cause, LossCause::Tested { .. }) {
            let chance = self.chance();
            self.cause = LossCause::Tested { rate, loss: verdict.loss, chance };
        }
        self.enter_cruise(now, slower);
        self.pacer.leak(now, slower);
        self.pacer.set(self.burst.min(slower * 0.5));
    }
}

impl Controller for RelayRate {
    fn on_sent(&mut self, sent: Sent) {
        let rate = self.pacing_rate();
        self.position += sent.octets;
        self.pacer.leak(sent.now, rate);
        self.pacer.add(sent.octets);
        if let Phase::Start(train) = &mut self.phase
            && sent.is_tracked
        {
            train.sent(sent);
        }
    }

    fn on_acked(&mut self, now: Seconds, acked: &[Outcome], round_trip: RoundTrip) {
        self.round_trip = round_trip;
        if std::mem::take(&mut self.silent) {
            self.sensor.interrupt();
            self.losses.restart(now);
        }
        for packet in acked {
            self.losses.arrived(packet);
            let care = match self.phase {
                Phase::Start(_) => Care::Rough,
                Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) => Care::Fine,
            };
            if let Some(reading) = self.sensor.read(packet, care) {
                self.on_reading(now, packet, &reading);
            }
        }
        self.advance_train(now, acked, &[]);
        self.advance_growth(now, acked);
        self.advance_probe(now);
        self.judge_losses(now);
    }

    fn on_lost(&mut self, now: Seconds, lost: &[Outcome]) {
        if self.silent {
            return;
        }
        for packet in lost {
            self.losses.lost(packet);
        }
        self.advance_train(now, &[], lost);
        self.advance_probe(now);
        self.judge_losses(now);
    }

    fn on_silence(&mut self, now: Seconds) {
        self.silent = true;
        self.losses.restart(now);
        if let Phase::Start(train) = &mut self.phase {
            *train = train.after_silence();
        }
    }

    fn on_application_limited(&mut self) {
        match &mut self.phase {
            Phase::Start(train) => train.application_limited(),
            // Without a backlog neither a probe nor growth says anything.
            Phase::Probe(excess) => {
                let probe_at = excess.began_at + self.probe_interval;
                self.phase = Phase::Cruise { probe_at };
            }
            Phase::Grow(_) | Phase::Cruise { .. } => {}
        }
    }

    fn permission(&mut self, now: Seconds, octets: f64, in_flight: f64) -> Permission {
        if let Phase::Start(train) = &mut self.phase {
            return if train.takes(octets, in_flight) {
                Permission::Now
            } else {
                Permission::AfterAck
            };
        }
        if let Phase::Cruise { probe_at } = self.phase
            && now >= probe_at
        {
            let gain = 1.0 + (0.03 / self.round_trip.least.max(0.001)).clamp(0.06, 0.25);
            let position = self.position;
            self.phase = Phase::Probe(Excess { began_at: now, first_gain: gain, gain, position });
            self.losses.restart(now);
        }
        if in_flight + octets > self.window() {
            return Permission::AfterAck;
        }
        let rate = self.pacing_rate();
        self.pacer.leak(now, rate);
        let due = self.pacer.due(now, rate);
        if due <= now { Permission::Now } else { Permission::At(due) }
    }

    fn wants_ack_now(&self, octets: f64) -> bool {
        match &self.phase {
            Phase::Start(train) => train.is_last(octets),
            Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) => false,
        }
    }

    fn datagram_octets(&self) -> f64 {
        match &self.phase {
            Phase::Start(train) => train.datagram_octets(self.round_trip.least),
            Phase::Grow(_) => datagram_octets(self.rate, 0.04),
            Phase::Cruise { .. } | Phase::Probe(_) => datagram_octets(self.rate, 0.4),
        }
    }

    fn rate(&self) -> Option<f64> {
        match &self.phase {
            Phase::Start(_) => None,
            Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) => Some(self.rate),
        }
    }

    fn window(&self) -> f64 {
        match &self.phase {
            Phase::Start(train) => train.octets(),
            Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) => {
                let time = 1.25_f64.mul_add(self.round_trip.smoothed_raw, 0.1);
                self.rate.mul_add(time, 2.0 * self.datagram_octets())
            }
        }
    }
}

fn blend(old: f64, new: f64, trust: f64) -> f64 {
    if old <= 0.0 { new } else { trust.mul_add(new, (1.0 - trust) * old) }
}
