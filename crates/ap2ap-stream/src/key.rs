//! The bridge's static key, and the text form that people copy.
//!
//! ```text
//!   text = base32, lower case, no padding, of
//!
//!    0                              31 32    35
//!   +---------------------------------+--------+
//!   |        X25519 public key        | CRC-32 |   the CRC is big-endian, over the 32 octets
//!   +---------------------------------+--------+
//! ```
//!
//! The CRC is no protection, it finds slips: 58 characters get copied by hand.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use zeroize::Zeroize;

/// Octets of a key.
pub(crate) const KEY_LEN: usize = 32;

const CRC_LEN: usize = 4;
const TEXT_LEN: usize = 58;

/// A bridge's public key: what a client must know in advance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// Takes the X25519 public key as it is.
    #[must_use]
    pub const fn from_octets(octets: [u8; KEY_LEN]) -> Self {
        Self(octets)
    }

    /// The X25519 public key.
    #[must_use]
    pub const fn octets(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_text(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        from_text(text).map(Self)
    }
}

/// A bridge's secret key. It is wiped from memory when dropped, and never printed by `Debug`.
#[derive(Clone)]
pub struct SecretKey([u8; KEY_LEN]);

impl SecretKey {
    /// Takes 32 octets from a cryptographic random source.
    #[must_use]
    pub const fn from_octets(octets: [u8; KEY_LEN]) -> Self {
        Self(octets)
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut dh = DefaultResolver
            .resolve_dh(&DHChoice::Curve25519)
            .expect("the default resolver is built with Curve25519");
        dh.set(&self.0);
        let mut octets = [0; KEY_LEN];
        octets.copy_from_slice(dh.pubkey());
        PublicKey(octets)
    }

    /// The text form, for a key file of mode 0600 and nothing else.
    #[must_use]
    pub fn to_file_text(&self) -> String {
        to_text(&self.0)
    }

    pub(crate) const fn octets(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl FromStr for SecretKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        from_text(text).map(Self)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    /// It has another length.
    #[error("a key has {TEXT_LEN} characters, this has {0}")]
    Length(usize),
    /// It has a character that no key has.
    #[error("a key is made of the letters a-z and the digits 2-7")]
    Alphabet,
    /// The check sum does not fit: some character is wrong.
    #[error("the key has a slip in it: its check sum does not fit")]
    CheckSum,
}

fn to_text(key: &[u8; KEY_LEN]) -> String {
    let mut octets = [0; KEY_LEN + CRC_LEN];
    let (front, back) = octets.split_at_mut(KEY_LEN);
    front.copy_from_slice(key);
    back.copy_from_slice(&crc32fast::hash(key).to_be_bytes());
    BASE32_NOPAD.encode(&octets).to_ascii_lowercase()
}

fn from_text(text: &str) -> Result<[u8; KEY_LEN], ParseKeyError> {
    let text = text.trim().to_ascii_uppercase();
    if text.chars().count() != TEXT_LEN {
        return Err(ParseKeyError::Length(text.chars().count()));
    }
    let octets = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| ParseKeyError::Alphabet)?;
    let (key, crc) = octets.split_first_chunk().ok_or(ParseKeyError::Alphabet)?;
    if crc != crc32fast::hash(key).to_be_bytes() {
        return Err(ParseKeyError::CheckSum);
    }
    Ok(*key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_in_either_case() {
        let key = SecretKey::from_octets([7; 32]).public();
        let text = key.to_string();
        assert_eq!(text.len(), TEXT_LEN);
        assert_eq!(text.parse(), Ok(key));
        assert_eq!(format!(" {}\n", text.to_ascii_uppercase()).parse(), Ok(key));
    }

    #[test]
    fn every_single_slip_is_found() {
        let text = SecretKey::from_octets([9; 32]).public().to_string();
        for position in 0..TEXT_LEN {
            let mut slipped = text.clone().into_bytes();
            slipped[position] = if slipped[position] == b'a' { b'b' } else { b'a' };
            let slipped = String::from_utf8(slipped).unwrap();
            assert!(slipped.parse::<PublicKey>().is_err(), "slip at {position}");
        }
    }

    #[test]
    fn public_key_is_the_one_of_rfc_7748() {
        // RFC 7748 section 6.1, Alice's pair.
        let octets = |hex: &str| {
            let octets = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            <[u8; 32]>::try_from(octets).unwrap()
        };
        let secret = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        let public = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
        let derived = SecretKey::from_octets(octets(secret)).public();
        assert_eq!(derived, PublicKey::from_octets(octets(public)));
    }

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", SecretKey::from_octets([1; 32])), "SecretKey(..)");
    }
}
