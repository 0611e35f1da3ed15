//! The rate controller for throttled relays: learns the token rate from delivery, is never told.
//!
//! ```text
//!             slope seen               interval over
//!   Start ───────────────────► Cruise ──────────────────► Probe
//!     │                         ▲  ▲  ◄──────────────────── │
//!     │ half a train lost       │  │    slope seen, drops     │
//!     └──────────────────► Grow ┘  └── of a policer           │ more than a burst went
//!                 slope, drops  ▲                             │ through without an answer
//!                               └─────────────────────────────┘
//! ```
//!
//! *Start* sends trains, each as much larger than the last as arrived of it; where a rate is remembered,
//! *Trial* tries half of it instead, and begins to probe if that holds. *Cruise* paces just
//! below the rate. *Probe* sends a little faster until a queue (a shaper) or drops (a policer)
//! answer, and gives the excess back at once. *Grow* raises a rate that was too low. *Contend* is entered from any of
//! the three where a queue stays though it was waited out, and left for *Cruise* ([`contention`]).
//!
//! What is lost, or late, is taken for one of five things:
//!
//! | | told by | and then |
//! |---|---|---|
//! | a queue's overflow | a queue was seen within two round trips | the queue's slope is the rate, and it is drained |
//! | a policer's drops | they follow from what was sent ([`Policer`]) | the rate is the likeliest one |
//! | somebody else's queue | it stays though it was waited out | a share of it is taken |
//! | an outage | nothing arrives at all | nothing is learned; the rate is kept |
//! | chance | neither explains it | nothing: it is no reason to slow down |
//!
//! [`Delivery`] is the net below: what delivers less than two thirds is slowed down, whatever it is.

mod contention;
mod losses;
mod queues;
mod steps;

use super::delivery::Delivery;
use super::growth::Growth;
use super::pacer::Pacer;
use super::policer::Policer;
use super::queue_sensor::{Care, Known, QueueSensor};
use super::train::{DATAGRAM_MAX_OCTETS, DATAGRAM_MIN_OCTETS, Train, datagram_octets};
use super::trial::Trial;
use super::{Controller, Outcome, Permission, RoundTrip, Seconds, Sent};
use crate::num;
use crate::path_memory::{LossClass, PathLoss, PathMemory};
use contention::{Contention, Standing};

/// Cruise runs at this share of the rate: queues drain by themselves.
const CRUISE_SHARE: f64 = 0.99;
/// No rate is ever lower, in octets a second: one small datagram in three seconds.
const RATE_MIN: f64 = 100.0;
/// The first and the longest time between probes, in seconds.
const PROBE_INTERVAL_S: (f64, f64) = (1.0, 8.0);
/// The longest where each probe costs drops, in seconds.
const PROBE_INTERVAL_POLICED_S: f64 = 16.0;
/// A probe that finds a queue this long, in seconds, has found enough.
const PROBE_QUEUE_S: f64 = 0.05;
/// A remembered rate that held at half of it is probed at once, at so many times the rate: it may be more.
const RECALLED_GAIN: f64 = 1.5;
/// The largest burst that is reckoned with, in octets: a bucket that was measured holds that.
const BURST_MAX_OCTETS: f64 = 20_000.0;
/// A probe's datagrams are acknowledged at once where one takes the relay longer than this, in seconds:
/// acknowledgements are rare there.
const PROBE_ACK_S: f64 = 0.02;
/// A datagram takes the relay this long, in seconds: where requests wait for it, and where none does.
const DATAGRAM_S: (f64, f64) = (0.06, 0.4);
/// A probe's datagram takes the relay this long, in seconds: its answer is the sooner.
const PROBE_DATAGRAM_S: f64 = 0.2;
/// Requests are expected for so long after the last one, in seconds.
const SPARSE_FOR_S: f64 = 3.0;
/// A relay whose queue told its rate is not asked whether it is a policer for so long, in seconds: two of the longest
/// times between probes.
const SHAPED_FOR_S: f64 = 16.0;
/// While a rate grows, acknowledgements are expected within two round trips and so long, in seconds.
const GROW_HELD_S: f64 = 0.6;
/// A loss changes the share that chance is taken for by this weight.
const CHANCE_WEIGHT: f64 = 0.01;
/// Where chance takes less than this, a drop needs no second reason.
const CHANCE_RARE: f64 = 0.01;

