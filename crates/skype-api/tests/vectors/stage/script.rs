//! What a transcript takes for granted.

use std::collections::{BTreeMap, BTreeSet};

use skype_api::{
    Alter, AppName, AppNews, BuddyStatus, Command, Echo, ErrorCode, Get, Line, Message, Search,
    Set, SetUser, StreamRef, UserHandle, UserNews, UserStatus,
};
use skype_emu::{
    Consent, ContactConfig, ContactRule, LinkBetween, LinkConfig, LoginConfig, OverlayConfig,
    SkypeConfig,
};

use super::asked;
use super::mentions::{Mentions, cast, mentions, stream_of};
use crate::lines::is_of_others;
use crate::vector::{Step, Way};

/// Who takes part, and what there is when it begins.
pub(super) struct Script {
    /// The transcript's programs, and whose they are.
    pub(super) cast: BTreeMap<String, UserHandle>,
    /// Everybody.
    pub(super) logins: BTreeSet<UserHandle>,
    steps: Vec<Step>,
    protocol: u32,
    /// Applications that are not there: they are yet to be made, or are said not to be.
    absent: BTreeSet<(UserHandle, AppName)>,
    mentioned: BTreeSet<AppName>,
    /// Between two logins, the lesser one first: numbers of streams, and those that are gone.
    streams: BTreeMap<(AppName, UserHandle, UserHandle), BTreeSet<u32>>,
    used: BTreeMap<(AppName, UserHandle, UserHandle), u32>,
}

