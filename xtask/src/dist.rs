//! `cargo xtask dist`: what a packager takes, as a tree and as an archive.
//!
//! ```text
//!   skypeproxy-VERSION-HOST/            skypeproxy-VERSION-HOST.tar.gz
//!     bin/ man/ completions/            SHA256SUMS
//!     systemd/ examples/ README.md, licences, SHA256SUMS
//! ```
//!
//! The same sources and compiler give the same octets: names are sorted, times and owners left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::test::stage;
use crate::{Outcome, tree};

/// Where the project keeps what is copied, and where it stands in the tree.
const COPIED: [(&str, &str); 6] = [
    ("crates/skypeproxy/systemd", "systemd"),
    ("docs/examples/config", "examples"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
];

const SUMS: &str = "SHA256SUMS";

/// Builds, collects, packs. An earlier tree of the same name is replaced.
pub(crate) fn run(root: &Path, out: Option<PathBuf>) -> Result<Outcome> {
    let out = match out {
        Some(out) => out,
        None => tree::target()?.join("dist"),
    };
    let Some(binary) = build(root)? else { return Ok(Outcome::Failed) };
    let name = format!("skypeproxy-{}-{}", version(root)?, host()?);
    let dir = out.join(&name);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    collect(root, &binary, &dir)?;
    write_sums(&dir)?;
    let archive = pack(&out, &name)?;
    fs::write(out.join(SUMS), sums(&out, &[PathBuf::from(&archive)])?)?;
    println!("{}", dir.display());
    println!("{}", out.join(archive).display());
    Ok(Outcome::Clean)
}

fn build(root: &Path) -> Result<Option<PathBuf>> {
    let mut build = tree::cargo(root);
    build.args(["build", "--release", "--locked", "--package", "skypeproxy"]);
    let built = stage::command(&mut build)?.passed;
    Ok(built.then_some(tree::target()?.join("release/skypeproxy")))
}

fn collect(root: &Path, binary: &Path, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir.join("bin"))?;
    copy(binary, &dir.join("bin/skypeproxy"))?;
    let mut generate = Command::new(binary);
    generate.arg("generate").arg("--out").arg(dir);
    if !stage::command(&mut generate)?.passed {
        bail!("no completions and man pages");
    }
    COPIED.iter().try_for_each(|(from, to)| copy(&root.join(from), &dir.join(to)))
}

/// Copies a file, or a directory of files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let told = || format!("cannot copy {} to {}", from.display(), to.display());
    if from.is_file() {
        return fs::copy(from, to).map(|_| ()).with_context(told);
    }
    fs::create_dir_all(to).with_context(told)?;
    for entry in fs::read_dir(from).with_context(told)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Writes the sums of all files of a tree into it.
fn write_sums(dir: &Path) -> Result<()> {
    let text = sums(dir, &names(dir, Path::new(""))?)?;
    fs::write(dir.join(SUMS), text).context("cannot write the sums")
}

/// The files below `dir`/`below` by their names within `dir`, sorted.
fn names(dir: &Path, below: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            names.extend(self::names(dir, &name)?);
        } else {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What `sha256sum --check` reads.
fn sums(dir: &Path, names: &[PathBuf]) -> Result<Vec<u8>> {
    output(Command::new("sha256sum").current_dir(dir).arg("--").args(names))
}

/// Packs `dir`/`name` and gives the archive's name. It needs GNU tar and gzip.
fn pack(dir: &Path, name: &str) -> Result<String> {
    let archive = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    tar.current_dir(dir)
        .args(["--create", "--format=ustar", "--sort=name", "--mtime=@0", "--mode=go=rX,u+rw"])
        .args(["--owner=0", "--group=0", "--numeric-owner", "--", name])
        .stdout(Stdio::piped());
    let mut tar = tar.spawn().context("cannot run tar")?;
    let stdout = tar.stdout.take().context("tar's output was asked for")?;
    // Without -n the archive would hold the time.
    let packed = output(Command::new("gzip").args(["-n", "-9"]).stdin(stdout))?;
    if !tar.wait()?.success() {
        bail!("tar failed");
    }
    fs::write(dir.join(&archive), packed).with_context(|| format!("cannot write {archive}"))?;
    Ok(archive)
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let told = || format!("cannot run {}", command.get_program().to_string_lossy());
    let (told, output) = (told(), command.stderr(Stdio::inherit()).output());
    let output = output.context(told.clone())?;
    if !output.status.success() {
        bail!("{told}: {}", output.status);
    }
    Ok(output.stdout)
}

fn version(root: &Path) -> Result<String> {
    let manifest = tree::manifest(&root.join("Cargo.toml"))?;
    let package = manifest.get("workspace").and_then(|workspace| workspace.get("package"));
    let version = package.and_then(|package| package.get("version")?.as_str());
    version.map(str::to_owned).context("Cargo.toml has no workspace.package.version")
}

/// What the compiler builds for.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = String::from_utf8(output(Command::new(rustc).arg("-vV"))?)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it builds for")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree made in its own order, as nothing but the disk can tell.
    fn tree(dir: &Path, names: &[&str]) {
        for name in names {
            let path = dir.join("t").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }

    #[test]
    fn the_same_files_are_packed_to_the_same_octets_and_the_sums_hold() {
        let dir = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        let (one, other) = (dir.join("one"), dir.join("other"));
        tree(&one, &["b/x", "a", "c"]);
        tree(&other, &["c", "a", "b/x"]);
        for dir in [&one, &other] {
            write_sums(&dir.join("t")).unwrap();
            assert_eq!(pack(dir, "t").unwrap(), "t.tar.gz");
        }
        let read = |dir: &Path| fs::read(dir.join("t.tar.gz")).unwrap();
        assert!(read(&one) == read(&other));
        let check = |dir: &Path| {
            let mut check = Command::new("sha256sum");
            check.args(["--check", "--status", SUMS]).current_dir(dir.join("t"));
            check.status().unwrap().success()
        };
        assert!(check(&one));
        fs::write(one.join("t/b/x"), "y").unwrap();
        assert!(!check(&one));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_copied_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (from, _) in COPIED {
            assert!(root.join(from).exists(), "{from}");
        }
        assert!(version(root).unwrap().starts_with(|c: char| c.is_ascii_digit()));
    }
}
