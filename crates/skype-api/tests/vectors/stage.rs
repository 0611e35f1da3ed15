//! A transcript, played by programs on the emulated Skype in virtual time.
//!
//! A transcript begins in the middle of things: what it takes for granted (who is logged in, which applications and
//! streams there are, who waits for whom) is read from it and set up first, by other programs of the same logins. What
//! its programs then say is said to the emulated Skype, and what they hear must come: a reply under its id, the rest in
//! any order among what comes besides, since Skype tells more than a transcript shows. Sizes in SENDING and RECEIVED
//! are not compared, for real Skypes counted in several ways; errors are compared by their codes.

mod mentions;
mod script;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mentions::reply_to;
use script::Script;
use skype_api::{AppNews, Command, Line, Message, StreamRef, UserHandle, UserNews};
use skype_emu::{ClientId, Output, Overlay};

use crate::Done;
use crate::vector::{Step, Way};

/// What is expected comes within this time, or not at all: streams that are idle end after eight minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long nothing comes where nothing is to come.
const SILENCE: Duration = Duration::from_secs(5);

/// Plays it, or says why nobody can.
pub(crate) fn play(steps: &[Step], proto: Option<u32>) -> Result<Done, String> {
    let script = match Script::read(steps, proto) {
        Ok(script) => script,
        Err(reason) => return Ok(Done::Read(reason)),
    };
    let mut stage = Stage::set(&script)?;
    for at in 0..steps.len() {
        stage.step(&script, steps, at)?;
    }
    Ok(Done::Played)
}

struct Stage {
    overlay: Overlay,
    now: Instant,
    /// The transcript's programs.
    actors: BTreeMap<String, ClientId>,
    /// One program of each login, that does what the transcript takes for granted.
    drivers: BTreeMap<UserHandle, ClientId>,
    /// What each actor heard and the transcript has not spoken of.
    heard: BTreeMap<ClientId, Vec<String>>,
    /// Streams whose partner has written what will be read.
    written: Vec<StreamRef>,
}

impl Stage {
    fn set(script: &Script) -> Result<Self, String> {
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        let overlay = Overlay::new(now, &script.config()).map_err(|error| error.to_string())?;
        let (actors, drivers, heard) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut stage = Self { overlay, now, actors, drivers, heard, written: Vec::new() };
        for &login in &script.logins {
            let driver = stage.attach(login)?;
            stage.drivers.insert(login, driver);
            stage.tell(driver, &["NAME driver", "PROTOCOL 8"]);
        }
        for (login, app) in script.apps() {
            stage.drive(login, &format!("CREATE APPLICATION {app}"));
        }
        for (name, login) in &script.cast {
            let actor = stage.attach(*login)?;
            stage.actors.insert(name.clone(), actor);
            if script.is_attached(name) {
                let protocol = format!("PROTOCOL {}", script.protocol());
                stage.tell(actor, &["NAME actor", &protocol]);
            }
        }
        for (login, line) in script.preparations() {
            stage.drive(login, &line);
        }
        stage.heard.clear();
        Ok(stage)
    }

    fn attach(&mut self, login: UserHandle) -> Result<ClientId, String> {
        self.overlay.attach(login).map_err(|error| error.to_string())
    }

    /// A driver says something, and whatever comes of it has come a while later.
    fn drive(&mut self, login: UserHandle, line: &str) {
        if let Some(&driver) = self.drivers.get(&login) {
            self.tell(driver, &[line]);
        }
    }

    fn tell(&mut self, client: ClientId, lines: &[&str]) {
        for line in lines {
            self.overlay.handle_line(self.now, client, line);
            self.pass(SILENCE);
        }
    }

