//! WRITE and READ over a link that loses: text cut in pieces, sent again until taken, in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use relay_sim::Link;

/// Payload of one piece, in octets: with its header it is as long as the longest datagram.
const PIECE_OCTETS_MAX: usize = 1400 - HEADER_OCTETS;

/// A mark no UTF-8 text begins with, a flag for the last piece of a text, and the piece's number.
const HEADER_OCTETS: usize = 6;
const MARK: u8 = 0xff;

/// Pieces on the way at once.
const WINDOW: usize = 8;

/// When nothing moved for this long and the link is empty, what was sent is lost.
const RESEND: Duration = Duration::from_secs(2);

/// The same when datagrams keep the link from ever being empty.
const RESEND_MAX: Duration = Duration::from_secs(30);

/// What one end may have written and the other not taken, in octets.
pub(super) const BACKLOG_OCTETS_MAX: u64 = 1024 * 1024;

/// Skype counts two octets with each WRITE, in every printed example.
const WRITE_OVERHEAD_OCTETS: u64 = 2;

/// What one end wrote.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Not yet taken; the first is number `first`.
    pieces: VecDeque<Piece>,
    first: u32,
    /// How many of `pieces` are on the way.
    sent: usize,
    /// When something moved last; set while pieces are on the way.
    moved: Option<Instant>,
    backlog_octets: u64,
}

#[derive(Debug)]
struct Piece {
    octets: Vec<u8>,
    /// For the last piece of a text, what the text counts.
    ends: Option<u64>,
}

/// Whether anything that one end sent may still arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnTheWay {
    Nothing,
    Something,
}

/// What one end has to READ.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The number of the next piece.
    next: u32,
    partial: Vec<u8>,
    texts: VecDeque<String>,
    octets: u64,
}

/// What came out of a link.
pub(super) enum Parcel<'a> {
    Datagram(&'a str),
    Piece { number: u32, last: bool, octets: &'a [u8] },
}

impl<'a> Parcel<'a> {
    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        match octets {
            [MARK, last, a, b, c, d, octets @ ..] => {
                let number = u32::from_be_bytes([*a, *b, *c, *d]);
                Some(Self::Piece { number, last: *last == 1, octets })
            }
            _ => str::from_utf8(octets).ok().map(Self::Datagram),
        }
    }
}

impl Writer {
    /// Takes a text; false when too much is waiting.
    pub(super) fn write(&mut self, text: &str) -> bool {
        let counted = octets(text.len()) + WRITE_OVERHEAD_OCTETS;
        if self.backlog_octets + counted > BACKLOG_OCTETS_MAX {
            return false;
        }
        self.backlog_octets += counted;
        let pieces = text.as_bytes().chunks(PIECE_OCTETS_MAX);
        self.pieces.extend(pieces.map(|piece| Piece { octets: piece.to_vec(), ends: None }));
        if let Some(last) = self.pieces.back_mut() {
            last.ends = Some(counted);
        }
        true
    }

    /// Puts on the link what the window lets, and again what was lost.
    pub(super) fn transmit(&mut self, now: Instant, link: &mut Link, way: OnTheWay) {
        if self.resend_at(way).is_some_and(|at| at <= now) {
            self.sent = 0;
            self.moved = None;
        }
        while self.sent < WINDOW
            && let Some(piece) = self.pieces.get(self.sent)
        {
            let place = u32::try_from(self.sent).unwrap_or(u32::MAX);
            let number = self.first.wrapping_add(place);
            let mut parcel = vec![MARK, u8::from(piece.ends.is_some())];
            parcel.extend_from_slice(&number.to_be_bytes());
            parcel.extend_from_slice(&piece.octets);
            link.push(now, &parcel);
            self.sent += 1;
            self.moved.get_or_insert(now);
        }
    }

    /// Everything before piece `next` was taken; true when a whole text was.
    pub(super) fn taken(&mut self, now: Instant, next: u32) -> bool {
        let mut whole = false;
        while self.first != next && self.sent > 0 {
            let Some(piece) = self.pieces.pop_front() else { break };
            self.first = self.first.wrapping_add(1);
            self.sent -= 1;
            self.moved = (self.sent > 0).then_some(now);
            if let Some(counted) = piece.ends {
                self.backlog_octets -= counted;
                whole = true;
            }
        }
        whole
    }

    pub(super) const fn backlog_octets(&self) -> u64 {
        self.backlog_octets
    }

    pub(super) fn resend_at(&self, way: OnTheWay) -> Option<Instant> {
        let moved = self.moved?;
        Some(match way {
            OnTheWay::Nothing => moved + RESEND,
            OnTheWay::Something => moved + RESEND_MAX,
        })
    }
}

impl Reader {
    /// Takes a piece if it is the next; true when a text is whole.
    pub(super) fn take(&mut self, number: u32, last: bool, piece: &[u8]) -> bool {
        if number != self.next || self.octets > BACKLOG_OCTETS_MAX {
            return false;
        }
        self.next = self.next.wrapping_add(1);
        self.partial.extend_from_slice(piece);
        if !last {
            return false;
        }
        self.octets += octets(self.partial.len());
        // Only whole texts went in, so it is text.
        self.texts
            .push_back(String::from_utf8(std::mem::take(&mut self.partial)).unwrap_or_default());
        true
    }

    /// The oldest text; `""` when there is none.
    pub(super) fn read(&mut self) -> String {
        let text = self.texts.pop_front().unwrap_or_default();
        self.octets -= octets(text.len());
        text
    }

    pub(super) const fn next(&self) -> u32 {
        self.next
    }

    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }
}

/// A length as the API counts.
pub(super) fn octets(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
