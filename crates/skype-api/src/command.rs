//! What a client program says to Skype.

mod answer;
mod set;

use std::fmt;

pub use set::{Set, SetUser};

use crate::error_code::ErrorCode;
use crate::name::{AppName, ProgramName, UserHandle};
use crate::stream_ref::{StreamRef, decimal};
use crate::words::{Words, keyword, name_of};

/// The longest DATAGRAM payload, in octets of UTF-8 (API reference, DATAGRAM).
pub const DATAGRAM_OCTETS_MAX: usize = 1400;

/// The longest WRITE payload, in octets of UTF-8 (API reference, WRITE).
pub const WRITE_OCTETS_MAX: usize = 0xffff;

/// A command. Keywords are read in any case and written in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// `NAME program`: the first thing said; Skype asks its user for consent.
    Name(ProgramName),
    /// `PROTOCOL n`: the highest version the client speaks.
    Protocol(u32),
    /// `PING`
    Ping,
    /// `RESETIDLETIMER`: said once a minute, it keeps the user from being shown as away.
    ResetIdleTimer,
    /// `SEARCH ..`
    Search(Search<'a>),
    /// `GET ..`
    Get(Get<'a>),
    /// `SET ..`
    Set(Set<'a>),
    /// `CREATE APPLICATION app`
    Create(AppName),
    /// `DELETE APPLICATION app`
    Delete(AppName),
    /// `ALTER APPLICATION app ..`
    Alter {
        /// Which application.
        app: AppName,
        /// What to do.
        action: Alter<'a>,
    },
    /// Anything else, kept whole.
    Unknown {
        /// The text as it came.
        text: &'a str,
        /// What Skype answers to it.
        code: ErrorCode,
    },
}

/// Whom a client looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search<'a> {
    /// `FRIENDS`: the contact list.
    Friends,
    /// `USERSWAITINGMYAUTHORIZATION`: who asked and was not answered.
    UsersWaitingMyAuthorization,
    /// `USERS target`: anybody, by name or address. It asks the network, and takes some ten seconds.
    Users(&'a str),
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Get<'a> {
    /// `USERSTATUS`
    UserStatus,
    /// `CONNSTATUS`
    ConnStatus,
    /// `CURRENTUSERHANDLE`
    CurrentUserHandle,
    /// `SKYPEVERSION`
    SkypeVersion,
    /// `SILENT_MODE`
    SilentMode,
    /// `AUTOAWAY`
    AutoAway,
    /// `APPLICATION app property`
    Application {
        /// Which application.
        app: AppName,
        /// Which of its lists.
        property: AppProperty,
    },
    /// `USER user property`, such as ONLINESTATUS.
    User {
        /// Whose property.
        user: UserHandle,
        /// Which one, as typed.
        property: &'a str,
    },
}

/// What a client does with an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alter<'a> {
    /// `CONNECT user`: make a stream to each of the user's instances that has the application.
    Connect(UserHandle),
    /// `DISCONNECT stream`
    Disconnect(StreamRef),
    /// `WRITE stream text`: reliable and in order.
    Write {
        /// On which stream.
        stream: StreamRef,
        /// The payload; see [`WRITE_OCTETS_MAX`].
        text: &'a str,
    },
    /// `READ stream`: take what the partner wrote.
    Read(StreamRef),
    /// `DATAGRAM stream text`: may be lost.
    Datagram {
        /// On which stream.
        stream: StreamRef,
        /// The payload; see [`DATAGRAM_OCTETS_MAX`].
        text: &'a str,
    },
}

/// An application's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppProperty {
    /// Users who have the application; deprecated since API 3.0.
    Connectable,
    /// Users being connected to.
    Connecting,
    /// Streams that are up.
    Streams,
    /// Streams with octets on the way out.
    Sending,
    /// Streams with octets to READ.
    Received,
}

#[derive(Clone, Copy)]
enum Verb {
    Name,
    Protocol,
    Ping,
    ResetIdleTimer,
    Search,
    Get,
    Set,
    Create,
    Delete,
    Alter,
}

const VERBS: [(&str, Verb); 10] = [
    ("ALTER", Verb::Alter),
    ("GET", Verb::Get),
    ("SET", Verb::Set),
    ("PING", Verb::Ping),
    ("NAME", Verb::Name),
    ("PROTOCOL", Verb::Protocol),
    ("RESETIDLETIMER", Verb::ResetIdleTimer),
    ("SEARCH", Verb::Search),
    ("CREATE", Verb::Create),
    ("DELETE", Verb::Delete),
];

const PROPERTIES: [(&str, AppProperty); 5] = [
    ("STREAMS", AppProperty::Streams),
    ("SENDING", AppProperty::Sending),
    ("RECEIVED", AppProperty::Received),
    ("CONNECTING", AppProperty::Connecting),
    ("CONNECTABLE", AppProperty::Connectable),
];

