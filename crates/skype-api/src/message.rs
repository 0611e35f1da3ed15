//! What Skype says to a client program: replies and notifications.

use std::fmt;

use crate::command::{Action, AppProperty};
use crate::error_code::ErrorCode;
use crate::name::{AppName, UserHandle};
use crate::status::{ConnStatus, UserStatus};
use crate::stream_ref::{StreamRef, decimal};
use crate::user::{switch, switch_name};
use crate::words::{Words, keyword};

/// A reply or a notification; the two look alike but for the reply's id.
///
/// Keywords are read in any case and written in capitals. An empty list is written with its
/// trailing space, without which Skype4Java hangs, and read with or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// `OK`: the answer to NAME.
    Ok,
    /// `PROTOCOL n`: the version in use from now on.
    Protocol(u32),
    /// `PONG`
    Pong,
    /// `RESETIDLETIMER`, the command's echo.
    ResetIdleTimer,
    /// `CONNSTATUS status`
    ConnStatus(ConnStatus),
    /// `USERSTATUS status`
    UserStatus(UserStatus),
    /// `CURRENTUSERHANDLE user`
    CurrentUserHandle(UserHandle),
    /// `SKYPEVERSION version`
    SkypeVersion(&'a str),
    /// `SILENT_MODE ON|OFF`
    SilentMode(bool),
    /// `AUTOAWAY ON|OFF`
    AutoAway(bool),
    /// `GROUP number property value`: news of contact groups, which come unasked.
    Group {
        /// Which group.
        number: u64,
        /// Which property, as written.
        property: &'a str,
        /// Its value, to the end of the line.
        value: &'a str,
    },
    /// `USER user property value`; the value may be empty. [`UserNews`](crate::UserNews) reads it.
    User {
        /// Whose property.
        user: UserHandle,
        /// Which one, as written.
        property: &'a str,
        /// Its value, to the end of the line.
        value: &'a str,
    },
    /// `USERS user, user`: the result of a SEARCH, separated by comma and space.
    Users(Vec<UserHandle>),
    /// `APPLICATION app ..`
    Application {
        /// Which application.
        app: AppName,
        /// What became of it.
        news: AppNews<'a>,
    },
    /// `CREATE APPLICATION app`, the command's echo.
    Created(AppName),
    /// `DELETE APPLICATION app`, the command's echo.
    Deleted(AppName),
    /// `ALTER APPLICATION app ..`, the command's echo.
    Altered {
        /// Which application.
        app: AppName,
        /// What was done.
        echo: Echo<'a>,
    },
    /// `ERROR code text`; the text may be missing.
    Error {
        /// What to go by.
        code: ErrorCode,
        /// What to show.
        text: &'a str,
    },
    /// Anything else, kept whole.
    Unknown(&'a str),
}

/// What an `APPLICATION` notification, or the reply to GET APPLICATION, says.
///
/// Each list is the whole current one: find what is new by comparing it with the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppNews<'a> {
    /// Users being connected to.
    Connecting(Vec<UserHandle>),
    /// Users who have the application.
    Connectable(Vec<UserHandle>),
    /// Streams that are up.
    Streams(Vec<StreamRef>),
    /// Streams with octets on the way out.
    Sending(Vec<Backlog>),
    /// Streams with octets to READ.
    Received(Vec<Backlog>),
    /// A datagram came in.
    Datagram {
        /// On which stream.
        stream: StreamRef,
        /// Its payload, which is never read as protocol.
        text: &'a str,
    },
}

/// One item of a SENDING or RECEIVED list: `stream=octets`, of old `stream octets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Which stream.
    pub stream: StreamRef,
    /// How much. Never compute with a sender's: real ones counted in several ways, or not at all.
    pub octets: Option<u64>,
}

/// How Skype repeats an ALTER APPLICATION it carried out: without the payload, READ with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo<'a> {
    /// `CONNECT user`
    Connect(UserHandle),
    /// `DISCONNECT stream`
    Disconnect(StreamRef),
    /// `WRITE stream`
    Write(StreamRef),
    /// `DATAGRAM stream`
    Datagram(StreamRef),
    /// `READ stream text`; the space stands there even when there was nothing to read.
    Read {
        /// From which stream.
        stream: StreamRef,
        /// What the partner wrote.
        text: &'a str,
    },
}

#[derive(Clone, Copy)]
enum Head {
    Ok,
    Protocol,
    Pong,
    ResetIdleTimer,
    ConnStatus,
    UserStatus,
    CurrentUserHandle,
    SkypeVersion,
    SilentMode,
    AutoAway,
    Group,
    User,
    Users,
    Application,
    Create,
    Delete,
    Alter,
    Error,
}

