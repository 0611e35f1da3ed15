//! The near end: takes SOCKS requests, opens a stream for each, carries octets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ap2ap_tokio::{Connection, Stream};
use socks_front::{Acceptor, Address, Reply, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, error_span};
use tunnel_proto::{Answer, Cause, DomainName, Host, Open, Target};

use crate::Ended;
use crate::code;
use crate::line::Line;
use crate::roster::Roster;
use crate::session::{CONNECTION_WAIT, Session};
use crate::splice::{reset_on_close, splice};
use crate::tcp::TcpBuffers;

/// Requests that a client serves at once; more wait in the listener's queue. Each holds a socket
/// and about 20 KiB.
pub const REQUESTS_MAX: usize = 2048;

/// A request is tried over one connection for each of the bridge's addresses, and over so many more:
/// an overlay that restarts may take a few down before one stays.
const TRIES_BEYOND_PEERS: usize = 7;

/// The near end of the tunnel.
#[derive(Debug)]
pub struct Client {
    session: Arc<Session>,
    requests: Arc<Semaphore>,
    buffers: TcpBuffers,
}

/// What a stream's far end answered, and what of the payload came with it.
struct Opened {
    stream: Stream,
    answer: Answer,
    ahead: Vec<u8>,
    /// `stream{id, request}`, inside its connection's.
    span: Span,
}

/// A request's number: it is one request for as long as it takes, however many streams that takes.
#[derive(Clone, Copy, Debug)]
struct RequestId(u64);

impl Client {
    /// A client that sends everything to the session's bridge.
    #[must_use]
    pub fn new(session: Session) -> Self {
        let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
        Self { session: Arc::new(session), requests, buffers: TcpBuffers::default() }
    }

    /// How much may wait in the kernel for the SOCKS clients' connections. The listener is to be
    /// from [`TcpBuffers::listen`].
    #[must_use]
    pub const fn with_tcp_buffers(mut self, buffers: TcpBuffers) -> Self {
        self.buffers = buffers;
        self
    }

    /// The session, for whoever asks how things stand.
    #[must_use]
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Serves the SOCKS clients of `front` until `stop` is cancelled or every carrier is gone for
    /// good. Connections that are open then are reset.
    pub async fn run(self, front: Acceptor, stop: CancellationToken) -> Ended {
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Stopped,
            refusal = self.session.keep_up() => Ended::CarriersGone(refusal),
            () = self.serve_all(front) => Ended::Stopped,
        };
        self.session.shutdown().await;
        ended
    }

    async fn serve_all(&self, mut front: Acceptor) {
        let mut tasks = JoinSet::new();
        let mut count: u64 = 0;
        while let Ok(permit) = Arc::clone(&self.requests).acquire_owned().await {
            let request = front.accept().await;
            while tasks.try_join_next().is_some() {}
            let session = Arc::clone(&self.session);
            let id = RequestId(count);
            count = count.saturating_add(1);
            // At the level of errors, so that whatever is logged inside it has it.
            let span = error_span!("request", id = id.0);
            let buffers = self.buffers;
            let served = async move {
                serve(&session, id, request, buffers).await;
                drop(permit);
            };
            tasks.spawn(served.instrument(span));
        }
    }
}

async fn serve(session: &Session, id: RequestId, mut request: Request, buffers: TcpBuffers) {
    let Ok(target) = target(request.address()) else {
        answer_client(request.refuse(Reply::HostUnreachable)).await;
        return;
    };
    let opened = tokio::select! {
        opened = open(session, id, target) => opened,
        () = request.client_gone() => {
            debug!("the SOCKS client left while its request was under way");
            return;
        }
    };
    match opened {
        Ok(opened) => {
            let span = opened.span.clone();
            carry(opened, request, (buffers, session.roster())).instrument(span).await;
        }
        Err(error) => {
            debug!(%error, "no stream to the bridge");
            answer_client(request.refuse(no_stream(&error))).await;
        }
    }
}

/// Tells the SOCKS client what was answered, and carries octets if it was connected.
async fn carry(opened: Opened, request: Request, (buffers, roster): (TcpBuffers, &Roster)) {
    let Opened { mut stream, answer, ahead, .. } = opened;
    if answer.cause != Cause::Connected {
        debug!(cause = ?answer.cause, "the bridge did not connect");
        answer_client(request.refuse(reply(answer.cause))).await;
        return;
    }
    let Ok((mut tcp, payload)) = request.accept(answer.bound).await else { return };
    reset_on_close(&tcp);
    if stream.write_all(&payload).await.is_err() || tcp.write_all(&ahead).await.is_err() {
        return;
    }
    debug!("connected");
    let mut open = roster.stream();
    splice(tcp, stream, buffers, &mut open.carried).await;
}

