//! Laws of the codec over all inputs: round trips, truncation, arbitrary text.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use proptest::prelude::*;
use skype_api::{
    Alter, AppName, AppNews, Backlog, Command, Echo, ErrorCode, Line, Message, StreamRef,
    UserHandle,
};

fn user() -> impl Strategy<Value = UserHandle> {
    "([a-z]{1,7}:)?[A-Za-z0-9._-][A-Za-z0-9._,:-]{0,20}[a-z0-9]"
        .prop_map(|name| name.parse().unwrap())
}

fn app() -> impl Strategy<Value = AppName> {
    "[!-~]{1,32}".prop_map(|name| name.parse().unwrap())
}

fn stream() -> impl Strategy<Value = StreamRef> {
    (user(), any::<u32>()).prop_map(|(user, number)| StreamRef { user, number })
}

fn backlog() -> impl Strategy<Value = Backlog> {
    (stream(), proptest::option::of(any::<u64>()))
        .prop_map(|(stream, octets)| Backlog { stream, octets })
}

/// Payload of any kind a line can carry.
const PAYLOAD: &str = "[^\u{0}\n]{0,40}";

#[derive(Debug, Clone, Copy)]
enum Kind {
    Command,
    Message,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn commands_round_trip(app in app(), stream in stream(), payload in PAYLOAD, which in 0..7) {
        let text = payload.as_str();
        let command = match which {
            0 => Command::Create(app),
            1 => Command::Delete(app),
            2 => Command::Alter { app, action: Alter::Connect(stream.user) },
            3 => Command::Alter { app, action: Alter::Disconnect(stream) },
            4 => Command::Alter { app, action: Alter::Write { stream, text } },
            5 => Command::Alter { app, action: Alter::Read(stream) },
            _ => Command::Alter { app, action: Alter::Datagram { stream, text } },
        };
        let line = command.to_string();
        prop_assert_eq!(Command::parse(&line), command);
    }

    #[test]
    fn messages_round_trip(
        app in app(),
        streams in proptest::collection::vec(stream(), 0..5),
        backlogs in proptest::collection::vec(backlog(), 0..5),
        stream in stream(),
        payload in PAYLOAD,
        which in 0..9,
    ) {
        let text = payload.as_str();
        let users: Vec<UserHandle> = streams.iter().map(|stream| stream.user).collect();
        let message = match which {
            0 => Message::Application { app, news: AppNews::Streams(streams) },
            1 => Message::Application { app, news: AppNews::Sending(backlogs) },
            2 => Message::Application { app, news: AppNews::Received(backlogs) },
            3 => Message::Application { app, news: AppNews::Connecting(users) },
            4 => Message::Application { app, news: AppNews::Datagram { stream, text } },
            5 => Message::Altered { app, echo: Echo::Read { stream, text } },
            6 => Message::Users(users),
            7 => Message::Error { code: ErrorCode(541), text },
            _ => Message::User { user: stream.user, property: "MOOD_TEXT", value: text },
        };
        let line = message.to_string();
        prop_assert_eq!(Message::parse(&line), message);
    }

    #[test]
    fn any_text_is_read_and_unknown_text_is_kept_whole(text in "\\PC{0,80}") {
        if let Ok(line) = Line::parse(&text) {
            if let Command::Unknown { text, .. } = Command::parse(line.body) {
                prop_assert_eq!(text, line.body);
            }
            if let Message::Unknown(text) = Message::parse(line.body) {
                prop_assert_eq!(text, line.body);
            }
        }
    }

    #[test]
    fn what_was_read_and_written_reads_the_same(text in "(#[a-z0-9]{1,4} )?(GET|alter|CREATE|USER|APPLICATION|ERROR|Set)( [A-Za-z:=,0-9]{0,12}){0,5}") {
        let line = Line::parse(&text).unwrap();
        let written = line.clone().map(Command::parse).to_string();
        prop_assert_eq!(
            Line::parse(&written).unwrap().map(Command::parse).to_string(),
            written
        );
        let written = line.map(Message::parse).to_string();
        prop_assert_eq!(
            Line::parse(&written).unwrap().map(Message::parse).to_string(),
            written
        );
    }
}

#[test]
fn every_truncation_is_read_without_a_panic() {
    for (kind, line) in [
        (Kind::Command, "#12 ALTER APPLICATION skyproxy DATAGRAM live:bob:12 pay\u{e9}load"),
        (Kind::Command, "GET APPLICATION skyproxy STREAMS"),
        (Kind::Message, "#3 APPLICATION a SENDING bob:1=5 carol:2=700"),
        (Kind::Message, "USERS alice, bob, carol"),
        (Kind::Message, "#9 ERROR 541 APPLICATION: operation failed"),
    ] {
        for end in (0..=line.len()).filter(|&end| line.is_char_boundary(end)) {
            let Ok(cut) = Line::parse(&line[..end]) else { continue };
            match kind {
                Kind::Command => drop(cut.map(Command::parse).to_string()),
                Kind::Message => drop(cut.map(Message::parse).to_string()),
            }
        }
    }
}
