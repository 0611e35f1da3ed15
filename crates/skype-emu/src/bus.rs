//! Logins on D-Bus: each owns Skype's name on a bus of its own, as the one Skype of a desktop did.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use skype_api::dbus::{CLIENT_INTERFACE, CLIENT_PATH, INVOKE, NOTIFY, PATH, SERVICE};
use skype_api::{Line, UserHandle};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use zbus::message::{Flags, Message, Type};
use zbus::{Connection, MessageStream};

use crate::overlay::{ClientId, Overlay};
use crate::socket::BindError;

/// Messages that wait for the bus; a program for which there is no more room is dropped.
const WAITING_MAX: usize = 4096;

/// Calls of one program that have not returned: NAME waits for the user, searches for the network.
const CALLS_MAX: usize = 256;

/// Messages taken from a bus before others have their turn.
const MESSAGES_PER_TURN: u32 = 64;

/// After this time a bus that went away, or had no room for the name, is tried again.
const RETRY: Duration = Duration::from_secs(1);

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// `RequestName`: fail if somebody has it.
const DO_NOT_QUEUE: u32 = 4;
/// What it answers when we have it.
const PRIMARY_OWNER: u32 = 1;

const INTROSPECTION: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="com.Skype.API">
    <method name="Invoke">
      <arg type="s" direction="in"/>
      <arg type="s" direction="out"/>
    </method>
  </interface>
</node>
"#;

/// The logins that are on a bus.
#[derive(Debug, Default)]
pub(crate) struct Buses {
    of: BTreeMap<UserHandle, Offer>,
    /// Whose programs those are.
    programs: BTreeMap<ClientId, UserHandle>,
    /// Every reply comes as a notification does.
    empty_returns: bool,
}

/// One login's place on a bus.
#[derive(Debug)]
struct Offer {
    address: String,
    state: State,
    programs: BTreeMap<String, ClientId>,
    calls: BTreeMap<ClientId, VecDeque<Call>>,
}

enum State {
    /// Its Skype does not run.
    Down,
    Starting(Pin<Box<dyn Future<Output = Result<Bus, BindError>> + Send>>),
    Up(Box<Bus>),
}

/// An `Invoke` that has not returned, and the id of what was said.
#[derive(Debug)]
struct Call {
    id: Option<String>,
    message: Message,
}

#[derive(Debug)]
struct Bus {
    stream: MessageStream,
    out: mpsc::Sender<Message>,
    writer: JoinHandle<()>,
}

impl Buses {
    /// Takes the name on each of these buses.
    pub(crate) async fn offer(
        logins: impl Iterator<Item = (UserHandle, String)>,
        empty_returns: bool,
    ) -> Result<Self, BindError> {
        let mut of = BTreeMap::new();
        for (login, address) in logins {
            let state = State::Up(Box::new(Bus::take(address.clone()).await?));
            let (programs, calls) = (BTreeMap::new(), BTreeMap::new());
            of.insert(login, Offer { address, state, programs, calls });
        }
        Ok(Self { of, programs: BTreeMap::new(), empty_returns })
    }

