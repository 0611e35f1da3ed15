//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;

use ap2ap_stream::PublicKey;
use carrier::PeerId;
use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::carriers::CarrierSpec;
use crate::log::LogFormat;

/// Where a client listens unless told otherwise: SOCKS's own port, this machine only.
pub(crate) const LISTEN_DEFAULT: &str = "127.0.0.1:1080";

/// Carries TCP connections as datagrams over Skype relays, past a firewall that blocks every Onion
/// Router.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    /// Say more; twice for every connection. RUST_LOG overrides.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// How the lines on stderr are written.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "SKYPEPROXY_LOG_FORMAT",
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process: an emulated Skype, a bridge, a client and a small web page.
    Demo(DemoArgs),
    /// Run an emulated Skype: any number of logins, with throttled relays between them.
    Overlay(OverlayArgs),
    /// Take connections from clients and forward them to fixed targets.
    Bridge(BridgeArgs),
    /// Offer a SOCKS proxy whose connections come out at a bridge.
    Client(ClientArgs),
    /// Make a bridge's key: the secret goes to a file, the public key to stdout.
    Keygen(KeygenArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Where SOCKS clients connect; port 0 picks a free one.
    #[arg(long, value_name = "IP:PORT", default_value = LISTEN_DEFAULT)]
    pub(crate) listen: SocketAddr,
    /// What the relay carries in each direction, in octets of AP2AP text a second.
    #[arg(long, value_name = "BYTES_PER_S", default_value_t = 65_536,
          value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    pub(crate) relay_rate: u64,
    /// The round trip through the relay, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 150,
          value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub(crate) rtt: u64,
    /// The share of datagrams that the relay loses in each direction, 0 to 0.9.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction)]
    pub(crate) loss: f64,
    /// The same seed loses the same datagrams.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Fetch a body of known hash through the proxy, measure, and exit 0 or 1.
    #[arg(long)]
    pub(crate) check: bool,
    /// The body's size, in octets.
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, requires = "check",
          value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub(crate) size: u64,
    /// Print the figures as one JSON object on the last line of stdout.
    #[arg(long, requires = "check")]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OverlayArgs {
    /// The logins and the links between them, as TOML.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct BridgeArgs {
    /// An overlay to be reached through: skype:unix:PATH or udp:IP:PORT. May be repeated.
    #[arg(long = "carrier", value_name = "CARRIER")]
    pub(crate) carriers: Vec<CarrierSpec>,
    /// The file with the secret key, made by `skypeproxy keygen`.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// A target to forward to, and no other. May be repeated.
    #[arg(long = "forward", value_name = "IP:PORT")]
    pub(crate) forwards: Vec<SocketAddr>,
    /// Read what the command line does not say from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ClientArgs {
    /// An overlay to go through: skype:unix:PATH or udp:IP:PORT. May be repeated.
    #[arg(long = "carrier", value_name = "CARRIER")]
    pub(crate) carriers: Vec<CarrierSpec>,
    /// An address of the bridge: skype:LOGIN or udp:IP:PORT. May be repeated.
    #[arg(long = "bridge", value_name = "PEER")]
    pub(crate) bridges: Vec<PeerId>,
    /// The bridge's public key, as `skypeproxy keygen` printed it.
    #[arg(long, value_name = "KEY")]
    pub(crate) bridge_key: Option<PublicKey>,
    /// Where SOCKS clients connect; port 0 picks a free one [default: 127.0.0.1:1080].
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Read what the command line does not say from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KeygenArgs {
    /// Where the secret key goes; never overwritten.
    #[arg(long, value_name = "FILE", default_value = "skypeproxy.key")]
    pub(crate) out: PathBuf,
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=0.9).contains(&value) => Ok(value),
        Ok(_) | Err(_) => Err("expected a number from 0 to 0.9".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_scripts_rely_on_parses() {
        let key = ap2ap_stream::SecretKey::from_octets([1; 32]).public().to_string();
        let lines = [
            "skypeproxy demo --listen 127.0.0.1:0 --relay-rate 3000 --rtt 200 --loss 0.05 --seed 7 \
             --check --size 65536 --json",
            "skypeproxy overlay --config overlay.toml",
            "skypeproxy bridge --carrier skype:unix:/a --carrier udp:127.0.0.1:0 --key k \
             --forward 127.0.0.1:80 --forward [::1]:80",
            &format!(
                "skypeproxy client --carrier skype:unix:/a --bridge skype:live:b --bridge \
                 udp:192.0.2.1:9 --bridge-key {key} --listen 127.0.0.1:0"
            ),
            "skypeproxy keygen --out k",
        ];
        for line in lines {
            Args::try_parse_from(line.split_whitespace()).unwrap();
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["demo --loss 1.5", "demo --json", "demo --relay-rate 1", "client --bridge x"] {
            let words = ["skypeproxy"].into_iter().chain(line.split(' '));
            assert!(Args::try_parse_from(words).is_err(), "{line}");
        }
    }
}
