//! Instructions that the hot paths take, counted by valgrind: `cargo bench -p benches --bench instructions [-- --json FILE]`.
//!
//! The program runs itself under callgrind, once for each operation, and counts only while the stack is at
//! work: what drives it, and the handshake and the first round trips, are left out.
#![expect(clippy::print_stdout, reason = "printing is its job")]

#[path = "instructions/controller.rs"]
mod controller;

use std::collections::VecDeque;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use ap2ap_stream::internals::Packets;
use ap2ap_stream::{
    Acceptor, BridgeIdentity, Config, Connection, Output, PathEvent, PathId, SecretKey, Side,
    StreamId,
};
use benches::json_file;
use controller::What;
use serde_json::{Value, json};

/// Each operation by its name on the command line, with what the table calls it.
const OPERATIONS: [(&str, &str); 8] = [
    ("seal", "a packet of 1,200 octets sealed and opened"),
    ("bulk", "a bulk datagram sent, received, read and acknowledged, both ends"),
    ("beside", "the same beside 10,000 idle streams"),
    ("ack", "the acknowledgements of it handled, for each datagram"),
    ("stream", "a stream opened, used for a request and closed, both ends"),
    ("rate", "the rate controller alone, for a datagram permitted, sent and acknowledged"),
    ("rate-32", "the same, told of 32 datagrams at once"),
    ("rate-loss", "the same, told of a loss behind a policer"),
];

/// Enough that start-up hides no more than some tenths of a percent.
const COUNT: u64 = 2_000;
/// Operations before the first that counts: by then a transfer's rate is learned and its buffers have grown.
const WARM_UP: u64 = 2_000;

/// Streams that may be open at once.
const STREAMS_MAX: u16 = 11_000;

/// One way, and the length of a datagram.
const DELAY: Duration = Duration::from_millis(10);
const PAYLOAD_MAX: usize = 1_200;

const PATH: PathId = PathId(0);
const WALL: Duration = Duration::from_secs(1_800_000_000);

/// Given to the program when it runs under valgrind.
const UNDER_VALGRIND: &str = "--count";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut after = arguments.iter().skip_while(|argument| *argument != UNDER_VALGRIND).skip(1);
    if let Some(name) = after.next() {
        println!("{}", operate(name));
        return;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!(
            "instructions are counted by valgrind, which is not here: install the package valgrind"
        );
        return;
    }
    println!("instructions  operation");
    let mut figures = Vec::new();
    for (name, what) in OPERATIONS {
        let count = instructions(name);
        figures.push(json!({ "name": name, "what": what, "instructions": count }));
        match count {
            Some(count) => println!("{count:>12}  {what}"),
            None => println!("{:>12}  {what}: valgrind counted nothing", "-"),
        }
    }
    json_file::write(&Value::from(figures)).expect("the file can be written");
}

/// Instructions of one operation.
fn instructions(name: &str) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions*counted*")
        .arg(program)
        .args([UNDER_VALGRIND, name])
        .output()
        .ok()?;
    let operations: u64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    let told = String::from_utf8(output.stderr).ok()?;
    let (_, collected) = told.rsplit_once("Collected :")?;
    let collected: u64 = collected.split_whitespace().next()?.parse().ok()?;
    collected.checked_div(operations).filter(|count| *count > 0)
}

/// What callgrind counts: this function, and all that it calls.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn maybe_counted<T>(is_counted: bool, work: impl FnOnce() -> T) -> T {
    if is_counted { counted(work) } else { work() }
}

/// Does an operation many times; how often while it counted.
fn operate(name: &str) -> u64 {
    match name {
        "seal" => seal(),
        "bulk" => bulk(0, Counts { client: true, bridge: true, acks_only: false }),
        "beside" => bulk(10_000, Counts { client: true, bridge: true, acks_only: false }),
        "ack" => bulk(0, Counts { client: true, bridge: false, acks_only: true }),
        "stream" => streams(),
        "rate" => controller::drive(What::Datagram),
        "rate-32" => controller::drive(What::Acknowledgement),
        "rate-loss" => controller::drive(What::Loss),
        _ => 0,
    }
}

fn seal() -> u64 {
    let [mut client, mut bridge] =
        [Side::Client, Side::Bridge].map(|side| Packets::new(side, [1; 32], [2; 32]));
    let (mut packet, frames) = ([0; PAYLOAD_MAX], [7; PAYLOAD_MAX - 20]);
    let now = origin();
    for number in 1..=COUNT {
        let is_open = counted(|| {
            let len = client.seal((0, number), number.saturating_sub(200), &frames, &mut packet)?;
            bridge.open(now, (0, number), packet.get_mut(..len)?)
        });
        assert!(is_open.is_some(), "what was sealed can be opened");
    }
    COUNT
}

/// Datagrams that the client sent while it counted, with so many streams open beside.
fn bulk(idle_streams: usize, counts: Counts) -> u64 {
    let mut ends = Ends::connected();
    ends.open_idle(idle_streams);
    let id = ends.client.open().expect("one more stream is allowed");
    ends.bulk = Some(id);
    while ends.sent < WARM_UP {
        ends.go_on();
    }
    ends.counts = Some(counts);
    let sent = ends.sent;
    while ends.sent < sent + COUNT {
        ends.go_on();
    }
    ends.sent - sent
}

fn streams() -> u64 {
    /// Each takes a round trip of virtual time, and a few hundred are as good as thousands.
    const STREAMS: u64 = 500;
    let mut ends = Ends::connected();
    for number in 0..2 * STREAMS {
        if number == STREAMS {
            ends.counts = Some(Counts { client: true, bridge: true, acks_only: false });
        }
        ends.request();
    }
    STREAMS
}

