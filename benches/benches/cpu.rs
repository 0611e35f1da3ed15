//! Octets of payload for each second of processor time, over loopback UDP in real time: `cargo bench --bench cpu
//! [-- --json FILE]`.
//!
//! One upload, both ends in this process, a thread each; all stacks are driven by the same loop over the same kind of
//! sockets and send datagrams of 1,200 octets. Rounds take turns, and the medians are printed: a machine that
//! does other things slows all of them alike. quinn stands there twice, for it can hand its socket many datagrams
//! at once; ours does not.
#![expect(clippy::print_stdout, reason = "printing is its job")]
#![expect(clippy::disallowed_methods, reason = "real time is measured")]

use std::io::{ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::figure::median;
use benches::peers::quic::{Cipher, Congestion, Quic};
use benches::{End, Load, Run, Stack, json_file};
use cpu_time::ProcessTime;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use relay_sim::{LinkSpec, Node as _};
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};
use socket2::SockRef;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(3);
/// What a socket may hold.
const BUFFER_OCTETS: usize = 4 * 1024 * 1024;
/// Datagrams that are read, and sent, before the other is done.
const TURN: usize = 64;
/// What `quinn_udp` is given at most at once.
const SEGMENTS_MAX: usize = 10;

/// How fast a round was.
struct Round {
    /// Octets of payload for each second.
    speed: f64,
    /// Octets of payload for each second of processor time of both ends.
    thrift: f64,
}

/// An end of a round.
enum Driven {
    /// One datagram for each call of the system.
    Single(Box<dyn End>),
    /// Many, sent and received at once.
    Segmented(Box<Quic>),
}

impl Driven {
    fn end(&mut self) -> &mut dyn End {
        match self {
            Self::Single(end) => &mut **end,
            Self::Segmented(end) => &mut **end,
        }
    }
}

fn main() {
    let kinds =
        ["ap2ap-stream", "quinn", "quinn, ChaCha20-Poly1305", "quinn, segmentation offload"];
    let mut rounds: [Vec<Round>; 4] = <_>::default();
    for _ in 0..ROUNDS {
        for (kind, rounds) in rounds.iter_mut().enumerate() {
            rounds.push(round(kind));
        }
    }
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| {
        median(&rounds.iter().map(figure).collect::<Vec<f64>>()) / 1e6
    };
    println!("{:34} {:>8} {:>24}", "", "MB/s", "MB / s of processor time");
    let mut figures = Vec::new();
    for (kind, rounds) in kinds.iter().zip(&rounds) {
        let (speed, thrift) = (of(rounds, |round| round.speed), of(rounds, |round| round.thrift));
        println!("{kind:34} {speed:>8.1} {thrift:>24.1}");
        figures.push(json!({ "stack": kind, "mb_per_s": speed, "mb_per_processor_s": thrift }));
    }
    let [ours, quinn, same_cipher, _] = &rounds;
    for (name, quinn) in [("quinn", quinn), ("quinn with our cipher", same_cipher)] {
        let pairs = ours.iter().zip(quinn).map(|(ours, quinn)| ours.thrift / quinn.thrift);
        let ratio = median(&pairs.collect::<Vec<f64>>());
        println!("ours / {name}, by processor time: {ratio:.2}");
    }
    json_file::write(&Value::from(figures)).expect("the file can be written");
}

fn round(kind: usize) -> Round {
    let [client, bridge] = [(), ()].map(|()| socket());
    client.connect(bridge.local_addr().expect("it is bound")).expect("loopback is there");
    bridge.connect(client.local_addr().expect("it is bound")).expect("loopback is there");
    let start = Instant::now();
    let stop = AtomicBool::new(false);
    let before = ProcessTime::now();
    // Ends stay in the threads that they were made in.
    let delivered = thread::scope(|scope| {
        scope.spawn(|| drive(ends(kind, start).0, &client, &stop));
        let bridge = scope.spawn(|| drive(ends(kind, start).1, &bridge, &stop));
        thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        bridge.join().expect("it does not panic")
    });
    let octets = u32::try_from(delivered).map_or(f64::INFINITY, f64::from);
    Round {
        speed: octets / start.elapsed().as_secs_f64(),
        thrift: octets / before.elapsed().as_secs_f64(),
    }
}

