//! Commands about programs, users and presence.

use std::time::{Duration, Instant};

use skype_api::{
    Command, CommandId, ConnStatus, ErrorCode, Get, Line, Message, Set, UserHandle, UserStatus,
};

use super::{Caller, ClientId, Login, Overlay, Said, Timer};
use crate::config::Consent;

impl Overlay {
    pub(super) fn carry_out(
        &mut self,
        now: Instant,
        caller: Caller<'_>,
        command: Command<'_>,
    ) -> Result<(), ErrorCode> {
        match command {
            Command::Name(_) => self.name(now, caller),
            Command::Protocol(version) => self.protocol(caller, version),
            Command::Ping => self.reply(caller, Message::Pong),
            Command::ResetIdleTimer => self.reply(caller, Message::ResetIdleTimer),
            Command::Search(whom) => self.search(now, caller, whom),
            Command::Get(what) => return self.get(caller, what),
            Command::Set(what) => return self.set(now, caller, what),
            Command::Create(app) => return self.create(caller, app),
            Command::Delete(app) => return self.delete(caller, app),
            Command::Alter { app, action } => return self.alter(now, caller, app, action),
            Command::Unknown { code, .. } => return Err(code),
        }
        Ok(())
    }

    fn name(&mut self, now: Instant, caller: Caller<'_>) {
        let Some(skype) = self.logins.get(&caller.login) else { return };
        if skype.status == UserStatus::LoggedOut {
            // Clients of the time took this for "too early" and asked again.
            self.reply(caller, Message::ConnStatus(ConnStatus::Offline));
            return;
        }
        if skype.consent == Consent::Pending {
            return;
        }
        let id = caller.id.map(|id| id.as_str().to_owned());
        if skype.consent_delay.is_zero() {
            return self.consent(caller.client, id.as_deref());
        }
        let at = now + skype.consent_delay;
        self.timers.set(at, Timer::Consent { client: caller.client, id });
    }

    /// The user has closed the dialog.
    pub(super) fn consent(&mut self, client: ClientId, id: Option<&str>) {
        let Some(program) = self.clients.get_mut(&client) else { return };
        let Some(skype) = self.logins.get(&program.login) else { return };
        let body = match skype.consent {
            Consent::Ok => {
                program.named = true;
                Message::Ok
            }
            // Skype4Java knows a refusal by the bare code only.
            Consent::Refuse => Message::error(ErrorCode::ACCESS_DENIED),
            Consent::Pending => return,
        };
        let id = id.and_then(|id| CommandId::new(id).ok());
        self.answer(client, Line { id, body }.to_string());
    }

    /// Answers, and then tells the program how things stand, as a real Skype was recorded to.
    fn protocol(&mut self, caller: Caller<'_>, version: u32) {
        let Some(skype) = self.logins.get(&caller.login) else { return };
        let status = skype.status;
        let mut messages = vec![
            Message::ConnStatus(conn_status(status)),
            Message::CurrentUserHandle(caller.login),
            Message::UserStatus(status),
        ];
        for (user, shown) in self.friends(caller.login) {
            messages.push(online_status(user, shown));
        }
        self.reply(caller, Message::Protocol(version.min(self.skype.protocol)));
        for message in messages {
            let line = self.skype.spelled(message.to_string());
            self.outbox.push_back(Said { client: caller.client, line, is_reply: false });
        }
    }

    fn get(&mut self, caller: Caller<'_>, what: Get<'_>) -> Result<(), ErrorCode> {
        let status = self.logins.get(&caller.login).map_or(UserStatus::Unknown, |l| l.status);
        let message = match what {
            Get::UserStatus => Message::UserStatus(status),
            Get::ConnStatus => Message::ConnStatus(conn_status(status)),
            Get::CurrentUserHandle => Message::CurrentUserHandle(caller.login),
            Get::SkypeVersion => {
                let version = self.skype.version.clone();
                self.reply(caller, Message::SkypeVersion(&version));
                return Ok(());
            }
            Get::SilentMode => Message::SilentMode(self.is_set(caller, |skype| skype.is_silent)),
            Get::AutoAway => Message::AutoAway(self.is_set(caller, |skype| skype.goes_away)),
            Get::Application { app, property } => {
                let news = self.app_property(caller.login, app, property)?;
                Message::Application { app, news }
            }
            Get::User { user, property } => {
                let (property, value) = self.user_property(caller.login, user, property)?;
                self.reply(caller, Message::User { user, property, value: &value });
                return Ok(());
            }
        };
        self.reply(caller, message);
        Ok(())
    }

