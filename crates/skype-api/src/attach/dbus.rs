//! The API over D-Bus, for a client program: `Invoke` to Skype, `Notify` from it, in one ordered stream.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tracing::{debug, trace};
use zbus::message::{Flags, Message, Type};
use zbus::{Connection, MessageStream};

use super::TrySendError;
use super::queued::{Ends, Queued};
use crate::dbus::{
    CLIENT_INTERFACE, CLIENT_PATH, INTERFACE, INVOKE, NOTIFY, OwnerChange, PATH, SERVICE, reply,
};
use crate::line::check_text;

/// Commands that Skype has not returned from. A user who is asked for consent keeps one open.
pub const INVOKES_MAX: usize = 1024;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// A connection to a Skype on a bus.
///
/// A task of its own reads the bus; dropping this ends it. Returns of `Invoke` and calls of `Notify` come out in the
/// order in which the bus carried them; an empty return is no line, since the reply then comes by `Notify`. It ends
/// when Skype leaves the bus, or the bus is gone: attach again then, after a second.
#[derive(Debug)]
pub struct DbusAttach {
    queue: Queued,
}

/// No Skype could be reached over a bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no bus.
    #[error("no bus at {bus}: {source}")]
    Bus {
        /// Where it was looked for.
        bus: String,
        /// What was in the way.
        source: Box<zbus::Error>,
    },
    /// Nobody on the bus has Skype's name.
    #[error("no Skype on the bus at {bus}: start Skype with D-Bus enabled, as the same user")]
    NoSkype {
        /// Which bus.
        bus: String,
    },
}

/// Connects to the Skype on the bus at this address, or on the session bus.
///
/// # Errors
/// [`ConnectError`] when there is no bus, or no Skype on it.
pub async fn connect(address: Option<&str>) -> Result<DbusAttach, ConnectError> {
    let bus = address.unwrap_or("the session's address").to_owned();
    let failed =
        |source: zbus::Error| ConnectError::Bus { bus: bus.clone(), source: Box::new(source) };
    let builder = match address {
        Some(address) => zbus::connection::Builder::address(address),
        None => zbus::connection::Builder::session(),
    };
    let connection = builder.build().await.map_err(failed)?;
    // Our object is there before Skype hears of us: this stream has all that comes from now on.
    let stream = MessageStream::from(&connection);
    let rule = format!(
        "type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{SERVICE}'"
    );
    call_bus(&connection, "AddMatch", &rule).await.map_err(failed)?;
    let owner = match call_bus(&connection, "GetNameOwner", SERVICE).await {
        Ok(answer) => answer.body().deserialize::<String>().map_err(failed)?,
        Err(zbus::Error::FDO(error)) if matches!(*error, zbus::fdo::Error::NameHasNoOwner(_)) => {
            return Err(ConnectError::NoSkype { bus });
        }
        Err(source) => return Err(failed(source)),
    };
    let (queue, ends) = Queued::new();
    let driver = Driver { connection, stream, owner, ends, invoked: BTreeSet::new() };
    // It ends when the queue is dropped, after what was said last.
    tokio::spawn(driver.run());
    Ok(DbusAttach { queue })
}

async fn call_bus(
    connection: &Connection,
    method: &'static str,
    text: &str,
) -> zbus::Result<Message> {
    connection.call_method(Some(BUS), BUS_PATH, Some(BUS), method, &text).await
}

impl DbusAttach {
    /// The next message; `None` when Skype is gone.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<&str>> {
        self.queue.poll_recv(cx)
    }

    /// [`poll_recv`](Self::poll_recv) as a future.
    pub async fn recv(&mut self) -> Option<String> {
        self.queue.recv().await
    }

    /// Gives a line to the bus, which would hang up on who sent a NUL.
    ///
    /// # Errors
    /// [`TrySendError`] when it was not taken.
    pub fn try_send(&mut self, line: &str) -> Result<(), TrySendError> {
        self.queue.try_send(line)
    }

    /// Ready when another line is taken.
    ///
    /// # Errors
    /// Skype is gone.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.queue.poll_ready(cx)
    }

    /// Messages of the bus that were for us and meant nothing.
    #[must_use]
    pub fn nonsense(&self) -> u64 {
        self.queue.nonsense()
    }
}

