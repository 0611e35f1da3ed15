//! What people read on stderr: log lines, and the one line that says why it ended.
#![expect(clippy::print_stderr, reason = "this is where printing belongs")]

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn,skypeproxy=info,tunnel=info",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let stderr_is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(stderr_is_terminal && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
}

/// Says a line to people.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// Gives a line to whoever reads stdout, at once. A reader that has gone needs no line.
pub(crate) fn give(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
