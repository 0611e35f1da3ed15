//! The three messages of a SOCKS 5 client: greeting, credentials (RFC 1929), request (RFC 1928).

use std::num::NonZeroU16;

use crate::error::Failure;
use crate::reader::Reader;
use crate::reply::{ATYP_IPV4, ATYP_IPV6, ATYP_NAME};
use crate::{Address, Auth, Credentials, DomainName, HandshakeError, Host, NameError, Version};

pub(crate) const VERSION: u8 = 5;
pub(crate) const AUTH_VERSION: u8 = 1;

const COMMAND_CONNECT: u8 = 1;
const METHOD_NONE: u8 = 0x00;
const METHOD_USER_PASSWORD: u8 = 0x02;

/// The longest message, in octets: credentials of 255 each.
pub(crate) const MESSAGE_LEN_MAX: usize = 1 + 2 * (1 + Credentials::PART_LEN_MAX);

const CHOOSE_NONE: &[u8] = &[VERSION, METHOD_NONE];
const CHOOSE_USER_PASSWORD: &[u8] = &[VERSION, METHOD_USER_PASSWORD];
const CHOOSE_NOTHING: &[u8] = &[VERSION, 0xff];
const CREDENTIALS_ACCEPTED: &[u8] = &[AUTH_VERSION, 0];
const CREDENTIALS_REFUSED: &[u8] = &[AUTH_VERSION, 1];

/// How the client will authenticate itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    None,
    UserPassword,
}

impl Method {
    /// The answer to the greeting.
    pub(crate) const fn answer(self) -> &'static [u8] {
        match self {
            Self::None => CHOOSE_NONE,
            Self::UserPassword => CHOOSE_USER_PASSWORD,
        }
    }
}

/// Reads `05 COUNT METHOD...` and chooses. What else is offered, GSSAPI (01) above all, is not looked at.
pub(crate) fn read_greeting(input: &[u8], auth: &Auth) -> Result<Option<(Method, usize)>, Failure> {
    let mut reader = Reader::new(input);
    let Some(_version) = reader.octet() else { return Ok(None) };
    let Some(offered) = reader.counted() else { return Ok(None) };
    let none = offered.contains(&METHOD_NONE);
    let user_password = offered.contains(&METHOD_USER_PASSWORD);
    let method = match auth {
        Auth::Any | Auth::Exactly(_) if user_password => Method::UserPassword,
        Auth::Any | Auth::None if none => Method::None,
        Auth::Any | Auth::None | Auth::Exactly(_) => {
            return Err(Failure::with(CHOOSE_NOTHING, HandshakeError::NoAcceptableMethod));
        }
    };
    Ok(Some((method, reader.used())))
}

/// What comes of a user/password message.
pub(crate) struct Authenticated {
    /// The octets that say so to the client.
    pub(crate) answer: &'static [u8],
    /// Unless they are of no interest ([`Auth::None`]).
    pub(crate) credentials: Option<Credentials>,
}

/// Reads `01 LEN USER LEN PASSWORD`; either may be empty, as it is with curl and tor.
pub(crate) fn read_credentials(
    input: &[u8],
    auth: &Auth,
) -> Result<Option<(Authenticated, usize)>, Failure> {
    let mut reader = Reader::new(input);
    let Some(version) = reader.octet() else { return Ok(None) };
    if version != AUTH_VERSION {
        let error = HandshakeError::AuthVersion(version);
        return Err(Failure::with(CREDENTIALS_REFUSED, error));
    }
    let Some(user) = reader.counted() else { return Ok(None) };
    let Some(password) = reader.counted() else { return Ok(None) };
    let said = Credentials::unbounded(user, password);
    let credentials = match auth {
        Auth::None => None,
        Auth::Exactly(expected) if !expected.matches(&said) => {
            let error = HandshakeError::WrongCredentials;
            return Err(Failure::with(CREDENTIALS_REFUSED, error));
        }
        Auth::Any | Auth::Exactly(_) => Some(said),
    };
    Ok(Some((Authenticated { answer: CREDENTIALS_ACCEPTED, credentials }, reader.used())))
}

/// Reads the request:
///
/// ```text
///   05 COMMAND RSV 01 IP(4)          PORT(2)
///                  03 LEN NAME
///                  04 IP(16)
/// ```
pub(crate) fn read_request(input: &[u8]) -> Result<Option<(Address, usize)>, Failure> {
    let mut reader = Reader::new(input);
    let Some(version) = reader.octet() else { return Ok(None) };
    if version != VERSION {
        return Err(refusal(HandshakeError::RequestVersion(version)));
    }
    let Some([command, _reserved, atyp]) = reader.array() else { return Ok(None) };
    let Some(host) = read_host(&mut reader, command, atyp)? else { return Ok(None) };
    let Some(port) = reader.port() else { return Ok(None) };

    // Judged only when it is all read: unread octets would turn our close into a reset.
    if command != COMMAND_CONNECT {
        return Err(refusal(HandshakeError::Command(command)));
    }
    let host = host.map_err(|error| refusal(error.into()))?;
    let port = NonZeroU16::new(port).ok_or_else(|| refusal(HandshakeError::PortZero))?;
    Ok(Some((Address { host, port }, reader.used())))
}

/// The inner result is a host or what is wrong with its name.
fn read_host(
    reader: &mut Reader<'_>,
    command: u8,
    atyp: u8,
) -> Result<Option<Result<Host, NameError>>, Failure> {
    match atyp {
        ATYP_IPV4 => Ok(reader.ipv4().map(|ip| Ok(Host::Ipv4(ip)))),
        ATYP_IPV6 => Ok(reader.ipv6().map(|ip| Ok(Host::Ipv6(ip)))),
        ATYP_NAME => Ok(reader.counted().map(Host::from_name_field)),
        // Where the message ends is not known, so it is judged here.
        _ if command != COMMAND_CONNECT => Err(refusal(HandshakeError::Command(command))),
        _ => Err(refusal(HandshakeError::AddressType(atyp))),
    }
}

fn refusal(error: HandshakeError) -> Failure {
    Failure::refusal(Version::V5, error)
}

const _: () = assert!(
    MESSAGE_LEN_MAX >= 4 + 1 + DomainName::MAX_LEN + 2 && MESSAGE_LEN_MAX >= 2 + 255,
    "no request or greeting is longer than the longest credentials"
);
