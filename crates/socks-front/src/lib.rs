//! SOCKS 4, 4a and 5 for servers: a sans-IO handshake and, with feature tokio, an acceptor.