/// Between the bus and the two queues.
struct Driver {
    connection: Connection,
    stream: MessageStream,
    /// Skype's own name: one that is started anew has another, and is sent nothing that was for the old one.
    owner: String,
    ends: Ends,
    /// Calls that have not returned, by serial. Never more than [`INVOKES_MAX`].
    invoked: BTreeSet<NonZeroU32>,
}

/// What a message of the bus meant.
enum Meant {
    Line(String),
    Nothing,
    /// Skype, or the bus, is gone.
    End,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let may_say = self.invoked.len() < INVOKES_MAX;
            let next = std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx));
            tokio::select! {
                line = self.ends.said.recv(), if may_say => {
                    let Some(line) = line else { return };
                    if let Err(error) = self.invoke(&line).await {
                        debug!(%error, "the bus is gone");
                        return;
                    }
                }
                message = next => {
                    let meant = match message {
                        Some(Ok(message)) => self.read(&message).await,
                        Some(Err(_)) | None => Meant::End,
                    };
                    match meant {
                        Meant::Line(line) if check_text(&line).is_ok() => {
                            if self.ends.inlet.lines.send(line).await.is_err() {
                                return;
                            }
                        }
                        Meant::Line(_) => self.ends.inlet.count(),
                        Meant::Nothing => {}
                        Meant::End => return,
                    }
                }
            }
        }
    }

    async fn invoke(&mut self, line: &str) -> zbus::Result<()> {
        let call = Message::method_call(PATH, INVOKE)
            .destination(self.owner.as_str())
            .interface(INTERFACE)
            .build(&line)?;
        self.invoked.insert(call.primary_header().serial_num());
        self.connection.send(&call).await
    }

    async fn read(&mut self, message: &Message) -> Meant {
        let header = message.header();
        let answers = header.reply_serial().filter(|serial| self.invoked.remove(serial));
        match message.message_type() {
            Type::MethodCall => self.serve(message).await,
            Type::MethodReturn if answers.is_some() => {
                let Ok(text) = message.body().deserialize::<String>() else {
                    return self.nothing();
                };
                reply(&text).map_or(Meant::Nothing, |line| Meant::Line(line.to_owned()))
            }
            Type::Error if answers.is_some() => {
                let name = header.error_name().map(ToString::to_string);
                debug!(error = name, "Skype did not take a command");
                Meant::End
            }
            Type::Signal => {
                let is_of_bus = header.sender().is_some_and(|sender| sender.as_str() == BUS);
                let is_it = header.member().is_some_and(|it| it.as_str() == "NameOwnerChanged");
                let changed = message.body();
                let changed = changed.deserialize::<(&str, &str, &str)>();
                match changed.ok().filter(|_| is_of_bus && is_it) {
                    // Even if another one is there at once: it knows nothing of us.
                    Some((name, old, new)) if OwnerChange::read(name, old, new).is_some() => {
                        Meant::End
                    }
                    Some(_) | None => Meant::Nothing,
                }
            }
            Type::MethodReturn | Type::Error => Meant::Nothing,
        }
    }

    /// A call to our object. Whoever is not Skype is told that there is nothing here.
    async fn serve(&self, call: &Message) -> Meant {
        let header = call.header();
        let is_skype = header.sender().is_some_and(|sender| sender.as_str() == self.owner);
        let is_here = header.path().is_some_and(|path| path.as_str() == CLIENT_PATH);
        let is_notify = header.member().is_some_and(|member| member.as_str() == NOTIFY);
        let is_ours = header.interface().is_none_or(|it| it.as_str() == CLIENT_INTERFACE);
        let is_it = is_skype && is_here && is_notify && is_ours;
        if !call.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            let answer = if is_it {
                Message::method_return(&header).build(&())
            } else {
                let unknown = "org.freedesktop.DBus.Error.UnknownMethod";
                Message::error(&header, unknown).build(&"there is no such method here")
            };
            match answer {
                Ok(answer) => {
                    if self.connection.send(&answer).await.is_err() {
                        return Meant::End;
                    }
                }
                Err(error) => trace!(%error, "a call cannot be answered"),
            }
        }
        let text = call.body().deserialize::<String>();
        text.ok().filter(|_| is_it).map_or_else(|| self.nothing(), Meant::Line)
    }

    fn nothing(&self) -> Meant {
        self.ends.inlet.count();
        Meant::Nothing
    }
}
