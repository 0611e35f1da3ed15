//! The overlay in real time: its sockets, its clock, and the task that joins them.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use skype_api::UserHandle;
use skype_api::attach::unix::{TrySendError, UnixAttach};
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace, warn};

#[cfg(feature = "dbus")]
use crate::bus::Buses;
use crate::config::{ConfigError, OverlayConfig};
use crate::overlay::{ClientId, Output, Overlay, RelayStats, RouteStats, StreamRoute};
#[cfg(feature = "x11")]
use crate::screens::{Disorder, Screens};
use crate::socket::{AttachPoint, BindError};

/// What may wait for a program that does not read; beyond it the program is dropped.
const CLIENT_OCTETS_MAX: usize = 1024 * 1024;

/// Lines taken from one program before the others have their turn.
const LINES_PER_TURN: u32 = 64;

/// Lines taken from one program in a second: 28 MB of datagrams. The rest waits in its socket.
const LINES_PER_SECOND_MAX: u32 = 20_000;

/// After this time a socket that could not accept, for want of descriptors, tries again.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// Turns before the task lets others of the runtime go on.
const TURNS_MAX: u32 = 16;

/// An overlay that runs. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running {
    overlay: Arc<Mutex<Overlay>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Why an overlay cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its configuration says something that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One of its sockets cannot be offered.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Offers every login of `config` on its socket until [`Running::shutdown`]. Needs a tokio runtime
/// with I/O and time.
///
/// # Errors
/// [`ServeError`] when the configuration or a socket is at fault; no socket is left behind.
pub async fn serve(config: &OverlayConfig) -> Result<Running, ServeError> {
    let overlay = Arc::new(Mutex::new(Overlay::new(clock(), config)?));
    let mut points = BTreeMap::new();
    let mut sockets = BTreeMap::new();
    for login in &config.logins {
        let name = login.name.parse().expect("Overlay::new checked it");
        points.insert(name, AttachPoint::bind(&login.socket).await?);
        sockets.insert(name, login.socket.clone());
    }
    #[cfg(not(feature = "dbus"))]
    if let Some(login) = config.logins.iter().find(|login| login.dbus.is_some()) {
        return Err(BindError::NotBuilt { login: login.name.clone(), what: "a bus" }.into());
    }
    #[cfg(not(feature = "x11"))]
    if let Some(login) = config.logins.iter().find(|login| login.x11.is_some()) {
        return Err(BindError::NotBuilt { login: login.name.clone(), what: "a display" }.into());
    }
    #[cfg(feature = "x11")]
    let screens = {
        let on_a_display = config.logins.iter().filter_map(|login| {
            let name = login.name.parse().expect("Overlay::new checked it");
            Some((name, login.x11.clone()?))
        });
        Screens::offer(on_a_display, Disorder::new(&config.skype, config.seed)).await?
    };
    #[cfg(feature = "dbus")]
    let buses = {
        let on_a_bus = config.logins.iter().filter_map(|login| {
            let name = login.name.parse().expect("Overlay::new checked it");
            Some((name, login.dbus.clone()?))
        });
        Buses::offer(on_a_bus, config.skype.empty_returns).await?
    };
    let stop = CancellationToken::new();
    let mut server = Server {
        overlay: Arc::clone(&overlay),
        #[cfg(feature = "dbus")]
        buses,
        #[cfg(feature = "x11")]
        screens,
        points,
        sockets,
        clients: BTreeMap::new(),
        sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = poll_fn(|cx| server.poll(cx)) => {}
        }
    });
    Ok(Running { overlay, stop, task })
}

impl Running {
    /// Stops the overlay: programs see their connection end, and the sockets' files are removed.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // It can only have ended or been cancelled with the runtime: the sockets are gone either way.
        let _ended = (&mut self.task).await;
    }

    /// What crossed the links between logins so far.
    #[must_use]
    pub fn stats(&self) -> Vec<RouteStats> {
        lock(&self.overlay).stats()
    }

    /// What the relays did so far; nothing where there are none.
    #[must_use]
    pub fn relay_stats(&self) -> RelayStats {
        lock(&self.overlay).relay_stats()
    }

    /// Where each stream goes at this moment.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamRoute> {
        lock(&self.overlay).streams()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// All sockets in one task, since all of them meet in one overlay.
