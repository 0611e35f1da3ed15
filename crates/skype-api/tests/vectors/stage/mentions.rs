//! Whom and what the lines of a transcript speak of.

use std::collections::{BTreeMap, BTreeSet};

use skype_api::{
    Alter, AppName, AppNews, Command, CommandId, Get, Line, Message, Set, StreamRef, UserHandle,
};

use crate::vector::{Step, Way};

/// What one line says about streams and users.
#[derive(Default)]
pub(super) struct Mentions {
    pub(super) partners: Vec<UserHandle>,
    pub(super) others: Vec<UserHandle>,
    pub(super) streams: Vec<StreamRef>,
    pub(super) app: Option<AppName>,
}

/// Who each program belongs to: whom its partner speaks of, or anybody.
pub(super) fn cast(steps: &[Step]) -> Result<BTreeMap<String, UserHandle>, String> {
    let names: BTreeSet<&str> = steps.iter().map(|step| step.0.as_str()).collect();
    let mut letters: Vec<Option<char>> = names.iter().map(|name| name.chars().next()).collect();
    letters.dedup();
    if letters.len() < names.len() {
        return Err("a login has several Skypes".to_owned());
    }
    if names.len() > 2 {
        return Err("more than two programs".to_owned());
    }
    let spoken_of = |by: &str| -> Vec<UserHandle> {
        let mine = steps.iter().filter(|step| step.0 == by);
        mine.flat_map(|step| mentions(step).partners).collect()
    };
    let known_as = |name: &str| {
        let mine = steps.iter().filter(|step| step.0 == name);
        mine.filter_map(|step| match Message::parse(Line::parse(step.2.as_deref()?).ok()?.body) {
            Message::CurrentUserHandle(user) => Some(user),
            _ => None,
        })
        .next()
    };
    let mut cast: BTreeMap<String, UserHandle> = BTreeMap::new();
    for name in &names {
        let partner = names.iter().find(|other| *other != name);
        let by_partner = partner.and_then(|partner| spoken_of(partner).first().copied());
        let free =
            ["alice", "bob", "dora", "me_myself"].into_iter().filter_map(|name| name.parse().ok());
        let mut free = free.filter(|login: &UserHandle| {
            let mentioned = steps.iter().flat_map(|step| {
                let mentions = mentions(step);
                mentions.partners.into_iter().chain(mentions.others)
            });
            !mentioned.into_iter().any(|other| other == *login)
                && !cast.values().any(|it| it == login)
        });
        let login = known_as(name).or(by_partner).or_else(|| free.next());
        cast.insert((*name).to_owned(), login.ok_or("everybody is spoken of")?);
    }
    Ok(cast)
}

/// The reply to a command: the one with its id, or the first that fits.
pub(super) fn reply_to<'a>(
    steps: &'a [Step],
    at: usize,
    actor: &str,
    id: Option<CommandId<'_>>,
    command: &Command<'_>,
) -> Option<Message<'a>> {
    let later = steps.iter().skip(at + 1).filter(|step| step.0 == actor && step.1 == Way::Hears);
    let lines = later.filter_map(|step| Line::parse(step.2.as_deref()?).ok());
    let mut replies = lines.filter(|line| line.id == id).map(|line| Message::parse(line.body));
    replies.find(|message| id.is_some() || command.is_answered_by(message))
}

pub(super) fn stream_of(command: &Command<'_>) -> Option<StreamRef> {
    let Command::Alter { action, .. } = command else { return None };
    match action {
        Alter::Connect(_) => None,
        Alter::Disconnect(stream)
        | Alter::Read(stream)
        | Alter::Write { stream, .. }
        | Alter::Datagram { stream, .. } => Some(*stream),
    }
}

pub(super) fn mentions(step: &Step) -> Mentions {
    let mut mentions = Mentions::default();
    let Some(line) = step.2.as_deref().and_then(|line| Line::parse(line).ok()) else {
        return mentions;
    };
    match step.1 {
        Way::Says => of_command(&Command::parse(line.body), &mut mentions),
        Way::Hears => of_message(&Message::parse(line.body), &mut mentions),
    }
    mentions.partners.extend(mentions.streams.iter().map(|stream| stream.user));
    mentions
}

fn of_command(command: &Command<'_>, mentions: &mut Mentions) {
    match command {
        Command::Create(app)
        | Command::Delete(app)
        | Command::Get(Get::Application { app, .. }) => {
            mentions.app = Some(*app);
        }
        Command::Alter { app, action } => {
            mentions.app = Some(*app);
            mentions.streams.extend(stream_of(command));
            if let Alter::Connect(user) = action {
                mentions.partners.push(*user);
            }
        }
        Command::Get(Get::User { user, .. }) | Command::Set(Set::User { user, .. }) => {
            mentions.others.push(*user);
        }
        _ => {}
    }
}

fn of_message(message: &Message<'_>, mentions: &mut Mentions) {
    match message {
        Message::Users(users) => mentions.others.extend(users),
        Message::User { user, .. } => mentions.others.push(*user),
        Message::Application { app, news } => {
            mentions.app = Some(*app);
            match news {
                AppNews::Connecting(users) | AppNews::Connectable(users) => {
                    mentions.partners.extend(users);
                }
                AppNews::Streams(streams) => mentions.streams.extend(streams),
                AppNews::Sending(list) | AppNews::Received(list) => {
                    mentions.streams.extend(list.iter().map(|backlog| backlog.stream));
                }
                AppNews::Datagram { stream, .. } => mentions.streams.push(*stream),
            }
        }
        _ => {}
    }
}
