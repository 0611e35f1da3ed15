//! Messages as the 20-octet client messages of X11, and back: the codec alone, without a display.
//!
//! A message is its UTF-8 and one NUL, cut into pieces of 20 octets; the first piece is of another type than the rest.
//! What stands behind the NUL is anything: senders used their event structures again.

use std::collections::BTreeMap;

use crate::line::MESSAGE_OCTETS_MAX;

/// Octets of a client message of format 8 (Xlib's `XClientMessageEvent`).
pub const PIECE_OCTETS: usize = 20;

/// The type of a message's first piece.
pub const BEGIN_ATOM: &str = "SKYPECONTROLAPI_MESSAGE_BEGIN";

/// The type of its other pieces.
pub const CONTINUE_ATOM: &str = "SKYPECONTROLAPI_MESSAGE";

/// The property of the root window that names Skype's window. It may outlive both.
pub const INSTANCE_ATOM: &str = "_SKYPE_INSTANCE";

/// Windows that may be in the middle of a message at one time. Beyond it the oldest is forgotten.
pub const WINDOWS_MAX: usize = 64;

/// One client message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// It is a message's first.
    pub begins: bool,
    /// Its octets; behind the NUL, zeros when they are ours.
    pub octets: [u8; PIECE_OCTETS],
}

impl Piece {
    /// The name of the atom that is its type.
    #[must_use]
    pub const fn atom(&self) -> &'static str {
        if self.begins { BEGIN_ATOM } else { CONTINUE_ATOM }
    }
}

/// Cuts a message into pieces: length / 20 + 1 of them. A NUL in `text` would end it there: see
/// [`check_text`](crate::check_text).
///
/// ```
/// let pieces: Vec<_> = skype_api::x11::pieces("PING").collect();
/// assert_eq!(pieces.len(), 1);
/// assert!(pieces[0].begins && pieces[0].octets.starts_with(b"PING\0"));
/// ```
pub fn pieces(text: &str) -> impl Iterator<Item = Piece> {
    let octets = text.as_bytes();
    (0..=octets.len() / PIECE_OCTETS).map(move |number| {
        let mut piece = Piece { begins: number == 0, octets: [0; PIECE_OCTETS] };
        let from = octets.get(number * PIECE_OCTETS..).unwrap_or_default();
        piece.octets.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        piece
    })
}

/// What became of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The message goes on.
    More,
    /// The message is whole.
    Message(String),
    /// It was thrown away, and why.
    Dropped(Fault),
}

/// Why a piece was thrown away, with what it belonged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No message of this window had begun: pieces came in another order, or one was lost.
    #[error("a piece of a message that did not begin")]
    NoBeginning,
    /// More than [`MESSAGE_OCTETS_MAX`].
    #[error("the message is longer than {MESSAGE_OCTETS_MAX} octets")]
    TooLong,
    /// The joined octets are no UTF-8.
    #[error("the message is not UTF-8")]
    NotText,
}

/// Joins the pieces of many senders, each by its window.
///
/// ```
/// use skype_api::x11::{Joined, Joiner, pieces};
/// let mut joiner = Joiner::default();
/// let mut heard = pieces("CONNSTATUS ONLINE, and more").map(|piece| joiner.take(7, &piece));
/// assert_eq!(heard.next(), Some(Joined::More));
/// assert_eq!(heard.next(), Some(Joined::Message("CONNSTATUS ONLINE, and more".to_owned())));
/// ```
#[derive(Debug, Default)]
pub struct Joiner {
    /// What came of each window's message so far, and when it began.
    open: BTreeMap<u32, (u64, Vec<u8>)>,
    began: u64,
    faults: u64,
}

impl Joiner {
    /// Takes a piece that came from a window. A piece that begins a message ends the one before, whole or not.
    pub fn take(&mut self, window: u32, piece: &Piece) -> Joined {
        if piece.begins {
            self.begin(window);
        }
        let Some((_, octets)) = self.open.get_mut(&window) else {
            return self.drop_it(window, Fault::NoBeginning);
        };
        let end = piece.octets.iter().position(|octet| *octet == 0);
        octets.extend(piece.octets.iter().take(end.unwrap_or(PIECE_OCTETS)));
        if octets.len() > MESSAGE_OCTETS_MAX {
            return self.drop_it(window, Fault::TooLong);
        }
        if end.is_none() {
            return Joined::More;
        }
        let (_, octets) = self.open.remove(&window).unwrap_or_default();
        String::from_utf8(octets)
            .map_or_else(|_| self.drop_it(window, Fault::NotText), Joined::Message)
    }

