//! Commands about applications: the AP2AP life cycle.

use std::time::{Duration, Instant};

use skype_api::{
    Alter, AppName, AppNews, AppProperty, Backlog, DATAGRAM_OCTETS_MAX, Echo, ErrorCode, Message,
    StreamRef, UserHandle, WRITE_OCTETS_MAX,
};

use super::pair::{Arrival, Half, Pair, PairId, Side, lines};
use super::writes::octets;
use super::{APPS_PER_LOGIN_MAX, App, Caller, Overlay, STREAMS_PER_APP_MAX, Timer, add};
use crate::config::ConnectingEnd;

impl Overlay {
    pub(super) fn create(&mut self, caller: Caller<'_>, app: AppName) -> Result<(), ErrorCode> {
        let apps = &mut self.logins.get_mut(&caller.login).ok_or(ErrorCode::OPERATION_FAILED)?.apps;
        if apps.contains_key(&app) || apps.len() >= APPS_PER_LOGIN_MAX {
            return Err(ErrorCode::OPERATION_FAILED);
        }
        apps.insert(app, App::default());
        self.reply(caller, Message::Created(app));
        Ok(())
    }

    /// The partners of its streams are not told: theirs stay listed and lead nowhere.
    pub(super) fn delete(&mut self, caller: Caller<'_>, app: AppName) -> Result<(), ErrorCode> {
        let skype = self.logins.get_mut(&caller.login).ok_or(ErrorCode::DELETE_NAME)?;
        let gone = skype.apps.remove(&app).ok_or(ErrorCode::DELETE_NAME)?;
        self.reply(caller, Message::Deleted(app));
        for (pair, side) in gone.streams.into_values() {
            self.abandon(pair, side);
        }
        Ok(())
    }

    pub(super) fn alter(
        &mut self,
        now: Instant,
        caller: Caller<'_>,
        app: AppName,
        action: Alter<'_>,
    ) -> Result<(), ErrorCode> {
        if self.app(caller.login, app).is_none() {
            return Err(ErrorCode::ALTER_NAME);
        }
        match action {
            Alter::Connect(user) => {
                self.connect(now, caller, app, user);
                Ok(())
            }
            Alter::Disconnect(stream) => self.disconnect(now, caller, app, stream),
            Alter::Write { stream, text } => self.write(now, caller, app, (stream, text)),
            Alter::Read(stream) => self.read(caller, app, stream),
            Alter::Datagram { stream, text } => self.datagram(now, caller, app, (stream, text)),
        }
    }

