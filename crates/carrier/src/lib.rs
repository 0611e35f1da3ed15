//! The trait for an overlay that carries datagrams between two logins.
