//! Commands about users: who is whose contact, who may see whom, who is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use skype_api::{BuddyStatus, ErrorCode, Message, Search, SetUser, UserHandle, UserStatus};

use super::commands::{flag_name, online_status, shown};
use super::{Caller, Overlay, Timer};
use crate::config::{ContactConfig, ContactRule, OverlayConfig, handles};

/// What everybody thinks of everybody else.
#[derive(Debug)]
pub(super) struct Contacts {
    /// What a login thinks of another that it never dealt with.
    stranger: Contact,
    /// By who it is that thinks, and of whom.
    of: BTreeMap<(UserHandle, UserHandle), Contact>,
    /// Whose users accept whoever asks.
    accept: BTreeSet<UserHandle>,
}

/// What one login thinks of another.
#[derive(Debug, Clone)]
struct Contact {
    buddy: BuddyStatus,
    /// They may see our status.
    is_authorized: bool,
    is_blocked: bool,
    /// They asked to be authorised, and were not answered.
    is_waiting: bool,
    display_name: String,
}

impl Contacts {
    pub(super) fn new(config: &OverlayConfig) -> Self {
        let mut contacts = Self {
            stranger: Contact::new(BuddyStatus::Contact),
            of: BTreeMap::new(),
            accept: handles("skype.accepts", &config.skype.accepts).unwrap_or_default(),
        };
        if config.skype.contacts == ContactRule::Everybody {
            return contacts;
        }
        contacts.stranger = Contact::new(BuddyStatus::Never);
        for ContactConfig { logins: [one, other] } in &config.contacts {
            let (Ok(one), Ok(other)) = (one.parse(), other.parse()) else { continue };
            for pair in [(one, other), (other, one)] {
                contacts.of.insert(pair, Contact::new(BuddyStatus::Contact));
            }
        }
        contacts
    }

    fn of(&self, user: UserHandle, other: UserHandle) -> &Contact {
        self.of.get(&(user, other)).unwrap_or(&self.stranger)
    }

    fn of_mut(&mut self, user: UserHandle, other: UserHandle) -> &mut Contact {
        self.of.entry((user, other)).or_insert_with(|| self.stranger.clone())
    }

    /// Whether `other` is in the contact list of `user`.
    fn lists(&self, user: UserHandle, other: UserHandle) -> bool {
        self.of(user, other).buddy == BuddyStatus::Contact
    }

    /// Whether each is in the other's list and neither blocks the other.
    pub(super) fn is_mutual(&self, one: UserHandle, other: UserHandle) -> bool {
        self.lists(one, other) && self.lists(other, one)
    }

    /// Whether `user` hears nothing of `other`.
    pub(super) fn is_blocked(&self, user: UserHandle, other: UserHandle) -> bool {
        self.of(user, other).is_blocked
    }

    /// Whether `user` shows `other` its status.
    fn shows(&self, user: UserHandle, other: UserHandle) -> bool {
        let of = self.of(user, other);
        of.is_authorized && !of.is_blocked
    }
}

impl Contact {
    fn new(buddy: BuddyStatus) -> Self {
        let is_authorized = buddy == BuddyStatus::Contact;
        let display_name = String::new();
        Self { buddy, is_authorized, is_blocked: false, is_waiting: false, display_name }
    }
}

impl Overlay {
    pub(super) fn search(&mut self, now: Instant, caller: Caller<'_>, whom: Search<'_>) {
        let me = caller.login;
        let found: Vec<UserHandle> = match whom {
            Search::Friends => self.friends(me).map(|(friend, _)| friend).collect(),
            Search::UsersWaitingMyAuthorization => {
                let is_waiting = |other: &UserHandle| self.contacts.of(me, *other).is_waiting;
                self.others(me).filter(is_waiting).collect()
            }
            Search::Users(target) => {
                let target = target.to_ascii_lowercase();
                let is_it =
                    |other: &UserHandle| other.as_str().to_ascii_lowercase().contains(&target);
                self.others(me).filter(is_it).collect()
            }
        };
        let asks_the_network = matches!(whom, Search::Users(_));
        let delay = if asks_the_network { self.skype.search_ms } else { 0 };
        self.reply_after(now, Duration::from_millis(delay), caller, &Message::Users(found));
    }

    /// A reply that takes its time; the program is served meanwhile.
    pub(super) fn reply_after(
        &mut self,
        now: Instant,
        delay: Duration,
        caller: Caller<'_>,
        message: &Message<'_>,
    ) {
        if delay.is_zero() {
            return self.reply(caller, message.clone());
        }
        let line = skype_api::Line { id: caller.id, body: message }.to_string();
        self.timers.set(now + delay, Timer::Say { client: caller.client, line });
    }

