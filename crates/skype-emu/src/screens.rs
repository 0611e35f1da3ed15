//! Logins on X11: each marks a display of its own as Skype's, as the one Skype of a desktop did.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use skype_api::UserHandle;
use skype_api::attach::x11::screen::{Heard, Screen, ScreenError};
use skype_api::x11::{Joiner, Piece, pieces};
use tokio::sync::mpsc;
use tracing::debug;

use crate::config::SkypeConfig;
use crate::overlay::{ClientId, Overlay, luck};
use crate::socket::BindError;

/// Lines that wait for a display, and those that were heard; whoever has no more room is dropped.
const WAITING_MAX: usize = 4096;

/// What was heard that is taken before others have their turn.
const HEARD_PER_TURN: u32 = 64;

/// After this time a display that went away is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The window of a Skype that quit stays so long behind its mark: Skype4Py ends at an X error.
const WINDOW_STAYS: Duration = Duration::from_secs(3);

/// What draws from the seed, so that it has nobody else's luck.
const DISORDER_DICE: u64 = 6 << 32;

/// The logins that are on a display.
#[derive(Debug)]
pub(crate) struct Screens {
    of: BTreeMap<UserHandle, Offer>,
    /// Whose programs those are, and by which window they are told.
    programs: BTreeMap<ClientId, (UserHandle, u32)>,
    disorder: Disorder,
}

/// How messages come to grief.
#[derive(Debug, Clone)]
pub(crate) struct Disorder {
    lost: f64,
    swapped: f64,
    seed: u64,
    /// Messages that were sent.
    sent: u64,
}

/// One login's place on a display.
#[derive(Debug)]
struct Offer {
    display: String,
    state: State,
    programs: BTreeMap<u32, ClientId>,
}

enum State {
    /// Its Skype does not run.
    Down,
    Starting(Pin<Box<dyn Future<Output = Result<Place, BindError>> + Send>>),
    Up(Place),
}

/// A marked display, between two threads.
#[derive(Debug)]
struct Place {
    heard: mpsc::Receiver<Told>,
    /// Dropped, it ends the threads.
    said: mpsc::Sender<(u32, Vec<Piece>)>,
}

/// What a display tells.
#[derive(Debug)]
enum Told {
    Line { window: u32, text: String },
    Gone(u32),
}

impl Disorder {
    pub(crate) fn new(skype: &SkypeConfig, seed: u64) -> Self {
        let (lost, swapped) = (skype.pieces_lost, skype.pieces_swapped);
        Self { lost, swapped, seed: seed ^ DISORDER_DICE, sent: 0 }
    }

    fn cut(&mut self, line: &str) -> Vec<Piece> {
        let mut cut: Vec<Piece> = pieces(line).collect();
        self.sent += 1;
        let drawn = luck(self.seed, self.sent);
        // The first two: a beginning that is not where it should be.
        if drawn < self.lost {
            cut.remove(0);
        } else if drawn < self.lost + self.swapped && cut.len() > 1 {
            cut.swap(0, 1);
        }
        cut
    }
}

impl Screens {
    /// Marks each of these displays.
    pub(crate) async fn offer(
        logins: impl Iterator<Item = (UserHandle, String)>,
        disorder: Disorder,
    ) -> Result<Self, BindError> {
        let mut of = BTreeMap::new();
        for (login, display) in logins {
            let state = State::Up(Place::take(display.clone()).await?);
            of.insert(login, Offer { display, state, programs: BTreeMap::new() });
        }
        Ok(Self { of, programs: BTreeMap::new(), disorder })
    }

