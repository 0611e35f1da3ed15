//! The API's error codes, as far as users, connections and applications go.

use std::fmt;

/// A code of an `ERROR` reply. Compare codes only: the texts differ between Skype's own documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// A blank line, or one that is no message.
    pub const GENERAL_SYNTAX: Self = Self(1);
    /// The verb is unknown.
    pub const UNKNOWN_COMMAND: Self = Self(2);
    /// SEARCH for a kind of thing that does not exist.
    pub const SEARCH_WHAT: Self = Self(3);
    /// GET of a thing that does not exist.
    pub const GET_WHAT: Self = Self(7);
    /// GET USER with something that is no handle.
    pub const GET_USER_HANDLE: Self = Self(8);
    /// GET USER with a property that does not exist.
    pub const GET_USER_PROPERTY: Self = Self(10);
    /// SET of a thing that does not exist.
    pub const SET_WHAT: Self = Self(18);
    /// PROTOCOL with something that is no version.
    pub const PROTOCOL_VERSION: Self = Self(27);
    /// SET USERSTATUS with an unknown status.
    pub const USER_STATUS: Self = Self(28);
    /// SEARCH FRIENDS takes no target.
    pub const SEARCH_FRIENDS_TARGET: Self = Self(67);
    /// The user refused this program, or it did not say its NAME. Skype for Linux sends no text.
    pub const ACCESS_DENIED: Self = Self(68);
    /// ALTER without an object.
    pub const ALTER_NO_OBJECT: Self = Self(526);
    /// ALTER of an unknown kind of object.
    pub const ALTER_OBJECT: Self = Self(527);
    /// CREATE without an object.
    pub const CREATE_NO_OBJECT: Self = Self(536);
    /// CREATE of an unknown kind of object.
    pub const CREATE_OBJECT: Self = Self(537);
    /// DELETE without an object.
    pub const DELETE_NO_OBJECT: Self = Self(538);
    /// DELETE of an unknown kind of object.
    pub const DELETE_OBJECT: Self = Self(539);
    /// CREATE APPLICATION without a legal name.
    pub const CREATE_NAME: Self = Self(540);
    /// The application is there already, or the operation failed.
    pub const OPERATION_FAILED: Self = Self(541);
    /// DELETE APPLICATION of an application that is not there.
    pub const DELETE_NAME: Self = Self(542);
    /// GET APPLICATION of an application that is not there.
    pub const GET_NAME: Self = Self(543);
    /// GET APPLICATION of a property that does not exist.
    pub const GET_PROPERTY: Self = Self(544);
    /// ALTER APPLICATION of an application that is not there (the printed text is a slip).
    pub const ALTER_NAME: Self = Self(545);
    /// ALTER APPLICATION with an unknown action.
    pub const ALTER_ACTION: Self = Self(546);
    /// CONNECT to something that is no handle.
    pub const CONNECT_USER: Self = Self(547);
    /// DISCONNECT of a stream that is not there.
    pub const DISCONNECT_STREAM: Self = Self(548);
    /// WRITE to a stream that is not there.
    pub const WRITE_STREAM: Self = Self(549);
    /// READ from a stream that is not there.
    pub const READ_STREAM: Self = Self(550);
    /// DATAGRAM to a stream that is not there.
    pub const DATAGRAM_STREAM: Self = Self(551);

    /// The text Skype puts behind the code; empty for a code not in this table and for 68.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::GENERAL_SYNTAX => "General syntax error",
            Self::UNKNOWN_COMMAND => "Unknown command",
            Self::SEARCH_WHAT => "Search: unknown WHAT",
            Self::GET_WHAT => "GET: invalid WHAT",
            Self::GET_USER_HANDLE => "Invalid user handle",
            Self::GET_USER_PROPERTY => "Invalid PROP",
            Self::SET_WHAT => "SET: invalid WHAT",
            Self::PROTOCOL_VERSION => "Invalid version number",
            Self::USER_STATUS => "Unknown userstatus",
            Self::SEARCH_FRIENDS_TARGET => "target not allowed with SEARCH FRIENDS",
            Self::ALTER_NO_OBJECT => "ALTER: no object type given",
            Self::ALTER_OBJECT => "ALTER: unknown object type given",
            Self::CREATE_NO_OBJECT => "CREATE: no object or type given",
            Self::CREATE_OBJECT => "CREATE: Unknown object type given",
            Self::DELETE_NO_OBJECT => "DELETE: no object or type given",
            Self::DELETE_OBJECT => "DELETE: Unknown object type given",
            Self::CREATE_NAME => "CREATE APPLICATION: Missing or invalid name",
            Self::OPERATION_FAILED => "APPLICATION: operation failed",
            Self::DELETE_NAME => "DELETE APPLICATION : missing or invalid application name",
            Self::GET_NAME => "GET APPLICATION : missing or invalid application name",
            Self::GET_PROPERTY => "GET APPLICATION : missing or invalid property name",
            Self::ALTER_NAME => "ALTER APPLICATION : missing or invalid action",
            Self::ALTER_ACTION => "ALTER APPLICATION : Missing or invalid action",
            Self::CONNECT_USER => "ALTER APPLICATION CONNECT: Invalid user handle",
            Self::DISCONNECT_STREAM => "ALTER APPLICATION DISCONNECT: Invalid stream identifier",
            Self::WRITE_STREAM => "ALTER APPLICATION WRITE : Missing or invalid stream identifier",
            Self::READ_STREAM => "ALTER APPLICATION READ: Missing or invalid stream identifier",
            Self::DATAGRAM_STREAM => {
                "ALTER APPLICATION DATAGRAM: Missing or invalid stream identifier"
            }
            Self(_) => "",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