    /// Hears what programs say and tells `take`; whether there was anything.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        overlay: &mut Overlay,
        mut take: impl FnMut(&mut Overlay, ClientId, &str),
    ) -> bool {
        let mut heard = false;
        for (&login, offer) in &mut self.of {
            offer.poll_start(cx);
            for _ in 0..MESSAGES_PER_TURN {
                let State::Up(bus) = &mut offer.state else { break };
                let Poll::Ready(message) = Pin::new(&mut bus.stream).poll_next(cx) else { break };
                heard = true;
                let Some(Ok(message)) = message else {
                    debug!(%login, "the bus is gone");
                    offer.hang_up(overlay, &mut self.programs);
                    offer.start_after(RETRY);
                    break;
                };
                let said = offer.read(login, &message, overlay, &mut self.programs);
                if let Some((client, line)) = said {
                    offer.remember(client, &line, message, self.empty_returns);
                    take(overlay, client, &line);
                }
            }
        }
        heard
    }

    /// Says a line to a program; false if it is not on a bus.
    pub(crate) fn say(
        &mut self,
        overlay: &mut Overlay,
        client: ClientId,
        line: &str,
        is_reply: bool,
    ) -> bool {
        let Some(login) = self.programs.get(&client) else { return false };
        let Some(offer) = self.of.get_mut(login) else { return false };
        if !offer.say(client, line, is_reply) {
            debug!(?client, "program dropped: it does not read, or the bus does not");
            offer.forget(client, overlay, &mut self.programs);
        }
        true
    }

    /// A Skype quits: its name goes, and with it everybody who is attached.
    pub(crate) fn quit(&mut self, login: UserHandle) {
        if let Some(offer) = self.of.get_mut(&login) {
            offer.programs.clear();
            offer.calls.clear();
            offer.state = State::Down;
            self.programs.retain(|_, of| *of != login);
        }
    }

    /// It is started again.
    pub(crate) fn start(&mut self, login: UserHandle) {
        if let Some(offer) = self.of.get_mut(&login) {
            offer.start_after(Duration::ZERO);
        }
    }
}

impl Offer {
    fn start_after(&mut self, delay: Duration) {
        let address = self.address.clone();
        self.state = State::Starting(Box::pin(async move {
            tokio::time::sleep(delay).await;
            Bus::take(address).await
        }));
    }

    fn poll_start(&mut self, cx: &mut Context<'_>) {
        let State::Starting(start) = &mut self.state else { return };
        match start.as_mut().poll(cx) {
            Poll::Ready(Ok(bus)) => self.state = State::Up(Box::new(bus)),
            Poll::Ready(Err(error)) => {
                debug!(%error, "the name on the bus is tried again");
                self.start_after(RETRY);
                cx.waker().wake_by_ref();
            }
            Poll::Pending => {}
        }
    }

    /// What a message says, and who says it: a program attaches by its first call.
    fn read(
        &mut self,
        login: UserHandle,
        message: &Message,
        overlay: &mut Overlay,
        programs: &mut BTreeMap<ClientId, UserHandle>,
    ) -> Option<(ClientId, String)> {
        let header = message.header();
        if message.message_type() == Type::Signal {
            let is_of_bus = header.sender().is_some_and(|sender| sender.as_str() == BUS);
            let body = message.body();
            let (name, _, owner) = body.deserialize::<(&str, &str, &str)>().ok()?;
            let gone = self.programs.get(name).filter(|_| is_of_bus && owner.is_empty());
            if let Some(&client) = gone {
                self.forget(client, overlay, programs);
            }
            return None;
        }
        if message.message_type() != Type::MethodCall {
            return None;
        }
        let member = header.member()?.as_str();
        // Skype4Py calls without an interface.
        let is_invoke = member == INVOKE
            && header.path().is_some_and(|path| path.as_str() == PATH)
            && header.interface().is_none_or(|it| it.as_str() == SERVICE);
        if !is_invoke {
            self.refuse(message, member);
            return None;
        }
        let Ok(line) = message.body().deserialize::<String>() else {
            self.refuse(message, member);
            return None;
        };
        let sender = header.sender()?.to_string();
        let known = self.programs.get(&sender).copied();
        let client = known.map_or_else(|| overlay.attach(login).ok(), Some);
        let Some(client) = client else {
            self.fail(message, "org.freedesktop.DBus.Error.LimitsExceeded", "too many programs");
            return None;
        };
        self.programs.insert(sender, client);
        programs.insert(client, login);
        Some((client, line))
    }

