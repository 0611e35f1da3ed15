//! The session against a scripted Skype, in virtual time.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::time::{Duration, Instant};

use skype_api::session::{
    COMMAND_TIMEOUT, CONNECT_GRACE, CONNECT_TIMEOUT, ConnectError, DATAGRAMS_PENDING_MAX,
    EVENTS_MAX, NAME_RETRY, Refusal, SendError,
};
use skype_api::{Event, Output, Session, SessionConfig, StreamRef, UserHandle};

/// A session and the clock of its test.
struct Bench {
    session: Session,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let config = SessionConfig::new("skypeproxy".parse().unwrap(), "skyproxy".parse().unwrap());
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        Self { session: Session::new(config), now }
    }

    fn attached() -> Self {
        let mut bench = Self::new();
        bench.expect_sent("#0 NAME skypeproxy");
        bench.hear("#0 OK");
        bench.expect_sent("#1 PROTOCOL 7");
        bench.hear("#1 PROTOCOL 7");
        bench.expect_sent("#2 CREATE APPLICATION skyproxy");
        bench.hear("#2 CREATE APPLICATION skyproxy");
        bench.expect_event(Event::Attached);
        bench
    }

    /// Attached, with the stream bob:1 up.
    fn connected() -> Self {
        let mut bench = Self::attached();
        bench.hear("APPLICATION skyproxy STREAMS bob:1");
        bench.expect_event(Event::StreamUp(stream("bob:1")));
        bench
    }

    fn hear(&mut self, line: &str) {
        self.session.handle_message(self.now, line);
    }

    #[track_caller]
    fn expect_sent(&mut self, line: &str) {
        assert_eq!(self.session.poll_output(self.now), Output::Send(line.to_owned()));
    }

    #[track_caller]
    fn expect_event(&mut self, event: Event) {
        assert_eq!(self.session.poll_output(self.now), Output::Event(event));
    }

    #[track_caller]
    fn expect_wait(&mut self) -> Option<Duration> {
        match self.session.poll_output(self.now) {
            Output::Wait(until) => until.map(|until| until - self.now),
            other @ (Output::Send(_) | Output::Event(_)) => panic!("{other:?}"),
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
    }
}

fn stream(text: &str) -> StreamRef {
    text.parse().unwrap()
}

fn user(text: &str) -> UserHandle {
    text.parse().unwrap()
}

#[test]
fn attaches_with_ids_and_without() {
    Bench::attached();
    let mut bench = Bench::new(); // V002: the lines of a real Skype for Linux
    bench.expect_sent("#0 NAME skypeproxy");
    bench.hear("OK");
    bench.expect_sent("#1 PROTOCOL 7");
    bench.hear("PROTOCOL 7");
    for line in ["CONNSTATUS ONLINE", "CURRENTUSERHANDLE moma-antero", "USERSTATUS ONLINE"] {
        bench.hear(line);
    }
    bench.expect_sent("#2 CREATE APPLICATION skyproxy");
    bench.hear("CREATE APPLICATION skyproxy");
    bench.expect_event(Event::Attached);
    assert_eq!(bench.expect_wait(), None);
}

#[test]
fn waits_as_long_as_the_user_thinks() {
    let mut bench = Bench::new(); // V010
    bench.expect_sent("#0 NAME skypeproxy");
    assert_eq!(bench.expect_wait(), None);
    bench.sleep(Duration::from_secs(3600));
    assert_eq!(bench.expect_wait(), None);
    bench.hear("#0 OK");
    bench.expect_sent("#1 PROTOCOL 7");
}

#[test]
fn stops_when_the_user_refuses_and_begins_again_when_told() {
    for answer in ["ERROR 68", "#0 ERROR 68 Access denied"] {
        let mut bench = Bench::new(); // V006, V007
        bench.expect_sent("#0 NAME skypeproxy");
        bench.hear(answer);
        bench.expect_event(Event::Refused(Refusal::Consent));
        assert_eq!(bench.expect_wait(), None);
        bench.session.restart();
        bench.expect_sent("#1 NAME skypeproxy");
    }
}

