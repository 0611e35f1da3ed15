//! A window on a display, to and from which messages go: what both a program and a Skype need.

use x11rb::connection::Connection as _;
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _,
    CreateWindowAux, EventMask, PropMode, WindowClass,
};
use x11rb::protocol::{ErrorKind, Event};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::x11::{
    BEGIN_ATOM, CONTINUE_ATOM, INSTANCE_ATOM, Joined, Joiner, PIECE_OCTETS, Piece, pieces,
};

/// Tells the reader to end; sent by a window to itself.
const STOP_ATOM: &str = "_SKYPE_API_STOP";

/// A connection with a window of its own, which is never shown. One thread may wait while others send.
#[derive(Debug)]
pub struct Screen {
    connection: RustConnection,
    root: u32,
    window: u32,
    begin: Atom,
    more: Atom,
    instance: Atom,
    stop: Atom,
}

/// What came to a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A whole message, and whose window sent it.
    Message {
        /// The sender's window, as it says.
        from: u32,
        /// What it says.
        text: String,
    },
    /// A piece, or a message, that was thrown away.
    Dropped,
    /// A window that was watched, or sent to, is no more.
    WindowGone(u32),
    /// The mark on the root window was set anew or deleted.
    InstanceChanged,
    /// [`Screen::stop`] was called.
    Stopped,
}

/// What went wrong with a display.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScreenError {
    /// It cannot be reached.
    #[error("no display at {display}: {source}")]
    Connect {
        /// Which.
        display: String,
        /// What was in the way.
        source: Box<x11rb::errors::ConnectError>,
    },
    /// It is gone, or did not do what it was asked.
    #[error("the display failed: {0}")]
    Failed(String),
}

impl From<ConnectionError> for ScreenError {
    fn from(error: ConnectionError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ReplyError> for ScreenError {
    fn from(error: ReplyError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Screen {
    /// Connects to a display, or to that of the environment, and makes a window.
    ///
    /// # Errors
    /// [`ScreenError`] when that fails.
    pub fn open(display: Option<&str>) -> Result<Self, ScreenError> {
        let (connection, number) = RustConnection::connect(display).map_err(|source| {
            let display = display.unwrap_or("the environment's place").to_owned();
            ScreenError::Connect { display, source: Box::new(source) }
        })?;
        let screen = connection.setup().roots.get(number);
        let root = screen.map(|screen| screen.root);
        let root = root.ok_or_else(|| ScreenError::Failed("it has no screen".to_owned()))?;
        let window =
            connection.generate_id().map_err(|error| ScreenError::Failed(error.to_string()))?;
        let atom = |name: &str| -> Result<Atom, ScreenError> {
            Ok(connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        let (begin, more) = (atom(BEGIN_ATOM)?, atom(CONTINUE_ATOM)?);
        let (instance, stop) = (atom(INSTANCE_ATOM)?, atom(STOP_ATOM)?);
        // Never mapped: one pixel that nobody sees.
        let (like_parent, none) = (x11rb::COPY_DEPTH_FROM_PARENT, x11rb::COPY_FROM_PARENT);
        let class = WindowClass::INPUT_OUTPUT;
        let aux = CreateWindowAux::new();
        connection
            .create_window(like_parent, window, root, 0, 0, 1, 1, 0, class, none, &aux)?
            .check()?;
        let changes = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection.change_window_attributes(root, &changes)?.check()?;
        Ok(Self { connection, root, window, begin, more, instance, stop })
    }

    /// The window that is marked as Skype's, living or not.
    ///
    /// # Errors
    /// The display failed.
    pub fn instance(&self) -> Result<Option<u32>, ScreenError> {
        let kind = AtomEnum::WINDOW;
        let property = self.connection.get_property(false, self.root, self.instance, kind, 0, 2)?;
        let property = property.reply()?;
        let mut values = property.value32().into_iter().flatten();
        Ok(values.next().filter(|_| property.format == 32 && property.value_len == 1))
    }

    /// Marks this window as Skype's.
    ///
    /// # Errors
    /// The display failed.
    pub fn set_instance(&self) -> Result<(), ScreenError> {
        let (mode, kind) = (PropMode::REPLACE, AtomEnum::WINDOW);
        let values = [self.window];
        Ok(self
            .connection
            .change_property32(mode, self.root, self.instance, kind, &values)?
            .check()?)
    }

    /// Takes the mark away; the window stays.
    ///
    /// # Errors
    /// The display failed.
    pub fn clear_instance(&self) -> Result<(), ScreenError> {
        Ok(self.connection.delete_property(self.root, self.instance)?.check()?)
    }

    /// This window.
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// Asks to be told when a window goes; false if it is gone.
    ///
    /// # Errors
    /// The display failed.
    pub fn watch(&self, window: u32) -> Result<bool, ScreenError> {
        let changes = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        match self.connection.change_window_attributes(window, &changes)?.check() {
            Ok(()) => Ok(true),
            Err(ReplyError::X11Error(error)) if error.error_kind == ErrorKind::Window => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a message to a window. That the window is gone shows in [`wait`](Self::wait).
    ///
    /// # Errors
    /// The display failed.
    pub fn send(&self, to: u32, text: &str) -> Result<(), ScreenError> {
        self.send_pieces(to, pieces(text))
    }

    /// The same with its pieces, for who would have them in disorder.
    ///
    /// # Errors
    /// The display failed.
    pub fn send_pieces(
        &self,
        to: u32,
        pieces: impl IntoIterator<Item = Piece>,
    ) -> Result<(), ScreenError> {
        for piece in pieces {
            let kind = if piece.begins { self.begin } else { self.more };
            let event = ClientMessageEvent::new(8, self.window, kind, piece.octets);
            self.connection.send_event(false, to, EventMask::NO_EVENT, event)?;
        }
        Ok(self.connection.flush()?)
    }

    /// Ends a [`wait`](Self::wait) of another thread.
    pub fn stop(&self) {
        let event = ClientMessageEvent::new(8, self.window, self.stop, [0; PIECE_OCTETS]);
        let sent = self.connection.send_event(false, self.window, EventMask::NO_EVENT, event);
        // A display that is gone ends the wait, too.
        let _ended = sent.and_then(|_| self.connection.flush());
    }

    /// Waits for something that means something.
    ///
    /// # Errors
    /// The display failed, for good.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a display tells of much else")]
    pub fn wait(&self, joiner: &mut Joiner) -> Result<Heard, ScreenError> {
        loop {
            match self.connection.wait_for_event()? {
                Event::ClientMessage(event)
                    if event.type_ == self.stop && event.window == self.window =>
                {
                    return Ok(Heard::Stopped);
                }
                Event::ClientMessage(event) if event.format == 8 => {
                    let begins = event.type_ == self.begin;
                    if !begins && event.type_ != self.more {
                        continue;
                    }
                    let piece = Piece { begins, octets: event.data.as_data8() };
                    match joiner.take(event.window, &piece) {
                        Joined::More => {}
                        Joined::Message(text) => {
                            return Ok(Heard::Message { from: event.window, text });
                        }
                        Joined::Dropped(_) => return Ok(Heard::Dropped),
                    }
                }
                Event::DestroyNotify(event) => {
                    joiner.forget(event.window);
                    return Ok(Heard::WindowGone(event.window));
                }
                Event::PropertyNotify(event) if event.atom == self.instance => {
                    return Ok(Heard::InstanceChanged);
                }
                Event::Error(error) if error.error_kind == ErrorKind::Window => {
                    return Ok(Heard::WindowGone(error.bad_value));
                }
                _ => {}
            }
        }
    }
}