    /// Keeps a call until its reply is there, or returns nothing from it at once.
    fn remember(&mut self, client: ClientId, line: &str, message: Message, is_empty: bool) {
        let waits = self.calls.entry(client).or_default();
        let wants = !message.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED);
        if !wants {
            return;
        }
        if is_empty {
            self.give(Message::method_return(&message.header()).build(&""));
        } else if waits.len() < CALLS_MAX {
            let id = Line::parse(line).ok().and_then(|line| line.id);
            waits.push_back(Call { id: id.map(|id| id.as_str().to_owned()), message });
        } else {
            self.fail(&message, "org.freedesktop.DBus.Error.LimitsExceeded", "too many calls wait");
        }
    }

    /// False when the program can be told nothing more.
    fn say(&mut self, client: ClientId, line: &str, is_reply: bool) -> bool {
        if is_reply && let Some(call) = self.call_of(client, line) {
            return self.give(Message::method_return(&call.message.header()).build(&line));
        }
        let name = self.programs.iter().find(|(_, of)| **of == client).map(|(name, _)| name);
        let Some(name) = name else { return false };
        let notify = Message::method_call(CLIENT_PATH, NOTIFY)
            .destination(name.as_str())
            .interface(CLIENT_INTERFACE)
            .with_flags(Flags::NO_REPLY_EXPECTED | Flags::NO_AUTO_START);
        self.give(notify.build(&line))
    }

    /// The call that a reply belongs to: the first of its id.
    fn call_of(&mut self, client: ClientId, line: &str) -> Option<Call> {
        let calls = self.calls.get_mut(&client)?;
        let id = Line::parse(line).ok().and_then(|line| line.id).map(|id| id.as_str().to_owned());
        let place = calls.iter().position(|call| call.id == id)?;
        calls.remove(place)
    }

    fn refuse(&self, call: &Message, member: &str) {
        let header = call.header();
        let is_of = |interface: &str| header.interface().is_none_or(|it| it.as_str() == interface);
        match member {
            "Introspect" if is_of("org.freedesktop.DBus.Introspectable") => {
                self.give(Message::method_return(&header).build(&INTROSPECTION));
            }
            "Ping" if is_of("org.freedesktop.DBus.Peer") => {
                self.give(Message::method_return(&header).build(&()));
            }
            _ => self.fail(
                call,
                "org.freedesktop.DBus.Error.UnknownMethod",
                "there is Invoke(s) of com.Skype.API at /com/Skype, and nothing else",
            ),
        }
    }

    fn fail(&self, call: &Message, name: &'static str, text: &str) {
        if !call.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            self.give(Message::error(&call.header(), name).build(&text));
        }
    }

    fn give(&self, message: zbus::Result<Message>) -> bool {
        let State::Up(bus) = &self.state else { return false };
        message.is_ok_and(|message| bus.out.try_send(message).is_ok())
    }

    fn forget(
        &mut self,
        client: ClientId,
        overlay: &mut Overlay,
        programs: &mut BTreeMap<ClientId, UserHandle>,
    ) {
        overlay.detach(client);
        self.programs.retain(|_, of| *of != client);
        self.calls.remove(&client);
        programs.remove(&client);
    }

    fn hang_up(&mut self, overlay: &mut Overlay, programs: &mut BTreeMap<ClientId, UserHandle>) {
        let all: Vec<ClientId> = self.programs.values().copied().collect();
        all.into_iter().for_each(|client| self.forget(client, overlay, programs));
    }
}

impl Bus {
    async fn take(address: String) -> Result<Self, BindError> {
        let failed =
            |source: zbus::Error| BindError::Bus { bus: address.clone(), source: Box::new(source) };
        let connection = zbus::connection::Builder::address(address.as_str()).build().await;
        let connection = connection.map_err(failed)?;
        let stream = MessageStream::from(&connection);
        let rule =
            format!("type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged'");
        let call = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule);
        call.await.map_err(failed)?;
        let name = (SERVICE, DO_NOT_QUEUE);
        let call = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "RequestName", &name);
        let answer: u32 =
            call.await.and_then(|answer| answer.body().deserialize()).map_err(failed)?;
        if answer != PRIMARY_OWNER {
            return Err(BindError::NameTaken { bus: address });
        }
        let (out, messages) = mpsc::channel(WAITING_MAX);
        let writer = tokio::spawn(write(connection, messages));
        Ok(Self { stream, out, writer })
    }
}

async fn write(connection: Connection, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        if let Err(error) = connection.send(&message).await {
            warn!(%error, "a bus takes no more");
            return;
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // With the last of the connection, the name goes.
        self.writer.abort();
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "Down",
            Self::Starting(_) => "Starting",
            Self::Up(_) => "Up",
        })
    }
}