#[test]
fn asks_again_after_a_second_while_skype_is_off_line() {
    let mut bench = Bench::new();
    bench.expect_sent("#0 NAME skypeproxy");
    bench.hear("CONNSTATUS OFFLINE");
    bench.expect_event(Event::Offline);
    assert_eq!(bench.expect_wait(), Some(NAME_RETRY));
    bench.sleep(NAME_RETRY);
    bench.expect_sent("#1 NAME skypeproxy");
    bench.hear("#1 CONNSTATUS OFFLINE");
    assert_eq!(bench.expect_wait(), Some(NAME_RETRY));
}

#[test]
fn refuses_a_skype_without_applications() {
    let mut bench = Bench::new(); // V004
    bench.expect_sent("#0 NAME skypeproxy");
    bench.hear("OK");
    bench.expect_sent("#1 PROTOCOL 7");
    bench.hear("#1 PROTOCOL 3");
    bench.expect_event(Event::Refused(Refusal::Protocol(3)));
}

#[test]
fn takes_over_an_application_that_survived_its_client() {
    let mut bench = Bench::new(); // V059
    bench.expect_sent("#0 NAME skypeproxy");
    bench.hear("#0 OK");
    bench.expect_sent("#1 PROTOCOL 7");
    bench.hear("#1 PROTOCOL 7");
    bench.expect_sent("#2 CREATE APPLICATION skyproxy");
    bench.hear("#2 ERROR 541 APPLICATION: operation failed");
    bench.expect_sent("#3 GET APPLICATION skyproxy STREAMS");
    bench.hear("#3 APPLICATION skyproxy STREAMS bob:7");
    bench.expect_event(Event::Attached);
    bench.expect_event(Event::StreamUp(stream("bob:7")));
}

#[test]
fn starts_over_when_an_attach_command_gets_no_answer() {
    let mut bench = Bench::new();
    bench.expect_sent("#0 NAME skypeproxy");
    bench.hear("OK");
    bench.expect_sent("#1 PROTOCOL 7");
    assert_eq!(bench.expect_wait(), Some(COMMAND_TIMEOUT));
    bench.sleep(COMMAND_TIMEOUT);
    assert_eq!(bench.expect_wait(), Some(NAME_RETRY));
    bench.sleep(NAME_RETRY);
    bench.expect_sent("#2 NAME skypeproxy");
}

#[test]
fn connects_in_either_order_of_the_lists() {
    let documented = ["CONNECTING bob", "CONNECTING ", "STREAMS bob:1"];
    let recorded = ["CONNECTING bob", "STREAMS bob:1"];
    let both_libraries = ["CONNECTING bob", "STREAMS bob:1", "CONNECTING "];
    for order in [&documented[..], &recorded, &both_libraries] {
        let mut bench = Bench::attached(); // V071, V072
        bench.session.connect(bench.now, user("bob")).unwrap();
        bench.expect_sent("#3 ALTER APPLICATION skyproxy CONNECT bob");
        bench.hear("#3 ALTER APPLICATION skyproxy CONNECT bob");
        for news in order {
            bench.hear(&format!("APPLICATION skyproxy {news}"));
        }
        bench.expect_event(Event::StreamUp(stream("bob:1")));
        bench.sleep(CONNECT_TIMEOUT);
        assert_eq!(bench.expect_wait(), None);
    }
}

#[test]
fn gives_up_soon_after_an_empty_list() {
    let mut bench = Bench::attached();
    bench.session.connect(bench.now, user("bob")).unwrap();
    bench.expect_sent("#3 ALTER APPLICATION skyproxy CONNECT bob");
    bench.hear("APPLICATION skyproxy CONNECTING bob");
    bench.hear("APPLICATION skyproxy CONNECTING ");
    assert_eq!(bench.expect_wait(), Some(CONNECT_GRACE));
    bench.sleep(CONNECT_GRACE);
    bench.expect_event(Event::ConnectFailed(user("bob")));
}

