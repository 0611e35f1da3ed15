//! What waits to be told, with the datagrams still as text.

use std::collections::VecDeque;

use carrier::{CarrierEvent, CarrierPath};
use tracing::trace;

use crate::counters::{Counters, count};

/// Events in the order in which they happened. Its owner sees to it that they are few.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    told: VecDeque<Told>,
    /// What a datagram's text means: kept for its memory.
    octets: Vec<u8>,
}

#[derive(Debug)]
enum Told {
    Event(CarrierEvent),
    Datagram(CarrierPath, String),
}

impl Inbox {
    pub(crate) fn push(&mut self, event: CarrierEvent) {
        self.told.push_back(Told::Event(event));
    }

    pub(crate) fn push_datagram(&mut self, path: CarrierPath, text: String) {
        self.told.push_back(Told::Datagram(path, text));
    }

    /// The next event; a datagram's octets go to the front of `buf`.
    pub(crate) fn poll(&mut self, buf: &mut [u8], counters: &mut Counters) -> Option<CarrierEvent> {
        loop {
            match self.told.pop_front()? {
                Told::Event(event) => return Some(event),
                Told::Datagram(path, text) => {
                    if let Some(len) = self.read(&text, buf, counters) {
                        return Some(CarrierEvent::Datagram { path, len });
                    }
                }
            }
        }
    }

    /// Drops what was to be told of a path.
    pub(crate) fn forget(&mut self, path: CarrierPath) {
        self.told.retain(|told| told.path() != Some(path));
    }

    pub(crate) fn len(&self) -> usize {
        self.told.len()
    }

    /// The octets of a datagram, if it has any that fit.
    fn read(&mut self, text: &str, buf: &mut [u8], counters: &mut Counters) -> Option<usize> {
        self.octets.clear();
        if armour::decode(text, &mut self.octets).is_err() || self.octets.is_empty() {
            trace!(cause = "no armour", "datagram dropped");
            count(&mut counters.undecodable);
            return None;
        }
        let Some(front) = buf.get_mut(..self.octets.len()) else {
            trace!(cause = "longer than the buffer", "datagram dropped");
            count(&mut counters.too_long);
            return None;
        };
        front.copy_from_slice(&self.octets);
        Some(self.octets.len())
    }
}

impl Told {
    const fn path(&self) -> Option<CarrierPath> {
        match self {
            Self::Datagram(path, _)
            | Self::Event(
                CarrierEvent::Incoming { path, .. }
                | CarrierEvent::Up { path, .. }
                | CarrierEvent::Changed { path, .. }
                | CarrierEvent::Datagram { path, .. }
                | CarrierEvent::Writable { path }
                | CarrierEvent::Hint { path, .. }
                | CarrierEvent::Down { path, .. },
            ) => Some(*path),
            Self::Event(CarrierEvent::Closed { .. }) => None,
        }
    }
}
