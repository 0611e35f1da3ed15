//! Half an hour of mixed traffic through three processes: memory and descriptors stay flat.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::place::{Place, descriptors};
use common::{Running, ask, curl, octets, web_server};

const LINK: &str = "rate = 65536\nrtt_ms = 100\nloss = 0.01";
const MINUTES: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// Of each minute, how long traffic is begun: what was begun then ends, and all is quiet at the end.
const BUSY: Duration = Duration::from_secs(40);
/// Quiet is when the numbers of descriptors were the same for so many seconds.
const QUIET_S: usize = 3;
/// Longer than what a target that is gone, or a stream that is reset, may take to be let go.
const SETTLES_WITHIN_S: usize = 60;

const DOWNLOADS: [usize; 3] = [700, 40_000, 300_000];
const UPLOADS: [usize; 3] = [1_000, 30_000, 150_000];
const BURST: usize = 50;
const BURST_OCTETS: usize = 500;
const IDLE: usize = 5;
/// Any read by this test that takes longer hangs.
const HANG: Duration = Duration::from_secs(180);

/// A process may have so many descriptors more than after the first minute.
const DESCRIPTORS_MORE_MAX: usize = 0;
/// A process may have so much more memory than after the first five minutes, or the first quarter.
const MEMORY_MORE_KIB_MAX: usize = 4096;
const WARM_UP_MINUTES: usize = 5;

/// Where the traffic goes.
struct Targets {
    files: Vec<(SocketAddr, Vec<u8>)>,
    echo: SocketAddr,
    resetting: SocketAddr,
    silent: SocketAddr,
    closed: SocketAddr,
    not_forwarded: SocketAddr,
}

impl Targets {
    fn new() -> Self {
        let files = DOWNLOADS.map(|len| (web_server(octets(len)), octets(len)));
        Self {
            files: files.into(),
            echo: serve(|mut tcp| {
                let mut buf = [0; 4096];
                while let Ok(len @ 1..) = tcp.read(&mut buf) {
                    if tcp.write_all(&buf[..len]).is_err() {
                        return;
                    }
                }
            }),
            // What is left unread makes the kernel reset the connection.
            resetting: serve(|tcp| drop(tcp.peek(&mut [0; 4]))),
            silent: serve(|mut tcp| while let Ok(1..) = tcp.read(&mut [0; 4096]) {}),
            closed: nobody(),
            not_forwarded: nobody(),
        }
    }

    fn forwarded(&self) -> Vec<SocketAddr> {
        let files = self.files.iter().map(|(at, _)| *at);
        files.chain([self.echo, self.resetting, self.silent, self.closed]).collect()
    }
}

/// A target that does the same with every connection, each on a thread of its own.
fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let with = with.clone();
            thread::spawn(move || with(tcp));
        }
    });
    at
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The way through, and what came through it.
struct Traffic<'a> {
    socks: &'a str,
    targets: &'a Targets,
    transfers: AtomicU64,
    octets: AtomicU64,
    broken_off: AtomicU64,
}

impl Traffic<'_> {
    fn download(&self, round: usize) {
        let (at, file) = &self.targets.files[round % self.targets.files.len()];
        let (code, body, stderr) = curl(&["--socks5", self.socks, &format!("http://{at}/")]);
        assert_eq!(code, 0, "{stderr}");
        assert!(body == *file, "{} of {} octets, or others", body.len(), file.len());
        self.is_through(body.len());
    }

    /// There and back, the end of the way there told by a half-close.
    fn upload(&self, round: usize) {
        let text = octets(UPLOADS[round % UPLOADS.len()]);
        let tcp = self.ask(self.targets.echo);
        let echo = thread::scope(|scope| {
            scope.spawn(|| {
                (&tcp).write_all(&text).unwrap();
                tcp.shutdown(Shutdown::Write).unwrap();
            });
            let mut echo = Vec::new();
            (&tcp).read_to_end(&mut echo).unwrap();
            echo
        });
        assert!(echo == text, "{} of {} octets, or others", echo.len(), text.len());
        self.is_through(2 * text.len());
    }

    /// Leaves in the middle, by turns with data unread and by curl's own time limit.
    fn break_off(&self, round: usize) {
        let (at, _) = self.targets.files.last().unwrap();
        if round.is_multiple_of(2) {
            let mut tcp = self.ask(*at);
            tcp.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            tcp.read_exact(&mut [0; 2000]).unwrap();
        } else {
            let words = ["--socks5", self.socks, "--max-time", "1", &format!("http://{at}/")];
            let (code, ..) = curl(&words);
            assert_eq!(code, 28, "300 kB in a second over 64 KB/s");
        }
        self.broken_off.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(2));
    }

    /// Targets that refuse, are refused, reset, or say nothing.
    fn meet_bad_targets(&self, round: usize) {
        match round % 4 {
            0 => self.is_refused(self.targets.closed, "(5)"),
            1 => self.is_refused(self.targets.not_forwarded, "(2)"),
            2 => {
                let mut tcp = self.ask(self.targets.resetting);
                tcp.write_all(b"hello").unwrap();
                assert!(tcp.read_exact(&mut [0]).is_err(), "there was nothing to read");
            }
            _ => {
                let mut tcp = self.ask(self.targets.silent);
                tcp.write_all(b"hello").unwrap();
                thread::sleep(Duration::from_secs(3));
            }
        }
        self.broken_off.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(1));
    }

    fn is_refused(&self, at: SocketAddr, reply: &str) {
        let (code, _, stderr) = curl(&["--socks5", self.socks, &format!("http://{at}/")]);
        assert_eq!(code, 97, "{stderr}");
        assert!(stderr.contains(reply), "{stderr}");
    }

    fn burst(&self) {
        thread::scope(|scope| {
            for _ in 0..BURST {
                scope.spawn(|| self.echo_on(&self.ask(self.targets.echo)));
            }
        });
    }

    fn echo_on(&self, mut tcp: &TcpStream) {
        let text = octets(BURST_OCTETS);
        let mut echo = vec![0; text.len()];
        tcp.write_all(&text).unwrap();
        tcp.read_exact(&mut echo).unwrap();
        assert!(echo == text, "other octets");
        self.is_through(2 * text.len());
    }

    fn ask(&self, target: SocketAddr) -> TcpStream {
        let tcp = ask(self.socks, target);
        tcp.set_read_timeout(Some(HANG)).unwrap();
        tcp
    }

    fn is_through(&self, octets: usize) {
        self.transfers.fetch_add(1, Ordering::Relaxed);
        self.octets.fetch_add(octets.try_into().unwrap(), Ordering::Relaxed);
    }

    /// One minute's worth: each kind again and again, one burst, and a word on what is idle.
    fn minute(&self, idle: &[TcpStream]) {
        let end = now() + BUSY;
        let again_and_again = |once: &dyn Fn(usize)| {
            let mut rounds = 0..;
            while now() < end {
                once(rounds.next().unwrap());
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| again_and_again(&|round| self.download(round)));
            scope.spawn(|| again_and_again(&|round| self.upload(round)));
            scope.spawn(|| again_and_again(&|round| self.break_off(round)));
            scope.spawn(|| again_and_again(&|round| self.meet_bad_targets(round)));
            scope.spawn(|| self.burst());
            idle.iter().for_each(|tcp| self.echo_on(tcp));
        });
    }
}

