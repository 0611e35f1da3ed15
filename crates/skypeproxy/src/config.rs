//! Settings: from the command line, else the environment, else a file, else a default.
//!
//! ```text
//!   file ─ SourceFile ─ DeTable ─ Table ──┐
//!   environment ──────────────────────────┼─ Sources ─ Settings::resolve ─ ClientSettings, ...
//!   command line ─ clap ──────────────────┘      └─ Problems: each with its place
//! ```
//!
//! A setting has one [`Key`], which names it in each place, and one line in
//! `resolve`, which asks for it.

mod bridge;
mod client;
mod file;
mod kind;
mod near;
mod overlay;
mod paths;
mod print;
mod problem;
mod sources;
mod stranger;
mod table;
mod value;

use std::path::PathBuf;

use anyhow::anyhow;
use toml::de::DeTable;
use tunnel::TcpBuffers;

pub(crate) use bridge::BridgeSettings;
pub(crate) use client::{BridgeTable, ClientSettings, LISTEN_DEFAULT};
pub(crate) use kind::Kind;
pub(crate) use overlay::OverlaySettings;
pub(crate) use problem::Origin;
pub(crate) use sources::Environment;
pub(crate) use value::Value;

use crate::args::{CheckArgs, FileArgs, SandboxArgs};
use crate::exit::{Exit, OrExit, coded};
use crate::log::{self, LogFormat};
use crate::sandbox::Mode;
use file::SourceFile;
use print::Printer;
use problem::Problems;
use sources::{Key, Missing, Setting, Sources};
use value::{choice, word};

/// A process is attached to no more overlays at once.
const CARRIERS_MAX: usize = 16;

const CARRIER: Key = Key { name: "carrier", flag: "--carrier", variable: "SKYPEPROXY_CARRIER" };

const TCP_BUFFERS: Key =
    Key { name: "tcp_buffers", flag: "--tcp-buffers", variable: "SKYPEPROXY_TCP_BUFFERS" };

const STATUS_SOCKET: Key =
    Key { name: "status_socket", flag: "--status-socket", variable: "SKYPEPROXY_STATUS_SOCKET" };

/// Names the file itself.
const CONFIG_VARIABLE: &str = "SKYPEPROXY_CONFIG";

const NO_CARRIER: Missing = Missing {
    key: &CARRIER,
    remedy: "no carrier: name one with --carrier skype:unix:PATH, --carrier skype:dbus:, --carrier skype:x11: or --carrier udp:IP:PORT",
};
const LOG_FORMAT: Key =
    Key { name: "log_format", flag: "--log-format", variable: "SKYPEPROXY_LOG_FORMAT" };
const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

const SANDBOX: Key = Key { name: "sandbox", flag: "--sandbox", variable: "SKYPEPROXY_SANDBOX" };
const SANDBOXES: [(&str, Mode); 3] =
    [("off", Mode::Off), ("best-effort", Mode::BestEffort), ("require", Mode::Require)];

/// What a command can be told.
pub(crate) trait Settings: Sized {
    /// What its command line says.
    type Args: Default;
    /// Which files are its.
    const KIND: Kind;

    /// Which file its command line names, and what to do.
    fn file(args: &Self::Args) -> &FileArgs;

    /// Asks for each setting.
    fn resolve(args: Self::Args, sources: &mut Sources<'_>) -> Self;

    /// What is needed and nowhere said.
    fn missing(&self) -> Vec<Missing>;

    /// Prints each setting.
    fn print(&self, printer: &mut Printer);
}

/// A command's settings, and what they came from.
#[derive(Debug)]
pub(crate) struct Loaded<S> {
    pub(crate) settings: S,
    file: Option<PathBuf>,
}

/// How every command logs. No file says it, for what is wrong with a file is said in this format.
///
/// # Errors
/// The variable names no format.
pub(crate) fn log_format(flag: Option<LogFormat>) -> anyhow::Result<LogFormat> {
    let mut sources = Sources::new(Environment::OfProcess, None);
    let format = sources.value(&LOG_FORMAT, flag);
    sources.finish().or_exit(Exit::Config)?;
    Ok(format.map_or_else(LogFormat::default, |format| format.value))
}

impl Value for LogFormat {
    const EXPECTED: &'static str = "\"text\" or \"json\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &LOG_FORMATS)
    }

