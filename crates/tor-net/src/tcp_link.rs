//! A plain IP link between the island and the core with a relay's shape: a TUN device at each
//! end, relay-sim between. Over it tor goes without us, for comparison.
//!
//! ```text
//!   client tor ─ TUN ─ Unix socket ─► relay-sim up ───► TUN ─ bridge
//!                                 ◄── relay-sim down ◄─
//! ```

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use relay_sim::{Link, LinkSpec};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::clock;
use crate::island::PACKET_MAX;
use crate::namespaces::run;
use crate::relay::Octets;

/// The device's name at both ends.
const DEVICE: &str = "or0";

/// The island's end and the core's.
const ISLAND: &str = "10.99.0.1";
pub(crate) const CORE: &str = "10.99.0.2";

/// A link with nothing under way looks again after this.
const IDLE: Duration = Duration::from_secs(3600);

/// A packet on its way.
enum Way {
    Up(Vec<u8>),
    Down(Vec<u8>),
}

/// The core's end of a link, and what drives it. Dropped, its device goes and its threads end.
#[derive(Debug)]
pub(crate) struct TcpLink {
    socket: Arc<UnixDatagram>,
    octets: Arc<Mutex<Octets>>,
}

impl TcpLink {
    /// Opens the core's end. The island connects from `islands` once it is there.
    pub(crate) fn open(spec: &LinkSpec, cores: &Path, islands: &Path) -> Result<Self> {
        let tun = Arc::new(device(DEVICE, CORE, ISLAND)?);
        let socket = Arc::new(UnixDatagram::bind(cores).context("no socket for the link")?);
        let (sender, packets) = mpsc::channel();
        let (from_tun, from_socket) = (Arc::clone(&tun), Arc::clone(&socket));
        let down = sender.clone();
        thread::spawn(move || forward(&down, Way::Down, |buf| from_tun.recv(buf)));
        thread::spawn(move || forward(&sender, Way::Up, |buf| from_socket.recv(buf)));
        let octets = Arc::new(Mutex::new(Octets::default()));
        let counted = Arc::clone(&octets);
        let (up, down) = (spec.build(1), spec.build(2));
        let islands = islands.to_owned();
        let sends = Arc::clone(&socket);
        thread::spawn(move || {
            // A packet that an end cannot take is lost, as on any link.
            let up_end = |packet: &[u8]| drop(tun.send(packet));
            let down_end = |packet: &[u8]| drop(sends.send_to(packet, &islands));
            drive(&packets, (up, up_end), (down, down_end), &counted);
        });
        Ok(Self { socket, octets })
    }

    /// What came out at the other ends so far.
    pub(crate) fn octets(&self) -> Octets {
        *self.octets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        // Both wake a thread that reads; if the device is gone already, that has happened.
        let _ = run("ip", &["link", "delete", DEVICE]);
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn forward(
    packets: &Sender<Way>,
    way: fn(Vec<u8>) -> Way,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) {
    let mut buf = vec![0; PACKET_MAX];
    while let Ok(len) = read(&mut buf) {
        if packets.send(way(buf.get(..len).unwrap_or_default().to_vec())).is_err() {
            return;
        }
    }
}

fn drive(
    packets: &Receiver<Way>,
    (mut up, up_end): (Link, impl Fn(&[u8])),
    (mut down, down_end): (Link, impl Fn(&[u8])),
    counted: &Mutex<Octets>,
) {
    loop {
        let now = clock::now();
        while let Some(packet) = up.pop(now) {
            up_end(&packet);
        }
        while let Some(packet) = down.pop(now) {
            down_end(&packet);
        }
        let octets = Octets { up: up.stats().left.octets, down: down.stats().left.octets };
        *counted.lock().unwrap_or_else(PoisonError::into_inner) = octets;
        let due = up.next_at().into_iter().chain(down.next_at()).min();
        let wait = due.map_or(IDLE, |at| at.saturating_duration_since(now));
        match packets.recv_timeout(wait) {
            Ok(Way::Up(packet)) => up.push(clock::now(), &packet),
            Ok(Way::Down(packet)) => down.push(clock::now(), &packet),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The island's end.
pub(crate) fn island_device() -> Result<SyncDevice> {
    device(DEVICE, ISLAND, CORE)
}

/// Carries packets between the island's end and the socket, on threads of its own.
pub(crate) fn carry(tun: Arc<SyncDevice>, socket: Arc<UnixDatagram>) {
    let (tun_out, socket_out) = (Arc::clone(&tun), Arc::clone(&socket));
    thread::spawn(move || pump(|buf| tun.recv(buf), |packet| socket_out.send(packet)));
    thread::spawn(move || pump(|buf| socket.recv(buf), |packet| tun_out.send(packet)));
}

fn pump(
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    write: impl Fn(&[u8]) -> io::Result<usize>,
) {
    let mut buf = vec![0; PACKET_MAX];
    while let Ok(len) = read(&mut buf) {
        // A packet that cannot be passed on is lost.
        let _ = write(buf.get(..len).unwrap_or_default());
    }
}

fn device(name: &str, address: &str, peer: &str) -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name(name).build_sync().context("no TUN device")?;
    run("ip", &["link", "set", name, "addrgenmode", "none"])?;
    run("ip", &["address", "add", address, "peer", peer, "dev", name])?;
    run("ip", &["link", "set", name, "up"])?;
    Ok(device)
}
