//! The text of a state file: tickets and paths, each with its time.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ap2ap_stream::{PathMemory, PublicKey, Ticket};
use carrier::PeerId;
use data_encoding::BASE32_NOPAD;

/// A client knows no more bridges, and each has no more names.
const TICKETS_MAX: usize = 16;
const PATHS_MAX: usize = 128;

/// What was learned of a path counts for this long: relays live for hours.
const PATH_KEPT: Duration = Duration::from_secs(6 * 3600);

/// What a file holds. Times are since 1970-01-01, by a clock that may be wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    tickets: BTreeMap<String, Kept>,
    paths: BTreeMap<String, (Duration, PathMemory)>,
    is_ahead: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    until: Duration,
    ticket: Ticket,
}

impl Contents {
    /// What of a text is understood and not too old. Lines of later versions are passed over.
    pub(super) fn parse(text: &str, now: Duration) -> Self {
        let mut contents = Self::default();
        for line in text.lines() {
            // A line that is none of ours is nobody's fault: the check sum was right.
            let _known = contents.read_line(line, now);
        }
        contents
    }

    fn read_line(&mut self, line: &str, now: Duration) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once(' ')?;
        let (time, value) = rest.split_once(' ')?;
        let time = Duration::from_secs(time.parse().ok()?);
        match kind {
            "ticket" if self.tickets.len() < TICKETS_MAX => {
                let _key: PublicKey = name.parse().ok()?;
                let octets = BASE32_NOPAD.decode(value.as_bytes()).ok()?;
                let ticket = Ticket::from_octets(octets.as_slice().try_into().ok()?);
                let kept = Kept { until: time, ticket };
                self.is_ahead |= kept.is_ahead(now);
                if kept.is_valid(now) {
                    self.tickets.insert(name.to_owned(), kept);
                }
            }
            "path" if self.paths.len() < PATHS_MAX => {
                let _peer: PeerId = name.parse().ok()?;
                let memory = value.parse().ok()?;
                if now.abs_diff(time) < PATH_KEPT {
                    self.paths.insert(name.to_owned(), (time, memory));
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Whether a ticket was left out because no clock that was right then can be where this one is.
    pub(super) const fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (key, Kept { until, ticket }) in &self.tickets {
            let octets = BASE32_NOPAD.encode(&*ticket.to_octets());
            let _ = writeln!(text, "ticket {key} {} {octets}", until.as_secs());
        }
        for (peer, (seen, memory)) in &self.paths {
            let _ = writeln!(text, "path {peer} {} {memory}", seen.as_secs());
        }
        text
    }

    pub(super) fn take_ticket(&mut self, bridge: &PublicKey, now: Duration) -> Option<Ticket> {
        let kept = self.tickets.remove(&bridge.to_string())?;
        kept.is_valid(now).then_some(kept.ticket)
    }

    pub(super) fn keep_ticket(&mut self, bridge: &PublicKey, ticket: Ticket, now: Duration) {
        let until = now.saturating_add(ticket.lifetime());
        let key = bridge.to_string();
        if self.tickets.len() < TICKETS_MAX || self.tickets.contains_key(&key) {
            self.tickets.insert(key, Kept { until, ticket });
        }
    }

    pub(super) fn path(&self, peer: &PeerId) -> Option<PathMemory> {
        self.paths.get(&peer.to_string()).map(|(_, memory)| *memory)
    }

    pub(super) fn keep_path(&mut self, peer: &PeerId, memory: PathMemory, now: Duration) {
        let name = peer.to_string();
        if self.paths.len() < PATHS_MAX || self.paths.contains_key(&name) {
            self.paths.insert(name, (now, memory));
        }
    }
}

impl Kept {
    /// Its time is not over, nor so far ahead that the clock must have gone back since.
    fn is_valid(&self, now: Duration) -> bool {
        now < self.until && !self.is_ahead(now)
    }

    fn is_ahead(&self, now: Duration) -> bool {
        self.until > now.saturating_add(self.ticket.lifetime())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn key(number: u8) -> PublicKey {
        ap2ap_stream::SecretKey::from_octets([number; 32]).public()
    }

    fn ticket(number: u8) -> Ticket {
        Ticket::from_octets(&[number; Ticket::LEN])
    }

    fn full() -> Contents {
        let mut contents = Contents::default();
        contents.keep_ticket(&key(1), ticket(1), NOW);
        contents.keep_ticket(&key(2), ticket(2), NOW);
        let memory = "rate=3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=10000";
        contents.keep_path(&"skype:bob".parse().unwrap(), memory.parse().unwrap(), NOW);
        contents
    }

    #[test]
    fn what_was_written_is_read_again() {
        let text = full().to_text();
        let mut read = Contents::parse(&text, NOW);
        assert_eq!(read.to_text(), text);
        assert_eq!(read.take_ticket(&key(1), NOW), Some(ticket(1)));
        assert_eq!(read.take_ticket(&key(1), NOW), None, "it is used once");
        assert!(read.path(&"skype:bob".parse().unwrap()).is_some());
    }

    #[test]
    fn what_is_too_old_or_from_the_future_is_left_out() {
        let text = full().to_text();
        assert_eq!(Contents::parse(&text, NOW + HOUR).tickets.len(), 0);
        assert_eq!(Contents::parse(&text, NOW + 7 * HOUR).to_text(), "");
        let set_back = Contents::parse(&text, NOW - HOUR);
        assert_eq!((set_back.tickets.len(), set_back.paths.len()), (0, 1));
        assert!(set_back.is_ahead(), "which is told");
        assert!(!Contents::parse(&text, NOW + HOUR).is_ahead(), "what is old is not");
    }

    #[test]
    fn lines_of_other_versions_and_nonsense_are_passed_over() {
        let text = full().to_text();
        let with = format!("later x 1 y\nticket\npath skype:b 1 rate=?\nticket k 9 ==\n{text}");
        assert_eq!(Contents::parse(&with, NOW).to_text(), text);
    }

    #[test]
    fn refuses_more_than_it_has_room_for() {
        let mut contents = Contents::default();
        for number in 1..=20 {
            contents.keep_ticket(&key(number), ticket(number), NOW);
        }
        assert_eq!(contents.tickets.len(), TICKETS_MAX);
        contents.keep_ticket(&key(1), ticket(99), NOW);
        assert_eq!(contents.take_ticket(&key(1), NOW), Some(ticket(99)));
    }
}
