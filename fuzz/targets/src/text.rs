//! The codecs of text and of what stands before payload.

use skype_api::{Command, Line, Message};
use socks_front::{Auth, Handshake, Step};
use tunnel_proto::{Answer, Open};

/// Octets come back as they were; text that decodes is the text that its octets are written as.
pub fn armour(data: &[u8]) {
    let (mut text, mut octets) = (String::new(), Vec::new());
    armour::encode(data, &mut text);
    assert_eq!(text.len(), armour::encoded_len(data.len()));
    assert!(armour::decode(&text, &mut octets).is_ok() && octets == data);

    let Ok(text) = str::from_utf8(data) else { return };
    let (mut octets, mut again) = (Vec::new(), String::new());
    if armour::decode(text, &mut octets).is_ok() {
        armour::encode(&octets, &mut again);
        assert_eq!(again, text);
    }
}

/// What is read of a line, as a command or as a message, is written and read again as the same.
pub fn skype_line(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(line) = Line::parse(text) else { return };
    let command = line.clone().map(Command::parse);
    let written = command.to_string();
    assert_eq!(Line::parse(&written).map(|line| line.map(Command::parse)), Ok(command));
    let message = line.map(Message::parse);
    let written = message.to_string();
    assert_eq!(Line::parse(&written).map(|line| line.map(Message::parse)), Ok(message));
}

/// A SOCKS handshake takes the same steps however the client's octets are cut.
pub fn socks_split(data: &[u8]) {
    let Some((&cut, input)) = data.split_first() else { return };
    let whole = steps(input, input.len().max(1));
    assert_eq!(steps(input, usize::from(cut).max(1)), whole);
}

/// The steps taken, the input coming in pieces of `piece_len` octets.
fn steps(input: &[u8], piece_len: usize) -> Vec<Step> {
    let mut handshake = Handshake::new(Auth::default());
    let (mut taken, mut steps, mut there) = (0, Vec::new(), piece_len.min(input.len()));
    loop {
        let step = handshake.step(&input[taken..there]);
        match &step {
            Step::NeedMore if there == input.len() => return steps,
            Step::NeedMore => there = (there + piece_len).min(input.len()),
            Step::Send { consumed, .. } => taken += consumed,
            Step::Request { .. } | Step::Failed { .. } => {
                steps.push(step);
                return steps;
            }
        }
        if step != Step::NeedMore {
            steps.push(step);
        }
    }
}

/// A stream's opening and its answer are read as they are written, and more input changes nothing.
pub fn tunnel_open(data: &[u8]) {
    if let Ok(Some((open, len))) = Open::decode(data) {
        let mut written = Vec::new();
        open.encode(&mut written);
        assert_eq!(Open::decode(&written), Ok(Some((open.clone(), written.len()))));
        assert_eq!(Open::decode(&data[..len]), Ok(Some((open, len))));
    }
    if let Ok(Some((answer, len))) = Answer::decode(data) {
        let mut written = Vec::new();
        answer.encode(&mut written);
        assert_eq!(Answer::decode(&written), Ok(Some((answer, written.len()))));
        assert_eq!(Answer::decode(&data[..len]), Ok(Some((answer, len))));
    }
}
