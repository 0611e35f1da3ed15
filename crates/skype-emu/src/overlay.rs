//! All the Skypes of an overlay as one state machine: what programs say in, what they hear out.

mod apps;
mod commands;
mod pair;
mod relays;
mod script;
mod timers;
mod trunk;
mod users;
mod ways;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use pair::{Pair, PairId, Side};
use relay_sim::LinkSpec;
use relay_sim::censor::Censor;
pub use relays::RelayStats;
use relays::Relays;
#[cfg(feature = "x11")]
pub(crate) use relays::luck;
use script::{Picker, Script};
use skype_api::{
    AppName, Command, CommandId, ErrorCode, Line, Message, StreamRef, UserHandle, UserStatus,
};
use timers::{Timer, Timers};
use users::Contacts;
pub use ways::StreamRoute;

use crate::config::{ConfigError, Consent, OverlayConfig, SkypeConfig};

/// Programs attached to one Skype.
pub const CLIENTS_PER_LOGIN_MAX: usize = 32;

/// Applications of one Skype.
pub const APPS_PER_LOGIN_MAX: usize = 64;

/// Streams of one application at one end. No limit of Skype's is known; this one bounds memory.
pub const STREAMS_PER_APP_MAX: usize = 256;

/// Skype drops a stream nothing went over for about eight minutes (API reference, 5.x).
pub const STREAM_IDLE: Duration = Duration::from_secs(480);

/// The newest protocol of the API; a client that asks for more gets this.
pub const PROTOCOL_MAX: u32 = 8;

/// A program attached to a Skype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

/// The next step of [`Overlay::poll_output`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Send this line to this program.
    Send {
        /// Which program.
        client: ClientId,
        /// What Skype says.
        line: String,
        /// It answers a command; D-Bus returns it from the call.
        is_reply: bool,
    },
    /// This login's Skype is gone: hang up on its programs, and let nobody attach.
    Quit {
        /// Whose.
        login: UserHandle,
    },
    /// This login's Skype runs again: let programs attach.
    Start {
        /// Whose.
        login: UserHandle,
    },
    /// Nothing to do until a line comes in, or until this time.
    Wait(Option<Instant>),
}

/// Why a program cannot attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// Nobody of that name is logged in.
    #[error("there is no such login")]
    UnknownLogin,
    /// The login's Skype does not run at this time.
    #[error("this login's Skype does not run")]
    NotRunning,
    /// There are [`CLIENTS_PER_LOGIN_MAX`] already.
    #[error("too many programs are attached to this login")]
    Full,
}

/// What crossed the links from one login to another so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteStats {
    /// Who sent.
    pub from: UserHandle,
    /// To whom.
    pub to: UserHandle,
    /// Datagrams, and pieces of what was written, that went in.
    pub datagrams_in: u64,
    /// Those that came out.
    pub datagrams_out: u64,
    /// Those that were dropped by the throttle or lost at random, or died with their stream.
    pub datagrams_lost: u64,
    /// Octets of AP2AP text that went in.
    pub octets_in: u64,
    /// Octets of AP2AP text that came out.
    pub octets_out: u64,
}

/// An emulated overlay without sockets and clock.
///
/// Objects live in a login's Skype, not in the program that made them: an application survives
/// its program, and what happens to it is told to every program attached there.
///
/// ```text
///  programs --handle_line--> Login { clients, apps { streams } } --poll_output--> programs
///                                             |
///                          Pair { Half, Half }: one stream, both its ends,
///                          a line (a relay-sim link) in each direction
///                                             |
///                          Relays: if there are any, the population, and
///                          one link for each relay in use and direction
/// ```
#[derive(Debug)]
pub struct Overlay {
    logins: BTreeMap<UserHandle, Login>,
    /// How every Skype behaves.
    skype: SkypeConfig,
    contacts: Contacts,
    clients: BTreeMap<ClientId, Client>,
    pairs: BTreeMap<PairId, Pair>,
    links: Links,
    relays: Option<Relays>,
    /// Of each login whose line somebody censors.
    censors: BTreeMap<UserHandle, Censor>,
    picker: Option<Picker>,
    script: Script,
    /// When the overlay was made: its relays, censors and events count from here.
    origin: Instant,
    timers: Timers,
    outbox: VecDeque<Said>,
    turns: VecDeque<Turn>,
    next_client: u64,
    /// What crossed the links of streams that are gone.
    past: BTreeMap<(UserHandle, UserHandle), RouteStats>,
}

/// A line to be said.
#[derive(Debug)]
struct Said {
    client: ClientId,
    line: String,
    is_reply: bool,
}

/// A Skype that went or came back, to be told.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Quit(UserHandle),
    Start(UserHandle),
}

