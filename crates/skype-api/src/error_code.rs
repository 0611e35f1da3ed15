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
    /// SEARCH that needs a target has none.
    pub const SEARCH_NO_TARGET: Self = Self(4);
    /// GET of a thing that does not exist.
    pub const GET_WHAT: Self = Self(7);
    /// GET USER with something that is no handle.
    pub const GET_USER_HANDLE: Self = Self(8);
    /// GET USER of somebody who does not exist. Real Skypes say UNKNOWN instead.
    pub const GET_USER_UNKNOWN: Self = Self(9);
    /// GET USER with a property that does not exist.
    pub const GET_USER_PROPERTY: Self = Self(10);
    /// SET of a thing that does not exist.
    pub const SET_WHAT: Self = Self(18);
    /// SET USER with something that is no handle.
    pub const SET_USER_HANDLE: Self = Self(26);
    /// PROTOCOL with something that is no version.
    pub const PROTOCOL_VERSION: Self = Self(27);
    /// SET USERSTATUS with an unknown status.
    pub const USER_STATUS: Self = Self(28);
    /// SET AUTOAWAY with something that is neither ON nor OFF.
    pub const AUTO_AWAY_VALUE: Self = Self(53);
    /// SEARCH FRIENDS takes no target.
    pub const SEARCH_FRIENDS_TARGET: Self = Self(67);
    /// The user refused this program, or it did not say its NAME. Skype for Linux sends no text.
    pub const ACCESS_DENIED: Self = Self(68);
    /// SET USER ISAUTHORIZED or ISBLOCKED with something that is neither TRUE nor FALSE.
    pub const USER_FLAG_VALUE: Self = Self(516);
    /// SET USER ISAUTHORIZED or ISBLOCKED failed.
    pub const USER_FLAG_FAILED: Self = Self(517);
    /// SET USER BUDDYSTATUS with something that cannot be set.
    pub const BUDDY_STATUS_VALUE: Self = Self(518);
    /// SET USER BUDDYSTATUS failed.
    pub const BUDDY_STATUS_FAILED: Self = Self(519);
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

    /// The text Skype puts behind the code; empty for a code that no source has, and for 68.
    #[must_use]
    pub fn text(self) -> &'static str {
        let place = TEXTS.binary_search_by_key(&self.0, |(code, _)| *code);
        place.ok().and_then(|place| TEXTS.get(place)).map_or("", |(_, text)| text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Every code of the API reference's table (2010), with its text as sections of it print it, or else
/// the table; 609 is a third party's. Codes
/// ascend.
#[rustfmt::skip]
const TEXTS: [(u16, &str); 154] = [
    (1, "General syntax error"),
    (2, "Unknown command"),
    (3, "Search: unknown WHAT"),
    (4, "Empty target not allowed"),
    (5, "Search CALLS: invalid target"),
    (6, "SEARCH MISSEDCALLS: target not allowed"),
    (7, "GET: invalid WHAT"),
    (8, "Invalid user handle"),
    (9, "Unknown user"),
    (10, "Invalid PROP"),
    (11, "Invalid call id"),
    (12, "Unknown call"),
    (13, "Invalid PROP"),
    (14, "Invalid message id"),
    (15, "Unknown message"),
    (16, "Invalid PROP"),
    (17, "(Not in use)"),
    (18, "SET: invalid WHAT"),
    (19, "Invalid call id"),
    (20, "Unknown call"),
    (21, "Unknown/disallowed call prop"),
    (22, "Cannot hold this call at the moment"),
    (23, "Cannot resume this call at the moment"),
    (24, "Cannot hangup inactive call"),
    (25, "Unknown WHAT"),
    (26, "Invalid user handle"),
    (27, "Invalid version number"),
    (28, "Unknown userstatus"),
    (29, "SEARCH what: target not allowed"),
    (30, "Invalid message id"),
    (31, "Unknown message id"),
    (32, "Invalid WHAT"),
    (33, "invalid parameter"),
    (34, "invalid user handle"),
    (35, "Not connected"),
    (36, "Not online"),
    (37, "Not connected"),
    (38, "Not online"),
    (39, "user blocked"),
    (40, "Unknown privilege"),
    (41, "Call not active"),
    (42, "Invalid DTMF code"),
    (43, "cannot send empty message"),
    (50, "cannot set device"),
    (51, "invalid parameter"),
    (52, "invalid parameter"),
    (53, "SET AUTOAWAY invalid value"),
    (66, "Not connected"),
    (67, "target not allowed with SEARCH FRIENDS"),
    (68, ""),
    (69, "Invalid open what"),
    (70, "Invalid handle"),
    (71, "Invalid conference participant NO"),
    (72, "Cannot create conference"),
    (73, "too many participants"),
    (74, "Invalid key"),
    (91, "call error"),
    (92, "call error"),
    (93, "call error"),
    (94, "call error"),
    (95, "Internal error"),
    (96, "Internal error"),
    (97, "Internal error"),
    (98, "Internal error"),
    (99, "Internal error"),
    (100, "Internal error"),
    (101, "Internal error"),
    (103, "Cannot hold"),
    (104, "Cannot resume"),
    (105, "Invalid chat name"),
    (106, "Invalid PROP"),
    (107, "Target not allowed with CHATS"),
    (108, "User not contact"),
    (109, "directory doesn't exist"),
    (110, "No voicemail capability"),
    (111, "File not found"),
    (112, "Too many targets"),
    (113, "Close: invalid WHAT"),
    (114, "Invalid avatar"),
    (115, "Invalid ringtone"),
    (116, "GET invalid ID"),
    (121, "GET File path doesn't exist"),
    (122, "GET Unable to load avatar"),
    (124, "GET Destination file is not empty"),
    (500, "CHAT: Invalid chat name given"),
    (501, "CHAT: No chat found for given chat"),
    (502, "CHAT: No action name given"),
    (503, "CHAT: Invalid or unknown action"),
    (504, "CHAT: action failed"),
    (505, "CHAT: LEAVE does not take arguments"),
    (506, "CHAT: ADDMEMBERS: invalid/missing user handle(s) as arguments"),
    (507, "CHAT: CREATE: invalid/missing user handle(s) as argument"),
    (508, "CHAT: CREATE: opening a dialog to the given user failed"),
    (509, "No chat name given"),
    (510, "Invalid/uknown chat name given"),
    (511, "Sending a message to chat failes"),
    (512, "Invalid voicemail id"),
    (513, "Invalid voicemail object"),
    (514, "No voicemail property given"),
    (515, "Assigning speeddial property failed"),
    (516, "Invalid value given to ISAUTHORIZED/ISBLOCKED"),
    (517, "Changing ISAUTHORIZED/ISBLOCKED failed"),
    (518, "Invalid status given for BUDDYSTATUS"),
    (519, "Updating BUDDYSTATUS failed"),
    (520, "CLEAR needs a target"),
    (521, "Invalid/unknown CLEAR target"),
    (522, "CLEAR CHATHISTORY takes no arguments"),
    (523, "CLEAR VOICEMAILHISTORY takes no arguments"),
    (524, "CLEAR CALLHISTORY: missing target argument"),
    (525, "CLEAR CALLHISTORY: invalid handle argument"),
    (526, "ALTER: no object type given"),
    (527, "ALTER: unknown object type given"),
    (528, "VOICEMAIL: No proper voicemail ID given"),
    (529, "VOICEMAIL: Invalid voicemail ID given"),
    (530, "VOICEMAIL: No action given"),
    (531, "VOICEMAIL: Action failed"),
    (532, "VOICEMAIL: Unknown action"),
    (534, "SEARCH GREETING: invalid handle"),
    (535, "SEARCH GREETING: unable to get greeting"),
    (536, "CREATE: no object or type given"),
    (537, "CREATE: Unknown object type given"),
    (538, "DELETE: no object or type given"),
    (539, "DELETE: Unknown object type given"),
    (540, "CREATE APPLICATION: Missing or invalid name"),
    (541, "APPLICATION: operation failed"),
    (542, "DELETE APPLICATION : missing or invalid application name."),
    (543, "GET APPLICATION : missing or invalid application name."),
    (544, "GET APPLICATION : missing or invalid property name."),
    (545, "ALTER APPLICATION : missing or invalid action."),
    (546, "ALTER APPLICATION : Missing or invalid action"),
    (547, "ALTER APPLICATION CONNECT: Invalid user handle"),
    (548, "ALTER APPLICATION DISCONNECT: Invalid stream identifier"),
    (549, "ALTER APPLICATION WRITE : Missing or invalid stream identifier"),
    (550, "ALTER APPLICATION READ: Missing or invalid stream identifier"),
    (551, "ALTER APPLICATION DATAGRAM: Missing or invalid stream identifier"),
    (552, "SET PROFILE : invalid property profile given"),
    (553, "SET PROFILE CALL_SEND_TO_VM : no voicemail privledge, can't forward to voicemail."),
    (555, "CALL: No proper call ID given"),
    (556, "CALL: Invalid call ID given"),
    (557, "CALL: No action given"),
    (558, "CALL: Missing or invalid arguments"),
    (559, "CALL: Action failed"),
    (560, "CALL: Unknown action"),
    (561, "SEARCH GROUPS: invalid target"),
    (562, "SEARCH GROUPS: Invalid group id"),
    (563, "SEARCH GROUPS: Invalid group object"),
    (564, "SEARCH GROUPS: Invalid group property given"),
    (569, "GET AEC: target not allowed"),
    (570, "SET AEC: invalid value"),
    (571, "GET AGC: target not allowed"),
    (572, "SET AGC: invalid value"),
    (609, "CHATMEMBER: ALTER SETROLE/CANSETROLETO: Invalid role specified"),
    (615, "CHAT: chat with given contact is disabled"),
    (9901, "Internal error"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend() {
        assert!(TEXTS.windows(2).all(|pair| matches!(pair, [(one, _), (next, _)] if one < next)));
    }

    #[test]
    fn a_code_has_its_text_and_a_stranger_has_none() {
        assert_eq!(ErrorCode(9901).text(), "Internal error");
        assert_eq!(ErrorCode::OPERATION_FAILED.text(), "APPLICATION: operation failed");
        assert_eq!(ErrorCode(9999).text(), "");
        assert_eq!(ErrorCode::ACCESS_DENIED.text(), "");
    }
}
