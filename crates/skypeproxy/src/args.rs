//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;

use ap2ap_stream::PublicKey;
use carrier::PeerId;
use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;
use tunnel::TcpBuffers;

use crate::carriers::CarrierSpec;
use crate::config::{Kind, LISTEN_DEFAULT, Value};
use crate::help;
use crate::log::LogFormat;
use crate::sandbox::Mode;

/// Carries TCP connections as datagrams over Skype relays, past a firewall that blocks every Onion
/// Router.
///
/// A bridge stands where connections are free to go; a client stands where they are not, and offers
/// programs such as tor a SOCKS proxy. Between them lies an overlay, of which both use a login:
/// skypeproxy attaches to an overlay client such as Skype and never opens a connection of its own
/// across the firewall.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = help::PROGRAM.text())]
pub(crate) struct Args {
    /// Say more; twice for every connection. RUST_LOG overrides.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// How the lines on stderr are written [default: text].
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process: an emulated Skype, a bridge, a client and a small web page.
    #[command(after_long_help = help::DEMO.text())]
    Demo(DemoArgs),
    /// Run an emulated Skype: any number of logins, with throttled relays between them.
    #[command(after_long_help = help::OVERLAY.text())]
    Overlay(OverlayArgs),
    /// Take connections from clients and forward them to fixed targets.
    ///
    /// Each flag may be given as a variable of the environment or in a file instead; what stands
    /// further left counts: flag, variable, file, default.
    #[command(after_long_help = help::BRIDGE.text())]
    Bridge(BridgeArgs),
    /// Offer a SOCKS proxy whose connections come out at a bridge.
    ///
    /// Each flag may be given as a variable of the environment or in a file instead; what stands
    /// further left counts: flag, variable, file, default.
    #[command(after_long_help = help::CLIENT.text())]
    Client(ClientArgs),
    /// Ask a client or a bridge that runs how its sessions and paths are.
    #[command(after_long_help = help::STATUS.text())]
    Status(StatusArgs),
    /// Measure what relays grant between here and a bridge, in both directions, and print it.
    #[command(after_long_help = help::MEASURE.text())]
    Measure(MeasureArgs),
    /// Make a key, for a bridge or for a client that a bridge is to know: the secret goes to a file, the
    /// public key to stdout.
    #[command(after_long_help = help::KEYGEN.text())]
    Keygen(KeygenArgs),
    /// Print the completions of a shell, for its directory of completions.
    #[command(after_long_help = help::COMPLETIONS.text())]
    Completions(CompletionsArgs),
    /// Write all completions and man pages, as `cargo xtask dist` does.
    #[command(hide = true)]
    Generate(GenerateArgs),
    /// Look at configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a file is right, and if not, each thing that is wrong with its line.
    #[command(after_long_help = help::CONFIG_CHECK.text())]
    Check(CheckArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// The status socket [default: the client's or else the bridge's in $XDG_RUNTIME_DIR/skypeproxy].
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MeasureArgs {
    /// An overlay to go through: skype:unix:PATH, skype:dbus:ADDRESS, skype:x11:DISPLAY or udp:IP:PORT.
    #[arg(long = "carrier", value_name = "CARRIER", required = true,
          value_parser = CarrierSpec::from_text)]
    pub(crate) carriers: Vec<CarrierSpec>,
    /// An address of the bridge: skype:LOGIN or udp:IP:PORT. May be repeated; one path to each is measured after the
    /// other.
    #[arg(long = "bridge", value_name = "PEER", required = true, value_parser = PeerId::from_text)]
    pub(crate) bridges: Vec<PeerId>,
    /// The bridge's public key, as `skypeproxy keygen` printed it.
    #[arg(long, value_name = "KEY", value_parser = PublicKey::from_text)]
    pub(crate) bridge_key: PublicKey,
    /// The file with this client's own secret key, for a bridge that lets only some clients in.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,
    /// How long each path is measured. A minute and a half tells most relays; changes are seen for as long as it lasts.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=10_800))]
    pub(crate) seconds: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the rates and changes into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    /// The directory to write to.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The file to look at.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Whose configuration it is; its keys tell if this does not.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
}