    /// The window is gone, and the rest of its message will not come.
    pub fn forget(&mut self, window: u32) {
        self.open.remove(&window);
    }

    /// Pieces, and messages, that were thrown away.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    fn begin(&mut self, window: u32) {
        self.began += 1;
        if self.open.insert(window, (self.began, Vec::new())).is_some() {
            self.faults += 1;
        }
        if self.open.len() > WINDOWS_MAX {
            let oldest = self.open.iter().min_by_key(|(_, (began, _))| *began);
            if let Some(oldest) = oldest.map(|(window, _)| *window) {
                self.open.remove(&oldest);
                self.faults += 1;
            }
        }
    }

    fn drop_it(&mut self, window: u32, fault: Fault) -> Joined {
        self.open.remove(&window);
        self.faults += 1;
        Joined::Dropped(fault)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(joiner: &mut Joiner, window: u32, pieces: &[Piece]) -> Vec<Joined> {
        pieces.iter().map(|piece| joiner.take(window, piece)).collect()
    }

    #[test]
    fn a_length_that_is_a_multiple_of_twenty_ends_with_a_piece_of_nul() {
        for len in [0, 19, 20, 39, 40, 1400] {
            let pieces: Vec<Piece> = pieces(&"a".repeat(len)).collect();
            assert_eq!(pieces.len(), len / 20 + 1);
            assert!(pieces.last().is_some_and(|piece| piece.octets.contains(&0)));
        }
    }

    #[test]
    fn garbage_behind_the_nul_is_no_part_of_it() {
        let mut piece = pieces("PING").next().unwrap();
        piece.octets[5..].fill(b'x');
        assert_eq!(Joiner::default().take(1, &piece), Joined::Message("PING".to_owned()));
    }

    #[test]
    fn pieces_without_a_beginning_are_dropped_until_the_next_one() {
        let mut joiner = Joiner::default();
        let mut swapped: Vec<Piece> = pieces(&"b".repeat(30)).collect();
        swapped.reverse();
        let heard = join(&mut joiner, 1, &swapped);
        assert_eq!(heard, [Joined::Dropped(Fault::NoBeginning), Joined::More]);
        let next: Vec<Piece> = pieces("PONG").collect();
        assert_eq!(join(&mut joiner, 1, &next), [Joined::Message("PONG".to_owned())]);
        assert_eq!(joiner.faults(), 2);
    }

    #[test]
    fn endless_messages_and_endless_windows_are_bounded() {
        let mut joiner = Joiner::default();
        let more = Piece { begins: false, octets: [b'a'; PIECE_OCTETS] };
        let first = Piece { begins: true, ..more };
        assert_eq!(joiner.take(1, &first), Joined::More);
        let mut heard = (0..MESSAGE_OCTETS_MAX).map(|_| joiner.take(1, &more));
        let last = heard.find(|joined| *joined != Joined::More);
        assert_eq!(last, Some(Joined::Dropped(Fault::TooLong)));
        for window in 0..1000 {
            joiner.take(window, &first);
        }
        assert_eq!(joiner.open.len(), WINDOWS_MAX);
    }

    #[test]
    fn half_a_character_at_the_end_is_no_text() {
        let octets: [u8; PIECE_OCTETS] = std::array::from_fn(|at| [0xc3, 0][at.min(1)]);
        let heard = Joiner::default().take(1, &Piece { begins: true, octets });
        assert_eq!(heard, Joined::Dropped(Fault::NotText));
    }

    proptest! {
        /// Characters straddle pieces, and two windows' pieces come in turn.
        #[test]
        fn what_was_cut_is_joined(one in "[^\0]{0,300}", other in "[^\0]{0,300}") {
            let mut joiner = Joiner::default();
            let (one_cut, other_cut): (Vec<_>, Vec<_>) =
                (pieces(&one).collect(), pieces(&other).collect());
            let mut heard = BTreeMap::new();
            for place in 0..one_cut.len().max(other_cut.len()) {
                for (window, cut) in [(1, &one_cut), (2, &other_cut)] {
                    if let Some(Joined::Message(text)) = cut.get(place).map(|it| joiner.take(window, it)) {
                        heard.insert(window, text);
                    }
                }
            }
            prop_assert_eq!(heard, BTreeMap::from([(1, one), (2, other)]));
            prop_assert_eq!(joiner.faults(), 0);
        }
    }
}
