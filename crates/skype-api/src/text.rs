//! A short text stored in place, so that names are `Copy` and a map key needs no allocation.

use std::fmt;

/// At most `N` octets of UTF-8.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    /// Never above `N`.
    len: u8,
    /// The first `len` octets came from one `str`; the others are zero.
    octets: [u8; N],
}

impl<const N: usize> Text<N> {
    /// `None` when `text` has more than `N` octets.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut octets = [0; N];
        octets.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { len: u8::try_from(text.len()).ok()?, octets })
    }

    pub(crate) fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.len)).expect("len is at most N");
        str::from_utf8(octets).expect("new() copied a whole str")
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