#[derive(Debug)]
struct Server {
    overlay: Arc<Mutex<Overlay>>,
    #[cfg(feature = "dbus")]
    buses: Buses,
    #[cfg(feature = "x11")]
    screens: Screens,
    /// Of the logins whose Skype runs.
    points: BTreeMap<UserHandle, AttachPoint>,
    /// Where each login's attach point is, or will be.
    sockets: BTreeMap<UserHandle, PathBuf>,
    clients: BTreeMap<ClientId, Client>,
    sleep: Pin<Box<Sleep>>,
}

#[derive(Debug)]
struct Client {
    login: UserHandle,
    io: UnixAttach,
    /// When the current second of its line budget began.
    second: Instant,
    /// Lines taken since then. Never above `LINES_PER_SECOND_MAX`.
    lines: u32,
    /// To be dropped when what it said has been answered.
    gone: bool,
}

/// Whether a turn left something to do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Busy,
    Quiet,
}

impl Server {
    /// Never ready: it runs until it is dropped.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS_MAX {
            let now = clock();
            let (accepted, retry_at) = self.accept(cx, now);
            let (heard, resume_at) = self.hear(cx, now);
            let (spoken, due) = self.speak(now);
            self.drop_gone();
            let mut quiet = [accepted, heard, spoken].iter().all(|turn| *turn == Turn::Quiet);
            if let Some(at) = due.into_iter().chain(resume_at).chain(retry_at).min() {
                self.sleep.as_mut().reset(at.into());
                quiet &= self.sleep.as_mut().poll(cx).is_pending();
            }
            if quiet {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes new programs in; also when to try again if the system has no room for them.
    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) -> (Turn, Option<Instant>) {
        let mut turn = Turn::Quiet;
        let mut retry_at = None;
        for (&login, point) in &self.points {
            // One each: a flood at one login must not keep the others from being served.
            let Poll::Ready(accepted) = point.listener.poll_accept(cx) else { continue };
            let io = match accepted {
                Ok((io, _)) => io,
                Err(error) => {
                    debug!(%error, "cannot accept a program");
                    retry_at = Some(now + ACCEPT_RETRY);
                    continue;
                }
            };
            turn = Turn::Busy;
            match lock(&self.overlay).attach(login) {
                Ok(id) => {
                    debug!(client = ?id, "program attached");
                    let io = UnixAttach::with_write_limit(io, CLIENT_OCTETS_MAX);
                    let client = Client { login, io, second: now, lines: 0, gone: false };
                    self.clients.insert(id, client);
                }
                Err(error) => debug!(%error, "program turned away"),
            }
        }
        (turn, retry_at)
    }

    /// Takes what programs say; also when to listen again to those that say too much.
    fn hear(&mut self, cx: &mut Context<'_>, now: Instant) -> (Turn, Option<Instant>) {
        let mut turn = Turn::Quiet;
        let mut resume_at: Option<Instant> = None;
        let mut overlay = lock(&self.overlay);
        #[cfg(feature = "dbus")]
        if self.buses.poll(cx, &mut overlay, |overlay, id, line| overlay.handle_line(now, id, line))
        {
            turn = Turn::Busy;
        }
        #[cfg(feature = "x11")]
        if self
            .screens
            .poll(cx, &mut overlay, |overlay, id, line| overlay.handle_line(now, id, line))
        {
            turn = Turn::Busy;
        }
        for (&id, client) in &mut self.clients {
            match client.hear(cx, now, |line| overlay.handle_line(now, id, line)) {
                Heard::All => {}
                Heard::More => turn = Turn::Busy,
                Heard::Enough(until) => {
                    resume_at = Some(resume_at.map_or(until, |at| at.min(until)));
                }
            }
        }
        (turn, resume_at)
    }