    fn is_set(&self, caller: Caller<'_>, of: fn(&Login) -> bool) -> bool {
        self.logins.get(&caller.login).is_some_and(of)
    }

    fn set(&mut self, now: Instant, caller: Caller<'_>, what: Set<'_>) -> Result<(), ErrorCode> {
        let Some(skype) = self.logins.get_mut(&caller.login) else { return Ok(()) };
        match what {
            Set::UserStatus(status) => return self.set_status(now, caller, status),
            Set::User { user, change } => return self.set_user(caller, user, change),
            Set::AutoAway(on) => {
                skype.goes_away = on;
                self.reply(caller, Message::AutoAway(on));
            }
            Set::SilentMode(on) => {
                skype.is_silent = on;
                // The user is asked only whether it may begin.
                let asked = if on { self.skype.confirm_ms } else { 0 };
                let asked = Duration::from_millis(asked);
                self.reply_after(now, asked, caller, &Message::SilentMode(on));
            }
        }
        Ok(())
    }

    fn set_status(
        &mut self,
        now: Instant,
        caller: Caller<'_>,
        status: UserStatus,
    ) -> Result<(), ErrorCode> {
        let settable = match status {
            UserStatus::Online
            | UserStatus::Offline
            | UserStatus::SkypeMe
            | UserStatus::Away
            | UserStatus::Na
            | UserStatus::Dnd
            | UserStatus::Invisible => true,
            UserStatus::Unknown | UserStatus::LoggedOut | UserStatus::SkypeOut => false,
        };
        let lets_in = self.lets_log_in(now, caller.login);
        let skype = self.logins.get_mut(&caller.login).filter(|_| settable);
        // Who is out stays out if a censor says so.
        let Some(skype) = skype.filter(|skype| lets_in || skype.is_on_line()) else {
            return Err(ErrorCode::USER_STATUS);
        };
        let before = std::mem::replace(&mut skype.status, status);
        self.reply(caller, Message::UserStatus(status));
        self.notify(caller.login, &Message::UserStatus(status));
        if conn_status(before) != conn_status(status) {
            self.notify(caller.login, &Message::ConnStatus(conn_status(status)));
        }
        if status == UserStatus::Offline {
            self.drop_streams(caller.login);
        }
        if shown(before) != shown(status) {
            self.show_to_contacts(caller.login);
        }
        Ok(())
    }
}

/// What others see.
pub(super) const fn shown(status: UserStatus) -> UserStatus {
    match status {
        UserStatus::Invisible => UserStatus::Offline,
        UserStatus::Unknown
        | UserStatus::Offline
        | UserStatus::Online
        | UserStatus::SkypeMe
        | UserStatus::Away
        | UserStatus::Na
        | UserStatus::Dnd
        | UserStatus::LoggedOut
        | UserStatus::SkypeOut => status,
    }
}

const fn conn_status(status: UserStatus) -> ConnStatus {
    match status {
        UserStatus::Offline | UserStatus::LoggedOut => ConnStatus::Offline,
        UserStatus::Unknown
        | UserStatus::Online
        | UserStatus::SkypeMe
        | UserStatus::Away
        | UserStatus::Na
        | UserStatus::Dnd
        | UserStatus::Invisible
        | UserStatus::SkypeOut => ConnStatus::Online,
    }
}

const fn status_name(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Unknown => "UNKNOWN",
        UserStatus::Offline | UserStatus::Invisible | UserStatus::LoggedOut => "OFFLINE",
        UserStatus::Online => "ONLINE",
        UserStatus::SkypeMe => "SKYPEME",
        UserStatus::Away => "AWAY",
        UserStatus::Na => "NA",
        UserStatus::Dnd => "DND",
        UserStatus::SkypeOut => "SKYPEOUT",
    }
}

pub(super) const fn online_status<'a>(user: UserHandle, status: UserStatus) -> Message<'a> {
    Message::User { user, property: "ONLINESTATUS", value: status_name(status) }
}

/// As on the wire.
pub(super) const fn flag_name(is: bool) -> &'static str {
    if is { "TRUE" } else { "FALSE" }
}
