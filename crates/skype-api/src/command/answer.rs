//! Which message answers which command: for replies that carry no id.

use super::{Alter, AppProperty, Command, Get, Set};
use crate::message::{AppNews, Echo, Message};
use crate::name::UserHandle;

impl Command<'_> {
    /// Whether a message without an id may be this command's reply. A notification often looks the same, so the first
    /// one that fits is taken, as clients without ids did.
    ///
    /// ```
    /// use skype_api::{Command, Message};
    /// let ask = Command::parse("GET APPLICATION a STREAMS");
    /// assert!(ask.is_answered_by(&Message::parse("APPLICATION a STREAMS bob:1")));
    /// assert!(ask.is_answered_by(&Message::parse("ERROR 543")));
    /// assert!(!ask.is_answered_by(&Message::parse("APPLICATION a SENDING ")));
    /// ```
    #[must_use]
    pub fn is_answered_by(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (_, Message::Error { .. })
            | (Self::Name(_), Message::Ok)
            | (Self::Protocol(_), Message::Protocol(_))
            | (Self::Ping, Message::Pong)
            | (Self::ResetIdleTimer, Message::ResetIdleTimer)
            | (Self::Search(_), Message::Users(_)) => true,
            // Asked too early: Skype is not on its network.
            (Self::Name(_), Message::ConnStatus(status)) => *status != crate::ConnStatus::Online,
            (Self::Get(what), message) => what.is_answered_by(message),
            (Self::Set(what), message) => what.is_answered_by(message),
            (Self::Create(app), Message::Created(other))
            | (Self::Delete(app), Message::Deleted(other)) => app == other,
            (Self::Alter { app, action }, Message::Altered { app: other, echo }) => {
                app == other && action.is_echoed_by(echo)
            }
            (_, _) => false,
        }
    }
}

impl Get<'_> {
    fn is_answered_by(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (Self::UserStatus, Message::UserStatus(_))
            | (Self::ConnStatus, Message::ConnStatus(_))
            | (Self::CurrentUserHandle, Message::CurrentUserHandle(_))
            | (Self::SkypeVersion, Message::SkypeVersion(_))
            | (Self::SilentMode, Message::SilentMode(_))
            | (Self::AutoAway, Message::AutoAway(_)) => true,
            (Self::Application { app, property }, Message::Application { app: other, news }) => {
                app == other && news.property() == Some(*property)
            }
            (Self::User { user, property }, message) => is_about(message, *user, property),
            (_, _) => false,
        }
    }
}

impl Set<'_> {
    fn is_answered_by(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (Self::UserStatus(_), Message::UserStatus(_))
            | (Self::SilentMode(_), Message::SilentMode(_))
            | (Self::AutoAway(_), Message::AutoAway(_)) => true,
            (Self::User { user, change }, message) => is_about(message, *user, change.property()),
            (_, _) => false,
        }
    }
}

impl Alter<'_> {
    fn is_echoed_by(&self, echo: &Echo<'_>) -> bool {
        match (self, echo) {
            (Self::Connect(user), Echo::Connect(other)) => user == other,
            (Self::Disconnect(stream), Echo::Disconnect(other))
            | (Self::Read(stream), Echo::Read { stream: other, .. })
            | (Self::Write { stream, .. }, Echo::Write(other))
            | (Self::Datagram { stream, .. }, Echo::Datagram(other)) => stream == other,
            (_, _) => false,
        }
    }
}

impl AppNews<'_> {
    /// Which list it is; a datagram is none.
    #[must_use]
    pub const fn property(&self) -> Option<AppProperty> {
        match self {
            Self::Connecting(_) => Some(AppProperty::Connecting),
            Self::Connectable(_) => Some(AppProperty::Connectable),
            Self::Streams(_) => Some(AppProperty::Streams),
            Self::Sending(_) => Some(AppProperty::Sending),
            Self::Received(_) => Some(AppProperty::Received),
            Self::Datagram { .. } => None,
        }
    }
}

fn is_about(message: &Message<'_>, asked: UserHandle, what: &str) -> bool {
    let Message::User { user, property, .. } = message else { return false };
    *user == asked && property.eq_ignore_ascii_case(what)
}