/// The rate controller for throttled relays.
#[derive(Debug)]
pub(super) struct RelayRate {
    /// Octets a second; meaningful outside of `Start`.
    rate: f64,
    phase: Phase,
    pacer: Pacer,
    sensor: QueueSensor,
    /// Octets sent on the path so far.
    position: f64,
    round_trip: RoundTrip,
    policer: Policer,
    delivery: Delivery,
    is_policed: bool,
    /// It is policed by the second: see [`Policer`].
    is_window: bool,
    /// The rate is remembered, and nothing has confirmed it yet.
    is_recalled: bool,
    /// The share that chance takes.
    chance: f64,
    /// Octets that the relay lets through beyond its rate after a pause.
    burst: f64,
    /// The same as far as it was seen when the rate was found, and when the first datagram left: a large
    /// bucket is full only once.
    bucket: f64,
    began_at: Option<Seconds>,
    /// What had been sent then.
    began_behind: f64,
    probe_interval: f64,
    rate_at_run_start: f64,
    drain: Option<Drain>,
    /// A queue that has not been empty for a while.
    standing: Option<Standing>,
    queue_seen_at: Option<Seconds>,
    /// When a queue told the rate last.
    shaped_at: Option<Seconds>,
    /// When a packet left last, and a small one that is no bulk.
    sent_at: Seconds,
    sparse_at: Option<Seconds>,
    /// When drops were judged last, and when they last lowered a rate that fitted them.
    judged_at: Seconds,
    nudged_at: Seconds,
    /// Somebody else's small packets come through the same queue now and then.
    has_company: bool,
    /// The delay changed so often, and not because of a queue.
    switches: u64,
    /// A silence began; the losses of before it are not counted.
    silent: bool,
}

#[derive(Debug)]
enum Phase {
    Start(Train),
    Trial(Trial),
    Grow(Growth),
    Cruise { probe_at: Seconds },
    Probe(Excess),
    Contend(Contention),
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

impl RelayRate {
    pub(super) fn new() -> Self {
        Self {
            rate: 0.0,
            phase: Phase::Start(Train::first()),
            pacer: Pacer::default(),
            sensor: QueueSensor::default(),
            position: 0.0,
            round_trip: RoundTrip { least: 0.2, smoothed: 0.2, probe_timeout: 0.4 },
            policer: Policer::default(),
            delivery: Delivery::default(),
            is_policed: false,
            is_window: false,
            is_recalled: false,
            chance: 0.0,
            burst: DATAGRAM_MAX_OCTETS,
            bucket: 0.0,
            began_at: None,
            began_behind: 0.0,
            probe_interval: PROBE_INTERVAL_S.0,
            rate_at_run_start: 0.0,
            drain: None,
            standing: None,
            queue_seen_at: None,
            shaped_at: None,
            sent_at: 0.0,
            sparse_at: None,
            judged_at: 0.0,
            nudged_at: 0.0,
            has_company: false,
            switches: 0,
            silent: false,
        }
    }

    /// Begins with what was learned at another time.
    pub(super) fn recalling(memory: PathMemory) -> Self {
        let round_trip = memory.round_trip().as_secs_f64();
        let PathLoss { class, chance_ppm } = memory.loss();
        let trial = Trial::new(memory);
        Self {
            rate: trial.rate().max(RATE_MIN),
            phase: Phase::Trial(trial),
            round_trip: RoundTrip {
                least: round_trip,
                smoothed: round_trip,
                probe_timeout: 2.0 * round_trip,
            },
            is_policed: class == LossClass::Policer,
            is_window: false,
            is_recalled: true,
            chance: f64::from(chance_ppm) / 1e6,
            burst: f64::from(memory.burst()).clamp(DATAGRAM_MAX_OCTETS, BURST_MAX_OCTETS),
            ..Self::new()
        }
    }

