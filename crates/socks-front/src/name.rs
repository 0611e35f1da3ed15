//! A host name that can only be a name, never an address in disguise.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host name of 1 to 255 printable ASCII octets, to be resolved at the far end.
///
/// International names travel in their ASCII form (`xn--...`, RFC 5890), as DNS has them. Never an IP
/// literal, never a numeric alias of one. `Debug` prints nothing personal; `Display` prints the name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Box<str>);

/// Why something is not a [`DomainName`]. It does not repeat the name, which is personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing between the delimiters.
    #[error("the name is empty")]
    Empty,
    /// One length octet has to say how long the name is.
    #[error("the name has {0} octets, 255 is the most")]
    TooLong(usize),
    /// NUL, controls, white space, non-ASCII octets, and `: [ ]` which delimit an address.
    #[error("octet {octet:#04x} cannot be in a name (write international names as xn--...)")]
    Octet {
        /// The first octet that cannot stand.
        octet: u8,
    },
    /// An IP address belongs in an address field, where both ends see it for what it is.
    #[error("the name is an IP address")]
    Address,
    /// `2130706433`, `0x7f.1`, `127.1`: resolvers disagree on whether these are addresses.
    #[error("the name is a number that some resolvers take for an address: write it as a.b.c.d")]
    NumericAlias,
}

impl DomainName {
    /// The longest name, in octets: what one length octet can say.
    pub const MAX_LEN: usize = 255;

    /// Takes `octets` for a name.
    ///
    /// # Errors
    /// [`NameError`] says which rule of [`DomainName`] they break.
    pub fn new(octets: &[u8]) -> Result<Self, NameError> {
        if octets.is_empty() {
            return Err(NameError::Empty);
        }
        if octets.len() > Self::MAX_LEN {
            return Err(NameError::TooLong(octets.len()));
        }
        let name = str::from_utf8(octets).map_err(|error| first_odd(octets, error))?;
        // Before the octets are judged one by one: the colons of an IPv6 literal are better explained so.
        if name.parse::<Ipv4Addr>().is_ok() || name.parse::<Ipv6Addr>().is_ok() {
            return Err(NameError::Address);
        }
        if let Some(octet) = octets.iter().copied().find(|octet| !may_stand_in_a_name(*octet)) {
            return Err(NameError::Octet { octet });
        }
        if ends_in_a_number(name) {
            return Err(NameError::NumericAlias);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text.as_bytes())
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainName(..)")
    }
}

const fn may_stand_in_a_name(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b':' | b'[' | b']')
}

fn first_odd(octets: &[u8], error: std::str::Utf8Error) -> NameError {
    let octet = octets.get(error.valid_up_to()).copied().unwrap_or_default();
    NameError::Octet { octet }
}

/// The test of the URL standard ("ends in a number checker"): a last label of digits, or of 0x and hex
/// digits, makes `inet_aton` read the whole name as an IPv4 address.
fn ends_in_a_number(name: &str) -> bool {
    let relative = name.strip_suffix('.').unwrap_or(name);
    let last = relative.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|octet| octet.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_dns_and_hosts_files_have() {
        for name in [
            "a",
            "example.test",
            "example.test.",
            "xn--bcher-kva.test",
            "_srv.a-b.c",
            "0x7f.1a",
            "1a",
        ] {
            assert_eq!(name.parse::<DomainName>().unwrap().as_str(), name);
        }
        assert!(DomainName::new(&[b'a'; 255]).is_ok());
    }

    #[test]
    fn refuses_numeric_aliases_of_addresses() {
        for alias in [
            "2130706433",
            "0x7f.1",
            "127.1",
            "0x7f000001",
            "0X7F.0.0.1",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3.256",
            "1.2.3.4.5",
            "0x",
            "a.0",
            "a.0x",
        ] {
            assert_eq!(alias.parse::<DomainName>(), Err(NameError::NumericAlias), "{alias}");
        }
    }

    #[test]
    fn refuses_addresses_as_names() {
        for literal in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(literal.parse::<DomainName>(), Err(NameError::Address), "{literal}");
        }
    }

    #[test]
    fn refuses_octets_that_cut_or_split_names() {
        for (name, octet) in [
            (&b"local\0.test"[..], 0),
            (b"a b", b' '),
            (b"a\n", b'\n'),
            (b"a\x7f", 0x7f),
            (b"a:80", b':'),
            (b"[::1]", b'['),
            (b"fe80::1%eth0", b':'),
            ("b\u{fc}cher.test".as_bytes(), 0xc3),
            (b"a\xff", 0xff),
        ] {
            assert_eq!(DomainName::new(name), Err(NameError::Octet { octet }));
        }
    }

    #[test]
    fn refuses_empty_and_overlong_names() {
        assert_eq!(DomainName::new(b""), Err(NameError::Empty));
        assert_eq!(DomainName::new(&[b'a'; 256]), Err(NameError::TooLong(256)));
    }
}
