//! SOCKS 4 and 4a: one request, one reply.

use std::num::NonZeroU16;

use crate::error::Failure;
use crate::reader::Reader;
use crate::{Address, Auth, Connect, Credentials, DomainName, HandshakeError, Host, Version};

pub(crate) const VERSION: u8 = 4;

const COMMAND_CONNECT: u8 = 1;

/// The longest user id, in octets. tor sends a transport's arguments there, 510 at most over SOCKS 5.
pub(crate) const USER_ID_LEN_MAX: usize = 512;

/// The longest request, in octets: head, user id and NUL, name and NUL.
pub(crate) const REQUEST_LEN_MAX: usize = 8 + USER_ID_LEN_MAX + 1 + DomainName::MAX_LEN + 1;

/// Reads the whole session of the client:
///
/// ```text
///   04 COMMAND PORT(2) IP(4) USERID 00              SOCKS 4
///   04 COMMAND PORT(2) 00 00 00 x USERID 00 NAME 00     4a, x is not 0
/// ```
pub(crate) fn read_request(input: &[u8], auth: &Auth) -> Result<Option<(Connect, usize)>, Failure> {
    let mut reader = Reader::new(input);
    let Some([_version, command]) = reader.array() else { return Ok(None) };
    let Some(port) = reader.port() else { return Ok(None) };
    let Some(ip) = reader.ipv4() else { return Ok(None) };
    let Some(user_id) = read_field(&mut reader, USER_ID_LEN_MAX)? else { return Ok(None) };
    let name = if matches!(ip.octets(), [0, 0, 0, mark] if mark != 0) {
        let Some(name) = read_field(&mut reader, DomainName::MAX_LEN)? else { return Ok(None) };
        Some(name)
    } else {
        None
    };

    // Judged only when it is all read: unread octets would turn our close into a reset.
    if matches!(auth, Auth::Exactly(_)) {
        return Err(refusal(HandshakeError::WrongCredentials));
    }
    if command != COMMAND_CONNECT {
        return Err(refusal(HandshakeError::Command(command)));
    }
    let host = match name {
        Some(name) => Host::from_name_field(name).map_err(|error| refusal(error.into()))?,
        None => Host::Ipv4(ip),
    };
    let port = NonZeroU16::new(port).ok_or_else(|| refusal(HandshakeError::PortZero))?;
    let credentials = (matches!(auth, Auth::Any) && !user_id.is_empty())
        .then(|| Credentials::unbounded(user_id, b""));
    let connect = Connect { version: Version::V4, address: Address { host, port }, credentials };
    Ok(Some((connect, reader.used())))
}

fn read_field<'a>(reader: &mut Reader<'a>, len_max: usize) -> Result<Option<&'a [u8]>, Failure> {
    reader.until_nul(len_max).map_err(|_| refusal(HandshakeError::FieldTooLong { len_max }))
}

fn refusal(error: HandshakeError) -> Failure {
    Failure::refusal(Version::V4, error)
}
