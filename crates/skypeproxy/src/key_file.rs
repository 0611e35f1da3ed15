//! A secret key on disk, a bridge's or a client's: mode 0600, never overwritten, refused if others may read it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, anyhow};
use ap2ap_stream::SecretKey;
use tracing::warn;

use crate::exit::{Exit, OrExit, coded};
use crate::log;

/// Only the owner may read a key file.
const MODE: u32 = 0o600;
/// Any of these bits makes it readable or writable by others.
const OTHERS: u32 = 0o077;
/// No key file is longer, in octets.
const LEN_MAX: u64 = 1024;

/// Makes a key, writes it to a new file and prints the public key alone on a line of stdout.
pub(crate) fn generate(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let key = random_key()?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    let mut file = opened.map_err(|error| cannot_make(path, error))?;
    let written = writeln!(file, "{}", key.to_file_text()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is none, and would be in the way of the next one.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write {name}")).or_exit(Exit::Io)?;
    log::say(&format!("the secret key is in {name}; this is the public key:"));
    log::print(&format!("{}\n", key.public()))
}

fn cannot_make(path: &Path, error: io::Error) -> anyhow::Error {
    let name = path.display();
    if error.kind() == ErrorKind::AlreadyExists {
        let remedy = "move it away, or name another file with --out";
        return coded(
            Exit::CannotCreate,
            anyhow!("{name} exists and is not overwritten: {remedy}"),
        );
    }
    let exit = Exit::of_io(&error, Exit::CannotCreate);
    coded(exit, anyhow::Error::new(error).context(format!("cannot make {name}")))
}

/// A key from the system's entropy.
pub(crate) fn random_key() -> anyhow::Result<SecretKey> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).context("the system gives no randomness").or_exit(Exit::Os)?;
    Ok(SecretKey::from_octets(octets))
}

/// Reads a client's key file.
pub(crate) fn read(path: &Path) -> anyhow::Result<SecretKey> {
    read_open(path).map(|(key, _)| key)
}

/// A bridge's key file, which no other process can have while this lives (AP-17).
#[derive(Debug)]
pub(crate) struct KeyLock {
    _file: File,
}

/// Reads a bridge's key file and keeps it: two processes would both take a copy of the same first
/// message for new.
pub(crate) fn read_and_lock(path: &Path) -> anyhow::Result<(SecretKey, KeyLock)> {
    let (key, file) = read_open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let name = path.display();
            let remedy = "stop it, or give this bridge a key of its own";
            let error = anyhow!("another process uses the key file {name}: {remedy}");
            return Err(coded(Exit::Temporary, error));
        }
        Err(TryLockError::Error(error)) => {
            let name = path.display();
            warn!(%error, "{name} cannot be locked: make sure that no second bridge uses it");
        }
    }
    Ok((key, KeyLock { _file: file }))
}

fn read_open(path: &Path) -> anyhow::Result<(SecretKey, File)> {
    let name = path.display();
    let (text, file) = read_text(path)?;
    let key = text.trim().parse().with_context(|| format!("{name} is no key file"));
    Ok((key.or_exit(Exit::Data)?, file))
}

fn read_text(path: &Path) -> anyhow::Result<(String, File)> {
    let name = path.display();
    let cannot_read = |error: io::Error| {
        let exit = Exit::of_reading(&error);
        let context = if error.kind() == ErrorKind::NotFound {
            format!("cannot read the key file {name}; `skypeproxy keygen --out {name}` makes one")
        } else {
            format!("cannot read the key file {name}")
        };
        coded(exit, anyhow::Error::new(error).context(context))
    };
    let file = File::open(path).map_err(cannot_read)?;
    let meta = file.metadata().map_err(cannot_read)?;
    if !meta.is_file() || meta.len() > LEN_MAX {
        return Err(coded(Exit::Data, anyhow!("{name} is no key file")));
    }
    if meta.mode() & OTHERS != 0 {
        let what = "can be read by others";
        let error = anyhow!("the key file {name} {what}; `chmod 600 {name}` mends that");
        return Err(coded(Exit::NoPermission, error));
    }
    let mut octets = Vec::new();
    (&file).take(LEN_MAX).read_to_end(&mut octets).map_err(cannot_read)?;
    let text = String::from_utf8(octets).with_context(|| format!("{name} is no key file"));
    Ok((text.or_exit(Exit::Data)?, file))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_generated_is_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        generate(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        let key = read(&path).unwrap();
        assert!(generate(&path).unwrap_err().to_string().contains("not overwritten"));
        assert_eq!(read(&path).unwrap().public(), key.public());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        generate(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    /// AP-17
    #[test]
    fn a_bridges_key_file_is_one_process_s_at_a_time_and_a_clients_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        generate(&path).unwrap();
        let (_, lock) = read_and_lock(&path).unwrap();
        let refusal = read_and_lock(&path).unwrap_err();
        assert!(refusal.to_string().contains("another process"), "{refusal}");
        assert_eq!(Exit::of(&refusal), Exit::Temporary);
        assert!(read(&path).is_ok());
        drop(lock);
        assert!(read_and_lock(&path).is_ok());
    }

    #[test]
    fn a_slip_in_the_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        fs::write(&path, "nonsense").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("58 characters"));
    }
}