    /// No rate is established yet.
    const fn is_beginning(&self) -> bool {
        matches!(self.phase, Phase::Start(_) | Phase::Trial(_))
    }

    fn pacing_rate(&self) -> f64 {
        let gain = match &self.phase {
            Phase::Start(_) | Phase::Cruise { .. } => CRUISE_SHARE,
            Phase::Trial(_) | Phase::Grow(_) | Phase::Contend(_) => 1.0,
            Phase::Probe(excess) => excess.gain,
        };
        (self.rate * gain).max(RATE_MIN)
    }

    fn enter_cruise(&mut self, now: Seconds, rate: f64) {
        if rate < self.rate {
            self.delivery.restart(now);
        }
        self.rate = rate.max(RATE_MIN);
        self.sensor.hold_base(false);
        let wait = self.probe_interval.max(4.0 * self.round_trip.least);
        self.phase = Phase::Cruise { probe_at: now + wait };
    }

    fn enter_grow(&mut self, now: Seconds, gain: f64) {
        self.probe_interval = PROBE_INTERVAL_S.0;
        let gain_max = if self.is_policed { 1.25 } else { 2.0 };
        let gain = gain.min(gain_max);
        self.phase = Phase::Grow(Growth::new(gain, gain_max, now));
        self.delivery.restart(now);
    }

    /// A probe ended at `rate`: when the next one is due depends on whether that was known.
    fn space_probes(&mut self, rate: f64) {
        let longest = if self.is_policed { PROBE_INTERVAL_POLICED_S } else { PROBE_INTERVAL_S.1 };
        let is_confirmed = self.rate > 0.0 && (rate / self.rate - 1.0).abs() < 0.1;
        self.probe_interval = if is_confirmed {
            (self.probe_interval * 2.0).min(longest)
        } else {
            PROBE_INTERVAL_S.0
        };
    }

    /// Whether a large datagram makes requests wait: the relay sends it octet by octet, and there are requests.
    fn is_in_the_way(&self) -> bool {
        let is_recent = |at: Seconds| self.sent_at - at < SPARSE_FOR_S;
        self.sensor.is_serial() && self.sparse_at.is_some_and(is_recent)
    }
}

impl Controller for RelayRate {
    fn on_sent(&mut self, sent: Sent) {
        let rate = self.pacing_rate();
        self.position += sent.octets;
        self.pacer.leak(sent.now, rate);
        self.pacer.add(sent.octets);
        self.sent_at = sent.now;
        if sent.is_tracked && sent.octets < DATAGRAM_MIN_OCTETS - 50.0 {
            self.sparse_at = Some(sent.now);
        }
        self.began_at.get_or_insert(sent.now);
        self.policer.sent(sent, !self.is_beginning());
        if let Phase::Start(train) = &mut self.phase
            && sent.is_tracked
        {
            train.sent(sent);
        }
        if let Phase::Trial(trial) = &mut self.phase {
            trial.sent(sent.octets);
        }
        if let Phase::Grow(growth) = &mut self.phase {
            growth.sent(sent.octets);
        }
    }

    fn on_acked(&mut self, now: Seconds, acked: &[Outcome], round_trip: RoundTrip) {
        self.round_trip = round_trip;
        if std::mem::take(&mut self.silent) {
            self.sensor.interrupt();
            self.delivery.restart(now);
        }
        let mut has_queue = false;
        for packet in acked {
            self.policer.arrived(packet);
            self.delivery.take(packet, true);
            self.note_chance(now, false);
            let (care, rate) =
                if self.is_beginning() { (Care::Rough, 0.0) } else { (Care::Fine, self.rate) };
            let known = Known { chance: self.chance, rate };
            if let Some(reading) = self.sensor.read(packet, care, known) {
                has_queue |= reading.queue > 0.0;
                self.on_reading(now, packet, &reading);
            }
        }
        if let Phase::Trial(trial) = &mut self.phase {
            trial.take(acked, has_queue);
        }
        self.advance_trial(now);
        self.advance_train(now, acked, &[]);
        self.advance_growth(now, acked);
        self.advance_probe(now);
        self.watch_delivery(now);
    }