impl Script {
    /// Reads it; the error is a reason why no emulated Skype can play it.
    pub(super) fn read(steps: &[Step], proto: Option<u32>) -> Result<Self, String> {
        let says = |step: &&Step| step.1 == Way::Says;
        if !steps.iter().any(|step| says(&step)) {
            return Err("no program says anything".to_owned());
        }
        for at in 0..steps.len() {
            if let Some((_, Command::Unknown { text, .. }, reply)) = asked(steps, at)
                && !matches!(reply, Some(Message::Error { .. }))
                && is_of_others(text)
            {
                return Err(format!("the emulated Skype does nothing of {text:?}"));
            }
        }
        let cast = cast(steps)?;
        let mut script = Self {
            logins: cast.values().copied().collect(),
            cast,
            steps: steps.to_vec(),
            protocol: proto.unwrap_or(8),
            absent: BTreeSet::new(),
            mentioned: BTreeSet::new(),
            streams: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        script.find_others();
        script.find_apps();
        script.find_streams()?;
        Ok(script)
    }

    pub(super) const fn protocol(&self) -> u32 {
        self.protocol
    }

    /// The applications that are there at first.
    pub(super) fn apps(&self) -> impl Iterator<Item = (UserHandle, AppName)> {
        let all = self
            .logins
            .iter()
            .flat_map(|&login| self.mentioned.iter().map(move |&app| (login, app)));
        all.filter(|pair| !self.absent.contains(pair))
    }

    /// Whether a program had consent before the transcript begins.
    pub(super) fn is_attached(&self, actor: &str) -> bool {
        let first = (0..self.steps.len())
            .find_map(|at| asked(&self.steps, at).filter(|(speaker, _, _)| *speaker == actor));
        !matches!(
            first,
            Some((_, Command::Name(_), _))
                | Some((_, _, Some(Message::Error { code: ErrorCode::ACCESS_DENIED, .. })))
        )
    }

    /// What is said beforehand to bring about what the transcript takes for granted.
    pub(super) fn preparations(&self) -> Vec<(UserHandle, String)> {
        let mut lines = Vec::new();
        for (&(app, one, other), numbers) in &self.streams {
            let used = self.used.get(&(app, one, other)).copied().unwrap_or(0);
            let most = numbers.iter().copied().max().unwrap_or(0).max(used);
            for _ in 0..most {
                lines.push((one, format!("ALTER APPLICATION {app} CONNECT {other}")));
            }
            for number in (1..=most).filter(|number| !numbers.contains(number)) {
                lines.push((one, format!("ALTER APPLICATION {app} DISCONNECT {other}:{number}")));
            }
        }
        for (me, app, stream, octets) in self.backlogs() {
            let text =
                "x".repeat(usize::try_from(octets.saturating_sub(2)).unwrap_or(1).clamp(1, 60_000));
            lines.push((me, format!("ALTER APPLICATION {app} WRITE {stream} {text}")));
        }
        for (me, user) in self.waiting() {
            lines.push((user, format!("SET USER {me} BUDDYSTATUS 2 please")));
        }
        for (user, status) in self.presences() {
            lines.push((user, format!("SET USERSTATUS {status}")));
        }
        lines
    }

    /// This end's streams of an application, and what their partners call them.
    pub(super) fn streams_of(&self, me: UserHandle, app: AppName) -> Vec<(StreamRef, StreamRef)> {
        let mut all = Vec::new();
        for (&(of, one, other), numbers) in &self.streams {
            let partner = if one == me { other } else { one };
            if of != app || (one != me && other != me) {
                continue;
            }
            let pair = |&number: &u32| {
                (StreamRef { user: partner, number }, StreamRef { user: me, number })
            };
            all.extend(numbers.iter().map(pair));
        }
        all
    }

    /// What is read from a stream, in order.
    pub(super) fn texts_read(&self, of: StreamRef) -> Vec<String> {
        let read = self.messages().filter_map(|(_, message)| match message {
            Message::Altered { echo: Echo::Read { stream, text }, .. } if stream == of => {
                Some(text.to_owned())
            }
            _ => None,
        });
        read.filter(|text| !text.is_empty()).collect()
    }

    pub(super) fn config(&self) -> OverlayConfig {
        let logins = self.logins.iter().map(|login| {
            let (consent, consent_ms) = self.consent(*login);
            let (name, socket) = (login.to_string(), login.as_str().into());
            LoginConfig { name, socket, dbus: None, x11: None, consent, consent_ms }
        });
        let stuck = self.backlogs().into_iter().map(|(me, _, stream, _)| (me, stream.user));
        let lost = LinkConfig { loss: Some(1.0), ..LinkConfig::default() };
        let stuck: BTreeSet<(UserHandle, UserHandle)> = stuck.collect();
        let links_between = stuck.iter().map(|(one, other)| LinkBetween {
            logins: [one.to_string(), other.to_string()],
            link: lost,
        });
        // A Skype that was asked for more than it has.
        let highest = (0..self.steps.len()).filter_map(|at| match asked(&self.steps, at)? {
            (_, Command::Protocol(wanted), Some(Message::Protocol(got))) if got < wanted => {
                Some(got)
            }
            _ => None,
        });
        let protocol = highest.min().unwrap_or(8);
        let contacts = self.contacts();
        OverlayConfig {
            logins: logins.collect(),
            links_between: links_between.collect(),
            skype: SkypeConfig {
                protocol,
                search_ms: 10_000,
                confirm_ms: 4_500,
                contacts: if contacts.is_some() {
                    ContactRule::Listed
                } else {
                    ContactRule::Everybody
                },
                accepts: self.accepting().map(|user| user.to_string()).collect(),
                ..SkypeConfig::default()
            },
            contacts: contacts.unwrap_or_default(),
            ..OverlayConfig::default()
        }
    }

    fn messages(&self) -> impl Iterator<Item = (&str, Message<'_>)> {
        self.steps.iter().filter(|step| step.1 == Way::Hears).filter_map(|Step(actor, _, line)| {
            let line = Line::parse(line.as_deref()?).ok()?;
            Some((actor.as_str(), Message::parse(line.body)))
        })
    }

    fn commands(&self) -> impl Iterator<Item = (UserHandle, Command<'_>, Option<Message<'_>>)> {
        (0..self.steps.len()).filter_map(|at| {
            let (actor, command, reply) = asked(&self.steps, at)?;
            Some((*self.cast.get(actor)?, command, reply))
        })
    }

    fn consent(&self, login: UserHandle) -> (Consent, u64) {
        let mut mine = self
            .commands()
            .filter(|(me, command, _)| *me == login && matches!(command, Command::Name(_)));
        let Some((_, _, reply)) = mine.next() else { return (Consent::Ok, 0) };
        let waits = self.steps.iter().zip(self.steps.iter().skip(1)).any(|(step, next)| {
            let is_name =
                step.2.as_ref().is_some_and(|line| line.to_ascii_uppercase().contains("NAME "));
            step.1 == Way::Says && is_name && next.1 == Way::Hears && next.2.is_none()
        });
        let consent = match reply {
            Some(Message::Error { .. }) => Consent::Refuse,
            Some(_) => Consent::Ok,
            None => Consent::Pending,
        };
        (consent, if waits { 1_000 } else { 0 })
    }

    /// Everybody who is spoken of and whom Skype knows.
    fn find_others(&mut self) {
        let unknown: BTreeSet<UserHandle> = self
            .messages()
            .filter_map(|(_, message)| match message {
                Message::User { user, property, value }
                    if UserNews::parse(property, value)
                        == UserNews::OnlineStatus(UserStatus::Unknown) =>
                {
                    Some(user)
                }
                _ => None,
            })
            .collect();
        let mentions = self.steps.iter().flat_map(|step| {
            let mentions = mentions(step);
            mentions.partners.into_iter().chain(mentions.others)
        });
        let others: Vec<UserHandle> = mentions.filter(|user| !unknown.contains(user)).collect();
        self.logins.extend(others);
    }

    fn find_apps(&mut self) {
        let mentioned = self.steps.iter().filter_map(|step| mentions(step).app);
        self.mentioned = mentioned.collect();
        let mut absent = BTreeSet::new();
        for (me, command, reply) in self.commands() {
            let code = match reply {
                Some(Message::Error { code, .. }) => Some(code),
                Some(_) | None => None,
            };
            match command {
                Command::Create(app) if code.is_none() => {
                    absent.insert((me, app));
                }
                Command::Delete(app)
                | Command::Get(Get::Application { app, .. })
                | Command::Alter { app, .. }
                    if matches!(
                        code,
                        Some(ErrorCode::DELETE_NAME | ErrorCode::GET_NAME | ErrorCode::ALTER_NAME)
                    ) =>
                {
                    absent.extend(self.logins.iter().map(|login| (*login, app)));
                }
                Command::Alter { app, action: Alter::Connect(user) } if user != me => {
                    let comes_about = self.messages().any(|(_, message)| match message {
                        Message::Application { app: of, news: AppNews::Streams(list) } => {
                            of == app && list.iter().any(|stream| stream.user == user)
                        }
                        _ => false,
                    });
                    if !comes_about {
                        absent.insert((user, app));
                    }
                }
                _ => {}
            }
        }
        self.absent = absent;
    }

    fn find_streams(&mut self) -> Result<(), String> {
        let mut there: BTreeMap<
            (AppName, UserHandle, UserHandle),
            BTreeMap<UserHandle, BTreeSet<u32>>,
        > = BTreeMap::new();
        let failed: BTreeSet<StreamRef> = self
            .commands()
            .filter(|(_, _, reply)| {
                let Some(Message::Error { code, .. }) = reply else { return false };
                (548..=551).contains(&code.0)
            })
            .filter_map(|(_, command, _)| stream_of(&command))
            .collect();
        for step in &self.steps {
            let Some(&me) = self.cast.get(&step.0) else { continue };
            let Mentions { streams, app: Some(app), .. } = mentions(step) else { continue };
            for stream in streams.iter().filter(|stream| !failed.contains(stream)) {
                let key = (app, me.min(stream.user), me.max(stream.user));
                there.entry(key).or_default().entry(me).or_default().insert(stream.number);
            }
        }
        for (key, by) in there {
            let numbers: BTreeSet<u32> = by.values().flatten().copied().collect();
            if by.len() > 1 && by.values().any(|set| set.iter().max() != numbers.iter().max()) {
                return Err(
                    "its two ends number a stream apart: one Skype was started anew".to_owned()
                );
            }
            if numbers.iter().any(|number| !(1..=64).contains(number)) {
                return Err("more streams than anybody would set up".to_owned());
            }
            let (app, one, other) = key;
            let connects = self.commands().any(|(me, command, _)| match command {
                Command::Alter { app: of, action: Alter::Connect(user) } => {
                    of == app && (me.min(user), me.max(user)) == (one, other)
                }
                _ => false,
            });
            if connects {
                let first = numbers.iter().min().copied().unwrap_or(1);
                self.used.insert(key, first.saturating_sub(1));
                self.streams.insert(key, BTreeSet::new());
            } else {
                self.streams.insert(key, numbers);
            }
        }
        self.suppose_a_stream();
        Ok(())
    }

    /// An empty list is news only where there was a stream.
    fn suppose_a_stream(&mut self) {
        let mut parties = self.cast.values().copied();
        let (Some(one), Some(other), true) =
            (parties.next(), parties.next(), self.streams.is_empty())
        else {
            return;
        };
        let emptied = self.messages().find_map(|(_, message)| match message {
            Message::Application { app, news: AppNews::Streams(list) } if list.is_empty() => {
                Some(app)
            }
            _ => None,
        });
        if let Some(app) = emptied {
            let key = (app, one.min(other), one.max(other));
            self.streams.insert(key, BTreeSet::from([1]));
        }
    }

    /// What is on its way before the transcript begins: SENDING lists what nobody in it wrote.
    fn backlogs(&self) -> Vec<(UserHandle, AppName, StreamRef, u64)> {
        let written: BTreeSet<StreamRef> = self
            .commands()
            .filter_map(|(_, command, _)| match command {
                Command::Alter {
                    action: Alter::Write { stream, .. } | Alter::Datagram { stream, .. },
                    ..
                } => Some(stream),
                _ => None,
            })
            .collect();
        let mut all = BTreeMap::new();
        for (actor, message) in self.messages() {
            let Message::Application { app, news: AppNews::Sending(list) } = message else {
                continue;
            };
            let Some(&me) = self.cast.get(actor) else { continue };
            for backlog in list.iter().filter(|backlog| !written.contains(&backlog.stream)) {
                all.entry((me, app, backlog.stream)).or_insert_with(|| backlog.octets.unwrap_or(3));
            }
        }
        all.into_iter().map(|((me, app, stream), octets)| (me, app, stream, octets)).collect()
    }

    /// Who is whose contact, where that matters.
    fn contacts(&self) -> Option<Vec<ContactConfig>> {
        let mut matters = false;
        let mut pairs = BTreeSet::new();
        for (me, command, reply) in self.commands() {
            match (&command, reply) {
                (Command::Search(Search::Friends), Some(Message::Users(friends))) => {
                    matters = true;
                    pairs.extend(friends.into_iter().map(|friend| (me, friend)));
                }
                (Command::Search(Search::UsersWaitingMyAuthorization), _)
                | (Command::Set(Set::User { .. }), _) => matters = true,
                (
                    Command::Get(Get::User { user, .. }),
                    Some(Message::User { property, value, .. }),
                ) => match UserNews::parse(property, value) {
                    UserNews::BuddyStatus(BuddyStatus::Contact) | UserNews::IsAuthorized(true) => {
                        pairs.insert((me, *user));
                    }
                    UserNews::BuddyStatus(_)
                    | UserNews::IsAuthorized(false)
                    | UserNews::OnlineStatus(UserStatus::Offline) => matters = true,
                    UserNews::OnlineStatus(_)
                    | UserNews::IsBlocked(_)
                    | UserNews::AuthRequest(_)
                    | UserNews::Other => {}
                },
                (_, _) => {}
            }
        }
        let contact = |(one, other): &(UserHandle, UserHandle)| ContactConfig {
            logins: [one.to_string(), other.to_string()],
        };
        matters.then(|| pairs.iter().map(contact).collect())
    }

    /// Who is authorised as soon as somebody asks.
    fn accepting(&self) -> impl Iterator<Item = UserHandle> {
        self.commands().filter_map(|(_, command, _)| match command {
            Command::Set(Set::User {
                user,
                change: SetUser::BuddyStatus { status: BuddyStatus::Pending, .. },
            }) => {
                let value = BuddyStatus::Contact.as_str();
                let news = Message::User { user, property: "BUDDYSTATUS", value };
                self.messages().any(|(_, message)| message == news).then_some(user)
            }
            _ => None,
        })
    }

    /// Who waits for whose authorisation.
    fn waiting(&self) -> Vec<(UserHandle, UserHandle)> {
        let mut all = Vec::new();
        for (me, command, reply) in self.commands() {
            if let (
                Command::Search(Search::UsersWaitingMyAuthorization),
                Some(Message::Users(users)),
            ) = (command, reply)
            {
                all.extend(users.into_iter().map(|user| (me, user)));
            }
        }
        all
    }

    /// What others are to be shown as when they are asked about.
    fn presences(&self) -> Vec<(UserHandle, UserStatus)> {
        let mut all = Vec::new();
        for (_, command, reply) in self.commands() {
            let (Command::Get(Get::User { user, .. }), Some(Message::User { property, value, .. })) =
                (command, reply)
            else {
                continue;
            };
            if let UserNews::OnlineStatus(status) = UserNews::parse(property, value)
                && !matches!(
                    status,
                    UserStatus::Unknown | UserStatus::Offline | UserStatus::SkypeOut
                )
            {
                all.push((user, status));
            }
        }
        all
    }
}