/// Which file counts, and whether to run or to tell.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct FileArgs {
    /// Read what neither the command line nor the environment says from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print all settings as TOML, each with where it came from, and do nothing else.
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Whether to give up what is not needed.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct SandboxArgs {
    /// Give up all files, ports and system calls that are not needed: best-effort goes on with what
    /// the kernel has, require does not run without all of it [default: off].
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true,
          default_missing_value = "best-effort", value_parser = Mode::from_text,
          overrides_with = "no_sandbox")]
    sandbox: Option<Mode>,
    /// The same as --sandbox=off.
    #[arg(long, overrides_with = "sandbox")]
    no_sandbox: bool,
}

impl SandboxArgs {
    /// What was said last, if anything.
    pub(crate) fn mode(&self) -> Option<Mode> {
        if self.no_sandbox { Some(Mode::Off) } else { self.sandbox }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Where SOCKS clients connect; port 0 picks a free one.
    #[arg(long, value_name = "IP:PORT", default_value_t = LISTEN_DEFAULT,
          value_parser = SocketAddr::from_text)]
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
    /// Put so many relays between client and bridge, each of that rate, round trip and loss, for streams to
    /// share; without it, each stream has a link of its own.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=skype_emu::RELAYS_MAX))]
    pub(crate) relays: Option<u64>,
    /// How client and bridge attach to their Skypes: by a Unix socket, or each by a bus or a display of its
    /// own, which is started.
    #[arg(long, value_name = "HOW", default_value = "unix")]
    pub(crate) attach: AttachBy,
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

