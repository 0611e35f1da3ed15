//! Transcripts between a machine and a Skype that is read from the test.

use carrier::{DATAGRAM_MAX, Delivery, Route};
use skype_api::session::{COMMAND_TIMEOUT, CONNECT_TIMEOUT, DATAGRAMS_PENDING_MAX};

use super::*;

mod laws;

/// A machine, and the time.
struct Bench {
    machine: Machine,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test needs some origin; its value is unused")]
    fn new() -> Self {
        let config = SessionConfig::new("test".parse().unwrap(), "a".parse().unwrap());
        let now = Instant::now();
        Self { machine: Machine::new(now, config), now }
    }

    fn attached() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.lines(), ["#0 NAME test"]);
        bench.hear("#0 OK");
        bench.hear("#1 PROTOCOL 7");
        assert_eq!(bench.machine.attached(), None);
        bench.hear("#2 CREATE APPLICATION a");
        assert_eq!(bench.machine.attached(), Some(Ok(())));
        assert_eq!(bench.lines(), ["#1 PROTOCOL 7", "#2 CREATE APPLICATION a"]);
        bench
    }

    /// With a path to bob up.
    fn connected() -> (Self, CarrierPath) {
        let mut bench = Self::attached();
        let path = bench.open("skype:bob");
        assert_eq!(bench.lines(), ["#3 ALTER APPLICATION a CONNECT bob"]);
        bench.hear("#3 ALTER APPLICATION a CONNECT bob");
        bench.hear("APPLICATION a STREAMS bob:1");
        assert_eq!(ups(&bench.events()), [path]);
        (bench, path)
    }

    fn hear(&mut self, line: &str) {
        self.machine.handle_line(self.now, line);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.machine.handle_timeout(self.now);
    }

    fn open(&mut self, peer: &str) -> CarrierPath {
        self.machine.open(self.now, &peer.parse().unwrap()).unwrap()
    }

    fn close(&mut self, path: CarrierPath) {
        self.machine.close(self.now, path);
    }

    fn send(&mut self, path: CarrierPath, octets: &[u8]) -> Result<(), SendError> {
        self.machine.try_send(self.now, path, octets)
    }

    fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.machine.line() {
            lines.push(line.to_owned());
            self.machine.line_sent();
        }
        lines
    }

    fn events(&mut self) -> Vec<CarrierEvent> {
        let mut buf = [0; DATAGRAM_MAX];
        std::iter::from_fn(|| self.machine.poll_event(&mut buf)).collect()
    }
}

/// The paths of events that all say `Up`.
fn ups(events: &[CarrierEvent]) -> Vec<CarrierPath> {
    let up = |event: &CarrierEvent| {
        let CarrierEvent::Up { path, caps } = event else { panic!("{event:?}") };
        assert_eq!((caps.payload_max, caps.idle_max), (1225, Some(Duration::from_secs(480))));
        assert_eq!((caps.delivery, caps.route), (Delivery::Lossy, Route::Unknown));
        *path
    };
    events.iter().map(up).collect()
}

fn down(path: CarrierPath, reason: DownReason) -> CarrierEvent {
    CarrierEvent::Down { path, reason }
}

#[test]
fn a_datagram_goes_as_armour_and_comes_back() {
    let (mut bench, path) = Bench::connected();
    bench.send(path, b"\0hello\n").unwrap();
    let mut text = String::new();
    armour::encode(b"\0hello\n", &mut text);
    assert_eq!(bench.lines(), [format!("#4 ALTER APPLICATION a DATAGRAM bob:1 {text}")]);
    bench.hear(&format!("APPLICATION a DATAGRAM bob:1 {text}"));
    let mut buf = [0; DATAGRAM_MAX];
    let event = bench.machine.poll_event(&mut buf);
    assert_eq!(event, Some(CarrierEvent::Datagram { path, len: 7 }));
    assert_eq!(&buf[..7], b"\0hello\n");
}