fn ends(kind: usize, start: Instant) -> (Driven, Driven) {
    let quic = |cipher| {
        let client = Quic::client(start, (Congestion::Cubic, cipher), Load::Bulk, 1);
        (client, Quic::bridge(Congestion::Cubic, Load::Bulk, 1))
    };
    if kind == 3 {
        let (client, bridge) = quic(Cipher::Usual);
        return (Driven::Segmented(Box::new(client)), Driven::Segmented(Box::new(bridge)));
    }
    if kind == 2 {
        let (client, bridge) = quic(Cipher::ChaCha20);
        return (Driven::Single(Box::new(client)), Driven::Single(Box::new(bridge)));
    }
    let stack = if kind == 0 { Stack::Ours } else { Stack::QuinnCubic };
    let (client, bridge) = Run { stack, ..Run::new(LinkSpec::default(), Load::Bulk) }.ends(start);
    (Driven::Single(client), Driven::Single(bridge))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    socket.set_nonblocking(true).expect("sockets can");
    let options = SockRef::from(&socket);
    options.set_recv_buffer_size(BUFFER_OCTETS).expect("sockets have buffers");
    options.set_send_buffer_size(BUFFER_OCTETS).expect("sockets have buffers");
    socket
}

/// Drives one end until told to stop; the octets that arrived there.
fn drive(mut driven: Driven, socket: &UdpSocket, stop: &AtomicBool) -> u64 {
    let state = UdpSocketState::new(UdpSockRef::from(socket)).expect("it is a UDP socket");
    let mut buf = vec![0; 65_536];
    let mut out = Vec::with_capacity(65_536);
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let heard = match &mut driven {
            Driven::Single(end) => receive(&mut **end, socket, now, &mut buf),
            Driven::Segmented(end) => receive_segments(end, (socket, &state), now, &mut buf),
        };
        let sent = match &mut driven {
            Driven::Single(end) => send(&mut **end, socket, now, &mut out),
            Driven::Segmented(end) => send_segments(end, (socket, &state), now, &mut out),
        };
        if !heard && !sent {
            let next = driven.end().next_at();
            let wait = next.map_or(ROUND, |at| at.saturating_duration_since(Instant::now()));
            let wait = wait.min(Duration::from_millis(50));
            let _ = poll(
                &mut [PollFd::new(socket, PollFlags::IN)],
                Some(&wait.try_into().expect("milliseconds fit")),
            );
        }
    }
    assert_eq!(driven.end().fault(), None);
    driven.end().delivered().iter().map(|(_, octets)| octets).sum()
}

fn receive(end: &mut dyn End, socket: &UdpSocket, now: Instant, buf: &mut [u8]) -> bool {
    let mut heard = false;
    for _ in 0..TURN {
        match socket.recv(buf) {
            Ok(len) => end.handle_datagram(now, buf.get(..len).unwrap_or_default()),
            // What was refused on the way has no meaning for loopback that begins.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_) => break,
        }
        heard = true;
    }
    heard
}

fn send(end: &mut dyn End, socket: &UdpSocket, now: Instant, out: &mut Vec<u8>) -> bool {
    let mut sent = false;
    for _ in 0..TURN {
        out.clear();
        if !end.poll_transmit(now, out) {
            break;
        }
        // A full socket drops: both stacks know how to live with that.
        let _ = socket.send(out);
        sent = true;
    }
    sent
}

fn receive_segments(
    end: &mut Quic,
    (socket, state): (&UdpSocket, &UdpSocketState),
    now: Instant,
    buf: &mut [u8],
) -> bool {
    let mut heard = false;
    for _ in 0..TURN / SEGMENTS_MAX {
        let mut meta = [RecvMeta::default()];
        let received = state.recv(UdpSockRef::from(socket), &mut [IoSliceMut::new(buf)], &mut meta);
        if !matches!(received, Ok(1..)) {
            break;
        }
        let [RecvMeta { len, stride, .. }] = meta;
        let octets = buf.get(..len).unwrap_or_default();
        octets.chunks(stride.max(1)).for_each(|datagram| end.handle_datagram(now, datagram));
        heard = true;
    }
    heard
}

fn send_segments(
    end: &mut Quic,
    (socket, state): (&UdpSocket, &UdpSocketState),
    now: Instant,
    out: &mut Vec<u8>,
) -> bool {
    let destination = socket.peer_addr().expect("it is connected");
    let segments_max = state.max_gso_segments().min(SEGMENTS_MAX);
    let mut sent = false;
    for _ in 0..TURN / SEGMENTS_MAX {
        out.clear();
        let Some(segment_size) = end.poll_segments(now, segments_max, out) else { break };
        let transmit =
            Transmit { destination, ecn: None, contents: out, segment_size, src_ip: None };
        let _ = state.send(UdpSockRef::from(socket), &transmit);
        sent = true;
    }
    sent
}
