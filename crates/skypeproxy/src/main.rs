//! The skypeproxy command: parses, composes, runs, and turns the outcome into an exit code.

mod args;
mod bridge;
mod carriers;
mod client;
mod config;
mod demo;
mod exit;
mod generate;
mod help;
mod key_file;
mod limits;
mod log;
mod measure;
mod notify;
mod overlay;
mod replay_mark;
mod sandbox;
mod signals;
mod state_file;
mod status;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::{Args, Command, ConfigCommand};
use exit::{Exit, OrExit};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refused(&error),
    };
    let ran = config::log_format(args.log_format).and_then(|format| {
        log::start(args.verbose, format);
        run(args.command)
    });
    let exit = match ran {
        Ok(()) => Exit::Ok,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                log::say(&format!("skypeproxy: {line}"));
            }
            Exit::of(&error)
        }
    };
    exit.code().into()
}

/// The command line is wrong, or only asks for help.
fn refused(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told that there is no way to tell anybody.
    let _ = error.print();
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
    exit.code().into()
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Keygen(args) => key_file::generate(&args.out),
        Command::Completions(args) => generate::completions(args.shell),
        Command::Generate(args) => generate::all(&args.out),
        Command::Config(ConfigCommand::Check(args)) => config::check(&args),
        Command::Status(args) => status::run(&args),
        Command::Measure(args) => block_on(measure::run(args)),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Overlay(args) => block_on(overlay::run(args)),
        // These two may enter a sandbox, which has to be before there are threads.
        Command::Bridge(args) => bridge::run(args),
        Command::Client(args) => client::run(args),
    }
}

/// Runs a command on threads of its own.
fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime").or_exit(Exit::Os)?.block_on(command)
}