#[test]
fn an_incoming_stream_is_a_path_once_it_is_accepted() {
    let mut bench = Bench::attached();
    bench.hear("APPLICATION a STREAMS Carol:7");
    let peer = "skype:carol".parse().unwrap();
    let path = CarrierPath(0);
    assert_eq!(bench.events(), [CarrierEvent::Incoming { path, peer }]);
    assert_eq!(bench.send(path, b"early"), Err(SendError::Gone));
    bench.machine.accept(path);
    bench.machine.accept(path);
    assert_eq!(ups(&bench.events()), [path]);
    bench.send(path, b"in time").unwrap();
    bench.hear("APPLICATION a STREAMS ");
    assert_eq!(bench.events(), [down(path, DownReason::ClosedByPeer)]);
    assert_eq!(bench.send(path, b"late"), Err(SendError::Gone));
}

#[test]
fn close_and_reject_hang_up_and_nothing_more_is_heard() {
    let (mut bench, path) = Bench::connected();
    bench.hear("APPLICATION a STREAMS bob:1 carol:1");
    bench.hear("APPLICATION a DATAGRAM bob:1 x");
    bench.close(path);
    bench.close(CarrierPath(1));
    bench.close(CarrierPath(99));
    assert_eq!(bench.events(), []);
    let hang_up =
        ["#4 ALTER APPLICATION a DISCONNECT bob:1", "#5 ALTER APPLICATION a DISCONNECT carol:1"];
    assert_eq!(bench.lines(), hang_up);
    bench.hear("APPLICATION a DATAGRAM bob:1 x");
    bench.hear("APPLICATION a STREAMS ");
    assert_eq!(bench.events(), []);
    assert_eq!(bench.machine.counters().stray, 1);
}

#[test]
fn a_stream_for_a_path_that_was_closed_meanwhile_is_hung_up() {
    let mut bench = Bench::attached();
    let path = bench.open("skype:bob");
    bench.close(path);
    bench.hear("APPLICATION a STREAMS bob:1");
    assert_eq!(bench.events(), []);
    assert_eq!(bench.lines()[1], "#4 ALTER APPLICATION a DISCONNECT bob:1");
}

#[test]
fn two_paths_to_one_user_are_asked_for_in_turn() {
    let mut bench = Bench::attached();
    let (first, second) = (bench.open("skype:bob"), bench.open("skype:bob"));
    assert_eq!(bench.lines().len(), 1);
    bench.hear("APPLICATION a STREAMS bob:1");
    assert_eq!(ups(&bench.events()), [first]);
    assert_eq!(bench.lines(), ["#4 ALTER APPLICATION a CONNECT bob"]);
    bench.hear("APPLICATION a STREAMS bob:1 bob:2");
    assert_eq!(ups(&bench.events()), [second]);
}