async fn answer_client(answered: impl Future<Output = io::Result<()>>) {
    if let Err(error) = answered.await {
        debug!(kind = ?error.kind(), "the SOCKS client left before its reply");
    }
}

/// Opens a stream to the target and waits for the answer. What was asked over a connection that
/// turns out dead, or falls silent and is replaced, is asked again over the next one: nothing of the
/// payload has left before the answer.
async fn open(session: &Session, id: RequestId, target: Target) -> io::Result<Opened> {
    let open = Open::connect(target);
    let mut failure = io::Error::from(io::ErrorKind::NotConnected);
    let mut deadline = Instant::now() + CONNECTION_WAIT;
    for _ in 0..session.peer_count().saturating_add(TRIES_BEYOND_PEERS) {
        let Ok(Some(mut lease)) = timeout_at(deadline, session.lease()).await else {
            return Err(io::Error::from(io::ErrorKind::NotConnected));
        };
        let (connection, line) = (lease.connection.clone(), lease.line());
        let mut was_up = false;
        let tried = tokio::select! {
            tried = try_open(&connection, id, &open) => Some(tried),
            () = lease.superseded() => None,
            () = late(&line, deadline, &mut was_up) => {
                return Err(io::Error::from(io::ErrorKind::NotConnected));
            }
        };
        if was_up {
            // The bridge was there: whatever it was doing, it may take its time again.
            deadline = Instant::now() + CONNECTION_WAIT;
        }
        match tried {
            Some(Ok(opened)) => return Ok(opened),
            Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(error);
            }
            Some(Err(error)) => failure = error,
            None => {}
        }
    }
    Err(failure)
}

/// Ends when the line is not up by the deadline, or was and is not for as long again; notes that it was.
async fn late(line: &Line, deadline: Instant, was_up: &mut bool) {
    let mut deadline = deadline;
    while timeout_at(deadline, line.answered()).await.is_ok() {
        *was_up = true;
        line.stalled(Duration::ZERO).await;
        deadline = Instant::now() + CONNECTION_WAIT;
    }
}

async fn try_open(connection: &Connection, id: RequestId, open: &Open) -> io::Result<Opened> {
    let mut stream = connection.open_stream().await.map_err(io::Error::other)?;
    let stream_id = stream.id();
    let span = error_span!(parent: connection.span(), "stream", id = %stream_id, request = id.0);
    let mut message = Vec::new();
    open.encode(&mut message);
    stream.write_all(&message).await?;
    let mut input = Vec::new();
    loop {
        match Answer::decode(&input) {
            Ok(Some((answer, used))) => {
                let ahead = input.split_off(used);
                return Ok(Opened { stream, answer, ahead, span });
            }
            Ok(None) => {}
            Err(error) => {
                stream.reset(code::BAD_OPEN);
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, error));
            }
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
    }
}

fn target(address: &Address) -> Result<Target, tunnel_proto::NameError> {
    let host = match &address.host {
        socks_front::Host::Ipv4(ip) => Host::Ipv4(*ip),
        socks_front::Host::Ipv6(ip) => Host::Ipv6(*ip),
        socks_front::Host::Name(name) => Host::Name(DomainName::new(name.as_str().as_bytes())?),
    };
    Ok(Target { host, port: address.port })
}

/// What a client is told whose request did not reach the bridge, or had no answer.
fn no_stream(error: &io::Error) -> Reply {
    if error.kind() == io::ErrorKind::NotConnected {
        return Reply::NetworkUnreachable;
    }
    Reply::GeneralFailure
}

fn reply(cause: Cause) -> Reply {
    match cause {
        Cause::Connected => Reply::Succeeded,
        Cause::NotAllowed => Reply::NotAllowed,
        Cause::NetworkUnreachable => Reply::NetworkUnreachable,
        Cause::HostUnreachable => Reply::HostUnreachable,
        Cause::Refused => Reply::Refused,
        Cause::TimedOut => Reply::TimedOut,
        Cause::NameNotFound => Reply::NameNotFound,
        Cause::Unsupported => Reply::CommandNotSupported,
        Cause::BridgeFailure => Reply::GeneralFailure,
        _ => Reply::GeneralFailure,
    }
}