/// One login's Skype.
#[derive(Debug)]
struct Login {
    is_running: bool,
    consent: Consent,
    consent_delay: Duration,
    status: UserStatus,
    is_silent: bool,
    goes_away: bool,
    clients: BTreeSet<ClientId>,
    apps: BTreeMap<AppName, App>,
}

#[derive(Debug, Clone, Copy)]
struct Client {
    login: UserHandle,
    /// It said its name and the user consented.
    named: bool,
}

/// An application at one end.
#[derive(Debug, Default)]
struct App {
    streams: BTreeMap<StreamRef, (PairId, Side)>,
    /// The last number given to a stream with each partner: every end counts for itself.
    numbers: BTreeMap<UserHandle, u32>,
    /// How many CONNECTs to each user are under way.
    connecting: BTreeMap<UserHandle, u32>,
}

/// Who said the command at hand.
#[derive(Debug, Clone, Copy)]
struct Caller<'a> {
    client: ClientId,
    login: UserHandle,
    id: Option<CommandId<'a>>,
}

/// What lines are like, and which comes next.
#[derive(Debug)]
struct Links {
    default: LinkSpec,
    /// The lesser handle stands first.
    between: BTreeMap<(UserHandle, UserHandle), LinkSpec>,
    seed: u64,
    next_pair: u64,
}

impl Overlay {
    /// An overlay where everybody is on line and no program is attached. Its time begins at `now`.
    ///
    /// # Errors
    /// [`ConfigError`] when a value cannot be.
    pub fn new(now: Instant, config: &OverlayConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let mut logins = BTreeMap::new();
        for login in &config.logins {
            let name = login.name.parse().expect("checked above");
            logins.insert(
                name,
                Login {
                    is_running: true,
                    consent: login.consent,
                    consent_delay: Duration::from_millis(login.consent_ms),
                    status: UserStatus::Online,
                    is_silent: false,
                    goes_away: true,
                    clients: BTreeSet::new(),
                    apps: BTreeMap::new(),
                },
            );
        }
        let mut between = BTreeMap::new();
        for link in &config.links_between {
            let (one, other) = link.handles("link_between.logins")?;
            between.insert((one.min(other), one.max(other)), link.link.over(config.link).spec());
        }
        let default = config.link.spec();
        let all: BTreeSet<UserHandle> = logins.keys().copied().collect();
        let relays = config.relays.map(|relays| Relays::new(relays, config.seed, now, &all));
        let mut overlay = Self {
            logins,
            skype: config.skype.clone(),
            contacts: Contacts::new(config),
            clients: BTreeMap::new(),
            pairs: BTreeMap::new(),
            links: Links { default, between, seed: config.seed, next_pair: 0 },
            relays,
            censors: script::censors(config, &all),
            picker: Picker::new(config, &all),
            script: Script::new(config, &all),
            origin: now,
            timers: Timers::default(),
            outbox: VecDeque::new(),
            turns: VecDeque::new(),
            next_client: 0,
            past: BTreeMap::new(),
        };
        overlay.expect_all(&config.events);
        Ok(overlay)
    }

    /// A program reached a login's attach point.
    ///
    /// # Errors
    /// [`AttachError`] when it cannot be served.
    pub fn attach(&mut self, login: UserHandle) -> Result<ClientId, AttachError> {
        let skype = self.logins.get_mut(&login).ok_or(AttachError::UnknownLogin)?;
        if !skype.is_running {
            return Err(AttachError::NotRunning);
        }
        if skype.clients.len() >= CLIENTS_PER_LOGIN_MAX {
            return Err(AttachError::Full);
        }
        let client = ClientId(self.next_client);
        self.next_client += 1;
        skype.clients.insert(client);
        self.clients.insert(client, Client { login, named: false });
        Ok(client)
    }

    /// A program is gone. What it made stays.
    pub fn detach(&mut self, client: ClientId) {
        if let Some(Client { login, .. }) = self.clients.remove(&client)
            && let Some(skype) = self.logins.get_mut(&login)
        {
            skype.clients.remove(&client);
        }
        self.outbox.retain(|said| said.client != client);
    }

    /// A program said a line. Infallible: bad input gets Skype's error.
    pub fn handle_line(&mut self, now: Instant, client: ClientId, text: &str) {
        let Some(&Client { login, named }) = self.clients.get(&client) else { return };
        let (id, command) = match Line::parse(text) {
            Ok(line) => (line.id, Command::parse(line.body)),
            Err(_) => (None, Command::Unknown { text, code: ErrorCode::GENERAL_SYNTAX }),
        };
        let caller = Caller { client, login, id };
        let said = self.outbox.len();
        // Kopete asks by PING, before it says its name, whether somebody is logged in.
        let result = if named || matches!(command, Command::Name(_) | Command::Ping) {
            self.carry_out(now, caller, command)
        } else {
            Err(ErrorCode::ACCESS_DENIED)
        };
        if let Err(code) = result {
            self.reply(caller, Message::error(code));
        }
        if self.skype.news_first
            && let Some(answer) = self.outbox.make_contiguous().get_mut(said..)
            && !answer.is_empty()
        {
            // The reply is what was said first.
            answer.rotate_left(1);
        }
    }

