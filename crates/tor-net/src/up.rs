//! `tor-net up`: a network and a client to play with, until Ctrl-C or the end of a command.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::client::Client;
use crate::network::Network;
use crate::{clock, namespaces, stop, web};

/// Nobody plays longer.
const AT_MOST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What `up` is told beside the link.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    link: crate::LinkArgs,
    #[command(flatten)]
    way: crate::WayArgs,
    /// Run this on the client's island, then stop [default: a shell, if there is a terminal].
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Starts everything, then runs the command, or a shell, or waits for a signal.
pub(crate) fn run(args: &UpArgs) -> Result<ExitCode> {
    let plan = args.link.plan(args.way.relays()?)?;
    let dir = namespaces::furnish(&args.link.tcp)?;
    let web = web::serve()?;
    eprintln!("starting three authorities, a relay and a bridge");
    let network = Network::start(&dir).context("no network of tors")?;
    eprintln!("starting a client on its island");
    let mut client = Client::start(&network, args.way.over, &plan, &dir.join("client1"))?;
    eprintln!("tor has bootstrapped in {:.1} s; logs are in {}", client.bootstrap_s, dir.display());
    eprintln!("  curl --socks5-hostname 127.0.0.1:9050 -o /dev/null http://{web}/1000000");
    let code = match command(args) {
        Some((program, words)) => {
            let ran = client.place().command(program).args(words).status();
            let code = ran.context("cannot run the command")?.code();
            code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        None => {
            eprintln!("Ctrl-C stops everything");
            clock::wait_until("the end of play", AT_MOST, || {
                client.check()?;
                Ok(stop::is_asked_for().then_some(()))
            })?;
            ExitCode::SUCCESS
        }
    };
    for leak in client.leaks() {
        eprintln!("escaped: {leak}");
    }
    Ok(code)
}

fn command(args: &UpArgs) -> Option<(OsString, &[OsString])> {
    if let Some((program, words)) = args.command.split_first() {
        return Some((program.clone(), words));
    }
    let shell = || std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    std::io::stdin().is_terminal().then(|| (shell(), [].as_slice()))
}
