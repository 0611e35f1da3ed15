//! Lines of the Skype desktop API, recorded or documented, against the codec's types. The ids are those of
//! `vectors.jsonl`, whose transcripts are played by the test `vectors`.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use skype_api::{
    Alter, AppNews, AppProperty, Backlog, Command, ConnStatus, Echo, ErrorCode, Get, Line, Message,
    StreamRef, UserHandle,
};

fn command(text: &str) -> Command<'_> {
    Command::parse(Line::parse(text).unwrap().body)
}

fn message(text: &str) -> Message<'_> {
    Message::parse(Line::parse(text).unwrap().body)
}

fn stream(text: &str) -> StreamRef {
    text.parse().unwrap()
}

fn user(text: &str) -> UserHandle {
    text.parse().unwrap()
}

#[test]
fn writes_recorded_commands_as_they_were() {
    for (id, line) in [
        ("V002", "NAME t1"),
        ("V002", "PROTOCOL 7"),
        ("V009", "#0 NAME skypeproxy"),
        ("V015", "#AB GET USERSTATUS"),
        ("V033", "RESETIDLETIMER"),
        ("V036", "SEARCH FRIENDS"),
        ("V044", "GET USER no_such_user_x ONLINESTATUS"),
        ("V057", "CREATE APPLICATION skyproxy"),
        ("V069", "#9 DELETE APPLICATION skyproxy"),
        ("V072", "ALTER APPLICATION test CONNECT echo123"),
        ("V072", "#0 GET APPLICATION test STREAMS"),
        ("V072", "#1 ALTER APPLICATION test WRITE echo123:1 TEST"),
        ("V094", "#1 ALTER APPLICATION skyproxy READ alice:1"),
        ("V100", "ALTER APPLICATION skyproxy DATAGRAM bob:1 BBBBBBBBBBBBBB"),
        ("V116", "#ID2 ALTER APPLICATION skyproxy DISCONNECT bob:1"),
    ] {
        let read = Line::parse(line).unwrap().map(Command::parse);
        assert!(!matches!(read.body, Command::Unknown { .. }), "{id}: {line}");
        assert_eq!(read.to_string(), line, "{id}");
    }
}

#[test]
fn writes_recorded_messages_as_they_were() {
    for (id, line) in [
        ("V002", "OK"),
        ("V002", "CONNSTATUS ONLINE"),
        ("V002", "CURRENTUSERHANDLE moma-antero"),
        ("V002", "USER anna.karoliina NROF_AUTHED_BUDDIES 0"),
        ("V006", "ERROR 68"),
        ("V007", "ERROR 68 Access denied"),
        ("V018", "#50 PONG"),
        ("V021", "#0 USERS test-fixture-3, testtest1107, myspace:testfestival"),
        ("V026", "SKYPEVERSION 3.8.0.139"),
        ("V038", "#3 USERS "),
        ("V059", "#2 ERROR 541 APPLICATION: operation failed"),
        ("V071", "APPLICATION skyproxy CONNECTING bob"),
        ("V072", "APPLICATION test SENDING echo123:1=28"),
        ("V072", "APPLICATION test SENDING "),
        ("V080", "APPLICATION skyproxy STREAMS bob:1 bob:2"),
        ("V094", "#2 ALTER APPLICATION skyproxy READ alice:1 second!"),
        ("V100", "APPLICATION skyproxy DATAGRAM alice:1 BBBBBBBBBBBBBB"),
        ("V103", "#5 ALTER APPLICATION skyproxy DATAGRAM bob:1"),
        ("V110", "APPLICATION skyproxy CONNECTABLE bob carol"),
    ] {
        let read = Line::parse(line).unwrap().map(Message::parse);
        assert!(!matches!(read.body, Message::Unknown(_)), "{id}: {line}");
        assert_eq!(read.to_string(), line, "{id}");
    }
}

#[test]
fn reads_any_case_and_trailing_blanks() {
    // V025, V071
    assert_eq!(command("GET CURRENTUSERHANDLE "), Command::Get(Get::CurrentUserHandle));
    let app = "skyproxy".parse().unwrap();
    let action = Alter::Connect(user("bob"));
    assert_eq!(command("alter application skyproxy connect bob"), Command::Alter { app, action });
    // V099: the synthetic empty list without its blank
    let news = AppNews::Sending(vec![]);
    let app = "spam".parse().unwrap();
    assert_eq!(message("APPLICATION spam SENDING"), Message::Application { app, news });
    assert_eq!(message("connstatus offline"), Message::ConnStatus(ConnStatus::Offline));
}