    fn to_toml(&self) -> Option<String> {
        word(*self, &LOG_FORMATS)
    }
}

/// How much may wait in the kernel on the TCP side of a client or a bridge.
fn tcp_buffers(flag: Option<TcpBuffers>, sources: &mut Sources<'_>) -> Setting<TcpBuffers> {
    sources.value(&TCP_BUFFERS, flag).unwrap_or(Setting::default(TcpBuffers::Small))
}

/// Which sandbox a client or a bridge enters.
fn sandbox(args: &SandboxArgs, sources: &mut Sources<'_>) -> Setting<Mode> {
    sources.value(&SANDBOX, args.mode()).unwrap_or(Setting::default(Mode::Off))
}

impl Value for Mode {
    const EXPECTED: &'static str = "\"off\", \"best-effort\" or \"require\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &SANDBOXES)
    }

    fn to_toml(&self) -> Option<String> {
        word(*self, &SANDBOXES)
    }
}

/// Finds a command's settings.
///
/// # Errors
/// All that is wrong, each with its place.
pub(crate) fn load<S: Settings>(args: S::Args) -> anyhow::Result<Loaded<S>> {
    stranger::warn_of_variables();
    let path = S::file(&args).config.clone().or_else(|| {
        let environment = Environment::OfProcess;
        environment.get(CONFIG_VARIABLE).map(PathBuf::from)
    });
    let source = path.as_deref().map(SourceFile::read).transpose()?;
    let table = source.as_ref().map(SourceFile::parse).transpose().or_exit(Exit::Config)?;
    let settings = resolve(args, Environment::OfProcess, source.as_ref().zip(table.as_ref()))
        .or_exit(Exit::Config)?;
    Ok(Loaded { settings, file: path })
}

impl<S: Settings> Loaded<S> {
    /// Prints all settings as TOML on stdout.
    ///
    /// # Errors
    /// One cannot be said in TOML, or nobody takes the text.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut printer = Printer::default();
        printer.line(&format!("# {}, as it applies", S::KIND));
        self.settings.print(&mut printer);
        log::print(&printer.finish()?)
    }

    /// Why the command cannot run: what is needed and nowhere said.
    pub(crate) fn incomplete(&self) -> anyhow::Error {
        let remedies = self.settings.missing().into_iter().map(|missing| missing.remedy);
        let error = anyhow!("{}", remedies.collect::<Vec<_>>().join("\n"));
        coded(if self.file.is_some() { Exit::Config } else { Exit::Usage }, error)
    }
}

/// `skypeproxy config check`: reads a file as its command would, and says what is wrong.
///
/// # Errors
/// All that is wrong, each with its place.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let source = SourceFile::read(&args.file)?;
    let table = source.parse().or_exit(Exit::Config)?;
    let kind = args.kind.or_else(|| Kind::of(&table)).ok_or_else(|| {
        let name = source.name();
        anyhow!("{name}: its keys do not tell whose it is: say --kind client, bridge or overlay")
    });
    let kind = kind.or_exit(Exit::Config)?;
    let missing = match kind {
        Kind::Client => check_as::<ClientSettings>(&source, &table),
        Kind::Bridge => check_as::<BridgeSettings>(&source, &table),
        Kind::Overlay => check_as::<OverlaySettings>(&source, &table),
    };
    for Missing { key, .. } in missing.or_exit(Exit::Config)? {
        let Key { name, flag, variable } = key;
        log::say(&format!("note: no `{name}` in it; it takes {flag} or {variable} then"));
    }
    log::print(&format!("{}: {kind}, ok\n", source.name()))
}

fn check_as<S: Settings>(
    source: &SourceFile,
    table: &DeTable<'_>,
) -> Result<Vec<Missing>, Problems> {
    let settings: S = resolve(S::Args::default(), Environment::Ignored, Some((source, table)))?;
    Ok(settings.missing())
}

fn resolve<S: Settings>(
    args: S::Args,
    environment: Environment,
    file: Option<(&SourceFile, &DeTable<'_>)>,
) -> Result<S, Problems> {
    let mut sources =
        Sources::new(environment, file.map(|(file, entries)| (S::KIND, file, entries)));
    let settings = S::resolve(args, &mut sources);
    sources.finish()?;
    Ok(settings)
}
