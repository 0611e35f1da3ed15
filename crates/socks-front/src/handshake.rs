//! The handshake as a state machine: octets in, one next step out.

use std::borrow::Cow;

use crate::error::{Failure, FirstOctet};
use crate::v5::{self, Method};
use crate::{Address, Auth, Credentials, HandshakeError, Version, v4};

/// The server's side of one SOCKS handshake.
///
/// ```text
///            05 ..           user/password chosen           01 ..
///   Start ----------> Send ----------------------> Auth ----------> Send --+
///     |                 |                                                  |
///     |                 |    no-auth chosen                                v
///     |                 +-----------------------------------------------> Ask --> Request
///     |  04 ..
///     +-------------------------------------------------------------------------> Request
/// ```
///
/// Every state may end in `Failed`. After no-auth a client that sends its credentials all the same is
/// answered as if it had been asked for them: such clients exist, and tor bears with them too.
#[derive(Debug)]
pub struct Handshake {
    auth: Auth,
    state: State,
}

/// What to do next. `consumed` octets are to be dropped from the front of the input before the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a step that is not taken stalls the client"]
pub enum Step {
    /// Nothing is consumed: call again with the same octets and more.
    NeedMore,
    /// Send `octets` now, then step again, with what is left of the input if nothing else.
    Send {
        /// How much of the input is done with.
        consumed: usize,
        /// What to send.
        octets: &'static [u8],
    },
    /// The handshake is over. What follows the consumed octets is the client's payload, sent ahead.
    Request {
        /// How much of the input is done with.
        consumed: usize,
        /// What the client wants; to be answered with [`Reply::encode`](crate::Reply::encode).
        request: Connect,
    },
    /// The handshake is over: send the octets, if any, and close.
    Failed {
        /// What to send; may be empty.
        send: Cow<'static, [u8]>,
        /// Why.
        error: HandshakeError,
    },
}

/// A client's request for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Which replies the client understands.
    pub version: Version,
    /// Where to.
    pub address: Address,
    /// What the client said about itself, if it did and it was of interest.
    pub credentials: Option<Credentials>,
}

#[derive(Debug)]
enum State {
    Start,
    Auth,
    /// The request comes next, or credentials although no-auth was chosen.
    Ask {
        method: Method,
        credentials: Option<Credentials>,
    },
    Over,
}

/// Who speaks HTTP to us is told so in HTTP, on a page a browser will show.
const HTTP_ANSWER: &[u8] = b"HTTP/1.0 501 This is a SOCKS proxy, not an HTTP proxy\r\n\
    Content-Type: text/plain\r\n\r\n\
    This is a SOCKS proxy (4, 4a and 5), not an HTTP proxy: please set it so in your client.\n";

impl Handshake {
    /// With this many octets of input [`Handshake::step`] never says [`Step::NeedMore`].
    pub const INPUT_LEN_MAX: usize = if v4::REQUEST_LEN_MAX > v5::MESSAGE_LEN_MAX {
        v4::REQUEST_LEN_MAX
    } else {
        v5::MESSAGE_LEN_MAX
    };

    /// A handshake with a client of whom nothing is known yet.
    #[must_use]
    pub const fn new(auth: Auth) -> Self {
        Self { auth, state: State::Start }
    }

    /// Looks at what the client sent and is not consumed yet, and says the next step.
    ///
    /// The input may be cut anywhere. Once the step is another than [`Step::NeedMore`], more input would
    /// not have changed it.
    pub fn step(&mut self, input: &[u8]) -> Step {
        // Parsers look, they do not take: the state is only replaced by a step that moves.
        let moved = match &mut self.state {
            State::Start => start(input, &self.auth),
            State::Auth => authenticate(input, &self.auth),
            State::Ask { method: Method::None, .. } if input.first() == Some(&v5::AUTH_VERSION) => {
                authenticate(input, &self.auth)
            }
            State::Ask { credentials, .. } => ask(input, credentials),
            State::Over => Err(Failure::silent(HandshakeError::Over)),
        };
        let (state, step) = match moved {
            Ok(None) => return Step::NeedMore,
            Ok(Some(moved)) => moved,
            Err(Failure { send, error }) => (State::Over, Step::Failed { send, error }),
        };
        self.state = state;
        step
    }
}

type Moved = Result<Option<(State, Step)>, Failure>;

/// Sniffs on one octet, for a client may send its first one alone and wait.
fn start(input: &[u8], auth: &Auth) -> Moved {
    let Some(&first) = input.first() else { return Ok(None) };
    match first {
        v4::VERSION => start_v4(input, auth),
        v5::VERSION => start_v5(input, auth),
        // GET, HEAD, POST, PUT, PATCH, CONNECT, DELETE, OPTIONS, TRACE.
        b'G' | b'H' | b'P' | b'C' | b'D' | b'O' | b'T' => {
            Err(Failure::with(HTTP_ANSWER, HandshakeError::Http))
        }
        other => Err(Failure::silent(HandshakeError::NotSocks { first: FirstOctet(other) })),
    }
}

fn start_v4(input: &[u8], auth: &Auth) -> Moved {
    let request = v4::read_request(input, auth)?;
    Ok(request.map(|(request, consumed)| (State::Over, Step::Request { consumed, request })))
}

fn start_v5(input: &[u8], auth: &Auth) -> Moved {
    let Some((method, consumed)) = v5::read_greeting(input, auth)? else { return Ok(None) };
    let state = match method {
        Method::None => State::Ask { method, credentials: None },
        Method::UserPassword => State::Auth,
    };
    Ok(Some((state, Step::Send { consumed, octets: method.answer() })))
}

fn authenticate(input: &[u8], auth: &Auth) -> Moved {
    let Some((done, consumed)) = v5::read_credentials(input, auth)? else { return Ok(None) };
    // Whichever way they came, credentials are said once.
    let state = State::Ask { method: Method::UserPassword, credentials: done.credentials };
    Ok(Some((state, Step::Send { consumed, octets: done.answer })))
}

fn ask(input: &[u8], credentials: &mut Option<Credentials>) -> Moved {
    let Some((address, consumed)) = v5::read_request(input)? else { return Ok(None) };
    let request = Connect { version: Version::V5, address, credentials: credentials.take() };
    Ok(Some((State::Over, Step::Request { consumed, request })))
}
