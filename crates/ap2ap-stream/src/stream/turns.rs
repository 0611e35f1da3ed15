//! Who is next: the streams that have something to send, in the order of their turns.
//!
//! It is asked several times for each packet, so it must not matter how many streams are open:
//!
//! ```text
//!                  ┌ short ── sparse, unless it sent much lately ┐
//!   at once ───────┤                                             │
//!                  └ long  ── bulk                               ├──► the one served longest ago
//!                  ┌ short                                       │
//!   on credit ─────┤                                             │
//!                  └ long                                        ┘
//!   control ─────────────────────────────────────────────────────────► the oldest
//! ```
//!
//! An idle stream is in none of them.

use std::collections::BTreeSet;

use crate::id::StreamId;

/// Streams in the order of their turns: the one served longest ago, and of those never served the oldest.
type Line = BTreeSet<(u64, StreamId)>;

/// The streams that have something to send.
#[derive(Debug, Default)]
pub(super) struct Turns {
    at_once: Lines,
    on_credit: Lines,
    control: BTreeSet<StreamId>,
}

#[derive(Debug, Default)]
struct Lines {
    short: Line,
    long: Line,
}

/// What a stream has to send, and so where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) data: Option<Turn>,
    pub(super) control: bool,
}

/// A stream's place among those with data to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) needs: Needs,
    pub(super) backlog: Backlog,
    /// When it was this stream's turn last, as a count of turns.
    pub(super) served: u64,
}

/// What a stream with data to send needs of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// What was sent before, or the stream's end alone, can go at once.
    Nothing,
    /// What was never sent needs some of the connection's credit.
    Credit,
}

/// How much waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backlog {
    /// So little that the stream may be a sparse one.
    Short,
    Long,
}

impl Turns {
    /// A stream that had `before` to send has `now`.
    pub(super) fn file(&mut self, id: StreamId, before: Wants, now: Wants) {
        if before.data != now.data {
            if let Some(turn) = before.data {
                self.line(turn).remove(&(turn.served, id));
            }
            if let Some(turn) = now.data {
                self.line(turn).insert((turn.served, id));
            }
        }
        match (before.control, now.control) {
            (false, true) => _ = self.control.insert(id),
            (true, false) => _ = self.control.remove(&id),
            (false, false) | (true, true) => {}
        }
    }

    /// Nothing is under way, nor has been for a while.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Whether a stream has data to send, with so much credit.
    pub(super) fn has_data(&self, credit: u64) -> bool {
        self.lines(credit).any(|lines| !lines.is_empty())
    }

    /// All streams with data to send, with so much credit.
    pub(super) fn with_data(&self, credit: u64) -> impl Iterator<Item = StreamId> {
        let lines = self.lines(credit).flat_map(|lines| lines.short.iter().chain(&lines.long));
        lines.map(|(_, id)| *id)
    }

    /// The stream with data to send whose turn it is, with so much credit.
    pub(super) fn next(&self, credit: u64) -> Option<StreamId> {
        let firsts = self.lines(credit).flat_map(|lines| [lines.short.first(), lines.long.first()]);
        firsts.flatten().min().map(|(_, id)| *id)
    }

    /// The same among those with little to send that `is_sparse` says yes to. It is asked for one after the
    /// other; those it says no to sent more than their share of what the path carried within about
    /// the last second, so they are few.
    pub(super) fn next_sparse(
        &self,
        credit: u64,
        is_sparse: impl Fn(StreamId) -> bool,
    ) -> Option<StreamId> {
        let firsts = self
            .lines(credit)
            .filter_map(|lines| lines.short.iter().find(|(_, id)| is_sparse(*id)));
        firsts.min().map(|(_, id)| *id)
    }

    /// The oldest stream with a control frame to send.
    pub(super) fn next_with_control(&self) -> Option<StreamId> {
        self.control.first().copied()
    }

    fn is_empty(&self) -> bool {
        self.at_once.is_empty() && self.on_credit.is_empty() && self.control.is_empty()
    }

    /// How many streams stand somewhere.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lines = [&self.at_once, &self.on_credit].into_iter();
        let data = lines.flat_map(|lines| lines.short.union(&lines.long)).map(|(_, id)| *id);
        data.chain(self.control.iter().copied()).collect::<BTreeSet<_>>().len()
    }

    fn lines(&self, credit: u64) -> impl Iterator<Item = &Lines> {
        let on_credit = (credit > 0).then_some(&self.on_credit);
        std::iter::once(&self.at_once).chain(on_credit)
    }

    const fn line(&mut self, turn: Turn) -> &mut Line {
        let lines = match turn.needs {
            Needs::Nothing => &mut self.at_once,
            Needs::Credit => &mut self.on_credit,
        };
        match turn.backlog {
            Backlog::Short => &mut lines.short,
            Backlog::Long => &mut lines.long,
        }
    }
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty()
    }
}