/// Whose work counts.
#[derive(Clone, Copy)]
struct Counts {
    client: bool,
    bridge: bool,
    /// Only the handling of what the client receives.
    acks_only: bool,
}

/// Both ends, and the datagrams between them.
struct Ends {
    now: Instant,
    client: Connection,
    bridge: Connection,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
    /// The stream that the client never stops writing to.
    bulk: Option<StreamId>,
    counts: Option<Counts>,
    sent: u64,
}

impl Ends {
    fn connected() -> Self {
        let now = origin();
        let key = SecretKey::from_octets([42; 32]);
        let mut config = Config::default();
        config.streams_max = STREAMS_MAX;
        let mut client = Connection::connect(key.public(), config.clone(), [1; 32], WALL, now);
        client.handle_path(now, PATH, PathEvent::Added { payload_max: PAYLOAD_MAX });
        let identity = BridgeIdentity::new(key, Duration::ZERO);
        let mut acceptor = Acceptor::new(identity, config, [2; 32]);
        let mut first = vec![0; PAYLOAD_MAX];
        let Output::Transmit { len, .. } = client.poll_output(now, &mut first) else {
            panic!("a client with a path begins")
        };
        first.truncate(len);
        let bridge = acceptor
            .handle_first(now, WALL, (PATH, PAYLOAD_MAX), &first)
            .expect("a first message for this key");
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let mut ends = Self { now, client, bridge, up, down, bulk: None, counts: None, sent: 0 };
        (0..20).for_each(|_| ends.go_on());
        ends
    }

    /// Opens streams that both ends know and nothing goes over any more.
    fn open_idle(&mut self, count: usize) {
        for _ in 0..count {
            let id = self.client.open().expect("they are fewer than may be open");
            let written = self.client.stream(id).map(|mut stream| stream.write(b"x"));
            assert_eq!(written, Some(Ok(1)));
        }
        while self.bridge.streams_open() < count || self.client.stats().in_flight > 0 {
            self.go_on();
        }
    }

    /// Does all that is due, and goes to when something is due again.
    fn go_on(&mut self) {
        let counts = self.counts;
        let both = counts.filter(|counts| !counts.acks_only);
        let (by_client, by_bridge) =
            (both.is_some_and(|it| it.client), both.is_some_and(|it| it.bridge));
        while let Some((_, datagram)) = self.down.pop_front_if(|(at, _)| *at <= self.now) {
            let (client, now) = (&mut self.client, self.now);
            let is_counted = counts.is_some_and(|it| it.client);
            maybe_counted(is_counted, || client.handle_datagram(now, PATH, &datagram));
        }
        while let Some((_, datagram)) = self.up.pop_front_if(|(at, _)| *at <= self.now) {
            let (bridge, now, bulk) = (&mut self.bridge, self.now, self.bulk);
            maybe_counted(by_bridge, || {
                bridge.handle_datagram(now, PATH, &datagram);
                bulk.and_then(|id| bridge.stream(id)?.read(usize::MAX).ok())
            });
        }
        if let Some(mut stream) = self.bulk.and_then(|id| self.client.stream(id)) {
            maybe_counted(by_client, || while stream.write(&[7; 1_024]).is_ok() {});
        }
        let (now, up, down) = (self.now, &mut self.up, &mut self.down);
        let before = up.len();
        let client = poll(&mut self.client, now, by_client, up);
        self.sent += u64::try_from(up.len() - before).unwrap_or(u64::MAX);
        let bridge = poll(&mut self.bridge, now, by_bridge, down);
        let arrivals = [up.front(), down.front()].map(|first| first.map(|(at, _)| *at));
        let next = arrivals.into_iter().chain([client, bridge]).flatten().min();
        self.now = next.expect("a live connection waits for something").max(now);
    }

    /// A request of 100 octets on a stream of its own, its answer, and both ends forget it.
    fn request(&mut self) {
        const OCTETS: [u8; 100] = [7; 100];
        let counts = self.counts.is_some();
        let client = &mut self.client;
        let id = maybe_counted(counts, || {
            let id = client.open().expect("earlier streams are closed");
            send(client, id, &OCTETS);
            id
        });
        let (mut is_answered, mut is_read) = (false, false);
        while !(is_answered && is_read) {
            self.go_on();
            let (client, bridge) = (&mut self.client, &mut self.bridge);
            maybe_counted(counts, || {
                if !is_answered && is_at_end(bridge, id) {
                    send(bridge, id, &OCTETS);
                    is_answered = true;
                }
                is_read = is_read || is_answered && is_at_end(client, id);
            });
        }
    }
}

/// Writes to a stream and ends it.
fn send(end: &mut Connection, id: StreamId, octets: &[u8]) {
    let mut stream = end.stream(id).expect("an open stream");
    assert_eq!(stream.write(octets), Ok(octets.len()));
    assert_eq!(stream.finish(), Ok(()));
}

/// Reads what there is: whether that was all.
fn is_at_end(end: &mut Connection, id: StreamId) -> bool {
    let Some(mut stream) = end.stream(id) else { return false };
    loop {
        match stream.read(usize::MAX) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Polls until there is nothing to do now: when there will be.
fn poll(
    end: &mut Connection,
    now: Instant,
    is_counted: bool,
    wire: &mut VecDeque<(Instant, Vec<u8>)>,
) -> Option<Instant> {
    let mut buf = [0; 2_048];
    loop {
        match maybe_counted(is_counted, || end.poll_output(now, &mut buf)) {
            Output::Transmit { len, .. } => {
                let octets = buf.get(..len).unwrap_or_default();
                wire.push_back((now + DELAY, octets.to_vec()));
            }
            Output::Event(_) => {}
            Output::Wait(at) => return at,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin; its value is unused")]
fn origin() -> Instant {
    Instant::now()
}
