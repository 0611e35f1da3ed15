//! What arrived on a path that is gone, or silent, is told over another one: it need not be sent again.
//!
//! ```text
//!   bridge   ... 7 8 9 arrived on path 0 | path 0 falls silent |  path 1 joins
//!   client                               |                     |  ◄── ack of path 0: 7 8 9
//! ```

use std::time::{Duration, Instant};

use super::Connection;
use crate::path::{PATHS_MAX, Path};
use crate::recovery::sent::SentPackets;
use crate::stream::recv::Violation;
use crate::wire::ack::Ack;
use crate::wire::frame::Frame;
use crate::wire::writer::Writer;

/// Each is told so often: a packet may be lost.
const TOLD: u8 = 2;
/// A path that nothing came over for this long, and for so many probe time-outs, may be gone.
const UNHEARD: Duration = Duration::from_secs(1);
const UNHEARD_TIMEOUTS: u32 = 3;

/// The last word about paths, of which there are few.
#[derive(Debug, Default)]
pub(super) struct Farewells {
    /// What arrived here, and how often it is still to be told. At most [`PATHS_MAX`].
    to_tell: Vec<(Ack, u8)>,
    /// What was sent on paths that are gone, by their epochs. At most [`PATHS_MAX`].
    departed: Vec<(u32, SentPackets)>,
}

impl Farewells {
    fn tell(&mut self, ack: Ack) {
        self.to_tell.retain(|(before, _)| before.epoch != ack.epoch);
        if self.to_tell.len() >= PATHS_MAX {
            self.to_tell.remove(0);
        }
        self.to_tell.push((ack, TOLD));
    }

    fn remember(&mut self, epoch: u32, sent: SentPackets) {
        if self.departed.len() >= PATHS_MAX {
            self.departed.remove(0);
        }
        self.departed.push((epoch, sent));
    }
}

impl Connection {
    /// A path joins: the peer may not know what arrived on those that are silent.
    pub(super) fn tell_of_silent(&mut self, now: Instant) {
        for index in 0..self.paths.list.len() {
            let is_unheard = self.paths.get(index).is_some_and(|path| {
                let patience = UNHEARD.max(UNHEARD_TIMEOUTS * path.rtt.probe_timeout());
                path.heard_at.is_some_and(|at| now.saturating_duration_since(at) > patience)
            });
            if is_unheard {
                self.tell_of(now, index);
            }
        }
    }

    fn tell_of(&mut self, now: Instant, index: usize) {
        let Some(path) = self.paths.get_mut(index) else { return };
        if let Some(report) = path.received.take_ack(&self.clock, now, &mut self.dice) {
            let ack = Ack { epoch: Some(path.epoch), arrivals: Vec::new(), ..report.ack };
            self.farewells.get_or_insert_default().tell(ack);
        }
    }

    /// AP-84: a path is dropped, and all that was under way on it was given up. What the peer tells of it yet is
    /// believed.
    pub(super) fn part_from(&mut self, now: Instant, index: usize) {
        self.tell_of(now, index);
        let Some(path) = self.paths.get_mut(index).filter(|path| path.is_heard) else { return };
        let Path { epoch, sent, .. } = path;
        let departed = std::mem::replace(sent, SentPackets::new());
        self.farewells.get_or_insert_default().remember(*epoch, departed);
    }

    /// Writes what there is to tell of other paths than this one.
    pub(super) fn write_farewells(&mut self, index: usize, writer: &mut Writer<'_>) {
        let here = self.paths.get(index).map(|path| path.epoch);
        let Some(farewells) = &mut self.farewells else { return };
        for (ack, left) in &mut farewells.to_tell {
            if ack.epoch != here && writer.room() / 2 >= ack.room_for(0) {
                Frame::Ack(ack.clone()).write(writer);
                *left = left.saturating_sub(1);
            }
        }
        farewells.to_tell.retain(|(_, left)| *left > 0);
    }

    /// An acknowledgement of what was sent on a path that is gone, or from which nothing is heard: it says nothing of
    /// that path's time, rate or life, but what arrived there did arrive. False: the path is in use.
    pub(super) fn handle_farewell(
        &mut self,
        now: Instant,
        epoch: u32,
        ack: &Ack,
    ) -> Result<bool, Violation> {
        let path = self.paths.list.iter_mut().find(|path| path.epoch == epoch);
        let sent = match path {
            Some(path) if !path.is_silent() => return Ok(false),
            Some(path) => Some(&mut path.sent),
            None => {
                let mut departed = self.farewells.iter_mut().flat_map(|it| &mut it.departed);
                departed.find(|(it, _)| *it == epoch).map(|(_, sent)| sent)
            }
        };
        let Some(sent) = sent else { return Ok(true) };
        let news = sent
            .handle_ack(&self.clock, now, ack)
            .map_err(|_| Violation("an acknowledgement of what was never sent"))?;
        for frame in &news.arrived {
            self.frame_arrived(frame);
        }
        for frame in &news.lost {
            self.frame_lost(frame);
        }
        Ok(true)
    }
}
