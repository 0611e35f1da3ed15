//! What can be wrong with the octets that open a tunnel stream.

use crate::NameError;

/// The other end broke a rule of the format; the stream is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The high four bits of the first octet are not the version spoken here.
    #[error("tunnel version {0} is not spoken here: update the older of the two ends")]
    Version(u8),
    /// The command bits name no command.
    #[error("tunnel command {0} is not known")]
    Command(u8),
    /// The address-kind bits name no kind that may stand here.
    #[error("tunnel address kind {0} is not known")]
    AddressKind(u8),
    /// Bits that must be zero are not.
    #[error("reserved bits {0:#04x} are set")]
    Reserved(u8),
    /// No such cause in an answer.
    #[error("tunnel answer {0} is not known")]
    Cause(u8),
    /// Nothing can listen on port 0.
    #[error("port 0 cannot be connected to")]
    PortZero,
    /// The host is no name that may travel.
    #[error("bad host name in a tunnel request")]
    Name(#[from] NameError),
}
