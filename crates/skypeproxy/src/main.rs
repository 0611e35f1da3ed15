//! The skypeproxy command: parses, composes, runs, and turns the outcome into an exit code.

mod args;
mod bridge;
mod carriers;
mod client;
mod config;
mod demo;
mod key_file;
mod limits;
mod log;
mod overlay;
mod signals;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.verbose, args.log_format);
    match run(args.command) {
        Ok(code) => code,
        Err(error) => {
            log::say(&format!("skypeproxy: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Overlay(args) => overlay::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Bridge(args) => bridge::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Client(args) => client::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Keygen(args) => key_file::generate(&args.out).map(|()| ExitCode::SUCCESS),
        }
    })
}
