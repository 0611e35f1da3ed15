//! The authorities' keys, made by tor's own programs before any tor runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// What every tor must know of an authority.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(crate) nickname: String,
    pub(crate) or_port: u16,
    pub(crate) dir_port: u16,
    /// Of its directory signing identity.
    v3ident: String,
    /// Of its relay identity.
    fingerprint: String,
}

impl Authority {
    /// The line of torrc that names it.
    pub(crate) fn line(&self) -> String {
        let Self { nickname, or_port, dir_port, v3ident, fingerprint } = self;
        format!(
            "DirAuthority {nickname} orport={or_port} v3ident={v3ident} 127.0.0.1:{dir_port} {fingerprint}\n"
        )
    }
}

/// Starts making an authority's signing keys in its data directory; the key takes a second.
pub(crate) fn start_signing_keys(data: &Path, dir_port: u16) -> Result<Child> {
    let keys = data.join("keys");
    own_directory(data)?;
    own_directory(&keys)?;
    Command::new("tor-gencert")
        .args(["--create-identity-key", "-m", "12", "--passphrase-fd", "0", "-a"])
        .arg(format!("127.0.0.1:{dir_port}"))
        .current_dir(&keys)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run tor-gencert")
}

/// What came of it: the authority as others must know it.
pub(crate) fn finish(
    making: Child,
    data: &Path,
    nickname: &str,
    (or_port, dir_port): (u16, u16),
) -> Result<Authority> {
    let made = making.wait_with_output().context("cannot run tor-gencert")?;
    if !made.status.success() {
        bail!("tor-gencert: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    let certificate = certificate(data)?;
    let v3ident = certificate
        .lines()
        .find_map(|line| line.strip_prefix("fingerprint "))
        .context("a certificate without fingerprint")?;
    let fingerprint = fingerprint(data, nickname)?;
    let v3ident = v3ident.to_owned();
    Ok(Authority { nickname: nickname.to_owned(), or_port, dir_port, v3ident, fingerprint })
}

/// An authority's certificate, as it stands in `cached-certs`.
pub(crate) fn certificate(data: &Path) -> Result<String> {
    let path = data.join("keys/authority_certificate");
    fs::read_to_string(path).context("cannot read the authority's certificate")
}

/// Makes a relay's identity key if it has none, and gives its fingerprint.
pub(crate) fn fingerprint(data: &Path, nickname: &str) -> Result<String> {
    own_directory(data)?;
    let nothing = nothing(data)?;
    let listed = Command::new("tor")
        .args(["--list-fingerprint", "--quiet", "--ORPort", "1", "--Nickname", nickname])
        .arg("--DataDirectory")
        .arg(data)
        .arg("--defaults-torrc")
        .arg(&nothing)
        .arg("-f")
        .arg(&nothing)
        .output()
        .context("cannot run tor")?;
    let said = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix(nickname));
    let Some(fingerprint) = line else {
        bail!("tor lists no fingerprint: {said}{}", String::from_utf8_lossy(&listed.stderr));
    };
    Ok(fingerprint.replace(' ', ""))
}

/// An empty file: tor refuses /dev/null as a configuration, and reads the system's without one.
pub(crate) fn nothing(data: &Path) -> Result<PathBuf> {
    let path = data.join("nothing");
    fs::write(&path, "").context("cannot write an empty file")?;
    Ok(path)
}

/// Makes a directory that nobody else may look into: tor wants that of all of its directories.
pub(crate) fn own_directory(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).context("permissions")
}