#[test]
fn names_the_error_skype_answers() {
    for (id, line, code) in [
        ("V005", "PROTOCOL -12,9", 27),
        ("V016", "#123 GET XZY", 7),
        ("V023", " ", 1),
        ("V024", "GRT USERSTATUS", 2),
        ("V039", "SEARCH FRIENDS mike", 67),
        ("V060", "CREATE", 536),
        ("V061", "CREATE BANANA x", 537),
        ("V062", "CREATE APPLICATION", 540),
        ("V063", "CREATE APPLICATION abcdefghijklmnopqrstuvwxyz0123456", 540),
        ("V065", "DELETE", 538),
        ("V066", "DELETE BANANA x", 539),
        ("V067", "DELETE APPLICATION", 542),
        ("V077", "ALTER", 526),
        ("table", "ALTER BANANA x", 527),
        ("table", "ALTER APPLICATION a JUMP", 546),
        ("table", "ALTER APPLICATION a CONNECT", 547),
        ("table", "ALTER APPLICATION a DISCONNECT bob", 548),
        ("table", "ALTER APPLICATION a WRITE", 549),
        ("table", "ALTER APPLICATION a READ bob:x", 550),
        ("table", "ALTER APPLICATION a DATAGRAM", 551),
        ("table", "GET APPLICATION", 543),
        ("table", "GET APPLICATION a BANANA", 544),
        ("table", "SET USERSTATUS BANANA", 28),
    ] {
        let text = Line::parse(line).unwrap().body;
        let expected = Command::Unknown { text, code: ErrorCode(code) };
        assert_eq!(Command::parse(text), expected, "{id}: {line}");
    }
}

#[test]
fn reads_lists_in_all_their_forms() {
    let backlog = |item, octets| Backlog { stream: stream(item), octets };
    for (id, line, app, news) in [
        (
            "V123",
            "APPLICATION test SENDING bob:1=5 carol:2=700",
            "test",
            AppNews::Sending(vec![backlog("bob:1", Some(5)), backlog("carol:2", Some(700))]),
        ),
        (
            "V124",
            "APPLICATION exe SENDING testtest20:1 14",
            "exe",
            AppNews::Sending(vec![backlog("testtest20:1", Some(14))]),
        ),
        (
            "V126",
            "APPLICATION a STREAMS live:bob_1:3 myspace:tom:12",
            "a",
            AppNews::Streams(vec![stream("live:bob_1:3"), stream("myspace:tom:12")]),
        ),
        (
            "V133",
            "APPLICATION spam CONNECTABLE eggs, ham",
            "spam",
            AppNews::Connectable(vec![user("eggs"), user("ham")]),
        ),
    ] {
        let app = app.parse().unwrap();
        assert_eq!(message(line), Message::Application { app, news }, "{id}");
    }
}

#[test]
fn never_reads_payload_as_protocol() {
    let app = "a".parse().unwrap();
    for (line, payload) in [
        ("APPLICATION a DATAGRAM bob:1 x=y:z 1 2", "x=y:z 1 2"), // V127
        ("APPLICATION a DATAGRAM bob:1  lead", " lead"),         // V128
        ("APPLICATION a DATAGRAM bob:1 #5 ERROR 2 fake", "#5 ERROR 2 fake"),
    ] {
        let news = AppNews::Datagram { stream: stream("bob:1"), text: payload };
        assert_eq!(message(line), Message::Application { app, news });
    }
    // V129
    let line = "#12 ALTER APPLICATION a READ bob:1 #5 ERROR 2 fake";
    let echo = Echo::Read { stream: stream("bob:1"), text: "#5 ERROR 2 fake" };
    assert_eq!(message(line), Message::Altered { app, echo });
    let action = Alter::Datagram { stream: stream("bob:1"), text: "#5 PING " };
    assert_eq!(
        command("ALTER APPLICATION a DATAGRAM bob:1 #5 PING "),
        Command::Alter { app, action }
    );
}

#[test]
fn tolerates_a_third_party_emulators_slip() {
    // V086: the application's name is missing.
    assert_eq!(
        message("APPLICATION CONNECTING bob"),
        Message::Unknown("APPLICATION CONNECTING bob")
    );
}

#[test]
fn keeps_the_space_after_reading_nothing() {
    let echo = Echo::Read { stream: stream("bob:1"), text: "" };
    let message = Message::Altered { app: "a".parse().unwrap(), echo };
    assert_eq!(message.to_string(), "ALTER APPLICATION a READ bob:1 ");
}

#[test]
fn keeps_the_property_of_a_get() {
    let app = "a".parse().unwrap();
    let get = Get::Application { app, property: AppProperty::Received };
    assert_eq!(command("GET APPLICATION a received"), Command::Get(get));
}