#[test]
fn streams_of_one_list_serve_all_paths_that_wait() {
    let mut bench = Bench::attached();
    let paths = [bench.open("skype:bob"), bench.open("skype:bob")];
    bench.lines();
    bench.hear("APPLICATION a STREAMS bob:1 bob:2");
    assert_eq!(ups(&bench.events()), paths);
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn nobody_answers_and_all_paths_to_that_user_are_unreachable() {
    let mut bench = Bench::attached();
    let (first, second) = (bench.open("skype:bob"), bench.open("skype:bob"));
    bench.wait(CONNECT_TIMEOUT);
    let expected = [first, second].map(|path| down(path, DownReason::Unreachable));
    assert_eq!(bench.events(), expected);
}

#[test]
fn logging_out_is_the_carrier_s_fault_and_it_attaches_again() {
    let (mut bench, path) = Bench::connected();
    let opening = bench.open("skype:carol");
    bench.lines();
    bench.hear("CONNSTATUS LOGGEDOUT");
    let expected = [path, opening].map(|path| down(path, DownReason::CarrierLost));
    assert_eq!(bench.events(), expected);
    let early = bench.open("skype:dave");
    assert_eq!(bench.events(), [down(early, DownReason::CarrierLost)]);
    let retry = bench.machine.timeout().unwrap();
    bench.wait(retry - bench.now);
    assert_eq!(bench.lines(), ["#5 NAME test"]);
    bench.hear("#5 OK");
    bench.hear("#6 PROTOCOL 7");
    bench.hear("#7 ERROR 541");
    bench.hear("#8 APPLICATION a STREAMS ");
    assert_eq!(bench.machine.attached(), Some(Ok(())));
}

#[test]
fn streams_of_an_earlier_run_are_hung_up_and_later_ones_offered() {
    let mut bench = Bench::new();
    bench.hear("#0 OK");
    bench.hear("#1 PROTOCOL 7");
    bench.hear("#2 ERROR 541");
    bench.lines();
    bench.hear("#3 APPLICATION a STREAMS bob:1 carol:4");
    let hang_up = |id: u32, stream| format!("#{id} ALTER APPLICATION a DISCONNECT {stream}");
    assert_eq!(bench.lines(), [hang_up(4, "bob:1"), hang_up(5, "carol:4")]);
    assert_eq!(bench.events(), []);
    bench.hear("APPLICATION a STREAMS carol:4 bob:2");
    assert_eq!(bench.lines(), <[String; 0]>::default());
    assert!(matches!(bench.events()[..], [CarrierEvent::Incoming { .. }]));
}

#[test]
fn the_end_takes_all_paths_and_nothing_follows() {
    let (mut bench, path) = Bench::connected();
    bench.machine.handle_end(End::HungUp);
    bench.machine.handle_end(End::Deaf);
    let why = End::HungUp.to_string();
    let expected = [down(path, DownReason::CarrierLost), CarrierEvent::Closed { why: why.clone() }];
    assert_eq!(bench.events(), expected);
    bench.hear("APPLICATION a STREAMS bob:2");
    bench.wait(CONNECT_TIMEOUT);
    assert_eq!(bench.send(path, b"x"), Err(SendError::Gone));
    let refused = bench.machine.open(bench.now, &"skype:bob".parse().unwrap());
    assert_eq!(refused, Err(OpenError::Closed { why }));
    assert_eq!((bench.events(), bench.lines()), (vec![], vec![]));
}

#[test]
fn a_user_who_says_no_ends_it() {
    let mut bench = Bench::new();
    bench.hear("#0 ERROR 68");
    let end = bench.machine.attached().unwrap().unwrap_err();
    assert!(end.to_string().contains("settings"), "{end}");
    assert_eq!(bench.events(), [CarrierEvent::Closed { why: end.to_string() }]);
}

#[test]
fn refuses_what_cannot_be_sent() {
    let (mut bench, path) = Bench::connected();
    let refused = bench.send(path, &[0; PAYLOAD_MAX + 1]);
    assert_eq!(refused, Err(SendError::TooLarge { max: PAYLOAD_MAX }));
    bench.send(path, &[]).unwrap();
    assert_eq!((bench.lines(), bench.machine.counters().empty), (vec![], 1));
    bench.send(path, &[0; PAYLOAD_MAX]).unwrap();
    assert_eq!(bench.lines().len(), 1);
    let open = |bench: &mut Bench, peer: &str| {
        bench.machine.open(bench.now, &peer.parse().unwrap()).unwrap_err()
    };
    assert_eq!(open(&mut bench, "udp:x"), OpenError::OtherOverlay { expected: "skype" });
    assert!(matches!(open(&mut bench, "skype:a=b"), OpenError::Malformed { .. }));
}

#[test]
fn drops_text_that_is_no_armour_and_counts_it() {
    let (mut bench, _) = Bench::connected();
    for text in ["hello, there", "", "a", "e2e4 "] {
        bench.hear(&format!("APPLICATION a DATAGRAM bob:1 {text}"));
    }
    assert_eq!(bench.events(), []);
    assert_eq!(bench.machine.counters().undecodable, 4);
    let mut long = String::new();
    armour::encode(&[1; DATAGRAM_MAX + 1], &mut long);
    bench.hear(&format!("APPLICATION a DATAGRAM bob:1 {long}"));
    assert_eq!((bench.events(), bench.machine.counters().too_long), (vec![], 1));
}

#[test]
fn lines_that_nobody_takes_refuse_datagrams_until_they_are_gone() {
    let (mut bench, path) = Bench::connected();
    for _ in 0..LINES_BEFORE_FULL {
        bench.send(path, b"x").unwrap();
    }
    assert_eq!(bench.send(path, b"x"), Err(SendError::Full));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.lines().len(), LINES_BEFORE_FULL);
    assert_eq!(bench.events(), [CarrierEvent::Writable { path }]);
    bench.send(path, b"x").unwrap();
    assert_eq!(bench.events(), []);
}