    fn on_lost(&mut self, now: Seconds, lost: &[Outcome]) {
        if self.silent {
            return;
        }
        for packet in lost {
            self.policer.lost(packet);
            self.delivery.take(packet, false);
            self.note_chance(now, true);
        }
        if let Phase::Trial(trial) = &mut self.phase {
            trial.take_lost(lost);
        }
        self.advance_trial(now);
        self.advance_train(now, &[], lost);
        self.judge_losses(now);
        self.advance_probe(now);
        self.watch_delivery(now);
    }

    fn on_begin(&mut self) {
        if self.is_recalled {
            return;
        }
        self.forget(Train::first());
        self.sensor.interrupt();
        self.pacer.set(0.0);
        (self.began_at, self.began_behind) = (None, self.position);
        self.bucket = 0.0;
    }

    fn on_company(&mut self) {
        self.has_company = true;
    }

    fn on_disturbed(&mut self, now: Seconds, queue: Seconds) {
        self.pacer.leak(now, self.pacing_rate());
        self.pacer.add(queue * self.rate);
    }

    fn rest(&mut self) {
        self.policer.rest(self.is_policed);
    }

    fn on_silence(&mut self, now: Seconds) {
        self.silent = true;
        self.policer.silence();
        self.delivery.restart(now);
        if let Phase::Start(train) = &mut self.phase {
            *train = train.after_silence();
        }
        if matches!(self.phase, Phase::Trial(_)) {
            self.forget(Train::first());
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
            Phase::Contend(contention) => contention.application_limited(),
            Phase::Trial(_) | Phase::Grow(_) | Phase::Cruise { .. } => {}
        }
    }

    fn permission(&mut self, now: Seconds, octets: f64, in_flight: f64) -> Permission {
        if let Phase::Start(train) = &mut self.phase
            && train.takes(octets, in_flight)
        {
            return Permission::Now;
        }
        // A train's tail may be lost.
        self.advance_train(now, &[], &[]);
        if let Phase::Start(train) = &mut self.phase {
            if train.takes(octets, in_flight) {
                return Permission::Now;
            }
            return train
                .over_at(self.round_trip.least)
                .map_or(Permission::AfterAck, Permission::At);
        }
        if let Phase::Contend(contention) = &self.phase
            && let Some(until) = contention.quiet_until
            && now < until
        {
            return Permission::At(until);
        }
        if let Phase::Cruise { probe_at } = self.phase
            && now >= probe_at
        {
            self.enter_probe(now, self.probe_gain());
        }
        // The phase may have changed just now, and with it what a datagram is.
        let octets = octets.min(self.datagram_octets());
        if in_flight + octets > self.window() {
            return Permission::AfterAck;
        }
        let rate = self.pacing_rate();
        self.pacer.leak(now, rate);
        let due = if matches!(self.phase, Phase::Trial(_)) {
            self.pacer.due_within(now, rate, self.burst - octets)
        } else {
            self.pacer.due(now, rate)
        };
        if due <= now { Permission::Now } else { Permission::At(due) }
    }

    fn backlog(&self, now: Seconds, in_flight: f64) -> f64 {
        match self.phase {
            Phase::Start(_) => 0.0,
            // What goes beyond the rate stands somewhere.
            Phase::Grow(_) => (in_flight / self.rate - self.round_trip.least).max(0.0),
            Phase::Trial(_) | Phase::Cruise { .. } | Phase::Probe(_) | Phase::Contend(_) => {
                self.pacer.wait(now, self.rate)
            }
        }
    }

