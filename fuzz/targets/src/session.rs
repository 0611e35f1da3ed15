//! A session of Skype's API, told anything at any time.

use std::time::{Duration, Instant};

use skype_api::x11::{Joiner, PIECE_OCTETS, Piece};
use skype_api::{Command, Event, Line, Output, Session, SessionConfig, StreamRef, UserHandle};

/// Each line of the input is a deed: `+n` lets n seconds pass, `c`, `d` and `s` connect, disconnect and send, `r`
/// begins again, and whatever else there is was said by Skype. What it says is always a command, it always comes to
/// rest, and its events are as its streams are.
#[expect(clippy::disallowed_methods, reason = "any origin will do")]
pub fn skype_session(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let config = SessionConfig::new("fuzz".parse().unwrap(), "a".parse().unwrap());
    let mut session = Session::new(config);
    let mut now = Instant::now();
    let mut up: Vec<StreamRef> = Vec::new();
    for deed in text.split('\n').take(2_000) {
        let (first, rest) = deed.split_at_checked(1).unwrap_or_default();
        match first {
            "+" => now += Duration::from_secs(rest.parse::<u16>().unwrap_or(1).into()),
            "c" => {
                if let Ok(user) = rest.parse::<UserHandle>() {
                    let _may_be_too_early = session.connect(now, user);
                }
            }
            "d" => {
                if let Ok(stream) = rest.parse() {
                    let _may_be_gone = session.disconnect(now, stream);
                }
            }
            "s" => {
                let (stream, payload) = rest.split_once(' ').unwrap_or((rest, "x"));
                if let Ok(stream) = stream.parse() {
                    let _may_be_gone = session.send_datagram(now, stream, payload);
                }
            }
            "r" => session.restart(),
            _ => session.handle_message(now, deed),
        }
        rest_of(&mut session, now, &mut up);
    }
}

/// Polls until there is nothing to do; keeps account of the streams.
fn rest_of(session: &mut Session, now: Instant, up: &mut Vec<StreamRef>) {
    for step in 0.. {
        assert!(step < 100_000, "it never comes to rest");
        match session.poll_output(now) {
            Output::Send(line) => {
                let line = Line::parse(&line).unwrap();
                assert!(line.id.is_some());
                assert!(!matches!(Command::parse(line.body), Command::Unknown { .. }), "{line}");
            }
            Output::Event(Event::StreamUp(stream)) => {
                assert!(!up.contains(&stream), "{stream} is up twice");
                up.push(stream);
            }
            Output::Event(Event::StreamDown(stream)) => {
                let place = up.iter().position(|it| *it == stream);
                up.remove(place.expect("a stream that was up"));
            }
            Output::Event(Event::Datagram { stream, .. }) => {
                assert!(up.contains(&stream), "a datagram of {stream}, which is not up");
            }
            Output::Event(_) => {}
            Output::Wait(at) => {
                assert!(at.is_none_or(|at| at > now), "it waits for what is past");
                return;
            }
        }
    }
}

/// Pieces of X11 from any windows: what comes out is text without NUL, and what waits is bounded.
pub fn skype_pieces(data: &[u8]) {
    let mut joiner = Joiner::default();
    for piece in data.chunks_exact(PIECE_OCTETS + 1) {
        let (&head, octets) = piece.split_first().unwrap();
        let piece = Piece { begins: head & 1 == 1, octets: octets.try_into().unwrap() };
        if let skype_api::x11::Joined::Message(text) = joiner.take((head >> 1).into(), &piece) {
            assert!(!text.contains('\0'));
        }
    }
}
