//! The bridge's secret key on disk: mode 0600, never overwritten, refused if others may read it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use ap2ap_stream::SecretKey;

use crate::log;

/// Only the owner may read a key file.
const MODE: u32 = 0o600;
/// Any of these bits makes it readable or writable by others.
const OTHERS: u32 = 0o077;
/// No key file is longer, in octets.
const LEN_MAX: u64 = 1024;

/// Makes a key, writes it to a new file and prints the public key alone on a line of stdout.
pub(crate) fn generate(path: &Path) -> anyhow::Result<()> {
    let key = random_key()?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} exists and is not overwritten: move it away, or name another file with --out",
            path.display()
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot make {}", path.display())),
    };
    let written = writeln!(file, "{}", key.to_file_text()).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {}", path.display()))?;
    log::say(&format!("the secret key is in {}; this is the public key:", path.display()));
    log::give(&key.public().to_string());
    Ok(())
}

/// A key from the system's entropy.
pub(crate) fn random_key() -> anyhow::Result<SecretKey> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).context("the system gives no randomness")?;
    Ok(SecretKey::from_octets(octets))
}

/// Reads a key file.
pub(crate) fn read(path: &Path) -> anyhow::Result<SecretKey> {
    let name = path.display();
    let meta = fs::metadata(path).with_context(|| {
        format!("cannot read the key file {name}; `skypeproxy keygen --out {name}` makes one")
    })?;
    if meta.mode() & OTHERS != 0 {
        bail!("the key file {name} can be read by others; `chmod 600 {name}` mends that");
    }
    if !meta.is_file() || meta.len() > LEN_MAX {
        bail!("{name} is no key file");
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    text.trim().parse().with_context(|| format!("{name} is no key file"))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_slip_in_the_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        fs::write(&path, "nonsense").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("58 characters"));
    }
}
