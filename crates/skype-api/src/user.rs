//! What Skype knows of a user: presence, and where one stands with them.

use std::fmt;

use crate::status::UserStatus;
use crate::words::{keyword, name_of};

/// Where one stands with somebody (`BUDDYSTATUS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuddyStatus {
    /// 0: never in the contact list.
    Never,
    /// 1: was in it, and was taken out.
    Removed,
    /// 2: asked for, and not answered yet.
    Pending,
    /// 3: in the contact list.
    Contact,
}

const BUDDY: [(&str, BuddyStatus); 4] = [
    ("0", BuddyStatus::Never),
    ("1", BuddyStatus::Removed),
    ("2", BuddyStatus::Pending),
    ("3", BuddyStatus::Contact),
];

const FLAG: [(&str, bool); 2] = [("TRUE", true), ("FALSE", false)];
const SWITCH: [(&str, bool); 2] = [("ON", true), ("OFF", false)];

impl BuddyStatus {
    /// Reads the digit.
    #[must_use]
    pub fn parse(digit: &str) -> Option<Self> {
        keyword(&BUDDY, digit)
    }

    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name_of(&BUDDY, self)
    }
}

impl fmt::Display for BuddyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// TRUE or FALSE, in any case.
pub(crate) fn flag(word: &str) -> Option<bool> {
    keyword(&FLAG, word)
}

/// ON or OFF, in any case.
pub(crate) fn switch(word: &str) -> Option<bool> {
    keyword(&SWITCH, word)
}

/// As on the wire.
pub(crate) fn flag_name(flag: bool) -> &'static str {
    name_of(&FLAG, flag)
}

/// As on the wire.
pub(crate) fn switch_name(switch: bool) -> &'static str {
    name_of(&SWITCH, switch)
}

/// The properties of a user that a plugin needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNews<'a> {
    /// `ONLINESTATUS`: OFFLINE also of somebody on line who has not authorised us.
    OnlineStatus(UserStatus),
    /// `BUDDYSTATUS`
    BuddyStatus(BuddyStatus),
    /// `ISAUTHORIZED`: whether they may see our status.
    IsAuthorized(bool),
    /// `ISBLOCKED`: whether we hear nothing of them.
    IsBlocked(bool),
    /// `RECEIVEDAUTHREQUEST`: they ask to be authorised, in these words.
    AuthRequest(&'a str),
    /// Any other property, or a value that is none.
    Other,
}

impl<'a> UserNews<'a> {
    /// Reads what [`Message::User`](crate::Message::User) keeps whole.
    #[must_use]
    pub fn parse(property: &str, value: &'a str) -> Self {
        type Read = for<'v> fn(&'v str) -> Option<UserNews<'v>>;
        const PROPERTIES: [(&str, Read); 5] = [
            ("ONLINESTATUS", |value| UserStatus::parse(value).map(UserNews::OnlineStatus)),
            ("BUDDYSTATUS", |value| BuddyStatus::parse(value).map(UserNews::BuddyStatus)),
            ("ISAUTHORIZED", |value| flag(value).map(UserNews::IsAuthorized)),
            ("ISBLOCKED", |value| flag(value).map(UserNews::IsBlocked)),
            ("RECEIVEDAUTHREQUEST", |value| Some(UserNews::AuthRequest(value))),
        ];
        let read = keyword(&PROPERTIES, property);
        read.and_then(|read| read(value.trim_end_matches(' '))).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_properties_it_knows_and_leaves_the_others() {
        let read = UserNews::parse;
        assert_eq!(read("onlinestatus", "away"), UserNews::OnlineStatus(UserStatus::Away));
        assert_eq!(read("BUDDYSTATUS", "2"), UserNews::BuddyStatus(BuddyStatus::Pending));
        assert_eq!(read("BUDDYSTATUS", "4"), UserNews::Other);
        assert_eq!(read("ISBLOCKED", "true "), UserNews::IsBlocked(true));
        let asked = UserNews::AuthRequest("please add me");
        assert_eq!(read("RECEIVEDAUTHREQUEST", "please add me"), asked);
        assert_eq!(read("MOOD_TEXT", ""), UserNews::Other);
    }
}
