//! Names checked once at the edge: user handles, application names, program names.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::text::Text;

/// Skype's own limit for an application name (API reference, CREATE APPLICATION).
pub const APP_NAME_OCTETS_MAX: usize = 32;

/// Classic handles end at 32 characters; `live:` names carry the local part of a mail address
/// (64) and a suffix.
pub const USER_HANDLE_OCTETS_MAX: usize = 95;

/// Shown in the consent dialog; no client was seen with a longer one.
pub const PROGRAM_NAME_OCTETS_MAX: usize = 64;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing in it.
    #[error("the name is empty")]
    Empty,
    /// More octets than Skype takes.
    #[error("the name has more than {max} octets")]
    TooLong {
        /// How many it may have.
        max: usize,
    },
    /// A blank, a control character or, in a handle, `=` or an outer comma.
    #[error("the name has a character that cannot stand in a name")]
    Character,
}

/// An AP2AP application's name; both ends must create the same one.
///
/// At most [`APP_NAME_OCTETS_MAX`] octets, no white space. Case counts.
#[derive(Clone, Copy)]
pub struct AppName(Text<APP_NAME_OCTETS_MAX>);

/// A Skype user's handle, kept as typed and compared without regard to ASCII case.
///
/// At most [`USER_HANDLE_OCTETS_MAX`] octets. Colons and commas are legal (`live:x`, `a,b`).
#[derive(Clone, Copy)]
pub struct UserHandle(Text<USER_HANDLE_OCTETS_MAX>);

/// What a client program calls itself in `NAME`: one word, since Skype for Linux cuts the name at
/// the first space.
#[derive(Clone, Copy)]
pub struct ProgramName(Text<PROGRAM_NAME_OCTETS_MAX>);

impl AppName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameError`] when Skype would answer `ERROR 540`.
    pub fn new(name: &str) -> Result<Self, NameError> {
        checked(name, |_| false).map(Self)
    }

    /// The name as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl UserHandle {
    /// Reads a handle.
    ///
    /// # Errors
    /// [`NameError`] when Skype would answer `ERROR 547`.
    pub fn new(handle: &str) -> Result<Self, NameError> {
        // '=' and an outer comma would be ambiguous in the lists of notifications.
        if handle.starts_with(',') || handle.ends_with(',') {
            return Err(NameError::Character);
        }
        checked(handle, |c| c == '=').map(Self)
    }

    /// The handle as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.as_str().bytes().map(|octet| octet.to_ascii_lowercase())
    }
}

impl ProgramName {
    /// Reads a program name.
    ///
    /// # Errors
    /// [`NameError`] when it is not one word of at most [`PROGRAM_NAME_OCTETS_MAX`] octets.
    pub fn new(name: &str) -> Result<Self, NameError> {
        checked(name, |_| false).map(Self)
    }

    /// The name as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn checked<const N: usize>(
    name: &str,
    forbidden: impl Fn(char) -> bool,
) -> Result<Text<N>, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || forbidden(c)) {
        return Err(NameError::Character);
    }
    Text::new(name).ok_or(NameError::TooLong { max: N })
}

impl PartialEq for UserHandle {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for UserHandle {}

impl PartialOrd for UserHandle {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserHandle {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for UserHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|octet| state.write_u8(octet));
    }
}

/// The traits that follow from the text alone, for names whose case counts.
macro_rules! compared_as_text {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.as_str().cmp(other.as_str())
            }
        }
    };
}

compared_as_text!(AppName);
compared_as_text!(ProgramName);

/// Printing and reading, the same for all three.
macro_rules! printed_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

printed_as_text!(AppName);
printed_as_text!(UserHandle);
printed_as_text!(ProgramName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_an_application_name_of_32_octets_and_refuses_33() {
        assert!(AppName::new(&"a".repeat(32)).is_ok());
        assert_eq!(AppName::new(&"a".repeat(33)), Err(NameError::TooLong { max: 32 }));
    }

    #[test]
    fn refuses_white_space_and_controls() {
        for name in ["a b", "a\tb", "a\0", "\u{a0}"] {
            assert_eq!(AppName::new(name), Err(NameError::Character), "{name:?}");
        }
        assert_eq!(AppName::new(""), Err(NameError::Empty));
    }

    #[test]
    fn compares_handles_without_case_and_keeps_them_as_typed() {
        let typed = UserHandle::new("Live:Bob_1").unwrap();
        assert_eq!(typed, UserHandle::new("live:bob_1").unwrap());
        assert_eq!(typed.to_string(), "Live:Bob_1");
    }

    #[test]
    fn refuses_handles_that_would_be_ambiguous_in_a_list() {
        assert_eq!(UserHandle::new("bob="), Err(NameError::Character));
        assert_eq!(UserHandle::new("bob,"), Err(NameError::Character));
        assert!(UserHandle::new("bob,by").is_ok());
    }
}
