//! The system packages the tests need: installed where that is simple, named where it is not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use super::stage::{self, Run};

/// Programs the end-to-end tests run, each with the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("tor", "tor"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("dbus-daemon", "dbus"),
    ("gdbus", "libglib2.0-bin"),
    ("Xvfb", "xvfb"),
    ("/usr/bin/python3", "python3"),
];

/// What the clients of the time, in little, import from the system's Python.
const MODULES: &[(&str, &str)] =
    &[("dbus", "python3-dbus"), ("gi", "python3-gi"), ("Xlib", "python3-xlib")];

/// Sees to it that every program in [`NEEDED`] is there.
pub(super) fn ensure() -> Result<Run> {
    let missing = || {
        let programs = NEEDED.iter().filter(|(program, _)| !is_there(program));
        let modules = MODULES.iter().filter(|(module, _)| !is_importable(module));
        programs.chain(modules).map(|(_, package)| *package)
    };
    let packages: Vec<_> = missing().collect();
    if packages.is_empty() {
        return Ok(Run::passed());
    }
    if is_root() && Path::new("/etc/debian_version").exists() {
        install(&packages)?;
    }
    if missing().next().is_none() {
        return Ok(Run::passed());
    }
    let packages = packages.join(" ");
    println!("error: the tests need {packages}: install it first, for instance by one of");
    println!("  sudo apt-get install -y {packages}");
    println!("  sudo dnf install -y {packages}");
    println!("  sudo apk add {packages}");
    println!("  brew install {packages}");
    Ok(Run::failed())
}

fn install(packages: &[&str]) -> Result<()> {
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    if stage::command(&mut install)?.passed {
        return Ok(());
    }
    // A fresh image has no package lists yet.
    if stage::command(Command::new("apt-get").arg("update"))?.passed {
        stage::command(&mut install)?;
    }
    Ok(())
}

/// By the system's Python, whatever another one in the path has.
fn is_importable(module: &str) -> bool {
    let import = format!("import {module}");
    let tried =
        Command::new("/usr/bin/python3").args(["-c", &import]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Some of these are for administrators, whose directories are not in everybody's path.
    let further = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(further).any(|dir| dir.join(program).is_file())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