#[test]
fn gives_up_when_skype_says_nothing_at_all_and_at_once_when_it_refuses() {
    let mut bench = Bench::attached();
    bench.session.connect(bench.now, user("bob")).unwrap();
    assert_eq!(bench.session.connect(bench.now, user("BOB")), Err(ConnectError::Pending));
    bench.expect_sent("#3 ALTER APPLICATION skyproxy CONNECT bob");
    bench.sleep(CONNECT_TIMEOUT);
    bench.expect_event(Event::ConnectFailed(user("bob")));
    bench.session.connect(bench.now, user("bob")).unwrap();
    bench.expect_sent("#4 ALTER APPLICATION skyproxy CONNECT bob");
    bench.hear("#4 ERROR 547 ALTER APPLICATION CONNECT: Invalid user handle");
    bench.expect_event(Event::ConnectFailed(user("bob")));
}

#[test]
fn finds_streams_by_comparing_whole_lists() {
    let mut bench = Bench::connected();
    bench.hear("APPLICATION skyproxy STREAMS bob:2 carol:1"); // V116
    bench.expect_event(Event::StreamDown(stream("bob:1")));
    bench.expect_event(Event::StreamUp(stream("bob:2")));
    bench.expect_event(Event::StreamUp(stream("carol:1")));
    bench.hear("APPLICATION skyproxy STREAMS bob:2 carol:1");
    bench.hear("APPLICATION other STREAMS ");
    assert_eq!(bench.expect_wait(), None);
    assert_eq!(bench.session.streams().count(), 2);
}

#[test]
fn disconnects_when_the_list_says_so() {
    let mut bench = Bench::connected(); // V115
    bench.session.disconnect(bench.now, stream("bob:1")).unwrap();
    bench.expect_sent("#3 ALTER APPLICATION skyproxy DISCONNECT bob:1");
    bench.hear("#3 ALTER APPLICATION skyproxy DISCONNECT bob:1");
    bench.hear("APPLICATION skyproxy STREAMS ");
    bench.expect_event(Event::StreamDown(stream("bob:1")));
    let refused = bench.session.disconnect(bench.now, stream("bob:1"));
    assert_eq!(refused, Err(SendError::NoStream));
}

#[test]
fn exchanges_datagrams() {
    let mut bench = Bench::connected(); // V100
    bench.session.send_datagram(bench.now, stream("bob:1"), "BBBB").unwrap();
    bench.expect_sent("#3 ALTER APPLICATION skyproxy DATAGRAM bob:1 BBBB");
    bench.hear("APPLICATION skyproxy SENDING bob:1=4"); // before its reply
    bench.hear("#3 ALTER APPLICATION skyproxy DATAGRAM bob:1");
    bench.hear("APPLICATION skyproxy SENDING ");
    bench.hear("APPLICATION skyproxy DATAGRAM bob:1 #5 ERROR 2 fake");
    let text = "#5 ERROR 2 fake".to_owned();
    bench.expect_event(Event::Datagram { stream: stream("bob:1"), text });
    assert_eq!(bench.expect_wait(), None);
}

#[test]
fn refuses_datagrams_skype_could_not_take() {
    let mut bench = Bench::connected();
    let mut send = |to: &str, text: &str| bench.session.send_datagram(bench.now, stream(to), text);
    assert_eq!(send("bob:1", &"a".repeat(1401)), Err(SendError::TooLarge));
    assert_eq!(send("bob:1", ""), Err(SendError::Text));
    assert_eq!(send("bob:1", "a\nb"), Err(SendError::Text));
    assert_eq!(send("bob:99", "a"), Err(SendError::NoStream));
    for _ in 0..DATAGRAMS_PENDING_MAX {
        assert_eq!(send("bob:1", &"a".repeat(1400)), Ok(()));
    }
    assert_eq!(send("bob:1", "a"), Err(SendError::Full));
    bench.session.disconnect(bench.now, stream("bob:1")).unwrap();
}