const HEADS: [(&str, Head); 18] = [
    ("APPLICATION", Head::Application),
    ("ALTER", Head::Alter),
    ("USER", Head::User),
    ("ERROR", Head::Error),
    ("OK", Head::Ok),
    ("PROTOCOL", Head::Protocol),
    ("PONG", Head::Pong),
    ("RESETIDLETIMER", Head::ResetIdleTimer),
    ("CONNSTATUS", Head::ConnStatus),
    ("USERSTATUS", Head::UserStatus),
    ("CURRENTUSERHANDLE", Head::CurrentUserHandle),
    ("SKYPEVERSION", Head::SkypeVersion),
    ("SILENT_MODE", Head::SilentMode),
    ("AUTOAWAY", Head::AutoAway),
    ("GROUP", Head::Group),
    ("USERS", Head::Users),
    ("CREATE", Head::Create),
    ("DELETE", Head::Delete),
];

impl<'a> Message<'a> {
    /// Reads the body of a line. Total: what it does not know is [`Message::Unknown`].
    #[must_use]
    pub fn parse(body: &'a str) -> Self {
        Self::known(body).unwrap_or(Self::Unknown(body))
    }

    /// An `ERROR` with the text Skype gives it.
    #[must_use]
    pub fn error(code: ErrorCode) -> Self {
        Self::Error { code, text: code.text() }
    }

    fn known(body: &'a str) -> Option<Self> {
        let mut words = Words::new(body);
        Some(match keyword(&HEADS, words.word())? {
            Head::Ok => words.last().is_empty().then_some(Self::Ok)?,
            Head::Protocol => Self::Protocol(decimal(words.last())?),
            Head::Pong => Self::Pong,
            Head::ResetIdleTimer => Self::ResetIdleTimer,
            Head::ConnStatus => Self::ConnStatus(ConnStatus::parse(words.last())?),
            Head::UserStatus => Self::UserStatus(UserStatus::parse(words.last())?),
            Head::CurrentUserHandle => Self::CurrentUserHandle(words.last().parse().ok()?),
            Head::SkypeVersion => Self::SkypeVersion(words.last()),
            Head::SilentMode => Self::SilentMode(switch(words.last())?),
            Head::AutoAway => Self::AutoAway(switch(words.last())?),
            Head::Group => {
                let (number, property) = (decimal(words.word())?, words.word());
                (!property.is_empty()).then_some(())?;
                Self::Group { number, property, value: words.text() }
            }
            Head::User => {
                let (user, property) = (words.word().parse().ok()?, words.word());
                (!property.is_empty()).then_some(())?;
                Self::User { user, property, value: words.text() }
            }
            Head::Users => Self::Users(users(words.text(), ", ")?),
            Head::Application => {
                let app = words.word().parse().ok()?;
                Self::Application { app, news: AppNews::parse(words)? }
            }
            Head::Create => Self::Created(application(words)?.last().parse().ok()?),
            Head::Delete => Self::Deleted(application(words)?.last().parse().ok()?),
            Head::Alter => {
                let mut words = application(words)?;
                let app = words.word().parse().ok()?;
                Self::Altered { app, echo: Echo::parse(words)? }
            }
            Head::Error => {
                Self::Error { code: ErrorCode(decimal(words.word())?), text: words.text() }
            }
        })
    }
}

impl<'a> AppNews<'a> {
    fn parse(mut words: Words<'a>) -> Option<Self> {
        let property = words.word();
        if property.eq_ignore_ascii_case("DATAGRAM") {
            let stream = words.word().parse().ok()?;
            return Some(Self::Datagram { stream, text: words.text() });
        }
        Some(match AppProperty::parse(property)? {
            AppProperty::Connecting => Self::Connecting(users(words.text(), " ")?),
            AppProperty::Connectable => Self::Connectable(users(words.text(), " ")?),
            AppProperty::Streams => Self::Streams(
                items(words.text(), " ").map(|item| item.parse().ok()).collect::<Option<_>>()?,
            ),
            AppProperty::Sending => Self::Sending(backlogs(words)?),
            AppProperty::Received => Self::Received(backlogs(words)?),
        })
    }
}

