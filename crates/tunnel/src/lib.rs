//! The tunnel between a SOCKS client and a bridge: requests become streams, streams become TCP connections.