/// What programs reach the demo's Skypes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AttachBy {
    #[default]
    Unix,
    Dbus,
    X11,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct OverlayArgs {
    /// The same seed loses and delays the same datagrams [default: 0].
    #[arg(long, value_name = "N", value_parser = u64::from_text)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) file: FileArgs,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct BridgeArgs {
    /// An overlay to be reached through: skype:unix:PATH, skype:dbus:ADDRESS, skype:x11:DISPLAY or udp:IP:PORT. May be repeated.
    #[arg(long = "carrier", value_name = "CARRIER", value_parser = CarrierSpec::from_text)]
    pub(crate) carriers: Vec<CarrierSpec>,
    /// The file with the secret key, made by `skypeproxy keygen`.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The public key of a client that may come in, and of no other. May be repeated. Without it
    /// everybody may who knows the bridge's public key.
    #[arg(long, value_name = "KEY", value_parser = PublicKey::from_text)]
    pub(crate) allow: Vec<PublicKey>,
    /// A target to forward to, and no other. May be repeated.
    #[arg(long = "forward", value_name = "IP:PORT", value_parser = SocketAddr::from_text)]
    pub(crate) forwards: Vec<SocketAddr>,
    /// How much of a TCP connection may wait in the kernel: "small" leaves tor the choice of what goes
    /// first, "system" is as much as the system likes [default: small].
    #[arg(long, value_name = "SIZE", value_parser = TcpBuffers::from_text)]
    pub(crate) tcp_buffers: Option<TcpBuffers>,
    /// Where `skypeproxy status` finds this process: a Unix socket, made at the start for this user alone and
    /// removed at the end [default: bridge.sock in $XDG_RUNTIME_DIR/skypeproxy, if that is set].
    #[arg(long, value_name = "PATH", value_parser = PathBuf::from_text)]
    pub(crate) status_socket: Option<PathBuf>,
    /// For so long a client's session is kept when all its paths are gone, in seconds [default: 600].
    #[arg(long, value_name = "SECONDS", value_parser = u64::from_text)]
    pub(crate) keep_lost: Option<u64>,
    /// Whether clients may measure their paths here: two at once, 250 MB for each at the most [default: true].
    #[arg(long, value_name = "BOOL", value_parser = bool::from_text)]
    pub(crate) measure: Option<bool>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    #[command(flatten)]
    pub(crate) file: FileArgs,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ClientArgs {
    /// An overlay to go through: skype:unix:PATH, skype:dbus:ADDRESS, skype:x11:DISPLAY or udp:IP:PORT. May be repeated.
    #[arg(long = "carrier", value_name = "CARRIER", value_parser = CarrierSpec::from_text)]
    pub(crate) carriers: Vec<CarrierSpec>,
    /// An address of the bridge: skype:LOGIN or udp:IP:PORT. May be repeated.
    #[arg(long = "bridge", value_name = "PEER", value_parser = PeerId::from_text)]
    pub(crate) bridges: Vec<PeerId>,
    /// The bridge's public key, as `skypeproxy keygen` printed it.
    #[arg(long, value_name = "KEY", value_parser = PublicKey::from_text)]
    pub(crate) bridge_key: Option<PublicKey>,
    /// The file with this client's own secret key, for a bridge that lets only some clients in. Make
    /// one for each bridge: two bridges that see one key know one client.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,
    /// A file for what the next start is to know, so that the bridge frees this one's session when it comes back:
    /// made if it is not there, for this user alone [default: none].
    #[arg(long, value_name = "FILE", value_parser = PathBuf::from_text)]
    pub(crate) state: Option<PathBuf>,
    /// How many paths to the bridge are kept at once, 1 to 8, each through a relay of its own where the overlay
    /// gives one [default: 1].
    #[arg(long, value_name = "N", value_parser = u64::from_text)]
    pub(crate) paths: Option<u64>,
    /// Where SOCKS clients connect; port 0 picks a free one [default: 127.0.0.1:1080].
    #[arg(long, value_name = "IP:PORT", value_parser = SocketAddr::from_text)]
    pub(crate) listen: Option<SocketAddr>,
    /// How much of a TCP connection may wait in the kernel: "small" leaves tor the choice of what goes
    /// first, "system" is as much as the system likes [default: small].
    #[arg(long, value_name = "SIZE", value_parser = TcpBuffers::from_text)]
    pub(crate) tcp_buffers: Option<TcpBuffers>,
    /// Where `skypeproxy status` finds this process: a Unix socket, made at the start for this user alone and
    /// removed at the end [default: client.sock in $XDG_RUNTIME_DIR/skypeproxy, if that is set].
    #[arg(long, value_name = "PATH", value_parser = PathBuf::from_text)]
    pub(crate) status_socket: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    #[command(flatten)]
    pub(crate) file: FileArgs,
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
            "skypeproxy demo --relays 4 --relay-rate 3000",
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
            "skypeproxy config check --kind client c.toml",
            "skypeproxy status --socket /s --json",
            "skypeproxy client --config c.toml --print-config",
            &format!(
                "skypeproxy measure --carrier udp:127.0.0.1:0 --bridge udp:192.0.2.1:9 --bridge-key {key} \
                 --for 60 --json --svg relay.svg"
            ),
        ];
        for line in lines {
            Args::try_parse_from(line.split_whitespace()).unwrap();
        }
    }

    #[test]
    fn the_last_word_on_the_sandbox_counts() {
        let mode = |words: &str| {
            let words = ["skypeproxy", "client"].into_iter().chain(words.split_whitespace());
            let Command::Client(args) = Args::try_parse_from(words).unwrap().command else {
                panic!("another command")
            };
            args.sandbox.mode()
        };
        assert_eq!(mode(""), None);
        assert_eq!(mode("--sandbox"), Some(Mode::BestEffort));
        assert_eq!(mode("--sandbox=require"), Some(Mode::Require));
        assert_eq!(mode("--sandbox --no-sandbox"), Some(Mode::Off));
        assert_eq!(mode("--no-sandbox --sandbox"), Some(Mode::BestEffort));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "demo --loss 1.5",
            "demo --json",
            "demo --relay-rate 1",
            "client --bridge x",
            "client --sandbox=some",
        ] {
            let words = ["skypeproxy"].into_iter().chain(line.split(' '));
            assert!(Args::try_parse_from(words).is_err(), "{line}");
        }
    }
}
