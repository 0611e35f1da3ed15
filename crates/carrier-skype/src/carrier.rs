//! The carrier over a Unix socket, a bus or a display: the machine, an attach point, and a timer.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use carrier::{Carrier, CarrierEvent, CarrierPath, OpenError, PeerId, SendError};
use skype_api::attach::unix::UnixAttach;
use skype_api::attach::{Attach, TrySendError};
use skype_api::{AppName, ProgramName, SessionConfig};
use tokio::net::UnixStream;
use tokio::time::Sleep;

use crate::counters::Counters;
use crate::error::{AttachError, End};
use crate::machine::Machine;

/// Attaching takes no longer than this. A user who is asked for consent has that long to answer.
pub const ATTACH_TIMEOUT: Duration = Duration::from_secs(30);

/// What Skype's consent dialog calls this program if nothing else is said: a word that tells
/// nothing.
pub const PROGRAM_DEFAULT: &str = "extras";

/// Lines and timers handled in one poll before others of the runtime have their turn.
const STEPS_PER_POLL_MAX: usize = 256;

/// Skype as a carrier: an AP2AP stream is a path, and armoured text a datagram.
///
/// It is polled like any other carrier; over a socket it spawns nothing. Dropping it hangs up all its streams,
/// as far as the socket or the bus takes that at once.
#[derive(Debug)]
pub struct SkypeCarrier {
    machine: Machine,
    attach: Attach,
    /// Armed to the machine's time-out.
    sleep: Pin<Box<Sleep>>,
    waker: Waker,
}

