//! A private network of real tors, to test and to measure what carries Tor.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "telling is what it is for")]

mod check;
mod client;
mod clock;
mod fetch;
mod island;
mod keys;
mod many;
mod namespaces;
mod network;
mod priorities;
mod process;
mod relay;
mod stop;
mod tcp_link;
mod tor;
mod up;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Parser, Subcommand};
use client::Over;
use namespaces::Entered;
use skype_emu::LinkConfig;

/// What automake calls skipped: not done, and not failed either.
const SKIPPED: u8 = 77;

/// Runs real tors in namespaces of their own: three authorities that are relays and exits, one more
/// relay, a bridge, and a client that reaches the bridge through skypeproxy only.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask tor-net", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything and give a shell where the client is.
    Up(up::UpArgs),
    /// Bootstrap and fetch, compare hashes, and prove that nothing else left the client.
    Check(check::CheckArgs),
    /// Measure how long small requests take beside a bulk download on the same connection.
    Priorities(priorities::PrioritiesArgs),
    /// Measure bootstrap and fetches over one relay and over several, and print a table.
    Many(many::ManyArgs),
    /// Watch a client's namespace; `check` and `up` run this.
    #[command(hide = true)]
    Island(island::IslandArgs),
}

/// What lies between the client and the bridge.
#[derive(Debug, ClapArgs)]
struct LinkArgs {
    /// What the relay carries in each direction, in octets a second; of AP2AP text, or of IP packets.
    #[arg(long, value_name = "BYTES_PER_S", default_value_t = 256_000,
          value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    rate: u64,
    /// The round trip, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 150,
          value_parser = clap::value_parser!(u64).range(0..=10_000))]
    rtt: u64,
    /// TCP's congestion control, of which tor's scheduler makes much; CUBIC, as most systems have
    /// it, is as reno where there is no loss.
    #[arg(long, value_name = "NAME", default_value = "reno")]
    tcp: String,
    /// The skypeproxy binary [default: beside this one].
    #[arg(long, value_name = "FILE")]
    skypeproxy: Option<PathBuf>,
    /// A further word for skypeproxy's client and bridge.
    #[arg(long = "word", value_name = "WORD", allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What a client goes over; `many` has its own word for that.
#[derive(Debug, ClapArgs)]
struct WayArgs {
    /// What the client goes over.
    #[arg(long, value_enum, default_value = "skypeproxy")]
    over: Over,
    /// So many relays, each of the rate and the round trip, and as many paths of the client, each
    /// over a relay of its own [default: one line between the two, without relays].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(RELAYS))]
    relays: Option<u8>,
}

impl WayArgs {
    fn relays(&self) -> Result<Option<u8>> {
        let is_possible = self.over == Over::Skypeproxy || self.relays.is_none();
        ensure!(is_possible, "plain TCP has one way only: leave --relays out");
        Ok(self.relays)
    }
}

/// A session has no more paths at once.
const RELAYS: std::ops::RangeInclusive<i64> = 1..=8;

impl LinkArgs {
    fn plan(&self, relays: Option<u8>) -> Result<relay::Plan> {
        let beside = || Ok(std::env::current_exe()?.with_file_name("skypeproxy"));
        let binary = self.skypeproxy.clone().map_or_else(beside, Ok::<_, anyhow::Error>)?;
        let binary = std::path::absolute(binary).context("no path")?;
        ensure!(binary.is_file(), "no skypeproxy at {}: build it first", binary.display());
        let link =
            LinkConfig { rate: Some(self.rate), rtt_ms: Some(self.rtt), ..LinkConfig::default() };
        let (words, tcp) = (self.words.clone(), self.tcp.clone());
        Ok(relay::Plan { binary, link, relays, words, tcp })
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut words: Vec<_> = std::env::args_os().collect();
    let is_inside = words.get(1).is_some_and(|word| word == namespaces::INSIDE);
    if is_inside {
        words.remove(1);
    }
    let args = Args::parse_from(words);
    if !is_inside {
        return Ok(match namespaces::enter()? {
            Entered::Ended(status) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                code.map_or(ExitCode::FAILURE, ExitCode::from)
            }
            Entered::Refused(refused) => {
                eprintln!("skipped: {refused}");
                ExitCode::from(SKIPPED)
            }
        });
    }
    stop::listen()?;
    match args.command {
        Command::Up(args) => up::run(&args),
        Command::Check(args) => {
            check::run(&args).map(|ok| if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Priorities(args) => priorities::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Many(args) => many::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Island(args) => island::watch(&args).map(|()| ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn relays_are_refused_where_there_are_none() {
        for (over, relays, is_refused) in [
            (Over::Skypeproxy, Some(8), false),
            (Over::Tcp, None, false),
            (Over::Tcp, Some(2), true),
        ] {
            assert_eq!(WayArgs { over, relays }.relays().is_err(), is_refused, "{over:?}");
        }
    }
}