/// Sends until Skype owes as many answers as a session allows.
fn fill(bench: &mut Bench, path: CarrierPath) {
    for _ in 0..DATAGRAMS_PENDING_MAX {
        bench.send(path, b"x").unwrap();
        bench.lines();
    }
    assert_eq!(bench.send(path, b"x"), Err(SendError::Full));
}

#[test]
fn a_skype_that_owes_too_many_answers_refuses_datagrams_until_it_gave_some() {
    let (mut bench, path) = Bench::connected();
    fill(&mut bench, path);
    bench.machine.handle_silence();
    assert_eq!(bench.events(), [], "nothing was heard");
    bench.hear("#4 ALTER APPLICATION a DATAGRAM bob:1");
    assert_eq!(bench.events(), [], "there may be more");
    bench.machine.handle_silence();
    assert_eq!(bench.events(), [CarrierEvent::Writable { path }]);
    bench.send(path, b"x").unwrap();
    assert_eq!(bench.send(path, b"x"), Err(SendError::Full));
    bench.lines();
    (0..MESSAGES_PER_TRY).for_each(|_| bench.hear("APPLICATION a SENDING "));
    assert_eq!(bench.events(), [CarrierEvent::Writable { path }]);
}

#[test]
fn a_skype_that_never_answers_is_forgiven_after_its_time() {
    let (mut bench, path) = Bench::connected();
    fill(&mut bench, path);
    // A full session still hangs up and calls.
    let carol = bench.open("skype:carol");
    assert_eq!(bench.lines().len(), 1);
    bench.wait(COMMAND_TIMEOUT);
    let expected = [CarrierEvent::Writable { path }, down(carol, DownReason::Unreachable)];
    assert_eq!(bench.events(), expected);
}

#[test]
fn a_skype_that_reads_nothing_for_minutes_is_given_up() {
    let mut bench = Bench::attached();
    for _ in 0..=LINES_MAX {
        assert!(bench.machine.lines.len() <= LINES_MAX);
        bench.open("skype:bob");
        bench.wait(CONNECT_TIMEOUT);
        if bench.events().len() == 2 {
            break;
        }
    }
    assert_eq!(bench.machine.end(), Some(End::Deaf));
}

#[test]
fn more_streams_than_paths_are_hung_up() {
    let mut bench = Bench::attached();
    let list: Vec<String> = (0..=PATHS_MAX).map(|number| format!("u{number}:1")).collect();
    bench.hear(&format!("APPLICATION a STREAMS {}", list.join(" ")));
    assert_eq!(bench.events().len(), PATHS_MAX);
    assert_eq!(bench.lines().len(), 1);
    assert_eq!(bench.machine.counters().no_room, 1);
    let refused = bench.machine.open(bench.now, &"skype:bob".parse().unwrap());
    assert_eq!(refused, Err(OpenError::TooMany { limit: PATHS_MAX }));
}

#[test]
fn opens_that_fail_at_once_cost_bounded_memory() {
    let mut bench = Bench::attached();
    bench.hear("CONNSTATUS LOGGEDOUT");
    let peer = "skype:bob".parse().unwrap();
    for _ in 0..3 * PATHS_MAX {
        let _refused = bench.machine.open(bench.now, &peer);
    }
    assert_eq!(bench.events().len(), PATHS_MAX);
}

#[test]
fn last_words_hang_up_every_stream() {
    let (mut bench, _) = Bench::connected();
    bench.hear("APPLICATION a STREAMS bob:1 carol:1");
    let words: Vec<String> = bench.machine.last_words().collect();
    let expected = ["bob:1", "carol:1"].map(|s| format!("ALTER APPLICATION a DISCONNECT {s}"));
    assert_eq!(words, expected);
}
