//! What is read of a line, as a command or as a message, is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skype_api::{Command, Line, Message};

fuzz_target!(|text: &str| {
    let Ok(line) = Line::parse(text) else { return };
    let command = line.clone().map(Command::parse);
    let written = command.to_string();
    assert_eq!(Line::parse(&written).map(|line| line.map(Command::parse)), Ok(command));
    let message = line.map(Message::parse);
    let written = message.to_string();
    assert_eq!(Line::parse(&written).map(|line| line.map(Message::parse)), Ok(message));
});