    pub(super) fn app_property(
        &self,
        login: UserHandle,
        app: AppName,
        property: AppProperty,
    ) -> Result<AppNews<'static>, ErrorCode> {
        let state = self.app(login, app).ok_or(ErrorCode::GET_NAME)?;
        Ok(match property {
            AppProperty::Connectable => {
                let has = |user: &UserHandle| *user != login && self.is_reachable(*user, app);
                AppNews::Connectable(self.logins.keys().copied().filter(has).collect())
            }
            AppProperty::Connecting => {
                AppNews::Connecting(state.connecting.keys().copied().collect())
            }
            AppProperty::Streams => AppNews::Streams(state.streams.keys().copied().collect()),
            AppProperty::Sending => {
                AppNews::Sending(self.backlogs(state, |half| half.writer.backlog_octets()))
            }
            AppProperty::Received => {
                AppNews::Received(self.backlogs(state, |half| half.reader.octets()))
            }
        })
    }

    fn connect(&mut self, now: Instant, caller: Caller<'_>, app: AppName, user: UserHandle) {
        self.reply(caller, Message::Altered { app, echo: Echo::Connect(user) });
        let set_up = self.set_up(caller.login, user);
        let Some(state) = self.app_mut(caller.login, app) else { return };
        if state.connecting.len() < STREAMS_PER_APP_MAX {
            *state.connecting.entry(user).or_default() += 1;
            let timer = Timer::Connected { login: caller.login, app, user };
            self.timers.set(now + set_up, timer);
        }
        self.tell(caller.login, app, AppProperty::Connecting);
    }

    /// A CONNECT comes back: with a stream, or without a word about why there is none.
    ///
    /// Skype4Java takes an empty CONNECTING for the end, so STREAMS goes before it, and it hangs
    /// for ever when none comes.
    pub(super) fn connected(
        &mut self,
        now: Instant,
        login: UserHandle,
        app: AppName,
        user: UserHandle,
    ) {
        let Some(state) = self.app_mut(login, app) else { return };
        if let Some(count) = state.connecting.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                state.connecting.remove(&user);
            }
        }
        let reachable = self.is_reachable(login, app) && self.is_reachable(user, app);
        let may = !self.contacts.is_blocked(user, login)
            && (!self.skype.contacts_only || self.contacts.is_mutual(login, user));
        let made = login != user && reachable && may && self.make_pair(now, login, app, user);
        let end = self.skype.connecting_end;
        if made && end == ConnectingEnd::Before {
            self.tell(login, app, AppProperty::Connecting);
        }
        if made {
            self.tell(login, app, AppProperty::Streams);
        }
        // Whose CONNECT fails learns it by this alone, so it is always told.
        if !made || end == ConnectingEnd::After {
            self.tell(login, app, AppProperty::Connecting);
        }
        if made {
            self.tell(user, app, AppProperty::Streams);
        }
    }

    fn make_pair(
        &mut self,
        now: Instant,
        login: UserHandle,
        app: AppName,
        user: UserHandle,
    ) -> bool {
        let has_room =
            |login| self.app(login, app).is_some_and(|app| app.streams.len() < STREAMS_PER_APP_MAX);
        if !has_room(login) || !has_room(user) {
            return false;
        }
        let (id, seeds) = self.links.next();
        let (there, back) = lines(&self.line(login, user), seeds);
        let near = self.number(login, app, user, (id, Side::Caller));
        let far = self.number(user, app, login, (id, Side::Called));
        let caller = Half::new(login, app, near, there);
        let called = Half::new(user, app, far, back);
        let idle = Duration::from_secs(self.skype.idle_s);
        let pair = Pair::new(now, idle, self.way(id), [caller, called]);
        self.pairs.insert(id, pair);
        self.give_relay(now, id);
        self.serve_pair(now, id);
        true
    }

    /// Lists a new stream at one end, under that end's next number.
    fn number(
        &mut self,
        login: UserHandle,
        app: AppName,
        partner: UserHandle,
        leg: (PairId, Side),
    ) -> StreamRef {
        let Some(state) = self.app_mut(login, app) else {
            return StreamRef { user: partner, number: 0 };
        };
        let number = state.numbers.entry(partner).or_default();
        *number = number.wrapping_add(1);
        let stream = StreamRef { user: partner, number: *number };
        state.streams.insert(stream, leg);
        stream
    }

    fn disconnect(
        &mut self,
        now: Instant,
        caller: Caller<'_>,
        app: AppName,
        stream: StreamRef,
    ) -> Result<(), ErrorCode> {
        let (pair, side) = self.leg(caller.login, app, stream, ErrorCode::DISCONNECT_STREAM)?;
        self.reply(caller, Message::Altered { app, echo: Echo::Disconnect(stream) });
        let delay = self.links.spec(caller.login, stream.user).delay;
        self.timers.set(now + delay, Timer::HungUp { pair, side: side.other() });
        self.close(pair, side);
        Ok(())
    }

    fn datagram(
        &mut self,
        now: Instant,
        caller: Caller<'_>,
        app: AppName,
        (stream, text): (StreamRef, &str),
    ) -> Result<(), ErrorCode> {
        let (id, side) = self.leg(caller.login, app, stream, ErrorCode::DATAGRAM_STREAM)?;
        if text.is_empty() || text.len() > DATAGRAM_OCTETS_MAX {
            return Err(ErrorCode::OPERATION_FAILED);
        }
        self.reply(caller, Message::Altered { app, echo: Echo::Datagram(stream) });
        let now_sending = Backlog { stream, octets: Some(octets(text.len())) };
        let mut sending = match self.app_property(caller.login, app, AppProperty::Sending)? {
            AppNews::Sending(sending) => sending,
            AppNews::Connecting(_)
            | AppNews::Connectable(_)
            | AppNews::Streams(_)
            | AppNews::Received(_)
            | AppNews::Datagram { .. } => Vec::new(),
        };
        sending.push(now_sending);
        let news = AppNews::Sending(sending);
        self.notify(caller.login, &Message::Application { app, news });
        // Skype is done with a datagram as soon as it has left.
        self.tell(caller.login, app, AppProperty::Sending);
        if let Some(pair) = self.pairs.get_mut(&id) {
            pair.send_datagram(now, side, text);
        }
        self.serve_pair(now, id);
        Ok(())
    }

    fn write(
        &mut self,
        now: Instant,
        caller: Caller<'_>,
        app: AppName,
        (stream, text): (StreamRef, &str),
    ) -> Result<(), ErrorCode> {
        let (id, side) = self.leg(caller.login, app, stream, ErrorCode::WRITE_STREAM)?;
        let pair = self.pairs.get_mut(&id).ok_or(ErrorCode::WRITE_STREAM)?;
        let legal = !text.is_empty() && text.len() <= WRITE_OCTETS_MAX;
        if !legal || !pair.write(now, side, text) {
            return Err(ErrorCode::OPERATION_FAILED);
        }
        self.reply(caller, Message::Altered { app, echo: Echo::Write(stream) });
        self.tell(caller.login, app, AppProperty::Sending);
        self.serve_pair(now, id);
        Ok(())
    }

    /// One READ takes one WRITE. What is left is told again: Skype4Java reads once per line.
    fn read(
        &mut self,
        caller: Caller<'_>,
        app: AppName,
        stream: StreamRef,
    ) -> Result<(), ErrorCode> {
        let (id, side) = self.leg(caller.login, app, stream, ErrorCode::READ_STREAM)?;
        let pair = self.pairs.get_mut(&id).ok_or(ErrorCode::READ_STREAM)?;
        let reader = &mut pair.half_mut(side).reader;
        let text = reader.read();
        let echo = Echo::Read { stream, text: &text };
        self.reply(caller, Message::Altered { app, echo });
        if !text.is_empty() {
            self.tell(caller.login, app, AppProperty::Received);
        }
        Ok(())
    }

    /// Sends what is due on a stream and sets its timer anew.
    pub(super) fn serve_pair(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if let Some(wake) = pair.wake.take() {
            self.timers.cancel(wake);
        }
        if pair.is_idle(now) {
            self.close(id, Side::Caller);
            self.close(id, Side::Called);
            return;
        }
        // Whoever writes may send more as soon as something has arrived.
        while let Some(pair) = self.pairs.get_mut(&id) {
            let departed = pair.depart(now);
            if departed.is_empty() {
                pair.wake = Some(self.timers.set(pair.next_at(), Timer::Pair(id)));
                return;
            }
            for (from, octets) in departed {
                self.forward(now, id, from, &octets);
            }
        }
    }

    /// Something comes to the other end of a stream; both ends are told what it means.
    pub(super) fn arrive(&mut self, now: Instant, id: PairId, from: Side, octets: &[u8]) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        for (side, arrival) in pair.arrive(now, from, octets) {
            let Some(half) = self.pairs.get(&id).map(|pair| pair.half(side)) else { return };
            let (login, app, stream) = (half.login, half.app, half.stream);
            match arrival {
                Arrival::Datagram(text) => {
                    let news = AppNews::Datagram { stream, text: &text };
                    self.notify(login, &Message::Application { app, news });
                }
                Arrival::Received => self.tell(login, app, AppProperty::Received),
                Arrival::Sent => self.tell(login, app, AppProperty::Sending),
            }
        }
    }

    /// One end stops listing a stream and says so.
    pub(super) fn close(&mut self, id: PairId, side: Side) {
        let Some(half) = self.pairs.get(&id).map(|pair| pair.half(side)) else { return };
        if !half.open {
            return;
        }
        let (login, app, stream) = (half.login, half.app, half.stream);
        if let Some(state) = self.app_mut(login, app) {
            state.streams.remove(&stream);
        }
        self.abandon(id, side);
        self.tell(login, app, AppProperty::Streams);
    }

    /// A user goes off line: its own lists are empty, its partners' keep their dead streams.
    pub(super) fn drop_streams(&mut self, login: UserHandle) {
        let Some(skype) = self.logins.get_mut(&login) else { return };
        let mut told = Vec::new();
        let mut legs = Vec::new();
        for (&app, state) in &mut skype.apps {
            if !state.streams.is_empty() {
                told.push(app);
                legs.extend(std::mem::take(&mut state.streams).into_values());
            }
        }
        legs.into_iter().for_each(|(pair, side)| self.abandon(pair, side));
        told.into_iter().for_each(|app| self.tell(login, app, AppProperty::Streams));
    }

    /// One end no longer hears a stream; with the second one, the stream is gone.
    pub(super) fn abandon(&mut self, id: PairId, side: Side) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.half_mut(side).open = false;
        if !pair.is_gone() {
            return;
        }
        self.leave_relay(id);
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if let Some(wake) = pair.wake.take() {
            self.timers.cancel(wake);
        }
        pair.stats().iter().for_each(|route| add(&mut self.past, route));
        self.pairs.remove(&id);
    }

    /// Tells every program of a login one of an application's lists.
    fn tell(&mut self, login: UserHandle, app: AppName, property: AppProperty) {
        if let Ok(news) = self.app_property(login, app, property) {
            self.notify(login, &Message::Application { app, news });
        }
    }

    fn backlogs(&self, app: &App, count: impl Fn(&Half) -> u64) -> Vec<Backlog> {
        let backlog = |(&stream, &(pair, side)): (&StreamRef, &(PairId, Side))| {
            let octets = count(self.pairs.get(&pair)?.half(side));
            (octets > 0).then_some(Backlog { stream, octets: Some(octets) })
        };
        app.streams.iter().filter_map(backlog).collect()
    }

    fn leg(
        &self,
        login: UserHandle,
        app: AppName,
        stream: StreamRef,
        code: ErrorCode,
    ) -> Result<(PairId, Side), ErrorCode> {
        self.app(login, app).and_then(|app| app.streams.get(&stream)).copied().ok_or(code)
    }

    fn app(&self, login: UserHandle, app: AppName) -> Option<&App> {
        self.logins.get(&login)?.apps.get(&app)
    }

    fn app_mut(&mut self, login: UserHandle, app: AppName) -> Option<&mut App> {
        self.logins.get_mut(&login)?.apps.get_mut(&app)
    }

    fn is_reachable(&self, user: UserHandle, app: AppName) -> bool {
        let skype = self.logins.get(&user);
        skype.is_some_and(|skype| skype.is_on_line() && skype.apps.contains_key(&app))
    }
}
