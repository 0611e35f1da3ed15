//! One end's name for one AP2AP stream: `user:number`.

use std::fmt;
use std::str::FromStr;

use crate::name::UserHandle;

/// A stream as this end of it calls it: the partner's handle and a number.
///
/// The two ends number a stream each for itself: `bob:1` here may be `alice:3` there. Numbers may
/// be used again, so a reference says nothing about a stream that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamRef {
    /// Who is at the other end.
    pub user: UserHandle,
    /// Which of the streams to that user.
    pub number: u32,
}

/// The text is not `user:number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stream is written `user:number`")]
pub struct StreamRefError;

impl fmt::Display for StreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.number)
    }
}

impl FromStr for StreamRef {
    type Err = StreamRefError;

    /// Splits at the last colon, since handles such as `live:bob` have colons of their own.
    fn from_str(text: &str) -> Result<Self, StreamRefError> {
        let (user, number) = text.rsplit_once(':').ok_or(StreamRefError)?;
        let user = UserHandle::new(user).map_err(|_| StreamRefError)?;
        let number = decimal(number).ok_or(StreamRefError)?;
        Ok(Self { user, number })
    }
}

/// Digits only: the standard parser would also take a sign.
pub(crate) fn decimal<T: FromStr>(digits: &str) -> Option<T> {
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_last_colon() {
        let stream: StreamRef = "myspace:tom:12".parse().unwrap();
        assert_eq!((stream.user.as_str(), stream.number), ("myspace:tom", 12));
        assert_eq!(stream.to_string(), "myspace:tom:12");
    }

    #[test]
    fn refuses_what_is_no_stream() {
        for text in ["", "bob", "bob:", ":1", "bob:+1", "bob:1 ", "bob:4294967296", "bob:1=5"] {
            assert_eq!(text.parse::<StreamRef>(), Err(StreamRefError), "{text:?}");
        }
    }
}