    /// Hears what programs say and tells `take`; whether there was anything.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        overlay: &mut Overlay,
        mut take: impl FnMut(&mut Overlay, ClientId, &str),
    ) -> bool {
        let mut any = false;
        for (&login, offer) in &mut self.of {
            offer.poll_start(cx);
            for _ in 0..HEARD_PER_TURN {
                let State::Up(place) = &mut offer.state else { break };
                let Poll::Ready(heard) = place.heard.poll_recv(cx) else { break };
                any = true;
                match heard {
                    Some(Told::Line { window, text }) => {
                        let known = offer.programs.get(&window).copied();
                        let client = known.map_or_else(|| overlay.attach(login).ok(), Some);
                        let Some(client) = client else { continue };
                        offer.programs.insert(window, client);
                        self.programs.insert(client, (login, window));
                        take(overlay, client, &text);
                    }
                    Some(Told::Gone(window)) => {
                        if let Some(client) = offer.programs.remove(&window) {
                            overlay.detach(client);
                            self.programs.remove(&client);
                        }
                    }
                    None => {
                        debug!(%login, "the display is gone");
                        for client in std::mem::take(&mut offer.programs).into_values() {
                            overlay.detach(client);
                            self.programs.remove(&client);
                        }
                        offer.start_after(RETRY);
                        break;
                    }
                }
            }
        }
        any
    }

    /// Says a line to a program; false if it is not on a display.
    pub(crate) fn say(&mut self, overlay: &mut Overlay, client: ClientId, line: &str) -> bool {
        let Some(&(login, window)) = self.programs.get(&client) else { return false };
        let Some(offer) = self.of.get_mut(&login) else { return false };
        let State::Up(place) = &offer.state else { return true };
        if place.said.try_send((window, self.disorder.cut(line))).is_err() {
            debug!(?client, "program dropped: the display does not take more");
            overlay.detach(client);
            offer.programs.remove(&window);
            self.programs.remove(&client);
        }
        true
    }

    /// A Skype quits: its mark goes, and with it everybody who is attached.
    pub(crate) fn quit(&mut self, login: UserHandle) {
        if let Some(offer) = self.of.get_mut(&login) {
            offer.programs.clear();
            offer.state = State::Down;
            self.programs.retain(|_, (of, _)| *of != login);
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
        let display = self.display.clone();
        self.state = State::Starting(Box::pin(async move {
            tokio::time::sleep(delay).await;
            Place::take(display).await
        }));
    }

    fn poll_start(&mut self, cx: &mut Context<'_>) {
        let State::Starting(start) = &mut self.state else { return };
        match start.as_mut().poll(cx) {
            Poll::Ready(Ok(place)) => self.state = State::Up(place),
            Poll::Ready(Err(error)) => {
                debug!(%error, "the display is tried again");
                self.start_after(RETRY);
                cx.waker().wake_by_ref();
            }
            Poll::Pending => {}
        }
    }
}

impl Place {
    async fn take(display: String) -> Result<Self, BindError> {
        let shown = display.clone();
        let taken = tokio::task::spawn_blocking(move || Self::take_blocking(&display)).await;
        taken.unwrap_or_else(|error| {
            let source = Box::new(ScreenError::Failed(error.to_string()));
            Err(BindError::Display { display: shown, source })
        })
    }

    fn take_blocking(display: &str) -> Result<Self, BindError> {
        let failed =
            |source| BindError::Display { display: display.to_owned(), source: Box::new(source) };
        let screen = Arc::new(Screen::open(Some(display)).map_err(failed)?);
        // A mark whose window is gone was left behind; its number may be ours now.
        if let Some(other) = screen.instance().map_err(failed)?
            && other != screen.window()
            && screen.watch(other).map_err(failed)?
        {
            return Err(BindError::DisplayTaken { display: display.to_owned() });
        }
        screen.set_instance().map_err(failed)?;
        let (hears, heard) = mpsc::channel(WAITING_MAX);
        let (said, says) = mpsc::channel(WAITING_MAX);
        let reader = Arc::clone(&screen);
        let no_thread =
            |error: io::Error| failed(ScreenError::Failed(format!("no thread for it: {error}")));
        let spawned = thread::Builder::new().name("skype-in".to_owned());
        spawned.spawn(move || read(&reader, &hears)).map_err(no_thread)?;
        let spawned = thread::Builder::new().name("skype-out".to_owned());
        spawned.spawn(move || write(&screen, says)).map_err(no_thread)?;
        Ok(Self { heard, said })
    }
}

fn read(screen: &Screen, hears: &mpsc::Sender<Told>) {
    let mut joiner = Joiner::default();
    let mut watched = BTreeMap::new();
    loop {
        let heard = match screen.wait(&mut joiner) {
            Ok(Heard::Message { from, text }) => {
                // Its end is to be heard of; who is gone already says nothing.
                let is_there =
                    *watched.entry(from).or_insert_with(|| screen.watch(from).unwrap_or_default());
                if !is_there {
                    watched.remove(&from);
                    continue;
                }
                Told::Line { window: from, text }
            }
            Ok(Heard::WindowGone(window)) => {
                watched.remove(&window);
                Told::Gone(window)
            }
            Ok(Heard::Dropped | Heard::InstanceChanged) => continue,
            Ok(Heard::Stopped) | Err(_) => return,
        };
        if hears.blocking_send(heard).is_err() {
            return;
        }
    }
}

fn write(screen: &Screen, mut says: mpsc::Receiver<(u32, Vec<Piece>)>) {
    while let Some((window, pieces)) = says.blocking_recv() {
        if screen.send_pieces(window, pieces).is_err() {
            return;
        }
    }
    // First the mark, then the window.
    if screen.clear_instance().is_ok() {
        thread::sleep(WINDOW_STAYS);
    }
    screen.stop();
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
