//! Feeds a handshake from pieces of input and notes all that comes of it.

use socks_front::{Auth, Connect, Handshake, HandshakeError, Step};

/// What came of a client's octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// All octets sent to the client, refusals included.
    pub(crate) sent: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A request, and what the client sent behind it.
    Request(Connect, Vec<u8>),
    Failed(HandshakeError),
    /// The handshake wants more than there was.
    Hungry,
}

/// Feeds `pieces` one after another. What arrives once the handshake is over is payload.
pub(crate) fn drive<'a>(auth: Auth, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut handshake = Handshake::new(auth);
    let mut input = Vec::new();
    let mut sent = Vec::new();
    let mut pieces = pieces.into_iter();
    for piece in pieces.by_ref() {
        input.extend_from_slice(piece);
        loop {
            match handshake.step(&input) {
                Step::NeedMore => break,
                Step::Send { consumed, octets } => {
                    input.drain(..consumed);
                    sent.extend_from_slice(octets);
                }
                Step::Request { consumed, request } => {
                    input.drain(..consumed);
                    input.extend(pieces.flatten());
                    return Outcome { sent, end: End::Request(request, input) };
                }
                Step::Failed { send, error } => {
                    sent.extend_from_slice(&send);
                    return Outcome { sent, end: End::Failed(error) };
                }
            }
        }
        assert!(input.len() < Handshake::INPUT_LEN_MAX, "more than ever needed, and still hungry");
    }
    Outcome { sent, end: End::Hungry }
}

/// The outcome in one piece; all cuts in two, and single octets, must come to the same.
pub(crate) fn drive_all_cuts(auth: &Auth, octets: &[u8]) -> Outcome {
    let whole = drive(auth.clone(), [octets]);
    for at in 0..=octets.len() {
        let (head, tail) = octets.split_at(at);
        assert_eq!(drive(auth.clone(), [head, tail]), whole, "cut at {at}");
    }
    assert_eq!(drive(auth.clone(), octets.chunks(1)), whole, "one octet at a time");
    whole
}
