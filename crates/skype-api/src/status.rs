//! The states of the network connection and of users, as the API names them.

use std::fmt;

use crate::words::{keyword, name_of};

/// Skype's own connection (`CONNSTATUS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnStatus {
    /// Not on the network.
    Offline,
    /// On the way.
    Connecting,
    /// Between attempts.
    Pausing,
    /// On the network.
    Online,
    /// Nobody is logged in; clients are detached.
    LoggedOut,
}

/// What is shown of a user (`USERSTATUS` of oneself, `USER x ONLINESTATUS` of others).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserStatus {
    /// Nothing is known; for others, no such user.
    Unknown,
    /// Off line, or shows itself as such, or has not authorised us.
    Offline,
    /// On line.
    Online,
    /// Calls from anybody are welcome.
    SkypeMe,
    /// Away from the keyboard.
    Away,
    /// Not available.
    Na,
    /// Do not disturb.
    Dnd,
    /// On line, shown to others as off line.
    Invisible,
    /// Nobody is logged in; clients are detached.
    LoggedOut,
    /// A telephone number.
    SkypeOut,
}

const CONN: [(&str, ConnStatus); 5] = [
    ("OFFLINE", ConnStatus::Offline),
    ("CONNECTING", ConnStatus::Connecting),
    ("PAUSING", ConnStatus::Pausing),
    ("ONLINE", ConnStatus::Online),
    ("LOGGEDOUT", ConnStatus::LoggedOut),
];

const USER: [(&str, UserStatus); 10] = [
    ("UNKNOWN", UserStatus::Unknown),
    ("OFFLINE", UserStatus::Offline),
    ("ONLINE", UserStatus::Online),
    ("SKYPEME", UserStatus::SkypeMe),
    ("AWAY", UserStatus::Away),
    ("NA", UserStatus::Na),
    ("DND", UserStatus::Dnd),
    ("INVISIBLE", UserStatus::Invisible),
    ("LOGGEDOUT", UserStatus::LoggedOut),
    ("SKYPEOUT", UserStatus::SkypeOut),
];

impl ConnStatus {
    /// Finds the status a keyword names, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        keyword(&CONN, word)
    }
}

impl UserStatus {
    /// Finds the status a keyword names, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        keyword(&USER, word)
    }
}

impl fmt::Display for ConnStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&CONN, *self))
    }
}

impl fmt::Display for UserStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&USER, *self))
    }
}
