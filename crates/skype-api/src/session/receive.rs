//! What a session makes of the messages it hears: replies, steps of the attach sequence, news.

use std::time::Instant;

use super::event::{Event, Refusal};
use super::pending::{Asked, Step};
use super::{CONNECT_GRACE, NAME_RETRY, PROTOCOL_MIN, Session, State};
use crate::error_code::ErrorCode;
use crate::message::{AppNews, Message};
use crate::name::UserHandle;
use crate::status::{ConnStatus, UserStatus};
use crate::stream_ref::StreamRef;

impl Session {
    /// The id of the attach command that `message` answers, although it carries none: Skype marks
    /// replies since protocol 4, and NAME comes before any protocol.
    pub(super) fn expected(&self, message: &Message<'_>) -> Option<u64> {
        let State::Waiting { step, id } = self.state else { return None };
        let answers = self.step_command(step).is_answered_by(message);
        answers.then_some(id)
    }

    pub(super) fn handle_reply(&mut self, now: Instant, asked: Asked, message: Message<'_>) {
        match (asked, message) {
            (Asked::Step(step), message) => self.advance(now, step, message),
            (Asked::Resync, Message::Application { app, news: AppNews::Streams(list) })
                if app == self.config.app =>
            {
                self.update_streams(&list);
            }
            // The application was deleted by another client program of the same user.
            (Asked::Resync, Message::Error { .. }) => self.fall_back(State::Start),
            (Asked::Connect(user), Message::Error { .. }) => self.connect_failed(user),
            (Asked::Disconnect(stream) | Asked::Datagram(stream), Message::Error { code, .. }) => {
                self.stats.refused += 1;
                if matches!(code, ErrorCode::DISCONNECT_STREAM | ErrorCode::DATAGRAM_STREAM) {
                    self.streams.forget(stream, &mut self.events);
                    self.resync = true;
                }
            }
            (_, _) => {}
        }
    }

    /// One step of the attach sequence has its reply.
    fn advance(&mut self, now: Instant, step: Step, message: Message<'_>) {
        match (step, message) {
            (Step::Name, Message::Ok) => self.step(now, Step::Protocol),
            (Step::Name, Message::Error { code: ErrorCode::ACCESS_DENIED, .. }) => {
                self.refuse(Refusal::Consent);
            }
            (Step::Name, Message::ConnStatus(_)) => {
                self.go_offline();
                self.fall_back(State::Retry(now + NAME_RETRY));
            }
            (Step::Protocol, Message::Protocol(version)) if version >= PROTOCOL_MIN => {
                self.step(now, Step::Create);
            }
            (Step::Protocol, Message::Protocol(version)) => {
                self.refuse(Refusal::Protocol(version));
            }
            (Step::Create, Message::Created(_)) => self.attached(),
            // Left over from an earlier run of this program: applications live in Skype.
            (Step::Create, Message::Error { code: ErrorCode::OPERATION_FAILED, .. }) => {
                self.step(now, Step::Streams);
            }
            (Step::Streams, Message::Application { news: AppNews::Streams(list), .. }) => {
                self.attached();
                self.update_streams(&list);
            }
            (Step::Name | Step::Protocol | Step::Create, Message::Error { code, .. }) => {
                self.refuse(Refusal::Command(code));
            }
            (_, _) => self.fall_back(State::Retry(now + NAME_RETRY)),
        }
    }

    pub(super) fn handle_notification(&mut self, now: Instant, message: Message<'_>) {
        match message {
            Message::Application { app, news } if app == self.config.app => {
                self.handle_news(now, news);
            }
            Message::ConnStatus(ConnStatus::LoggedOut)
            | Message::UserStatus(UserStatus::LoggedOut) => self.logged_out(now),
            Message::ConnStatus(ConnStatus::Online) => self.go_online(),
            Message::ConnStatus(
                ConnStatus::Offline | ConnStatus::Connecting | ConnStatus::Pausing,
            ) => self.go_offline(),
            // The list keeps a stream to a user who left; nothing will ever come from it.
            Message::User { user, property, value }
                if property.eq_ignore_ascii_case("ONLINESTATUS")
                    && UserStatus::parse(value) == Some(UserStatus::Offline) =>
            {
                self.streams.bury(user, &mut self.events);
            }
            Message::Deleted(app) if app == self.config.app && self.is_attached() => {
                self.fall_back(State::Start);
            }
            Message::Ok
            | Message::Protocol(_)
            | Message::Pong
            | Message::ResetIdleTimer
            | Message::UserStatus(_)
            | Message::CurrentUserHandle(_)
            | Message::SkypeVersion(_)
            | Message::SilentMode(_)
            | Message::AutoAway(_)
            | Message::Group { .. }
            | Message::User { .. }
            | Message::Users(_)
            | Message::Application { .. }
            | Message::Created(_)
            | Message::Deleted(_)
            | Message::Altered { .. }
            | Message::Error { .. }
            | Message::Unknown(_) => {}
        }
    }

    fn handle_news(&mut self, now: Instant, news: AppNews<'_>) {
        if !self.is_attached() {
            // A notification may overtake the reply that makes the application ours.
            self.resync = true;
            return;
        }
        match news {
            AppNews::Streams(list) => self.update_streams(&list),
            AppNews::Connecting(list) => self.update_connecting(now, &list),
            AppNews::Datagram { stream, text } => {
                // It proves the stream, even one that was thought dead or whose line is still to come.
                if self.streams.raise(stream, &mut self.events) {
                    self.connecting.remove(&stream.user);
                }
                self.events.push_back(Event::Datagram { stream, text: text.to_owned() });
            }
            AppNews::Connectable(_) | AppNews::Sending(_) | AppNews::Received(_) => {}
        }
    }

    fn update_streams(&mut self, list: &[StreamRef]) {
        self.streams.update(list, &mut self.events);
        self.connecting.retain(|&user, _| !self.streams.raised(user));
        self.streams.settle();
    }

    fn update_connecting(&mut self, now: Instant, list: &[UserHandle]) {
        for (user, connecting) in &mut self.connecting {
            if list.contains(user) {
                connecting.listed = true;
            } else if connecting.listed {
                connecting.deadline = connecting.deadline.min(now + CONNECT_GRACE);
            }
        }
    }

    fn go_offline(&mut self) {
        if self.online {
            self.online = false;
            self.events.push_back(Event::Offline);
        }
    }

    fn go_online(&mut self) {
        if !self.online {
            self.online = true;
            self.resync = true;
            self.events.push_back(Event::Online);
        }
    }

    fn logged_out(&mut self, now: Instant) {
        match self.state {
            State::Attached | State::Waiting { .. } => {
                self.fall_back(State::Retry(now + NAME_RETRY));
            }
            State::Start | State::Retry(_) | State::Refused => {}
        }
    }
}
