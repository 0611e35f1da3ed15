//! The streams of one application, found by comparing STREAMS lists.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::event::Event;
use crate::name::UserHandle;
use crate::stream_ref::StreamRef;

/// Streams kept of one list. No limit of Skype's is known; this one bounds memory.
const STREAMS_MAX: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Up,
    /// Skype still lists it, but its user went off line.
    Ghost,
}

/// What was told last, and what the caller was told of it.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: BTreeMap<StreamRef, Life>,
    /// Users with a stream that came up since the last `settle`.
    raised: BTreeSet<UserHandle>,
}

impl Streams {
    /// Takes a whole list: what is new goes up, what is missing goes down.
    pub(super) fn update(&mut self, list: &[StreamRef], events: &mut VecDeque<Event>) {
        let listed: BTreeSet<StreamRef> = list.iter().take(STREAMS_MAX).copied().collect();
        self.known.retain(|stream, life| {
            let stays = listed.contains(stream);
            if !stays && *life == Life::Up {
                events.push_back(Event::StreamDown(*stream));
            }
            stays
        });
        for stream in listed {
            if !self.known.contains_key(&stream) {
                self.raise(stream, events);
            }
        }
    }

    /// Makes a stream be up; says whether it was not.
    pub(super) fn raise(&mut self, stream: StreamRef, events: &mut VecDeque<Event>) -> bool {
        if self.is_up(stream) || self.known.len() >= STREAMS_MAX {
            return false;
        }
        self.known.insert(stream, Life::Up);
        self.raised.insert(stream.user);
        events.push_back(Event::StreamUp(stream));
        true
    }

    /// Skype says that there is no such stream.
    pub(super) fn forget(&mut self, stream: StreamRef, events: &mut VecDeque<Event>) {
        if self.known.remove(&stream) == Some(Life::Up) {
            events.push_back(Event::StreamDown(stream));
        }
    }

    /// A user went off line: its streams are dead, whatever the list says.
    pub(super) fn bury(&mut self, user: UserHandle, events: &mut VecDeque<Event>) {
        for (stream, life) in &mut self.known {
            if stream.user == user && *life == Life::Up {
                *life = Life::Ghost;
                events.push_back(Event::StreamDown(*stream));
            }
        }
    }

    pub(super) fn clear(&mut self, events: &mut VecDeque<Event>) {
        self.update(&[], events);
        self.settle();
    }

    /// Ends the memory of who came up.
    pub(super) fn settle(&mut self) {
        self.raised.clear();
    }

    pub(super) fn raised(&self, user: UserHandle) -> bool {
        self.raised.contains(&user)
    }

    pub(super) fn is_up(&self, stream: StreamRef) -> bool {
        self.known.get(&stream) == Some(&Life::Up)
    }

    pub(super) fn up(&self) -> impl Iterator<Item = StreamRef> {
        self.known.iter().filter(|(_, life)| **life == Life::Up).map(|(&stream, _)| stream)
    }
}
