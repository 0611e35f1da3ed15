//! Listening for SOCKS clients on tokio: limits for those who are slow, many or silent.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{self, Instant};
use tracing::{debug, error, trace, warn};

use crate::request::{Request, close_gently};
use crate::{Auth, Handshake, HandshakeError, Step};

/// What is asked of clients, and how much is borne.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who is let in.
    pub auth: Auth,
    /// How long a whole handshake may take. A client on this machine takes a millisecond, one behind a slow
    /// and lossy link a few seconds.
    pub handshake_timeout: Duration,
    /// How many handshakes may be going on at once. Further clients wait in the listener's queue until
    /// one is through, or the oldest has had a quarter of a second and gives way.
    pub half_open_max: usize,
}

impl Config {
    /// The default of [`Config::handshake_timeout`].
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// The default of [`Config::half_open_max`]: more than a browser opens at once, and at about 2 KiB
    /// each half a megabyte.
    pub const HALF_OPEN_MAX: usize = 256;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auth: Auth::default(),
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
            half_open_max: Self::HALF_OPEN_MAX,
        }
    }
}

/// Why a client did not get as far as a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The client broke a rule; it has been told.
    #[error("SOCKS handshake failed")]
    Handshake(#[from] HandshakeError),
    /// The handshake took longer than [`Config::handshake_timeout`].
    #[error("SOCKS handshake not finished in time")]
    TimedOut,
    /// The client closed in the middle of its handshake, or before it.
    #[error("the client left during its SOCKS handshake")]
    Left,
    /// The connection failed.
    #[error("{doing} a SOCKS client failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for SOCKS clients on {addr}: {}", remedy(source))]
pub struct BindError {
    addr: SocketAddr,
    source: io::Error,
}

/// Shakes hands with the client on `stream`, within [`Config::handshake_timeout`] in all.
///
/// # Errors
/// There was no request; the client has been told why, if there was anything to tell, and is disconnected.
pub async fn accept(stream: TcpStream, config: &Config) -> Result<Request, AcceptError> {
    // Replies are small and waited for. If the client is gone already, reading will say so.
    let _ = stream.set_nodelay(true);
    time::timeout(
        config.handshake_timeout,
        shake_hands(stream, Handshake::new(config.auth.clone())),
    )
    .await
    .unwrap_or(Err(AcceptError::TimedOut))
}

async fn shake_hands(
    mut stream: TcpStream,
    mut handshake: Handshake,
) -> Result<Request, AcceptError> {
    let mut input = Vec::new();
    loop {
        match handshake.step(&input) {
            Step::NeedMore => read_more(&mut stream, &mut input).await?,
            Step::Send { consumed, octets } => {
                input.drain(..consumed);
                stream.write_all(octets).await.map_err(failed("answering"))?;
            }
            Step::Request { consumed, request } => {
                input.drain(..consumed);
                return Ok(Request::new(stream, request, input));
            }
            Step::Failed { send, error } => {
                // That it went wrong is what counts; whether the client heard so is not.
                let _ = close_gently(stream, &send).await;
                return Err(error.into());
            }
        }
    }
}

/// Reads once. `input` stays below [`Handshake::INPUT_LEN_MAX`] and one read.
async fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<(), AcceptError> {
    let mut chunk = [0; 1024];
    match stream.read(&mut chunk).await.map_err(failed("reading from"))? {
        0 => Err(AcceptError::Left),
        len => {
            input.extend(chunk.iter().take(len));
            Ok(())
        }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> AcceptError {
    move |source| AcceptError::Io { doing, source }
}

/// Listens for clients and yields those who have got as far as a request.
///
/// Handshakes go on side by side as tokio tasks, and end with the acceptor. New clients are taken
/// while [`Acceptor::accept`] is waited for.
///
/// ```
/// use socks_front::{Acceptor, Config, Reply, Request};
/// use tokio::net::TcpStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// /// Joins a client to where it wants to go.
/// async fn serve(mut request: Request) -> std::io::Result<()> {
///     let Some(target) = request.address().socket_addr() else {
///         return request.refuse(Reply::NameNotFound).await;
///     };
///     let connected = tokio::select! {
///         connected = TcpStream::connect(target) => connected,
///         () = request.client_gone() => return Ok(()),
///     };
///     match connected {
///         Ok(far) => {
///             let (_near, _sent_ahead) = request.accept(far.local_addr().ok()).await?;
///             Ok(()) // send what came ahead to the far end, then copy both ways
///         }
///         Err(error) => request.refuse(Reply::from_io(&error)).await,
///     }
/// }
///
/// let mut acceptor = Acceptor::bind(([127, 0, 0, 1], 0).into(), Config::default()).await?;
/// # let addr = acceptor.local_addr();
/// # tokio::spawn(async move {
/// #     use tokio::io::AsyncWriteExt;
/// #     let mut client = TcpStream::connect(addr).await.unwrap();
/// #     client.write_all(b"\x04\x01\0\x50\0\0\0\x01\0a.test\0").await.unwrap();
/// # });
/// let request = acceptor.accept().await;
/// serve(request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    local_addr: SocketAddr,
    config: Config,
    handshakes: JoinSet<Result<Request, AcceptError>>,
    /// Since when, oldest first. Never above [`Config::half_open_max`].
    half_open: VecDeque<(Instant, AbortHandle)>,
    /// A descriptor to give up when there are none left, so that a client can be taken and closed rather
    /// than left hanging in the backlog, over which the listener would stay readable and we would spin.
    reserve: Option<UdpSocket>,
    /// A shortage has been reported, and no client could be taken since.
    short: bool,
}

/// A handshake is not given up for another client before it has had this long: in a burst of clients
/// who mean it, all are through within.
const GRACE: Duration = Duration::from_millis(250);

/// How long to wait when descriptors are short and the reserve is gone too.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

impl Acceptor {
    /// Listens on `addr`; port 0 picks a free one.
    ///
    /// # Errors
    /// The address is in use, not ours, or not allowed.
    pub async fn bind(addr: SocketAddr, config: Config) -> Result<Self, BindError> {
        let failed = |source| BindError { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        Self::new(listener, config).map_err(failed)
    }

    /// Listens on `addr` with a socket that `listen` makes: options that bear on the TCP handshake,
    /// such as buffer sizes, must be set before.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(
        addr: SocketAddr,
        config: Config,
        listen: impl FnOnce(SocketAddr) -> io::Result<TcpListener>,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { addr, source };
        Self::new(listen(addr).map_err(failed)?, config).map_err(failed)
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// The system does not tell its address.
    pub fn new(listener: TcpListener, config: Config) -> io::Result<Self> {
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            config,
            handshakes: JoinSet::new(),
            half_open: VecDeque::new(),
            reserve: reserve(),
            short: false,
        })
    }

    /// Waits for the next request. May be dropped while waiting; no client is lost by it.
    pub async fn accept(&mut self) -> Request {
        loop {
            let room_at = self.room_at();
            tokio::select! {
                biased;
                Some(done) = self.handshakes.join_next_with_id() => {
                    if let Some(request) = self.finish(done) {
                        return request;
                    }
                }
                accepted = accept_at(&self.listener, room_at) => match accepted {
                    Ok((stream, _)) => self.start(stream),
                    Err(error) => self.bear(&error).await,
                },
            }
        }
    }

    /// Where clients are listened for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// How many handshakes are going on.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    fn start(&mut self, stream: TcpStream) {
        self.short = false;
        // Those who mean it are through in a round trip: the oldest is the likeliest to be idle.
        while self.half_open.len() >= self.config.half_open_max.max(1) {
            let Some((_, oldest)) = self.half_open.pop_front() else { break };
            oldest.abort();
            debug!(
                half_open_max = self.config.half_open_max,
                "dropped the oldest half-open SOCKS client"
            );
        }
        let config = self.config.clone();
        let handle = self.handshakes.spawn(async move { accept(stream, &config).await });
        self.half_open.push_back((Instant::now(), handle));
    }

    /// When there is room for one more client, if not now.
    fn room_at(&self) -> Option<Instant> {
        let is_full = self.half_open.len() >= self.config.half_open_max.max(1);
        self.half_open.front().filter(|_| is_full).map(|(since, _)| *since + GRACE)
    }

    fn finish(
        &mut self,
        done: Result<(tokio::task::Id, Result<Request, AcceptError>), JoinError>,
    ) -> Option<Request> {
        let (id, result) = match done {
            Ok((id, result)) => (id, Some(result)),
            Err(error) => {
                if error.is_panic() {
                    error!("a SOCKS handshake panicked");
                }
                (error.id(), None)
            }
        };
        self.half_open.retain(|(_, handle)| handle.id() != id);
        match result? {
            Ok(request) => Some(request),
            // A port scanner or a client's probe (nc opens and drops one).
            Err(AcceptError::Left) => {
                trace!("a SOCKS client left during its handshake");
                None
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                debug!(error, "no SOCKS request");
                None
            }
        }
    }

    /// A failed accept is either about one client who is gone again, or a shortage.
    async fn bear(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        if !std::mem::replace(&mut self.short, true) {
            warn!(%error, "closing new SOCKS clients: raise the limit of open files (ulimit -n)");
        }
        if self.reserve.take().is_some() {
            // With the descriptor just freed, and at once: Linux reports the shortage even if no client is
            // waiting, and were we dropped here, the descriptor would be somebody else's.
            let shed = poll_fn(|cx| Poll::Ready(self.listener.poll_accept(cx))).await;
            drop(shed);
            self.reserve = reserve();
        }
        if self.reserve.is_none() {
            time::sleep(SHORTAGE_PAUSE).await;
            self.reserve = reserve();
        }
    }
}

async fn accept_at(
    listener: &TcpListener,
    at: Option<Instant>,
) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(at) = at {
        time::sleep_until(at).await;
    }
    listener.accept().await
}

fn remedy(error: &io::Error) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "std's enum grows, our advice does not")]
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use, stop the other program or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address, choose 127.0.0.1",
        io::ErrorKind::PermissionDenied => "not permitted, choose a port above 1023",
        _ => "the system refuses",
    }
}

/// Any descriptor will do; this kind exists on every system.
fn reserve() -> Option<UdpSocket> {
    UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).ok()
}