/// Descriptors and resident memory of client, bridge and overlay.
#[derive(Clone, Copy, Debug)]
struct Sample {
    descriptors: [usize; 3],
    memory_kib: [usize; 3],
}

impl Sample {
    fn of(processes: [u32; 3]) -> Self {
        Self { descriptors: processes.map(descriptors), memory_kib: processes.map(memory_kib) }
    }

    /// As it is once the last descriptors have been let go.
    fn when_quiet(processes: [u32; 3]) -> Self {
        let mut last = Self::of(processes);
        let mut same = 0;
        for _ in 0..SETTLES_WITHIN_S {
            thread::sleep(Duration::from_secs(1));
            let next = Self::of(processes);
            same = if next.descriptors == last.descriptors { same + 1 } else { 0 };
            last = next;
            if same == QUIET_S {
                return last;
            }
        }
        panic!("never quiet: {last:?}");
    }

    #[expect(clippy::print_stdout, reason = "a line a minute for whoever waits")]
    fn print(&self, minute: usize, traffic: &Traffic<'_>) {
        let Self { descriptors, memory_kib } = self;
        let counts = [&traffic.transfers, &traffic.octets, &traffic.broken_off];
        let [whole, octets, broken_off] = counts.map(|count| count.load(Ordering::Relaxed));
        println!(
            "minute {minute:2}  descriptors {descriptors:?}  memory {memory_kib:?} KiB  \
             whole {whole}, {octets} octets  broken off {broken_off}"
        );
    }
}

fn memory_kib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a soak lasts as long as it is told to")]
fn now() -> Instant {
    Instant::now()
}

fn assert_flat(samples: &[Sample]) {
    let warm_up = WARM_UP_MINUTES.min(samples.len().div_ceil(4));
    let (first, warm, last) = (samples[0], samples[warm_up - 1], samples[samples.len() - 1]);
    for (index, name) in ["client", "bridge", "overlay"].into_iter().enumerate() {
        let (before, after) = (first.descriptors[index], last.descriptors[index]);
        assert!(after <= before + DESCRIPTORS_MORE_MAX, "{name}: {before}, then {after}");
        let (before, after) = (warm.memory_kib[index], last.memory_kib[index]);
        assert!(after <= before + MEMORY_MORE_KIB_MAX, "{name}: {before} KiB, then {after}");
    }
}

#[test]
#[ignore = "half an hour; SOAK_MINUTES says how long: cargo xtask test --all"]
fn mixed_traffic_leaves_memory_and_descriptors_flat_and_logs_no_error() {
    let minutes = std::env::var("SOAK_MINUTES").map_or(MINUTES, |text| text.parse().unwrap());
    assert!(minutes > 0, "SOAK_MINUTES is at least 1");
    let targets = Targets::new();
    let mut place = Place::new(LINK, &targets.forwarded());
    place.set("SKYPEPROXY_LOG_FORMAT", "json");
    place.set("RUST_LOG", "info");
    let overlay = place.overlay_alike();
    let bridge = place.bridge();
    let (client, socks) = place.client();
    let processes = [client.pid(), bridge.pid(), overlay.pid()];

    let zero = AtomicU64::default;
    let counts = (zero(), zero(), zero());
    let (transfers, octets, broken_off) = counts;
    let traffic = Traffic { socks: &socks, targets: &targets, transfers, octets, broken_off };
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| traffic.ask(targets.echo)).collect();
    let mut samples = Vec::new();
    for minute in 1..=minutes {
        let end = now() + MINUTE;
        traffic.minute(&idle);
        let sample = Sample::when_quiet(processes);
        sample.print(minute, &traffic);
        samples.push(sample);
        thread::sleep(end.saturating_duration_since(now()));
    }
    idle.iter().for_each(|tcp| traffic.echo_on(tcp));
    assert_flat(&samples);
    for log in [client, bridge, overlay].map(Running::stop_and_read) {
        assert!(log.contains("\"level\":\"INFO\""), "nothing is logged as JSON: {log}");
        assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("panicked"), "{log}");
    }
}