    /// Lets so much time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.settle().filter(|at| *at <= end) {
            self.now = at.max(self.now);
        }
        self.now = end;
        self.settle();
    }

    /// Takes all that is said now; says when there is more.
    fn settle(&mut self) -> Option<Instant> {
        loop {
            match self.overlay.poll_output(self.now) {
                Output::Send { client, line, .. } => {
                    self.heard.entry(client).or_default().push(line)
                }
                Output::Quit { .. } | Output::Start { .. } => {}
                Output::Wait(until) => return until,
            }
        }
    }

    fn step(&mut self, script: &Script, steps: &[Step], at: usize) -> Result<(), String> {
        let Some(Step(actor, way, line)) = steps.get(at) else { return Ok(()) };
        let client = *self.actors.get(actor).ok_or("a step of nobody")?;
        match (way, line) {
            (Way::Says, Some(line)) => {
                self.overlay.handle_line(self.now, client, line);
                self.settle();
                Ok(())
            }
            (Way::Says, None) => Err("a program says null".to_owned()),
            (Way::Hears, None) => {
                let is_last = !steps.iter().skip(at + 1).any(|Step(other, _, _)| other == actor);
                if is_last {
                    self.pass(SILENCE);
                }
                self.hears_nothing(client)
            }
            (Way::Hears, Some(line)) => self.hears(script, client, actor, line),
        }
    }

    /// Nothing but news of users, which a transcript may leave out.
    fn hears_nothing(&self, client: ClientId) -> Result<(), String> {
        let is_news = |line: &&String| {
            let Ok(line) = Line::parse(line) else { return true };
            let message = Message::parse(line.body);
            line.id.is_some()
                || !matches!(
                    message,
                    Message::User { .. } | Message::ConnStatus(_) | Message::UserStatus(_)
                )
        };
        let came = self.heard.get(&client).and_then(|heard| heard.iter().find(is_news));
        came.map_or(Ok(()), |line| Err(format!("expected nothing, came {line:?}")))
    }

    fn hears(
        &mut self,
        script: &Script,
        client: ClientId,
        actor: &str,
        expected: &str,
    ) -> Result<(), String> {
        let Ok(line) = Line::parse(expected) else { return Err(format!("no line: {expected:?}")) };
        let message = Message::parse(line.body);
        if line.id.is_none() && is_noise(&message) || self.take(client, expected) {
            return Ok(());
        }
        self.cause(script, actor, &message);
        let end = self.now + PATIENCE;
        loop {
            let next = self.settle();
            if self.take(client, expected) {
                return Ok(());
            }
            match next.filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
        }
        let came = self.heard.get(&client).map_or(&[][..], Vec::as_slice);
        Err(format!("{actor} expected {expected:?}, came {came:?}"))
    }

    /// Takes what was expected from what was heard.
    fn take(&mut self, client: ClientId, expected: &str) -> bool {
        let Some(heard) = self.heard.get_mut(&client) else { return false };
        let place = heard.iter().position(|came| is_as(expected, came));
        place.map(|place| heard.remove(place)).is_some()
    }

    /// What is expected and follows from nothing the transcript's programs said was somebody else's deed.
    fn cause(&mut self, script: &Script, actor: &str, expected: &Message<'_>) {
        let Some(&me) = script.cast.get(actor) else { return };
        match expected {
            Message::Application { app, news: AppNews::Received(list) } => {
                for backlog in list {
                    self.write_to(script, me, (*app, backlog.stream), backlog.octets.unwrap_or(1));
                }
            }
            Message::Application { app, news: AppNews::Streams(left) } => {
                for (stream, partner_calls_it) in script.streams_of(me, *app) {
                    if !left.contains(&stream) {
                        let line = format!("ALTER APPLICATION {app} DISCONNECT {partner_calls_it}");
                        self.drive(stream.user, &line);
                    }
                }
            }
            Message::User { user, property, value } => match UserNews::parse(property, value) {
                UserNews::AuthRequest(text) => {
                    self.drive(*user, &format!("SET USER {me} BUDDYSTATUS 2 {text}"));
                }
                UserNews::OnlineStatus(status) => {
                    self.drive(*user, &format!("SET USERSTATUS {status}"));
                }
                UserNews::BuddyStatus(_)
                | UserNews::IsAuthorized(_)
                | UserNews::IsBlocked(_)
                | UserNews::Other => {}
            },
            _ => {}
        }
    }

    /// The partner writes what this end will read, or as much as is said.
    fn write_to(
        &mut self,
        script: &Script,
        me: UserHandle,
        (app, stream): (skype_api::AppName, StreamRef),
        octets: u64,
    ) {
        if self.written.contains(&stream) {
            return;
        }
        self.written.push(stream);
        let mut texts = script.texts_read(stream);
        if texts.is_empty() {
            texts.push("x".repeat(usize::try_from(octets).unwrap_or(1).clamp(1, 60_000)));
        }
        for text in texts {
            let line = format!("ALTER APPLICATION {app} WRITE {me}:{} {text}", stream.number);
            self.drive(stream.user, &line);
        }
    }
}

/// What Skype tells besides, as it likes; and what a third party's emulator told.
fn is_noise(message: &Message<'_>) -> bool {
    match message {
        Message::Unknown(_) | Message::Group { .. } => true,
        Message::ConnStatus(status) => {
            !matches!(status, skype_api::ConnStatus::Online | skype_api::ConnStatus::Offline)
        }
        Message::User { property, value, .. } => {
            matches!(UserNews::parse(property, value), UserNews::Other)
        }
        _ => false,
    }
}

/// Whether what came is what was expected, but for what no two Skypes told alike.
fn is_as(expected: &str, came: &str) -> bool {
    let (Ok(expected), Ok(came)) = (Line::parse(expected), Line::parse(came)) else { return false };
    if expected.id != came.id {
        return false;
    }
    let (expected, came) = (Message::parse(expected.body), Message::parse(came.body));
    match (&expected, &came) {
        (Message::Error { code: one, .. }, Message::Error { code: other, .. }) => {
            // The section on WRITE prints READ's.
            one == other || [one.0, other.0] == [550, 549]
        }
        (Message::SkypeVersion(_), Message::SkypeVersion(_)) => true,
        (Message::Users(one), Message::Users(other)) => sorted(one) == sorted(other),
        (
            Message::Application { app: one, news: expected },
            Message::Application { app: other, news: came },
        ) => one == other && is_same_list(expected, came),
        (_, _) => expected == came,
    }
}

fn is_same_list(expected: &AppNews<'_>, came: &AppNews<'_>) -> bool {
    match (expected, came) {
        (AppNews::Connecting(one), AppNews::Connecting(other))
        | (AppNews::Connectable(one), AppNews::Connectable(other)) => sorted(one) == sorted(other),
        (AppNews::Streams(one), AppNews::Streams(other)) => sorted(one) == sorted(other),
        (AppNews::Sending(one), AppNews::Sending(other))
        | (AppNews::Received(one), AppNews::Received(other)) => {
            let streams = |list: &[skype_api::Backlog]| -> Vec<StreamRef> {
                list.iter().map(|backlog| backlog.stream).collect()
            };
            sorted(&streams(one)) == sorted(&streams(other))
        }
        (_, _) => expected == came,
    }
}

fn sorted<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort();
    list
}

/// A step's command, if it is one that the codec knows, with its reply.
fn asked(steps: &[Step], at: usize) -> Option<(&str, Command<'_>, Option<Message<'_>>)> {
    let Step(actor, way, line) = steps.get(at)?;
    let line = Line::parse(line.as_deref()?).ok().filter(|_| *way == Way::Says)?;
    let command = Command::parse(line.body);
    let reply = reply_to(steps, at, actor, line.id, &command);
    Some((actor, command, reply))
}
