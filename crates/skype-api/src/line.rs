//! One message of the API: an optional `#id` and a body, on one line.

use std::fmt;

/// The longest message either side takes, in octets: a WRITE of 65,535 octets and its header.
/// Client libraries of the time had buffers of 64 KiB.
pub const MESSAGE_OCTETS_MAX: usize = 64 * 1024 + 512;

/// Ids are chosen by the client; libraries use small integers.
pub const COMMAND_ID_OCTETS_MAX: usize = 32;

/// A client's mark on a command, which Skype puts on the reply and on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId<'a>(&'a str);

impl<'a> CommandId<'a> {
    /// Reads an id, without the `#`.
    ///
    /// # Errors
    /// [`LineError::Id`] when it is empty, too long or has a blank.
    pub fn new(id: &'a str) -> Result<Self, LineError> {
        let legal = |octet: u8| octet.is_ascii_graphic();
        if id.is_empty() || id.len() > COMMAND_ID_OCTETS_MAX || !id.bytes().all(legal) {
            return Err(LineError::Id);
        }
        Ok(Self(id))
    }

    /// The id without the `#`.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// A message: `[ "#" id SP ] body`. The body is a text, a [`Command`](crate::Command) or a
/// [`Message`](crate::Message).
///
/// ```
/// use skype_api::{Command, Line};
/// let line = Line::parse("#7 get userstatus ")?.map(Command::parse);
/// assert_eq!(line.to_string(), "#7 GET USERSTATUS");
/// # Ok::<(), skype_api::LineError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a, B> {
    /// The client's mark, if it set one.
    pub id: Option<CommandId<'a>>,
    /// What is said.
    pub body: B,
}

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// More than [`MESSAGE_OCTETS_MAX`] octets.
    #[error("the message has {len} octets, more than {MESSAGE_OCTETS_MAX}")]
    TooLong {
        /// How many it has.
        len: usize,
    },
    /// NUL ends a message on X11 and may stand in none anywhere.
    #[error("the message has a NUL at octet {at}")]
    Terminator {
        /// Where.
        at: usize,
    },
    /// `#` without a usable id behind it.
    #[error("the command id is empty, too long or not printable ASCII")]
    Id,
}

impl<'a> Line<'a, &'a str> {
    /// Cuts the id off a message.
    ///
    /// # Errors
    /// [`LineError`] when no transport could have carried it, or the id is none.
    pub fn parse(text: &'a str) -> Result<Self, LineError> {
        check_text(text)?;
        let Some(marked) = text.strip_prefix('#') else {
            return Ok(Self { id: None, body: text });
        };
        let (id, body) = marked.split_once(' ').unwrap_or((marked, ""));
        Ok(Self { id: Some(CommandId::new(id)?), body })
    }
}

impl<'a, B> Line<'a, B> {
    /// The same id on another body.
    pub fn map<T>(self, read: impl FnOnce(B) -> T) -> Line<'a, T> {
        Line { id: self.id, body: read(self.body) }
    }
}

impl<B: fmt::Display> fmt::Display for Line<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(CommandId(id)) = self.id {
            write!(f, "#{id} ")?;
        }
        self.body.fmt(f)
    }
}

/// Says whether `text` may be a message. A socket, where a line feed ends one, carries less than D-Bus and X11.
///
/// # Errors
/// [`LineError`] when it is too long or holds a NUL.
pub fn check_text(text: &str) -> Result<(), LineError> {
    if text.len() > MESSAGE_OCTETS_MAX {
        return Err(LineError::TooLong { len: text.len() });
    }
    text.bytes().position(|octet| octet == 0).map_or(Ok(()), |at| Err(LineError::Terminator { at }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_id_apart_from_the_body() {
        let line = Line::parse("#AB GET USERSTATUS").unwrap();
        assert_eq!(line.id.map(CommandId::as_str), Some("AB"));
        assert_eq!(line.body, "GET USERSTATUS");
    }

    #[test]
    fn finds_an_id_at_the_start_only() {
        let line = Line::parse("APPLICATION a DATAGRAM b:1 #5 ERROR 2 fake").unwrap();
        assert_eq!(line.id, None);
    }

    #[test]
    fn refuses_what_no_transport_carries() {
        assert_eq!(Line::parse("PING\n").map(|line| line.body), Ok("PING\n"));
        assert_eq!(Line::parse("a\0b"), Err(LineError::Terminator { at: 1 }));
        let long = "a".repeat(MESSAGE_OCTETS_MAX + 1);
        assert_eq!(Line::parse(&long), Err(LineError::TooLong { len: long.len() }));
        assert_eq!(Line::parse("# PING"), Err(LineError::Id));
    }

    #[test]
    fn reads_an_id_without_a_body() {
        assert_eq!(Line::parse("#5").unwrap().body, "");
    }
}
