//! What people read on stderr: log lines, and the lines that say where a command is or why it ended.
//!
//! Spans that tell things apart (`carrier`, `conn`, `path`, `stream`, `request`) are made at the
//! level of errors: a line that is shown carries the ids of all of them, whatever the filter is. The
//! lines inside have the levels of their own importance.

mod filter;

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;
use tracing::warn;

use crate::exit::{Exit, OrExit};

/// How lines on stderr are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, the spans as a list from the outside in.
    Json,
}

/// Set once, before anything is said.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Starts logging to stderr.
pub(crate) fn start(verbose: u8, format: LogFormat) {
    let format = *FORMAT.get_or_init(|| format);
    let chosen = filter::choose(verbose, env::var_os("RUST_LOG").as_deref());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(chosen.filter)
        .with_writer(io::stderr)
        // It would be told on stderr, and panic if that is what cannot be written.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(wants_colour()).with_target(false).init(),
        LogFormat::Json => builder
            .with_ansi(false)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .init(),
    }
    if let Some(problem) = chosen.problem {
        warn!("RUST_LOG is left aside: {problem}");
    }
}

/// Says a line to people. If stderr is gone or full there is nobody to say it to.
pub(crate) fn say(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = match FORMAT.get().copied().unwrap_or_default() {
        LogFormat::Text => writeln!(stderr, "{line}"),
        LogFormat::Json => writeln!(stderr, "{}", json!({ "message": line })),
    };
}

/// Prints what was asked for on stdout.
///
/// # Errors
/// It did not get there. A reader that has seen enough is none.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout").or_exit(Exit::Io)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives a line to whoever reads stdout, at once. A reader that has gone needs no line.
pub(crate) fn give(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// As <https://no-color.org> has it: a variable that is there and not empty.
fn wants_colour() -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}
