#![doc = include_str!("../README.md")]

#[cfg(any(feature = "unix", feature = "dbus", feature = "x11"))]
pub mod attach;
mod command;
pub mod dbus;
mod error_code;
mod line;
mod message;
mod name;
pub mod session;
mod status;
mod stream_ref;
mod text;
mod user;
mod words;
pub mod x11;

pub use command::{
    Alter, AppProperty, Command, DATAGRAM_OCTETS_MAX, Get, Search, Set, SetUser, WRITE_OCTETS_MAX,
};
pub use error_code::ErrorCode;
pub use line::{COMMAND_ID_OCTETS_MAX, CommandId, Line, LineError, MESSAGE_OCTETS_MAX, check_text};
pub use message::{AppNews, Backlog, Echo, Message};
pub use name::{
    APP_NAME_OCTETS_MAX, AppName, NameError, PROGRAM_NAME_OCTETS_MAX, ProgramName,
    USER_HANDLE_OCTETS_MAX, UserHandle,
};
pub use session::{Event, Output, Session, SessionConfig};
pub use status::{ConnStatus, UserStatus};
pub use stream_ref::{StreamRef, StreamRefError};
pub use user::{BuddyStatus, UserNews};