    /// Sends what the overlay has to say and tells when it has more. A Skype that was started wants to be
    /// listened to at once.
    fn speak(&mut self, now: Instant) -> (Turn, Option<Instant>) {
        let mut turn = Turn::Quiet;
        let mut overlay = lock(&self.overlay);
        loop {
            match overlay.poll_output(now) {
                Output::Send { client: id, line, is_reply } => {
                    #[cfg(not(feature = "dbus"))]
                    let _a_socket_has_no_use_for_it = is_reply;
                    #[cfg(feature = "dbus")]
                    if self.buses.say(&mut overlay, id, &line, is_reply) {
                        continue;
                    }
                    #[cfg(feature = "x11")]
                    if self.screens.say(&mut overlay, id, &line) {
                        continue;
                    }
                    let Some(client) = self.clients.get_mut(&id) else { continue };
                    match client.io.try_send(&line) {
                        Ok(()) => {}
                        // A line feed from a program on a transport that can carry it.
                        Err(error @ TrySendError::Line) => {
                            debug!(client = ?id, %error, "line dropped");
                        }
                        Err(error @ (TrySendError::Full | TrySendError::Closed)) => {
                            if !client.gone {
                                debug!(client = ?id, %error, "program dropped");
                            }
                            client.gone = true;
                        }
                    }
                }
                Output::Quit { login } => {
                    #[cfg(feature = "dbus")]
                    self.buses.quit(login);
                    #[cfg(feature = "x11")]
                    self.screens.quit(login);
                    // The socket's file goes with the point.
                    self.points.remove(&login);
                    self.clients.retain(|_, client| client.login != login);
                }
                Output::Start { login } => {
                    #[cfg(feature = "dbus")]
                    self.buses.start(login);
                    #[cfg(feature = "x11")]
                    self.screens.start(login);
                    offer(&mut self.points, &self.sockets, login);
                    turn = Turn::Busy;
                }
                Output::Wait(until) => return (turn, until),
            }
        }
    }

    fn drop_gone(&mut self) {
        let mut overlay = lock(&self.overlay);
        self.clients.retain(|&id, client| {
            if client.gone {
                trace!(client = ?id, nonsense = client.io.nonsense(), "program detached");
                overlay.detach(id);
            }
            !client.gone
        });
    }
}

/// How a program's turn ended.
#[derive(Debug, Clone, Copy)]
enum Heard {
    /// It has nothing more to say, or is gone.
    All,
    /// Its turn was over before it had finished.
    More,
    /// It has used up its second.
    Enough(Instant),
}

impl Client {
    fn hear(&mut self, cx: &mut Context<'_>, now: Instant, mut take: impl FnMut(&str)) -> Heard {
        let resume_at = self.second + Duration::from_secs(1);
        if now >= resume_at {
            self.second = now;
            self.lines = 0;
        }
        for _ in 0..LINES_PER_TURN {
            if self.lines >= LINES_PER_SECOND_MAX {
                // Not listening must not mean not answering.
                self.gone |= matches!(self.io.poll_flush(cx), Poll::Ready(Err(_)));
                return Heard::Enough(self.second + Duration::from_secs(1));
            }
            match self.io.poll_recv(cx) {
                Poll::Ready(Ok(Some(line))) => {
                    self.lines += 1;
                    take(line);
                }
                Poll::Ready(Ok(None) | Err(_)) => {
                    self.gone = true;
                    return Heard::All;
                }
                Poll::Pending => return Heard::All,
            }
        }
        Heard::More
    }
}

/// A Skype that is started again listens where it did.
fn offer(
    points: &mut BTreeMap<UserHandle, AttachPoint>,
    sockets: &BTreeMap<UserHandle, PathBuf>,
    login: UserHandle,
) {
    let Some(path) = sockets.get(&login) else { return };
    match AttachPoint::rebind(path) {
        Ok(point) => {
            points.insert(login, point);
        }
        Err(error) => warn!(%error, "a Skype that was to be started again cannot be attached to"),
    }
}

fn lock(overlay: &Mutex<Overlay>) -> MutexGuard<'_, Overlay> {
    overlay.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "the one place where the overlay meets real time")]
fn clock() -> Instant {
    Instant::now()
}