impl SkypeCarrier {
    /// Attaches to the Skype whose socket is at `path`, as [`PROGRAM_DEFAULT`]. Both ends of a path
    /// need the same `app`; see [`app_name`](crate::app_name).
    ///
    /// # Errors
    /// [`AttachError`] says what is wrong and what can be done.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn attach_unix(path: &Path, app: AppName) -> Result<Self, AttachError> {
        Self::attach_unix_as(path, program(), app).await
    }

    /// The same under another name in Skype's consent dialog.
    ///
    /// # Errors
    /// [`AttachError`] says what is wrong and what can be done.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn attach_unix_as(
        path: &Path,
        program: ProgramName,
        app: AppName,
    ) -> Result<Self, AttachError> {
        let attach = async {
            let io = UnixStream::connect(path)
                .await
                .map_err(|source| AttachError::connect(path, source))?;
            Ok(Attach::Unix(UnixAttach::new(io)))
        };
        let config = SessionConfig::new(program, app);
        Self::attach(attach, &path.display().to_string(), config).await
    }

    /// Attaches to the Skype on the bus at this address, or on the session bus, as [`PROGRAM_DEFAULT`].
    ///
    /// # Errors
    /// [`AttachError`] says what is wrong and what can be done.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    #[cfg(feature = "dbus")]
    pub async fn attach_dbus(address: Option<&str>, app: AppName) -> Result<Self, AttachError> {
        let attach = async {
            let attach = skype_api::attach::dbus::connect(address).await?;
            Ok(Attach::Dbus(attach))
        };
        let at = address.unwrap_or("the session bus");
        Self::attach(attach, at, SessionConfig::new(program(), app)).await
    }

    /// Attaches to the Skype on this display, or on that of the environment, as [`PROGRAM_DEFAULT`].
    ///
    /// # Errors
    /// [`AttachError`] says what is wrong and what can be done.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    #[cfg(feature = "x11")]
    pub async fn attach_x11(display: Option<&str>, app: AppName) -> Result<Self, AttachError> {
        let asked = display.map(str::to_owned);
        let attach = async {
            // Some round trips to the display, which may be far away.
            let connect = move || skype_api::attach::x11::connect(asked.as_deref());
            let attach = tokio::task::spawn_blocking(connect).await;
            Ok(Attach::X11(attach.expect("connecting does not panic")?))
        };
        let at = display.unwrap_or("the environment's display");
        Self::attach(attach, at, SessionConfig::new(program(), app)).await
    }

    /// Reaches a Skype, and is let in by it.
    async fn attach(
        reached: impl Future<Output = Result<Attach, AttachError>>,
        at: &str,
        config: SessionConfig,
    ) -> Result<Self, AttachError> {
        let attach = async {
            let mut carrier = Self::new(reached.await?, config);
            poll_fn(|cx| carrier.poll_until(cx, clock(), Machine::attached))
                .await
                .map_err(|end| AttachError::ended(at, end))?;
            Ok(carrier)
        };
        let timed = tokio::time::timeout(ATTACH_TIMEOUT, attach).await;
        timed.unwrap_or_else(|_| Err(AttachError::Timeout { at: at.to_owned() }))
    }

    /// What was dropped so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let counters = self.machine.counters();
        let nonsense = counters.nonsense.saturating_add(self.attach.nonsense());
        Counters { nonsense, ..counters }
    }

    fn new(attach: Attach, config: SessionConfig) -> Self {
        Self {
            machine: Machine::new(clock(), config),
            attach,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            waker: Waker::noop().clone(),
        }
    }

    /// Listens to Skype until the machine has what `ask` asks for, which is asked before each line
    /// is read: the socket is the only queue.
    fn poll_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut now: Instant,
        mut ask: impl FnMut(&mut Machine) -> Option<T>,
    ) -> Poll<T> {
        self.waker.clone_from(cx.waker());
        for _ in 0..STEPS_PER_POLL_MAX {
            if self.machine.line().is_some() {
                // A failure of writing shows in reading.
                let _flushed = self.attach.poll_flush(cx);
                self.send_lines();
            }
            if let Some(answer) = ask(&mut self.machine) {
                return Poll::Ready(answer);
            }
            if self.machine.end().is_some() {
                return Poll::Pending;
            }
            match self.attach.poll_recv(cx) {
                Poll::Ready(Ok(Some(line))) => self.machine.handle_line(now, line),
                Poll::Ready(Ok(None)) => self.machine.handle_end(End::HungUp),
                Poll::Ready(Err(error)) => self.machine.handle_end(End::Broken(error.kind())),
                Poll::Pending => {
                    self.machine.handle_silence();
                    let Poll::Ready(due) = self.poll_timeout(cx) else {
                        return ask(&mut self.machine).map_or(Poll::Pending, Poll::Ready);
                    };
                    // The timer may be ahead of the caller's clock, and must not ring for ever.
                    now = now.max(due);
                    self.machine.handle_timeout(now);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(at) = self.machine.timeout() else { return Poll::Pending };
        let deadline = tokio::time::Instant::from_std(at);
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx).map(|()| at)
    }

    /// Gives the attach point as many lines as it takes.
    fn send_lines(&mut self) {
        while let Some(line) = self.machine.line() {
            match self.attach.try_send(line) {
                Err(TrySendError::Full) => return,
                // Whether the peer is gone shows in reading; a session writes no bad lines.
                Ok(()) | Err(TrySendError::Closed | TrySendError::Line) => self.machine.line_sent(),
            }
        }
    }

    /// After a call from outside: what it led to is sent, and its owner polls for what it led to.
    fn called(&mut self) {
        self.send_lines();
        self.waker.wake_by_ref();
    }
}

impl Carrier for SkypeCarrier {
    fn open(&mut self, now: Instant, peer: &PeerId) -> Result<CarrierPath, OpenError> {
        let path = self.machine.open(now, peer);
        self.called();
        path
    }

    fn accept(&mut self, _now: Instant, path: CarrierPath) {
        self.machine.accept(path);
        self.called();
    }

    fn reject(&mut self, now: Instant, path: CarrierPath) {
        self.close(now, path);
    }

    fn close(&mut self, now: Instant, path: CarrierPath) {
        self.machine.close(now, path);
        self.called();
    }

    fn try_send(
        &mut self,
        now: Instant,
        path: CarrierPath,
        datagram: &[u8],
    ) -> Result<(), SendError> {
        let sent = self.machine.try_send(now, path, datagram);
        self.send_lines();
        if self.machine.is_busy() {
            self.waker.wake_by_ref();
        }
        sent
    }

    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<CarrierEvent> {
        self.poll_until(cx, now, |machine| machine.poll_event(buf))
    }
}

impl Drop for SkypeCarrier {
    fn drop(&mut self) {
        for line in self.machine.last_words() {
            if self.attach.try_send(&line).is_err() {
                return;
            }
        }
    }
}

/// What the program is called if nothing else is said.
fn program() -> ProgramName {
    ProgramName::new(PROGRAM_DEFAULT).expect("it is one short word")
}

/// Attaching has no owner who says what time it is. Tokio's clock is the one that its timer obeys.
fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}