impl AppProperty {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        keyword(&PROPERTIES, word)
    }
}

impl<'a> Command<'a> {
    /// Reads the body of a line. Total: what it does not know is [`Command::Unknown`], with the
    /// code Skype answers.
    #[must_use]
    pub fn parse(body: &'a str) -> Self {
        Self::known(body).unwrap_or_else(|code| Self::Unknown { text: body, code })
    }

    fn known(body: &'a str) -> Result<Self, ErrorCode> {
        let mut words = Words::new(body);
        let verb = words.word();
        if verb.is_empty() {
            return Err(ErrorCode::GENERAL_SYNTAX);
        }
        match keyword(&VERBS, verb).ok_or(ErrorCode::UNKNOWN_COMMAND)? {
            // Skype for Linux takes the first word as the name and drops the rest.
            Verb::Name => ProgramName::new(words.word())
                .map(Self::Name)
                .map_err(|_| ErrorCode::GENERAL_SYNTAX),
            Verb::Protocol => match decimal(words.last()) {
                Some(version) if version > 0 => Ok(Self::Protocol(version)),
                Some(_) | None => Err(ErrorCode::PROTOCOL_VERSION),
            },
            Verb::Ping => Ok(Self::Ping),
            Verb::ResetIdleTimer => Ok(Self::ResetIdleTimer),
            Verb::Search => search(words).map(Self::Search),
            Verb::Get => get(words).map(Self::Get),
            Verb::Set => Set::parse(words).map(Self::Set),
            Verb::Create => {
                let (missing, wrong) = (ErrorCode::CREATE_NO_OBJECT, ErrorCode::CREATE_OBJECT);
                application(&mut words, missing, wrong)?;
                AppName::new(words.last()).map(Self::Create).map_err(|_| ErrorCode::CREATE_NAME)
            }
            Verb::Delete => {
                let (missing, wrong) = (ErrorCode::DELETE_NO_OBJECT, ErrorCode::DELETE_OBJECT);
                application(&mut words, missing, wrong)?;
                AppName::new(words.last()).map(Self::Delete).map_err(|_| ErrorCode::DELETE_NAME)
            }
            Verb::Alter => {
                let (missing, wrong) = (ErrorCode::ALTER_NO_OBJECT, ErrorCode::ALTER_OBJECT);
                application(&mut words, missing, wrong)?;
                let app = AppName::new(words.word()).map_err(|_| ErrorCode::ALTER_NAME)?;
                Ok(Self::Alter { app, action: alter(words)? })
            }
        }
    }
}

/// Takes the word APPLICATION.
fn application(
    words: &mut Words<'_>,
    missing: ErrorCode,
    wrong: ErrorCode,
) -> Result<(), ErrorCode> {
    match words.word() {
        "" => Err(missing),
        word if word.eq_ignore_ascii_case("APPLICATION") => Ok(()),
        _ => Err(wrong),
    }
}