    /// A property of a user, as somebody sees it. Real Skypes say UNKNOWN of who does not exist.
    pub(super) fn user_property<'a>(
        &self,
        caller: UserHandle,
        user: UserHandle,
        property: &'a str,
    ) -> Result<(&'a str, String), ErrorCode> {
        let exists = self.logins.contains_key(&user);
        let contact = self.contacts.of(caller, user);
        let flag = |is: bool| flag_name(is && exists).to_owned();
        let value = match property.to_ascii_uppercase().as_str() {
            "HANDLE" => user.to_string(),
            "FULLNAME" | "MOOD_TEXT" | "ABOUT" => String::new(),
            "DISPLAYNAME" => contact.display_name.clone(),
            "ONLINESTATUS" => self.seen_as(caller, user).to_string(),
            "BUDDYSTATUS" if exists => contact.buddy.to_string(),
            "BUDDYSTATUS" => BuddyStatus::Never.to_string(),
            "ISAUTHORIZED" => flag(contact.is_authorized),
            "ISBLOCKED" => flag(contact.is_blocked),
            "RECEIVEDAUTHREQUEST" => String::new(),
            _ => return Err(ErrorCode::GET_USER_PROPERTY),
        };
        Ok((property, value))
    }

    pub(super) fn set_user(
        &mut self,
        caller: Caller<'_>,
        user: UserHandle,
        change: SetUser<'_>,
    ) -> Result<(), ErrorCode> {
        let me = caller.login;
        let exists = self.logins.contains_key(&user) && user != me;
        let failed = |code| if exists { Ok(()) } else { Err(code) };
        match change {
            SetUser::BuddyStatus { status, text } => {
                failed(ErrorCode::BUDDY_STATUS_FAILED)?;
                self.set_buddy(caller, user, status, text);
            }
            SetUser::IsAuthorized(is) => {
                failed(ErrorCode::USER_FLAG_FAILED)?;
                self.authorize(caller, user, is);
            }
            SetUser::IsBlocked(is) => {
                failed(ErrorCode::USER_FLAG_FAILED)?;
                self.contacts.of_mut(me, user).is_blocked = is;
                self.answer_and_tell(caller, user, "ISBLOCKED", flag_name(is));
                self.show(me, user);
            }
            SetUser::DisplayName(name) => {
                failed(ErrorCode::GET_USER_UNKNOWN)?;
                name.clone_into(&mut self.contacts.of_mut(me, user).display_name);
                self.answer_and_tell(caller, user, "DISPLAYNAME", name);
            }
        }
        Ok(())
    }

    /// Takes somebody out of the list, or asks them to be in it.
    fn set_buddy(&mut self, caller: Caller<'_>, user: UserHandle, status: BuddyStatus, text: &str) {
        let me = caller.login;
        let asks = status == BuddyStatus::Pending;
        let contact = self.contacts.of_mut(me, user);
        contact.buddy = status;
        // Who asks shows themself.
        contact.is_authorized = asks;
        self.answer_and_tell(caller, user, "BUDDYSTATUS", status.as_str());
        if !asks || self.contacts.is_blocked(user, me) {
            return;
        }
        if self.contacts.shows(user, me) || self.contacts.accept.contains(&user) {
            self.contacts.of_mut(user, me).is_authorized = true;
            return self.befriend(me, user);
        }
        self.contacts.of_mut(user, me).is_waiting = true;
        let property = "RECEIVEDAUTHREQUEST";
        self.notify(user, &Message::User { user: me, property, value: text });
    }

    fn authorize(&mut self, caller: Caller<'_>, user: UserHandle, is: bool) {
        let me = caller.login;
        let contact = self.contacts.of_mut(me, user);
        (contact.is_authorized, contact.is_waiting) = (is, false);
        self.answer_and_tell(caller, user, "ISAUTHORIZED", flag_name(is));
        if is && self.contacts.of(user, me).buddy == BuddyStatus::Pending {
            self.befriend(user, me);
        } else {
            self.show(me, user);
        }
    }

    /// `user` was authorised by `other`, whom it asked.
    fn befriend(&mut self, user: UserHandle, other: UserHandle) {
        self.contacts.of_mut(user, other).buddy = BuddyStatus::Contact;
        let value = BuddyStatus::Contact.as_str();
        self.notify(user, &Message::User { user: other, property: "BUDDYSTATUS", value });
        self.show(other, user);
    }

    /// Tells everybody whose contact `user` is what they see of them now.
    pub(super) fn show_to_contacts(&mut self, user: UserHandle) {
        let lists = |other: &UserHandle| self.contacts.lists(*other, user);
        let told: Vec<UserHandle> = self.others(user).filter(lists).collect();
        told.into_iter().for_each(|other| self.show(user, other));
    }

    /// Tells `to` what it sees of `user` now.
    fn show(&mut self, user: UserHandle, to: UserHandle) {
        let status = self.seen_as(to, user);
        self.notify(to, &online_status(user, status));
    }

    /// What one login sees of another: OFFLINE also who has not authorised it.
    fn seen_as(&self, by: UserHandle, user: UserHandle) -> UserStatus {
        match self.logins.get(&user) {
            None => UserStatus::Unknown,
            Some(skype) if user == by || self.contacts.shows(user, by) => shown(skype.status),
            Some(_) => UserStatus::Offline,
        }
    }

    fn answer_and_tell(&mut self, caller: Caller<'_>, user: UserHandle, name: &str, value: &str) {
        let message = Message::User { user, property: name, value };
        self.reply(caller, message.clone());
        self.notify(caller.login, &message);
    }

    /// The contact list of a login, with what it sees of each.
    pub(super) fn friends(
        &self,
        login: UserHandle,
    ) -> impl Iterator<Item = (UserHandle, UserStatus)> {
        let is_buddy = move |other: &UserHandle| self.contacts.lists(login, *other);
        self.others(login).filter(is_buddy).map(move |user| (user, self.seen_as(login, user)))
    }

    fn others(&self, login: UserHandle) -> impl Iterator<Item = UserHandle> {
        self.logins.keys().copied().filter(move |user| *user != login)
    }
}