    fn chance(&self) -> f64 {
        self.chance
    }

    fn wants_ack_now(&self, octets: f64) -> bool {
        match &self.phase {
            Phase::Start(train) => train.is_tail(octets),
            Phase::Trial(trial) => trial.wants_ack(octets),
            // A queue is to be known of before it is long, and the next step as soon as it is earned.
            Phase::Grow(growth) => growth.wants_ack(self.growth_step(growth.gain())),
            Phase::Probe(excess) => {
                let elapsed = self.sent_at - excess.began_at;
                let ahead = self.position - excess.position - self.rate * elapsed;
                octets > PROBE_ACK_S * self.rate && ahead > 0.3 * self.burst
            }
            Phase::Cruise { .. } | Phase::Contend(_) => false,
        }
    }

    fn datagram_octets(&self) -> f64 {
        match &self.phase {
            Phase::Start(train) => train.datagram_octets(self.round_trip.least),
            Phase::Trial(trial) => trial.datagram_octets(),
            Phase::Grow(_) => datagram_octets(self.rate, 0.04),
            Phase::Probe(_) if !self.is_in_the_way() => {
                datagram_octets(self.rate, PROBE_DATAGRAM_S)
            }
            Phase::Cruise { .. } | Phase::Probe(_) | Phase::Contend(_) => {
                let time = if self.is_in_the_way() { DATAGRAM_S.0 } else { DATAGRAM_S.1 };
                datagram_octets(self.rate, time)
            }
        }
    }

    fn rate(&self) -> Option<f64> {
        match &self.phase {
            Phase::Start(_) | Phase::Trial(_) => None,
            Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) | Phase::Contend(_) => {
                Some(self.rate)
            }
        }
    }

    fn switches(&self) -> u64 {
        self.switches
    }

    fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Cruise { .. })
    }

    fn loss_class(&self) -> LossClass {
        match () {
            () if self.is_policed => LossClass::Policer,
            () if self.queue_seen_at.is_some() => LossClass::Queue,
            () if self.chance >= CHANCE_RARE => LossClass::Chance,
            () => LossClass::Untold,
        }
    }

    fn memory(&self) -> Option<PathMemory> {
        match &self.phase {
            Phase::Start(_) => None,
            Phase::Trial(trial) => Some(trial.memory()),
            Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) | Phase::Contend(_) => {
                let burst = u32::try_from(num::to_u64(self.burst.max(self.bucket))).ok()?;
                let chance_ppm = u32::try_from(num::to_u64(self.chance * 1e6)).ok()?;
                let loss = PathLoss { class: self.loss_class(), chance_ppm };
                let round_trip = num::seconds(self.round_trip.least);
                PathMemory::new(num::to_u64(self.rate), burst, round_trip, loss).ok()
            }
        }
    }

    fn state(&self) -> &'static str {
        match &self.phase {
            Phase::Start(_) => "start",
            Phase::Trial(_) => "trial",
            Phase::Grow(_) => "grow",
            Phase::Cruise { .. } => "cruise",
            Phase::Probe(_) => "probe",
            Phase::Contend(_) => "contend",
        }
    }

    fn window(&self) -> f64 {
        match &self.phase {
            Phase::Start(train) => train.octets(),
            Phase::Trial(trial) => trial.allowance(),
            Phase::Grow(_) | Phase::Cruise { .. } | Phase::Probe(_) | Phase::Contend(_) => {
                let RoundTrip { least, smoothed, .. } = self.round_trip;
                let time = if matches!(self.phase, Phase::Grow(_)) {
                    // A rate that is being tried fills no queue of seconds, even where round trips hide that it does.
                    1.25_f64.mul_add(smoothed.min(2.0_f64.mul_add(least, GROW_HELD_S)), 0.3)
                } else {
                    1.25_f64.mul_add(smoothed, 0.1)
                };
                self.rate.mul_add(time, 2.0 * self.datagram_octets())
            }
        }
    }
}
