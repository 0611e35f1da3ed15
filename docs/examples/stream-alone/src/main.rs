//! Carries a file between two connections over UDP on loopback: ap2ap-stream and the standard
//! library, two threads, no async.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ap2ap_stream::{
    BridgeIdentity, Acceptor, Config, Connection, ErrorCode, Event, Output, PathEvent, PathId, ReadError,
    SecretKey, StreamId,
};

type Failure = Box<dyn Error + Send + Sync>;

const PATH: PathId = PathId(0);
const PAYLOAD_MAX: usize = 1200;
const FILE_OCTETS: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    let key = SecretKey::from_octets(random()?);
    let public = key.public();
    let bridge_socket = UdpSocket::bind("127.0.0.1:0")?;
    let bridge_at = bridge_socket.local_addr()?;
    let bridge = thread::spawn(move || receive_file(bridge_socket, key));

    let file: Vec<u8> = (0..FILE_OCTETS).map(|place| (place * place >> 7) as u8).collect();
    let began = Instant::now();
    let connection = Connection::connect(public, Config::default(), random()?, wall()?, began);
    let mut client = End { socket: UdpSocket::bind("127.0.0.1:0")?, peer: bridge_at, connection };
    send_file(&mut client, &file)?;

    let received = bridge.join().map_err(|_| "the bridge's thread panicked")??;
    let took = began.elapsed();
    if received != file {
        return Err("the file changed on the way".into());
    }
    let stats = client.connection.stats();
    println!("{} octets in {took:?}, {} datagrams", received.len(), stats.datagrams_sent);
    Ok(())
}

/// One end: a connection, and the socket that carries its datagrams.
struct End {
    socket: UdpSocket,
    peer: SocketAddr,
    connection: Connection,
}

impl End {
    /// The loop of the documentation: sends what is due and returns the next event, or `None` after
    /// a datagram came or a time passed.
    fn step(&mut self) -> Result<Option<Event>, Failure> {
        let mut buf = [0; 2048];
        loop {
            match self.connection.poll_output(Instant::now(), &mut buf) {
                Output::Transmit { len, .. } => drop(self.socket.send_to(&buf[..len], self.peer)?),
                Output::Event(Event::Closed(reason)) => return Err(reason.into()),
                Output::Event(event) => return Ok(Some(event)),
                // It is over, and nothing will wake us.
                Output::Wait(_) if self.connection.is_drained() => return Ok(None),
                Output::Wait(until) => {
                    if let Some((len, _)) = receive(&self.socket, &mut buf, until)? {
                        self.connection.handle_datagram(Instant::now(), PATH, &buf[..len]);
                    }
                    return Ok(None);
                }
            }
        }
    }
}

/// A datagram, unless the time comes first.
fn receive(
    socket: &UdpSocket,
    buf: &mut [u8],
    until: Option<Instant>,
) -> io::Result<Option<(usize, SocketAddr)>> {
    let wait = until.map(|at| at.saturating_duration_since(Instant::now()));
    // A time-out of zero would mean none at all.
    socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_micros(1))))?;
    match socket.recv_from(buf) {
        Ok(datagram) => Ok(Some(datagram)),
        Err(error) if is_time_out(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Writes the file, and waits until the bridge says that it has all of it.
fn send_file(client: &mut End, file: &[u8]) -> Result<(), Failure> {
    let id = client.connection.open()?;
    let mut rest = write_some(client, id, file);
    let added = PathEvent::Added { payload_max: PAYLOAD_MAX };
    client.connection.handle_path(Instant::now(), PATH, added);
    loop {
        match client.step()? {
            Some(Event::Writable(_)) => rest = write_some(client, id, rest),
            Some(Event::Readable(_)) => break,
            Some(_) | None => {}
        }
    }
    client.connection.close(Instant::now(), ErrorCode(0), "thank you");
    while !client.connection.is_drained() {
        // The first event says that it is closed: that is what we wanted.
        let _ = client.step();
    }
    Ok(())
}

/// Writes until the buffer is full, and finishes after the last octet; the rest.
fn write_some<'a>(client: &mut End, id: StreamId, mut file: &'a [u8]) -> &'a [u8] {
    let Some(mut stream) = client.connection.stream(id) else { return file };
    while !file.is_empty()
        && let Ok(taken) = stream.write(file)
    {
        file = &file[taken..];
    }
    if file.is_empty() {
        // Refused only if it was finished before.
        let _ = stream.finish();
    }
    file
}

/// Waits for a client, reads its file, and acknowledges it by finishing the stream.
fn receive_file(socket: UdpSocket, key: SecretKey) -> Result<Vec<u8>, Failure> {
    let mut acceptor = Acceptor::new(BridgeIdentity::new(key, wall()?), Config::default(), random()?);
    let mut buf = [0; 2048];
    let (connection, peer) = loop {
        let Some((len, peer)) = receive(&socket, &mut buf, None)? else { continue };
        let path = (PATH, PAYLOAD_MAX);
        // Whoever does not know the key hears nothing.
        if let Ok(connection) = acceptor.handle_first(Instant::now(), wall()?, path, &buf[..len]) {
            break (connection, peer);
        }
    };
    let mut bridge = End { socket, peer, connection };
    let mut file = Vec::new();
    loop {
        match bridge.step() {
            Ok(Some(Event::Readable(id))) => read_some(&mut bridge, id, &mut file)?,
            Ok(Some(_) | None) => {}
            // The client closes once it knows that everything is here.
            Err(_) if file.len() == FILE_OCTETS => return Ok(file),
            Err(error) => return Err(error),
        }
    }
}

fn read_some(bridge: &mut End, id: StreamId, file: &mut Vec<u8>) -> Result<(), Failure> {
    let Some(mut stream) = bridge.connection.stream(id) else { return Ok(()) };
    loop {
        match stream.read(64 * 1024) {
            Ok(Some(octets)) => file.extend_from_slice(&octets),
            Ok(None) => return Ok(stream.finish()?),
            Err(ReadError::Blocked) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn wall() -> Result<Duration, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// Seeds and keys must come from a cryptographic source.
fn random() -> io::Result<[u8; 32]> {
    let mut octets = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(octets)
}
