//! A peer's name on some overlay: `skype:LOGIN`, `udp:IP:PORT`.

use std::fmt;
use std::str::FromStr;

/// The longest text form of a peer, in octets: a scheme, a colon and a long login.
pub const PEER_LEN_MAX: usize = 255;

/// A peer's name on some overlay, such as `skype:bridge.example` or `udp:192.0.2.1:4000`.
///
/// `Display` writes it whole. `Debug` writes nothing of it, so that it cannot reach a log by
/// accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    text: String,
    scheme_len: usize,
}

impl PeerId {
    /// The overlay, as in `skype`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme_len).unwrap_or_default()
    }

    /// What follows the scheme's colon: a login, an address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.text.get(self.scheme_len.saturating_add(1)..).unwrap_or_default()
    }
}

impl FromStr for PeerId {
    type Err = ParsePeerError;

    fn from_str(text: &str) -> Result<Self, ParsePeerError> {
        if text.len() > PEER_LEN_MAX {
            return Err(ParsePeerError::TooLong);
        }
        let (scheme, address) = text.split_once(':').ok_or(ParsePeerError::NoScheme)?;
        let scheme_is_word = !scheme.is_empty()
            && scheme.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit());
        if !scheme_is_word {
            return Err(ParsePeerError::NoScheme);
        }
        let is_blank = |c: char| c.is_whitespace() || c.is_control();
        if address.is_empty() || address.contains(is_blank) {
            return Err(ParsePeerError::BadAddress);
        }
        Ok(Self { text: text.to_owned(), scheme_len: scheme.len() })
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerId(..)")
    }
}

/// Why a text names no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePeerError {
    /// The part before the first colon is missing or no lower-case word.
    #[error("a peer is written SCHEME:ADDRESS, as in skype:LOGIN or udp:IP:PORT")]
    NoScheme,
    /// The part after the first colon is empty or has blanks in it.
    #[error("a peer's address is neither empty nor has blanks in it")]
    BadAddress,
    /// The text is longer than any peer's.
    #[error("a peer is at most {PEER_LEN_MAX} octets long")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_at_the_first_colon_only() {
        let peer: PeerId = "skype:live:some.one".parse().unwrap();
        assert_eq!((peer.scheme(), peer.address()), ("skype", "live:some.one"));
    }

    #[test]
    fn debug_says_nothing_personal() {
        let peer: PeerId = "skype:alice".parse().unwrap();
        assert!(!format!("{peer:?}").contains("alice"));
    }

    #[test]
    fn refuses_what_names_no_peer() {
        let refuse = |text: &str| text.parse::<PeerId>().unwrap_err();
        assert_eq!(refuse("alice"), ParsePeerError::NoScheme);
        assert_eq!(refuse(":alice"), ParsePeerError::NoScheme);
        assert_eq!(refuse("Skype:alice"), ParsePeerError::NoScheme);
        assert_eq!(refuse("skype:"), ParsePeerError::BadAddress);
        assert_eq!(refuse("skype:a b"), ParsePeerError::BadAddress);
        assert_eq!(refuse(&format!("skype:{}", "a".repeat(PEER_LEN_MAX))), ParsePeerError::TooLong);
    }

    proptest! {
        #[test]
        fn text_form_round_trips(text in "[a-z0-9]{1,8}:[!-~]{1,40}") {
            let peer: PeerId = text.parse().unwrap();
            prop_assert_eq!(peer.to_string(), text);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,300}") {
            let _ = text.parse::<PeerId>();
        }
    }
}
