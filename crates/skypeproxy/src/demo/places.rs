//! Private buses and displays for the demo's Skypes.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A bus for one login; it ends with this.
#[derive(Debug)]
pub(super) struct Bus {
    pub(super) address: String,
    _daemon: Child,
}

impl Bus {
    /// Starts a daemon whose socket is at `path`.
    pub(super) async fn start(path: &Path) -> anyhow::Result<Self> {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--address=unix:path={}", path.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start dbus-daemon: install it (package dbus)")?;
        let stdout = daemon.stdout.take().context("a daemon without its output")?;
        let told = BufReader::new(stdout).lines().next_line().await?;
        let address = told.filter(|address| address.starts_with("unix:path="));
        ensure!(address.is_some(), "dbus-daemon did not start at {}", path.display());
        Ok(Self { address: format!("unix:path={}", path.display()), _daemon: daemon })
    }
}

/// A display for one login; it ends with this.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) name: String,
    _server: Child,
}

impl Display {
    /// Starts an X server without a screen, on a number that is free.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "64x64x8", "-nolisten", "tcp", "-noreset"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start Xvfb: install it (package xvfb)")?;
        let stdout = server.stdout.take().context("a server without its output")?;
        let told = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let number: u32 = told.trim().parse().context("Xvfb did not start")?;
        Ok(Self { name: format!(":{number}"), _server: server })
    }
}