    /// Does what is due and says the next step.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        loop {
            match self.turns.pop_front() {
                Some(Turn::Quit(login)) => return Output::Quit { login },
                Some(Turn::Start(login)) => return Output::Start { login },
                None => {}
            }
            if let Some(Said { client, line, is_reply }) = self.outbox.pop_front() {
                return Output::Send { client, line, is_reply };
            }
            let Some(timer) = self.timers.take_due(now) else {
                return Output::Wait(self.timers.next_at());
            };
            self.fire(now, timer);
        }
    }

    /// What crossed each route so far, streams that are gone included.
    #[must_use]
    pub fn stats(&self) -> Vec<RouteStats> {
        let mut stats = self.past.clone();
        for pair in self.pairs.values() {
            pair.stats().iter().for_each(|route| add(&mut stats, route));
        }
        stats.into_values().collect()
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Consent { client, id } => self.consent(client, id.as_deref()),
            Timer::Connected { login, app, user } => self.connected(now, login, app, user),
            Timer::HungUp { pair, side } => self.close(pair, side),
            Timer::Pair(pair) => self.serve_pair(now, pair),
            Timer::Trunk(key) => self.serve_trunk(now, key),
            Timer::Relay(pair) => self.give_relay(now, pair),
            Timer::Relays => self.change_relays(now),
            Timer::Sweep(login) => self.sweep(now, login),
            Timer::Cue(cue) => self.play(now, cue),
            Timer::Say { client, line } => self.answer(client, line),
        }
    }

    /// Time since the overlay was made.
    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin)
    }

    /// The direct answer to a command: to its program alone, under its id.
    fn reply(&mut self, caller: Caller<'_>, message: Message<'_>) {
        let line = Line { id: caller.id, body: message }.to_string();
        self.answer(caller.client, line);
    }

    /// Gives a reply as these Skypes spell it, if the program is still there.
    fn answer(&mut self, client: ClientId, line: String) {
        if self.clients.contains_key(&client) {
            let line = self.skype.spelled(line);
            self.outbox.push_back(Said { client, line, is_reply: true });
        }
    }

    /// News for every program attached to a login.
    fn notify(&mut self, login: UserHandle, message: &Message<'_>) {
        let Some(skype) = self.logins.get(&login) else { return };
        let named = |id: &&ClientId| self.clients.get(id).is_some_and(|client| client.named);
        let mut line = None;
        for &client in skype.clients.iter().filter(named) {
            let line = line.get_or_insert_with(|| self.skype.spelled(message.to_string()));
            let line = line.clone();
            self.outbox.push_back(Said { client, line, is_reply: false });
        }
    }
}

impl Login {
    const fn is_on_line(&self) -> bool {
        !matches!(self.status, UserStatus::Offline | UserStatus::LoggedOut)
    }
}

impl Links {
    fn spec(&self, one: UserHandle, other: UserHandle) -> &LinkSpec {
        self.between.get(&(one.min(other), one.max(other))).unwrap_or(&self.default)
    }

    /// A number for the next pair, and the seeds of its two links.
    fn next(&mut self) -> (PairId, [u64; 2]) {
        let id = self.next_pair;
        self.next_pair += 1;
        let seed = |place: u64| scramble(self.seed ^ scramble(2 * id + place));
        (PairId(id), [seed(0), seed(1)])
    }
}

/// Adds what one route saw.
fn add(stats: &mut BTreeMap<(UserHandle, UserHandle), RouteStats>, route: &RouteStats) {
    let sum = stats
        .entry((route.from, route.to))
        .or_insert_with(|| RouteStats::none(route.from, route.to));
    sum.datagrams_in += route.datagrams_in;
    sum.datagrams_out += route.datagrams_out;
    sum.datagrams_lost += route.datagrams_lost;
    sum.octets_in += route.octets_in;
    sum.octets_out += route.octets_out;
}

impl RouteStats {
    const fn none(from: UserHandle, to: UserHandle) -> Self {
        Self {
            from,
            to,
            datagrams_in: 0,
            datagrams_out: 0,
            datagrams_lost: 0,
            octets_in: 0,
            octets_out: 0,
        }
    }
}

/// SplitMix64's finaliser: neighbours become strangers.
const fn scramble(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
