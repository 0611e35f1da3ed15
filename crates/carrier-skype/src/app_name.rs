//! The application's name, different for each bridge.

use blake2::Blake2sMac;
use blake2::digest::consts::U20;
use blake2::digest::{FixedOutput, KeyInit, Update};
use data_encoding::BASE32_NOPAD;
use skype_api::AppName;

/// Says what the hash is for, so that no other use of the key gives the same octets.
const PURPOSE: &[u8] = b"skypeproxy application name 1";

/// The AP2AP application that a bridge and its users share, from the bridge's public key.
///
/// A fixed name could be looked for, or refused, once and for all. This one tells nothing to who
/// does not know the key already: BLAKE2s keyed by it (RFC 7693), 20 octets, which base32 (RFC
/// 4648) writes with the 32 characters that Skype takes.
///
/// ```
/// let name = carrier_skype::app_name(&[7; 32]);
/// assert_eq!(name.as_str().len(), 32);
/// assert_ne!(name, carrier_skype::app_name(&[8; 32]));
/// ```
#[must_use]
pub fn app_name(key_octets: &[u8; 32]) -> AppName {
    let mut mac = Blake2sMac::<U20>::new(key_octets.into());
    mac.update(PURPOSE);
    let name = BASE32_NOPAD.encode(&mac.finalize_fixed()).to_ascii_lowercase();
    AppName::new(&name).expect("20 octets are 32 letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib and base64: both ends must agree for ever.
    #[test]
    fn is_the_same_in_every_version() {
        let mut key = [0; 32];
        key.iter_mut().zip(0..).for_each(|(octet, number)| *octet = number);
        assert_eq!(app_name(&key).as_str(), "6f5wnrt3qfqj5f3c7e7ck2uat4gmrnb5");
    }
}