#[test]
fn drops_a_stream_skype_does_not_know_and_asks_for_the_list() {
    let mut bench = Bench::connected(); // V102
    bench.session.send_datagram(bench.now, stream("bob:1"), "x").unwrap();
    bench.expect_sent("#3 ALTER APPLICATION skyproxy DATAGRAM bob:1 x");
    bench.hear("#3 ERROR 551 ALTER APPLICATION DATAGRAM: Missing or invalid stream identifier");
    bench.expect_sent("#4 GET APPLICATION skyproxy STREAMS");
    bench.expect_event(Event::StreamDown(stream("bob:1")));
    bench.hear("#4 APPLICATION skyproxy STREAMS bob:2");
    bench.expect_event(Event::StreamUp(stream("bob:2")));
}

#[test]
fn learns_a_stream_from_its_first_datagram() {
    let mut bench = Bench::attached();
    bench.hear("APPLICATION skyproxy DATAGRAM bob:4 hi");
    bench.expect_event(Event::StreamUp(stream("bob:4")));
    bench.expect_event(Event::Datagram { stream: stream("bob:4"), text: "hi".to_owned() });
}

#[test]
fn buries_the_streams_of_a_user_who_left_and_digs_them_up_when_one_speaks() {
    let mut bench = Bench::connected(); // V054, V085
    bench.hear("USER bob ONLINESTATUS OFFLINE");
    bench.expect_event(Event::StreamDown(stream("bob:1")));
    bench.hear("APPLICATION skyproxy STREAMS bob:1 bob:2");
    bench.expect_event(Event::StreamUp(stream("bob:2")));
    bench.hear("APPLICATION skyproxy DATAGRAM bob:1 alive");
    bench.expect_event(Event::StreamUp(stream("bob:1")));
    bench.expect_event(Event::Datagram { stream: stream("bob:1"), text: "alive".to_owned() });
}

#[test]
fn comes_back_after_a_log_out() {
    let mut bench = Bench::connected();
    bench.hear("CONNSTATUS LOGGEDOUT");
    bench.hear("USERSTATUS LOGGEDOUT");
    bench.expect_event(Event::StreamDown(stream("bob:1")));
    bench.expect_event(Event::Detached);
    assert_eq!(bench.expect_wait(), Some(NAME_RETRY));
    bench.sleep(NAME_RETRY);
    bench.expect_sent("#3 NAME skypeproxy");
}

#[test]
fn asks_for_the_list_when_the_network_is_back() {
    let mut bench = Bench::connected(); // V013
    bench.hear("CONNSTATUS CONNECTING");
    bench.expect_event(Event::Offline);
    bench.hear("CONNSTATUS ONLINE");
    bench.expect_sent("#3 GET APPLICATION skyproxy STREAMS");
    bench.expect_event(Event::Online);
}

#[test]
fn counts_nonsense_and_duplicates_and_goes_on() {
    let mut bench = Bench::connected();
    for line in ["", "#", "# #", "hello", "APPLICATION", "#77 OK", "#2 CREATE APPLICATION skyproxy"]
    {
        bench.hear(line);
    }
    assert_eq!(bench.expect_wait(), None);
    let stats = bench.session.stats();
    assert_eq!((stats.nonsense, stats.unknown, stats.unmatched), (2, 3, 2));
}

#[test]
fn forgets_datagrams_nobody_polls_and_then_asks_for_the_list() {
    let mut bench = Bench::connected();
    for _ in 0..EVENTS_MAX + 10 {
        bench.hear("APPLICATION skyproxy DATAGRAM bob:1 x");
    }
    assert_eq!(bench.session.stats().dropped, 10);
    while let Output::Event(_) = bench.session.poll_output(bench.now) {}
    // The request for the list came up as soon as there was room, and was taken by the loop above.
    bench.hear("#3 APPLICATION skyproxy STREAMS ");
    while bench.session.poll_output(bench.now) != Output::Event(Event::StreamDown(stream("bob:1")))
    {
    }
}
