//! What a queue says: the relay's rate, that the path changed, or how long to wait until it is empty.

use super::{BURST_MAX_OCTETS, Drain, PROBE_QUEUE_S, Phase, RATE_MIN, RelayRate};
use crate::congestion::queue_sensor::Reading;
use crate::congestion::train::{DATAGRAM_MAX_OCTETS, DATAGRAM_MIN_OCTETS};
use crate::congestion::{Outcome, Seconds};

impl RelayRate {
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

    pub(super) fn on_reading(&mut self, now: Seconds, packet: &Outcome, reading: &Reading) {
        if reading.queue > 0.0 {
            self.queue_seen_at = Some(now);
        }
        if matches!(self.phase, Phase::Contend(_)) {
            self.contended_queue(now, packet, reading);
            return;
        }
        if !self.is_beginning() && self.is_contended(now, reading) {
            self.contend(now);
            return;
        }
        if self.is_longer_path(packet, reading) {
            self.sensor.rebase(reading.delay);
            self.switches = self.switches.saturating_add(1);
            return;
        }
        if matches!(self.phase, Phase::Cruise { .. })
            && reading.sooner > (0.15 * self.round_trip.least).max(0.01)
        {
            self.sensor.rebase(reading.delay);
            if self.has_company {
                // A queue that they built is gone, more likely than that the relay changed.
                self.enter_probe(now, self.probe_gain());
            } else {
                self.switches = self.switches.saturating_add(1);
                self.enter_grow(now, 1.5);
            }
            return;
        }
        let Some((slope, trust)) = reading.slope else {
            self.rate_at_run_start = self.rate;
            self.on_queue_without_slope(now, packet, reading);
            return;
        };
        let slope = slope.max(RATE_MIN);
        if trust >= 0.99 {
            self.shaped_at = Some(now);
        }
        match &self.phase {
            Phase::Start(_) | Phase::Trial(_) if trust < 0.99 => {}
            Phase::Start(_) => self.found(now, packet, reading.queue, slope),
            Phase::Trial(_) => {
                self.burst = DATAGRAM_MAX_OCTETS;
                self.found(now, packet, reading.queue, slope);
            }
            Phase::Probe(_) if self.is_recalled && trust < 0.99 => {}
            Phase::Grow(_) | Phase::Probe(_) if trust < 0.99 && reading.queue < PROBE_QUEUE_S => {}
            Phase::Grow(_) | Phase::Probe(_) => {
                let rate = blend(self.rate_at_run_start, slope, trust);
                self.found(now, packet, reading.queue, rate);
            }
            Phase::Cruise { .. } => {
                self.rate = blend(self.rate_at_run_start, slope, trust).max(RATE_MIN);
                self.drain(now, packet, reading.queue);
            }
            Phase::Contend(_) => {}
        }
    }

    fn on_queue_without_slope(&mut self, now: Seconds, packet: &Outcome, reading: &Reading) {
        if reading.queue <= PROBE_QUEUE_S + reading.threshold {
            return;
        }
        match &self.phase {
            Phase::Probe(_) => self.found(now, packet, reading.queue, self.rate),
            Phase::Cruise { .. } => self.drain(now, packet, reading.queue),
            Phase::Start(_) | Phase::Trial(_) | Phase::Grow(_) | Phase::Contend(_) => {}
        }
    }

    /// The first bulk datagram after a drain still waits about as long: the path got longer.
    fn is_longer_path(&mut self, packet: &Outcome, reading: &Reading) -> bool {
        let is_first = |drain: &mut Drain| {
            packet.sent_at > drain.until && packet.octets >= DATAGRAM_MIN_OCTETS
        };
        let drained = self.drain.take_if(is_first);
        drained.is_some_and(|drain| reading.queue > drain.queue / 2.0)
    }

    /// A queue answered: this is the rate.
    fn found(&mut self, now: Seconds, packet: &Outcome, queue: f64, rate: f64) {
        if let Some(began_at) = self.began_at {
            let position = packet.position - self.began_behind;
            let ahead = position - rate * (packet.sent_at - began_at + queue);
            self.bucket = self.bucket.max(ahead.min(BURST_MAX_OCTETS));
        }
        self.is_recalled = false;
        if let Phase::Probe(excess) = &self.phase {
            let elapsed = packet.sent_at - excess.began_at;
            let ahead = packet.position - excess.position - self.rate * elapsed;
            self.burst = (ahead - queue * rate).clamp(DATAGRAM_MAX_OCTETS, BURST_MAX_OCTETS);
            self.space_probes(rate);
        }
        self.enter_cruise(now, rate);
        self.drain(now, packet, queue);
    }
}

fn blend(old: f64, new: f64, trust: f64) -> f64 {
    if old <= 0.0 { new } else { trust.mul_add(new, (1.0 - trust) * old) }
}
