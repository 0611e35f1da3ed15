//! The status socket: made before the sandbox, for this user alone, and removed at the end.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{AtFlags, CWD, unlinkat};
use tracing::{debug, info};

use crate::config::Environment;
use crate::exit::{Exit, coded};

/// Where a user's programs keep sockets; set by the system when the user logs in.
const RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";

/// Where a service keeps its own; set by systemd for a unit with `RuntimeDirectory=`.
const SERVICE_DIR: &str = "RUNTIME_DIRECTORY";

/// The directory below it. It holds nothing but status sockets, since a process in a sandbox may remove
/// what is in there.
const DIR: &str = "skypeproxy";

/// Whose socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    Client,
    Bridge,
}

impl SocketKind {
    pub(crate) const ALL: [Self; 2] = [Self::Client, Self::Bridge];

    /// Where it is if nobody says.
    pub(crate) fn usual(self) -> Option<PathBuf> {
        let name = match self {
            Self::Client => "client.sock",
            Self::Bridge => "bridge.sock",
        };
        if let Some(dirs) = Environment::OfProcess.get(SERVICE_DIR) {
            // Several stand between colons.
            return Some(std::env::split_paths(&dirs).next()?.join(name));
        }
        let dir = Environment::OfProcess.get(RUNTIME_DIR)?;
        Some(Path::new(&dir).join(DIR).join(name))
    }
}

/// A socket that listens; its file goes with it.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode, by which it knows its own file.
    file: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
enum BindError {
    #[error("{0} is in use by another client or bridge: name another one with --status-socket")]
    InUse(String),
    #[error("{0} exists and is no socket: name another path with --status-socket")]
    NoSocket(String),
    #[error("cannot listen at {path}: does the directory exist, and may we write there?")]
    Io { path: String, source: io::Error },
}

impl Socket {
    /// Listens at `named`, or else where `kind` usually is. What was not asked for does not keep anybody from
    /// running: then there is none.
    ///
    /// # Errors
    /// The socket that was named cannot be made.
    pub(crate) fn open(named: Option<&Path>, kind: SocketKind) -> anyhow::Result<Option<Self>> {
        if let Some(path) = named {
            let bound = Self::bind(path).map_err(|error| coded(error.exit(), error));
            return bound.map(Some).context("no status socket");
        }
        let Some(path) = kind.usual() else {
            debug!("no status socket: neither {RUNTIME_DIR} nor {SERVICE_DIR} is set");
            return Ok(None);
        };
        if let Some(dir) = path.parent()
            && let Err(error) = DirBuilder::new().mode(0o700).create(dir)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            debug!(%error, "no directory for a status socket");
        }
        let bound = Self::bind(&path);
        Ok(bound.inspect_err(|reason| info!(%reason, "no status socket")).ok())
    }

    /// The listener, for a runtime that is yet to be.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Where a sandbox has to let it be removed.
    pub(crate) fn dir(&self) -> &Path {
        dir_of(&self.path)
    }

    fn bind(path: &Path) -> Result<Self, BindError> {
        let shown = || path.display().to_string();
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(BindError::NoSocket(shown()));
            }
            // Nobody listens at what a process that was killed has left.
            let left = UnixStream::connect(path).err();
            if left.is_none_or(|error| error.kind() != io::ErrorKind::ConnectionRefused) {
                return Err(BindError::InUse(shown()));
            }
        }
        Self::listen(path).map_err(|source| BindError::Io { path: shown(), source })
    }

    /// The socket gets its name when it has its mode: nobody else can reach it in between.
    fn listen(path: &Path) -> io::Result<Self> {
        let mut unfinished = OsString::from(path);
        unfinished.push("~");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&unfinished)?;
        fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
        fs::rename(&unfinished, path)?;
        let file = identity(path)?;
        Ok(Self { listener, path: path.to_owned(), file })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another process may have put its own there, thinking this one dead.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // The one call to remove a file that the sandbox lets pass.
            let removed = unlinkat(CWD, &self.path, AtFlags::empty());
            if let Err(error) = removed {
                debug!(%error, "the status socket stays");
            }
        }
    }
}

impl BindError {
    fn exit(&self) -> Exit {
        match self {
            Self::InUse(_) | Self::NoSocket(_) => Exit::CannotCreate,
            Self::Io { source, .. } => Exit::of_io(source, Exit::CannotCreate),
        }
    }
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_the_dead_is_taken_over_and_one_of_the_living_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let first = Socket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = Socket::bind(&path).unwrap_err().to_string();
        assert!(refused.contains("in use") && refused.contains("--status-socket"), "{refused}");
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_and_what_is_no_longer_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(&path, "kept").unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        fs::remove_file(&path).unwrap();
        let socket = Socket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[test]
    fn a_path_without_a_directory_is_in_the_current_one() {
        assert_eq!(dir_of(Path::new("s")), Path::new("."));
        assert_eq!(dir_of(Path::new("/run/s")), Path::new("/run"));
    }
}
