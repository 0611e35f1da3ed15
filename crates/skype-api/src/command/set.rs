//! SET: what a client changes of its user, of others, and of Skype.

use std::fmt;

use crate::error_code::ErrorCode;
use crate::name::UserHandle;
use crate::status::UserStatus;
use crate::user::{BuddyStatus, flag, flag_name, switch, switch_name};
use crate::words::{Words, keyword};

/// What a client changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set<'a> {
    /// `USERSTATUS status`
    UserStatus(UserStatus),
    /// `SILENT_MODE ON|OFF`: no windows. Skype asks its user before it answers ON.
    SilentMode(bool),
    /// `AUTOAWAY ON|OFF`
    AutoAway(bool),
    /// `USER user ..`
    User {
        /// Whom it is about.
        user: UserHandle,
        /// What is to be.
        change: SetUser<'a>,
    },
}

/// What a client changes of another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetUser<'a> {
    /// `BUDDYSTATUS 2 text`: ask to be authorised; 1: take out of the contact list.
    BuddyStatus {
        /// [`Removed`](BuddyStatus::Removed) or [`Pending`](BuddyStatus::Pending).
        status: BuddyStatus,
        /// What the other is shown.
        text: &'a str,
    },
    /// `ISAUTHORIZED TRUE|FALSE`: whether they may see our status.
    IsAuthorized(bool),
    /// `ISBLOCKED TRUE|FALSE`
    IsBlocked(bool),
    /// `DISPLAYNAME name`
    DisplayName(&'a str),
}

#[derive(Clone, Copy)]
enum What {
    UserStatus,
    SilentMode,
    AutoAway,
    User,
}

const WHAT: [(&str, What); 4] = [
    ("USERSTATUS", What::UserStatus),
    ("SILENT_MODE", What::SilentMode),
    ("AUTOAWAY", What::AutoAway),
    ("USER", What::User),
];

#[derive(Clone, Copy)]
enum Property {
    BuddyStatus,
    IsAuthorized,
    IsBlocked,
    DisplayName,
}

const PROPERTIES: [(&str, Property); 4] = [
    ("BUDDYSTATUS", Property::BuddyStatus),
    ("ISAUTHORIZED", Property::IsAuthorized),
    ("ISBLOCKED", Property::IsBlocked),
    ("DISPLAYNAME", Property::DisplayName),
];

impl<'a> Set<'a> {
    pub(super) fn parse(mut words: Words<'a>) -> Result<Self, ErrorCode> {
        match keyword(&WHAT, words.word()).ok_or(ErrorCode::SET_WHAT)? {
            What::UserStatus => {
                UserStatus::parse(words.last()).map(Self::UserStatus).ok_or(ErrorCode::USER_STATUS)
            }
            // No source has a code for a value that is none.
            What::SilentMode => {
                switch(words.last()).map(Self::SilentMode).ok_or(ErrorCode::GENERAL_SYNTAX)
            }
            What::AutoAway => {
                switch(words.last()).map(Self::AutoAway).ok_or(ErrorCode::AUTO_AWAY_VALUE)
            }
            What::User => {
                let user = words.word().parse().map_err(|_| ErrorCode::SET_USER_HANDLE)?;
                Ok(Self::User { user, change: SetUser::parse(words)? })
            }
        }
    }
}

impl<'a> SetUser<'a> {
    fn parse(mut words: Words<'a>) -> Result<Self, ErrorCode> {
        let property = keyword(&PROPERTIES, words.word()).ok_or(ErrorCode::GET_USER_PROPERTY)?;
        let is_it = |words: Words<'a>| flag(words.last()).ok_or(ErrorCode::USER_FLAG_VALUE);
        match property {
            Property::BuddyStatus => match BuddyStatus::parse(words.word()) {
                Some(status @ (BuddyStatus::Removed | BuddyStatus::Pending)) => {
                    Ok(Self::BuddyStatus { status, text: words.text() })
                }
                Some(BuddyStatus::Never | BuddyStatus::Contact) | None => {
                    Err(ErrorCode::BUDDY_STATUS_VALUE)
                }
            },
            Property::IsAuthorized => is_it(words).map(Self::IsAuthorized),
            Property::IsBlocked => is_it(words).map(Self::IsBlocked),
            Property::DisplayName => Ok(Self::DisplayName(words.text())),
        }
    }

    /// The property's name on the wire.
    #[must_use]
    pub const fn property(&self) -> &'static str {
        match self {
            Self::BuddyStatus { .. } => "BUDDYSTATUS",
            Self::IsAuthorized(_) => "ISAUTHORIZED",
            Self::IsBlocked(_) => "ISBLOCKED",
            Self::DisplayName(_) => "DISPLAYNAME",
        }
    }
}

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserStatus(status) => write!(f, "USERSTATUS {status}"),
            Self::SilentMode(on) => write!(f, "SILENT_MODE {}", switch_name(*on)),
            Self::AutoAway(on) => write!(f, "AUTOAWAY {}", switch_name(*on)),
            Self::User { user, change } => write!(f, "USER {user} {change}"),
        }
    }
}

impl fmt::Display for SetUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.property();
        match self {
            Self::BuddyStatus { status, text: "" } => write!(f, "{name} {status}"),
            Self::BuddyStatus { status, text } => write!(f, "{name} {status} {text}"),
            Self::IsAuthorized(is) | Self::IsBlocked(is) => write!(f, "{name} {}", flag_name(*is)),
            Self::DisplayName(text) => write!(f, "{name} {text}"),
        }
    }
}