fn search(mut words: Words<'_>) -> Result<Search<'_>, ErrorCode> {
    #[derive(Clone, Copy)]
    enum What {
        Friends,
        Waiting,
        Users,
    }
    const WHAT: [(&str, What); 3] = [
        ("FRIENDS", What::Friends),
        ("USERSWAITINGMYAUTHORIZATION", What::Waiting),
        ("USERS", What::Users),
    ];
    let what = keyword(&WHAT, words.word()).ok_or(ErrorCode::SEARCH_WHAT)?;
    let target = words.last();
    match what {
        What::Users if target.is_empty() => Err(ErrorCode::SEARCH_NO_TARGET),
        What::Users => Ok(Search::Users(target)),
        What::Friends if target.is_empty() => Ok(Search::Friends),
        What::Friends => Err(ErrorCode::SEARCH_FRIENDS_TARGET),
        // No source says what comes of a target here: it is ignored.
        What::Waiting => Ok(Search::UsersWaitingMyAuthorization),
    }
}

fn get(mut words: Words<'_>) -> Result<Get<'_>, ErrorCode> {
    #[derive(Clone, Copy)]
    enum What {
        UserStatus,
        ConnStatus,
        CurrentUserHandle,
        SkypeVersion,
        SilentMode,
        AutoAway,
        Application,
        User,
    }
    const WHAT: [(&str, What); 8] = [
        ("APPLICATION", What::Application),
        ("USER", What::User),
        ("USERSTATUS", What::UserStatus),
        ("CONNSTATUS", What::ConnStatus),
        ("CURRENTUSERHANDLE", What::CurrentUserHandle),
        ("SKYPEVERSION", What::SkypeVersion),
        ("SILENT_MODE", What::SilentMode),
        ("AUTOAWAY", What::AutoAway),
    ];
    match keyword(&WHAT, words.word()).ok_or(ErrorCode::GET_WHAT)? {
        What::UserStatus => Ok(Get::UserStatus),
        What::ConnStatus => Ok(Get::ConnStatus),
        What::CurrentUserHandle => Ok(Get::CurrentUserHandle),
        What::SkypeVersion => Ok(Get::SkypeVersion),
        What::SilentMode => Ok(Get::SilentMode),
        What::AutoAway => Ok(Get::AutoAway),
        What::Application => {
            let app = AppName::new(words.word()).map_err(|_| ErrorCode::GET_NAME)?;
            let property = AppProperty::parse(words.last()).ok_or(ErrorCode::GET_PROPERTY)?;
            Ok(Get::Application { app, property })
        }
        What::User => {
            let user = UserHandle::new(words.word()).map_err(|_| ErrorCode::GET_USER_HANDLE)?;
            let property = words.last();
            if property.is_empty() || property.contains(' ') {
                return Err(ErrorCode::GET_USER_PROPERTY);
            }
            Ok(Get::User { user, property })
        }
    }
}

fn alter(mut words: Words<'_>) -> Result<Alter<'_>, ErrorCode> {
    match Action::parse(words.word()).ok_or(ErrorCode::ALTER_ACTION)? {
        Action::Connect => {
            UserHandle::new(words.last()).map(Alter::Connect).map_err(|_| ErrorCode::CONNECT_USER)
        }
        Action::Disconnect => {
            stream(words.last(), ErrorCode::DISCONNECT_STREAM).map(Alter::Disconnect)
        }
        Action::Read => stream(words.last(), ErrorCode::READ_STREAM).map(Alter::Read),
        Action::Write => {
            let stream = stream(words.word(), ErrorCode::WRITE_STREAM)?;
            Ok(Alter::Write { stream, text: words.text() })
        }
        Action::Datagram => {
            let stream = stream(words.word(), ErrorCode::DATAGRAM_STREAM)?;
            Ok(Alter::Datagram { stream, text: words.text() })
        }
    }
}

fn stream(word: &str, code: ErrorCode) -> Result<StreamRef, ErrorCode> {
    word.parse().map_err(|_| code)
}

/// The verbs of ALTER APPLICATION, in commands and in their echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Connect,
    Disconnect,
    Write,
    Read,
    Datagram,
}

const ACTIONS: [(&str, Action); 5] = [
    ("DATAGRAM", Action::Datagram),
    ("WRITE", Action::Write),
    ("READ", Action::Read),
    ("CONNECT", Action::Connect),
    ("DISCONNECT", Action::Disconnect),
];

impl Action {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        keyword(&ACTIONS, word)
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(program) => write!(f, "NAME {program}"),
            Self::Protocol(version) => write!(f, "PROTOCOL {version}"),
            Self::Ping => f.write_str("PING"),
            Self::ResetIdleTimer => f.write_str("RESETIDLETIMER"),
            Self::Search(whom) => write!(f, "SEARCH {whom}"),
            Self::Get(what) => write!(f, "GET {what}"),
            Self::Set(what) => write!(f, "SET {what}"),
            Self::Create(app) => write!(f, "CREATE APPLICATION {app}"),
            Self::Delete(app) => write!(f, "DELETE APPLICATION {app}"),
            Self::Alter { app, action } => write!(f, "ALTER APPLICATION {app} {action}"),
            Self::Unknown { text, code: _ } => f.write_str(text),
        }
    }
}

impl fmt::Display for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Friends => f.write_str("FRIENDS"),
            Self::UsersWaitingMyAuthorization => f.write_str("USERSWAITINGMYAUTHORIZATION"),
            Self::Users(target) => write!(f, "USERS {target}"),
        }
    }
}

impl fmt::Display for Get<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserStatus => f.write_str("USERSTATUS"),
            Self::ConnStatus => f.write_str("CONNSTATUS"),
            Self::CurrentUserHandle => f.write_str("CURRENTUSERHANDLE"),
            Self::SkypeVersion => f.write_str("SKYPEVERSION"),
            Self::SilentMode => f.write_str("SILENT_MODE"),
            Self::AutoAway => f.write_str("AUTOAWAY"),
            Self::Application { app, property } => write!(f, "APPLICATION {app} {property}"),
            Self::User { user, property } => write!(f, "USER {user} {property}"),
        }
    }
}

impl fmt::Display for Alter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(user) => write!(f, "CONNECT {user}"),
            Self::Disconnect(stream) => write!(f, "DISCONNECT {stream}"),
            Self::Write { stream, text } => write!(f, "WRITE {stream} {text}"),
            Self::Read(stream) => write!(f, "READ {stream}"),
            Self::Datagram { stream, text } => write!(f, "DATAGRAM {stream} {text}"),
        }
    }
}

impl fmt::Display for AppProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&PROPERTIES, *self))
    }
}
