//! What a client says about itself, and what a server wants to hear.

use std::borrow::Cow;
use std::fmt;

/// A user name and a password (RFC 1929), or a SOCKS 4 user id with an empty password.
///
/// Octets, never C strings: a NUL is an octet like any other. Without a fixed pair to compare with
/// ([`Auth::Exactly`]) they are an isolation token, or the arguments tor hands to a pluggable transport.
/// `Debug` prints nothing of them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    user: Box<[u8]>,
    password: Box<[u8]>,
}

/// What a server asks of its clients.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Any credentials are welcome and none are fine: user/password is chosen whenever it is offered,
    /// for tor with arguments offers both methods and loses the arguments silently if no-auth is chosen.
    #[default]
    Any,
    /// No-auth only.
    None,
    /// This pair and no other. SOCKS 4, which has no password, is refused.
    Exactly(Credentials),
}

/// RFC 1929 counts each part in one octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {part} has {len} octets, 255 is the most")]
pub struct CredentialsTooLong {
    part: &'static str,
    len: usize,
}

impl Credentials {
    /// The longest user name or password of RFC 1929, in octets.
    pub const PART_LEN_MAX: usize = 255;

    /// A pair as a SOCKS 5 client can send it.
    ///
    /// # Errors
    /// A part is longer than [`Credentials::PART_LEN_MAX`].
    pub fn new(user: &[u8], password: &[u8]) -> Result<Self, CredentialsTooLong> {
        for (part, octets) in [("user name", user), ("password", password)] {
            if octets.len() > Self::PART_LEN_MAX {
                return Err(CredentialsTooLong { part, len: octets.len() });
            }
        }
        Ok(Self::unbounded(user, password))
    }

    /// For user ids of SOCKS 4, which have a limit of their own.
    pub(crate) fn unbounded(user: &[u8], password: &[u8]) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// The user name's octets, or those of the SOCKS 4 user id.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password's octets.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.password
    }

    /// The arguments of a pluggable transport: tor splits them over both parts, and sends a single NUL
    /// for the password if there is nothing left for it (pt-spec, "Per-connection arguments").
    #[must_use]
    pub fn transport_args(&self) -> Cow<'_, [u8]> {
        match &*self.password {
            [] | [0] => Cow::Borrowed(&self.user),
            rest => Cow::Owned([&*self.user, rest].concat()),
        }
    }

    /// Compares all octets whatever the first ones say, so that time tells little but the lengths.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        same_octets(&self.user, &other.user) & same_octets(&self.password, &other.password)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

fn same_octets(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b));
    (left.len() == right.len()) & (difference == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(user: &[u8], password: &[u8]) -> Credentials {
        Credentials::new(user, password).expect("short enough")
    }

    #[test]
    fn joins_the_arguments_tor_has_split() {
        assert_eq!(*pair(b"k=v", b"\0").transport_args(), *b"k=v");
        assert_eq!(*pair(b"k=v", b"").transport_args(), *b"k=v");
        assert_eq!(*pair(b"k=lo", b"ng").transport_args(), *b"k=long");
        assert_eq!(*pair(b"k", b"\0\0").transport_args(), *b"k\0\0");
    }

    #[test]
    fn compares_octets_and_not_c_strings() {
        let secret = pair(b"user", b"password");
        assert!(secret.matches(&pair(b"user", b"password")));
        for (user, password) in [
            (&b"user"[..], &b"password\0"[..]),
            (b"user\0", b"password"),
            (b"user", b"passwore"),
            (b"user", b"passwor"),
            (b"", b""),
        ] {
            assert!(!secret.matches(&pair(user, password)));
        }
    }

    #[test]
    fn refuses_parts_no_client_can_send() {
        assert!(Credentials::new(&[0; 255], &[0; 255]).is_ok());
        assert!(Credentials::new(&[0; 256], b"").is_err());
        assert!(Credentials::new(b"", &[0; 256]).is_err());
    }

    #[test]
    fn debug_prints_nothing_personal() {
        assert_eq!(format!("{:?}", Auth::Exactly(pair(b"u", b"p"))), "Exactly(Credentials(..))");
    }
}
