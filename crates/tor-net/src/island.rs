//! The client's namespace from inside: listeners where no connection may arrive, and a default
//! route on which every packet is an escape. Each is told as a line on stdout.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use clap::Args;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::namespaces::run;
use crate::tcp_link;

/// What a line about an escape starts with.
pub(crate) const LEAK: &str = "leak ";

/// What the line starts with after which nothing escapes unseen.
pub(crate) const READY: &str = "the island is closed";

/// A packet is not longer.
pub(crate) const PACKET_MAX: usize = 65_536;

/// The addresses of whoever takes the default route (RFC 1918, RFC 4193).
const ESCAPE_V4: &str = "10.98.0.1/32";
const ESCAPE_V6: &str = "fd00:98::1/128";

/// What the island is told.
#[derive(Debug, Args)]
pub(crate) struct IslandArgs {
    /// A TCP port of loopback on which a connection is an escape.
    #[arg(long = "tripwire", value_name = "PORT")]
    tripwires: Vec<u16>,
    /// TCP's congestion control.
    #[arg(long)]
    tcp: String,
    /// Our socket and the core's, for the packets of a link to the core.
    #[arg(long, num_args = 2, value_names = ["OURS", "CORES"])]
    link: Vec<PathBuf>,
}

/// Watches until it is killed.
pub(crate) fn watch(args: &IslandArgs) -> Result<()> {
    run("ip", &["link", "set", "lo", "up"])?;
    crate::namespaces::congestion_control(&args.tcp)?;
    for port in &args.tripwires {
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let addr = SocketAddr::new(ip, *port);
            let listener =
                TcpListener::bind(addr).with_context(|| format!("no tripwire {addr}"))?;
            thread::spawn(move || trip(&listener, addr));
        }
    }
    if let [ours, cores] = args.link.as_slice() {
        let tun = Arc::new(tcp_link::island_device()?);
        let socket = UnixDatagram::bind(ours).context("no socket for the link")?;
        socket.connect(cores).context("nobody at the link's other end")?;
        tcp_link::carry(tun, Arc::new(socket));
    }
    let escape = default_route()?;
    println!("{READY}");
    let mut packet = vec![0; PACKET_MAX];
    loop {
        let len = escape.recv(&mut packet).context("reading escaped packets")?;
        if let Some(what) = describe(packet.get(..len).unwrap_or_default()) {
            println!("{LEAK}packet {what}");
        }
    }
}

fn trip(listener: &TcpListener, addr: SocketAddr) {
    for tcp in listener.incoming() {
        // Who connected is known by what is running; that somebody did is what counts.
        drop(tcp);
        println!("{LEAK}connection to {addr}");
    }
}

/// A device that owns the default routes.
fn default_route() -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name("escape").build_sync().context("no TUN device")?;
    run("ip", &["link", "set", "escape", "addrgenmode", "none"])?;
    run("ip", &["address", "add", ESCAPE_V4, "dev", "escape"])?;
    run("ip", &["-6", "address", "add", ESCAPE_V6, "dev", "escape", "nodad"])?;
    run("ip", &["link", "set", "escape", "up"])?;
    run("ip", &["route", "add", "default", "dev", "escape"])?;
    run("ip", &["-6", "route", "add", "default", "dev", "escape"])?;
    Ok(device)
}

/// A packet in words; `None` for what the kernel says by itself about multicast groups.
fn describe(packet: &[u8]) -> Option<String> {
    let (protocol, from, to, payload) = match packet.first()? >> 4 {
        4 => v4(packet)?,
        6 => v6(packet)?,
        version => return Some(format!("of IP version {version}")),
    };
    if protocol == 58 && to.is_multicast() {
        return None;
    }
    let port = |at: usize| Some(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?]));
    let name = match protocol {
        1 | 58 => "icmp",
        6 => "tcp",
        17 => "udp",
        _ => "other",
    };
    Some(match (name, port(0), port(2)) {
        ("tcp" | "udp", Some(from_port), Some(to_port)) => {
            let (from, to) = (SocketAddr::new(from, from_port), SocketAddr::new(to, to_port));
            format!("{name} {from} > {to}")
        }
        _ => format!("{name} {from} > {to}"),
    })
}

type Parts<'a> = (u8, IpAddr, IpAddr, &'a [u8]);

/// RFC 791 3.1.
fn v4(packet: &[u8]) -> Option<Parts<'_>> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let addr = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    Some((*packet.get(9)?, addr(12)?, addr(16)?, packet.get(header..)?))
}

/// RFC 8200 3. Extension headers are not looked behind.
fn v6(packet: &[u8]) -> Option<Parts<'_>> {
    let addr = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    Some((*packet.get(6)?, addr(8)?, addr(24)?, packet.get(40..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_packets_are_named() {
        let mut packet = vec![0x45, 0, 0, 24, 0, 0, 0, 0, 64, 17, 0, 0];
        packet.extend([10, 98, 0, 1, 198, 51, 100, 53, 0x9c, 0x40, 0, 53, 0, 8, 0, 0]);
        assert_eq!(describe(&packet).unwrap(), "udp 10.98.0.1:40000 > 198.51.100.53:53");
        for len in 0..packet.len() {
            // Cut anywhere: no panic.
            let _ = describe(&packet[..len]);
        }
        packet[9] = 47;
        assert_eq!(describe(&packet).unwrap(), "other 10.98.0.1 > 198.51.100.53");
    }

    #[test]
    fn the_kernel_s_own_multicast_is_no_escape() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 58, 1];
        packet.extend([0; 16]);
        packet.extend(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2).octets());
        assert_eq!(describe(&packet), None);
        packet[6] = 6;
        assert!(describe(&packet).unwrap().starts_with("tcp"));
    }
}