impl<'a> Echo<'a> {
    fn parse(mut words: Words<'a>) -> Option<Self> {
        Some(match Action::parse(words.word())? {
            Action::Connect => Self::Connect(words.last().parse().ok()?),
            Action::Disconnect => Self::Disconnect(words.last().parse().ok()?),
            Action::Write => Self::Write(words.last().parse().ok()?),
            Action::Datagram => Self::Datagram(words.last().parse().ok()?),
            Action::Read => {
                let stream = words.word().parse().ok()?;
                Self::Read { stream, text: words.text() }
            }
        })
    }
}

/// Takes the word APPLICATION.
fn application(mut words: Words<'_>) -> Option<Words<'_>> {
    words.word().eq_ignore_ascii_case("APPLICATION").then_some(words)
}

/// The items of a list. One test suite of the time has commas in APPLICATION lists: they are read
/// and never written.
fn items<'a>(list: &'a str, separator: &'a str) -> impl Iterator<Item = &'a str> {
    list.split(separator).map(|item| item.trim_matches([' ', ','])).filter(|item| !item.is_empty())
}

fn users(list: &str, separator: &str) -> Option<Vec<UserHandle>> {
    items(list, separator).map(|item| item.parse().ok()).collect()
}

fn backlogs(words: Words<'_>) -> Option<Vec<Backlog>> {
    let mut backlogs: Vec<Backlog> = Vec::new();
    for item in items(words.text(), " ") {
        // The old form puts a space where `=` stands now: a bare integer belongs to the item before.
        if let Some(octets) = decimal(item) {
            backlogs.last_mut()?.octets = Some(octets);
            continue;
        }
        let backlog = match item.rsplit_once('=') {
            Some((stream, octets)) => {
                Backlog { stream: stream.parse().ok()?, octets: Some(decimal(octets)?) }
            }
            None => Backlog { stream: item.parse().ok()?, octets: None },
        };
        backlogs.push(backlog);
    }
    Some(backlogs)
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            Self::Protocol(version) => write!(f, "PROTOCOL {version}"),
            Self::Pong => f.write_str("PONG"),
            Self::ResetIdleTimer => f.write_str("RESETIDLETIMER"),
            Self::ConnStatus(status) => write!(f, "CONNSTATUS {status}"),
            Self::UserStatus(status) => write!(f, "USERSTATUS {status}"),
            Self::CurrentUserHandle(user) => write!(f, "CURRENTUSERHANDLE {user}"),
            Self::SkypeVersion(version) => write!(f, "SKYPEVERSION {version}"),
            Self::SilentMode(on) => write!(f, "SILENT_MODE {}", switch_name(*on)),
            Self::AutoAway(on) => write!(f, "AUTOAWAY {}", switch_name(*on)),
            Self::Group { number, property, value } => {
                write!(f, "GROUP {number} {property} {value}")
            }
            Self::User { user, property, value } => write!(f, "USER {user} {property} {value}"),
            Self::Users(users) => {
                f.write_str("USERS ")?;
                list(f, users, ", ")
            }
            Self::Application { app, news } => write!(f, "APPLICATION {app} {news}"),
            Self::Created(app) => write!(f, "CREATE APPLICATION {app}"),
            Self::Deleted(app) => write!(f, "DELETE APPLICATION {app}"),
            Self::Altered { app, echo } => write!(f, "ALTER APPLICATION {app} {echo}"),
            Self::Error { code, text: "" } => write!(f, "ERROR {code}"),
            Self::Error { code, text } => write!(f, "ERROR {code} {text}"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for AppNews<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting(users) => {
                f.write_str("CONNECTING ")?;
                list(f, users, " ")
            }
            Self::Connectable(users) => {
                f.write_str("CONNECTABLE ")?;
                list(f, users, " ")
            }
            Self::Streams(streams) => {
                f.write_str("STREAMS ")?;
                list(f, streams, " ")
            }
            Self::Sending(backlogs) => {
                f.write_str("SENDING ")?;
                list(f, backlogs, " ")
            }
            Self::Received(backlogs) => {
                f.write_str("RECEIVED ")?;
                list(f, backlogs, " ")
            }
            Self::Datagram { stream, text } => write!(f, "DATAGRAM {stream} {text}"),
        }
    }
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.octets {
            Some(octets) => write!(f, "{}={octets}", self.stream),
            None => self.stream.fmt(f),
        }
    }
}

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(user) => write!(f, "CONNECT {user}"),
            Self::Disconnect(stream) => write!(f, "DISCONNECT {stream}"),
            Self::Write(stream) => write!(f, "WRITE {stream}"),
            Self::Datagram(stream) => write!(f, "DATAGRAM {stream}"),
            Self::Read { stream, text } => write!(f, "READ {stream} {text}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display], separator: &str) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
