//! Other transports over the same relays, doing the same work.

pub mod kcp;
pub mod quic;
pub mod tcp;
