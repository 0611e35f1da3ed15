//! `skypeproxy status`: asks a client or a bridge that runs how its sessions and paths are.

mod serve;
mod socket;
mod table;

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use tunnel::status::{Status, VERSION};

pub(crate) use serve::serve;
pub(crate) use socket::{Socket, SocketKind};

use crate::args::StatusArgs;
use crate::exit::{Exit, OrExit, coded};
use crate::log;

/// Whoever is asked answers at once; one that is stopped in a debugger does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of an answer: a bridge's whole roster of some thousand sessions.
const ANSWER_MAX: u64 = 16 * 1024 * 1024;

pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let (path, stream) = connect(args.socket.as_deref())?;
    let text = read(stream).with_context(|| format!("no status from {}", path.display()));
    let text = text.or_exit(Exit::Io)?;
    let status = parse(&text).or_exit(Exit::Data)?;
    log::give(&if args.json { text.trim_end().to_owned() } else { table::of(&status) });
    Ok(())
}

/// The socket that was named, or the first of the usual ones that somebody listens at.
fn connect(named: Option<&Path>) -> anyhow::Result<(PathBuf, UnixStream)> {
    let candidates = match named {
        Some(path) => vec![path.to_owned()],
        None => SocketKind::ALL.into_iter().filter_map(SocketKind::usual).collect(),
    };
    if candidates.is_empty() {
        let error =
            anyhow!("XDG_RUNTIME_DIR is not set: name the status socket with --socket PATH");
        return Err(coded(Exit::Usage, error));
    }
    let mut failure = None;
    for path in candidates {
        match UnixStream::connect(&path) {
            Ok(stream) => return Ok((path, stream)),
            Err(error) => failure = failure.or(Some((path, error))),
        }
    }
    let (path, error) = failure.context("there was a path to try")?;
    let exit = Exit::of_io(&error, Exit::Unavailable);
    let what = if named.is_some() { "there" } else { "at the usual places" };
    Err(coded(exit, error)).with_context(|| {
        format!(
            "cannot ask at {}: does a client or a bridge with a status socket run {what}?",
            path.display()
        )
    })
}

fn read(stream: UnixStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str) -> anyhow::Result<Status> {
    ensure!(!text.is_empty(), "nothing was answered: too many ask at once, or it is stopping");
    let shape: serde_json::Value = serde_json::from_str(text)
        .context("the answer is no status: does skypeproxy listen there?")?;
    let version = shape.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(VERSION.into()) {
        let version = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        bail!(
            "the status has version {version}, this program reads {VERSION}: use that of the same release"
        );
    }
    serde_json::from_value(shape).context("the answer is not as its version says")
}
