//! What each fuzz target does with its input. libFuzzer calls these from the directory above; the
//! test of this crate calls them with every input that is kept in `fuzz/corpus/`.
#![forbid(unsafe_code)]
#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "whatever panics here is found"
)]

mod connection;
mod handshake;
mod input;
mod link;
mod probe;
mod session;
mod text;
mod wire;

pub use connection::live_connection;
pub use handshake::{handshake_bridge, handshake_client};
pub use link::adversarial_link;
pub use probe::probe;
pub use session::{skype_pieces, skype_session};
pub use text::{armour, skype_line, socks_split, tunnel_open};
pub use wire::{frame, packet};

/// What a target does with its input; it panics where something is wrong.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("adversarial_link", adversarial_link),
    ("armour", armour),
    ("frame", frame),
    ("handshake_bridge", handshake_bridge),
    ("handshake_client", handshake_client),
    ("live_connection", live_connection),
    ("packet", packet),
    ("probe", probe),
    ("skype_line", skype_line),
    ("skype_pieces", skype_pieces),
    ("skype_session", skype_session),
    ("socks_split", socks_split),
    ("tunnel_open", tunnel_open),
];
