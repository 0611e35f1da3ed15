//! Attach points: Unix sockets that replace stale ones only and leave nothing behind.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

/// Who does not accept for so long is alive and busy: its queue is full.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A listening socket; its file goes with it.
#[derive(Debug)]
pub(crate) struct AttachPoint {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    /// Device and inode, by which it knows its own file.
    file: (u64, u64),
}

/// A socket that cannot be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody answers there.
    #[error("{path} is in use by another overlay: stop that one or choose another socket")]
    InUse {
        /// The socket's path.
        path: String,
    },
    /// Something stands there that is no socket.
    #[error("{path} exists and is no socket: choose another path")]
    NoSocket {
        /// The socket's path.
        path: String,
    },
    /// Another Skype is on the bus.
    #[cfg(feature = "dbus")]
    #[error("{bus} has a Skype already: stop that one, or give each login a bus of its own")]
    NameTaken {
        /// The bus's address.
        bus: String,
    },
    /// There is no such bus.
    #[cfg(feature = "dbus")]
    #[error("cannot be a Skype on the bus at {bus}: {source}")]
    Bus {
        /// The bus's address.
        bus: String,
        /// What was in the way.
        source: Box<zbus::Error>,
    },
    /// Another Skype is on the display.
    #[cfg(feature = "x11")]
    #[error(
        "the display {display} has a Skype already: stop that one, or give each login a display"
    )]
    DisplayTaken {
        /// Which.
        display: String,
    },
    /// There is no such display.
    #[cfg(feature = "x11")]
    #[error("cannot be a Skype on the display {display}: {source}")]
    Display {
        /// Which.
        display: String,
        /// What was in the way.
        source: Box<skype_api::attach::x11::screen::ScreenError>,
    },
    /// Built without the feature that a login asks for.
    #[error("login {login} is to be on {what}, and this was built without that")]
    NotBuilt {
        /// Whose.
        login: String,
        /// A bus, or a display.
        what: &'static str,
    },
    /// The system said no.
    #[error("cannot listen at {path}: does the directory exist, and may we write there?")]
    Io {
        /// The socket's path.
        path: String,
        /// What it said.
        source: io::Error,
    },
}

impl AttachPoint {
    /// Listens at `path`, for this user alone.
    pub(crate) async fn bind(path: &Path) -> Result<Self, BindError> {
        let shown = || path.display().to_string();
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(BindError::NoSocket { path: shown() });
            }
            if answers(path).await {
                return Err(BindError::InUse { path: shown() });
            }
        }
        Self::listen(path).map_err(|source| BindError::Io { path: shown(), source })
    }

    /// Listens again where this process did before; somebody else may have come in between.
    pub(crate) fn rebind(path: &Path) -> Result<Self, BindError> {
        let shown = || path.display().to_string();
        match fs::symlink_metadata(path) {
            Ok(_) => Err(BindError::InUse { path: shown() }),
            Err(_) => Self::listen(path).map_err(|source| BindError::Io { path: shown(), source }),
        }
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

impl Drop for AttachPoint {
    fn drop(&mut self) {
        // Another overlay may have put its own there, thinking this one dead.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _gone_already = fs::remove_file(&self.path);
        }
    }
}

async fn answers(path: &Path) -> bool {
    match tokio::time::timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) => error.kind() != io::ErrorKind::ConnectionRefused,
        Ok(Ok(_)) | Err(_) => true,
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}
